//! Whole proofs: exported, verified, aged, filtered, and damaged at every byte.

mod ageing;
mod content;
pub(crate) mod damage;
mod golden;
mod matrix;
mod readme;
mod revocation;

use crate::bundle::{ExternalTime, Step};
use crate::verify::Verdict;
use crate::*;
use jiff::{SignedDuration, Timestamp};
use sealpost_certs::{
    Authority, FileSigner, KeyKind, Profile, RevocationValue, Revoked, Signer, Subject, TimeAuthority,
    TrustAnchors, cms,
};
use sealpost_envelope::*;
use sealpost_evidence::checkpoint::{Checkpoint, LogKey};
use sealpost_evidence::merkle::{inclusion_path, leaf_hash, node_hash, root_at};
use sealpost_evidence::*;
use std::io::Cursor;
use std::sync::Arc;

pub(super) const MESSAGE: &[u8] =
    b"From: alice@sealpost.test\r\nSubject: R\xc3\xa9sultats\r\n\r\nBonjour\r\n";

/// An installation in memory, at one moment.
pub(super) struct World {
    pub at: Timestamp,
    pub authority: Authority,
    pub trust: TrustAnchors,
    pub seal: FileSigner,
    pub journal: FileSigner,
    pub tsa: TimeAuthority,
    pub clock: Arc<FixedClock>,
    pub facts: DepositFacts,
}

impl World {
    pub fn new(at: Timestamp) -> Self {
        Self::sealing_by(KeyKind::P256, at)
    }

    /// The same with seals of another kind.
    pub fn sealing_by(kind: KeyKind, at: Timestamp) -> Self {
        let authority = Authority::create_root(&Subject::named("Sealpost test root"), at).unwrap();
        let made = |kind, profile: Profile, name: &str| {
            authority.issue_with_key(kind, &profile, &Subject::named(name), at).unwrap()
        };
        let issue = |profile, name| made(KeyKind::P256, profile, name);
        let clock = Arc::new(FixedClock::new(at + SignedDuration::from_mins(2)));
        let tsu = issue(Profile::TimeStamping, "Time");
        let address = |a: &str| Party::new(EmailAddress::parse(a).unwrap());
        let facts = DepositFacts {
            id: DepositId::generate(),
            reference: Reference::generate(),
            message_id: Some("abc@sealpost.test".into()),
            sender: Party { name: Some("Alice Étoile".into()), ..address("alice@sealpost.test") },
            delegate: None,
            recipients: vec![address("bob@example.test"), address("dora@example.test")],
            submitted: at,
            size: MESSAGE.len() as u64,
            digests: Digests::of(MESSAGE),
            parts: vec![PartFacts {
                number: 1,
                name: Some("résultats (final).pdf".into()),
                media_type: "application/pdf".into(),
                size: 1_234_567,
                digests: Digests::of(b"pdf"),
            }],
        };
        Self {
            at,
            seal: made(kind, Profile::EvidenceSeal, "Seal"),
            journal: issue(Profile::EvidenceSeal, "Journal"),
            tsa: TimeAuthority::new(Arc::new(tsu), clock.clone()),
            trust: TrustAnchors::new(vec![authority.certificate().clone()]).unwrap(),
            authority,
            clock,
            facts,
        }
    }

    pub fn issuer(&self) -> Issuer {
        Issuer {
            entity: EntityId(1),
            name: "Clinique de l'Étoile".into(),
            identifier: Some("552100554".into()),
            hostname: "mail.sealpost.test".into(),
            policies: vec!["urn:sealpost:policy:default".into()],
            certificate: None,
        }
    }

    /// The events of a short story.
    pub fn events(&self) -> Vec<BuiltEvent> {
        let event = |name, seconds| {
            let at = self.at + SignedDuration::from_secs(seconds);
            Event::new(name, EntityId(1), at).deposit(self.facts.id)
        };
        let sender = Actor::Account { id: AccountId(1), login: "alice@sealpost.test".into() };
        let all = [
            event(EventName::SubmissionAcceptance, 1).actor(sender).detail(Detail::of_deposit(&self.facts)),
            event(EventName::ConsignmentNotification, 2).recipient(1),
            event(EventName::ChallengeSent, 3).recipient(1),
            event(EventName::ContentHandover, 60).recipient(1).actor(Actor::Recipient {
                methods: vec![GateMethod::OtpMail],
                passed: Some(self.at + SignedDuration::from_secs(50)),
                identity: None,
                network: Some("192.0.2.1".into()),
                level: None,
                known: Vec::new(),
            }),
        ];
        all.into_iter().map(|e| render(&self.issuer(), e, Some(&self.facts)).unwrap()).collect()
    }

    pub fn sealed(&self, signer: &FileSigner, bytes: &[u8]) -> Vec<u8> {
        let signature =
            cms::sign(signer, &Sha256Digest::of(bytes), self.clock.now(), cms::Use::Seal).unwrap();
        let token = self.tsa.stamp(&signature.imprint()).unwrap();
        signature.with_timestamp(&token)
    }

    /// Puts the events among strangers' entries into a log and signs its checkpoint.
    pub fn log(&self, events: &[BuiltEvent]) -> (Vec<LoggedEntry>, Checkpointed) {
        let mut leaves: Vec<_> = (0..7u8).map(|n| leaf_hash(&[n])).collect();
        let first = leaves.len() as u64;
        leaves.extend(events.iter().map(|e| e.leaf));
        leaves.push(leaf_hash(b"later"));
        let size = leaves.len() as u64;
        let mut node = |level: u8, index: u64| Ok::<_, ()>(subtree(&leaves, level, index));
        let checkpoint = Checkpoint {
            origin: "mail.sealpost.test/log".into(),
            size,
            root: root_at(size, &mut node).unwrap(),
        };
        let entries = (first..).zip(events).map(|(index, e)| LoggedEntry {
            index,
            json: e.bytes.clone(),
            openings: Some(e.openings.clone()),
            path: inclusion_path(index, size, &mut node).unwrap(),
        });
        let entries = entries.collect();
        let key = LogKey::new(&checkpoint.origin, &self.journal.certificate().public_key().unwrap()).unwrap();
        let note = checkpoint.sign(&key, |text| self.journal.sign(text)).unwrap().as_bytes().to_vec();
        let token = self.tsa.stamp(&Sha256Digest::of(&note)).unwrap();
        let seal = self.sealed(&self.journal, &note);
        (entries, Checkpointed { note, token, seal })
    }

    pub fn bundle(&self, events: &[BuiltEvent]) -> Bundle<'static> {
        let (entries, checkpoint) = self.log(events);
        let evidence = events.iter().filter_map(|e| {
            let xml = e.evidence.clone()?;
            Some(SealedEvidence { event: e.name, seal: self.sealed(&self.seal, &xml), xml })
        });
        Bundle {
            language: Language::Fr,
            organisation: "Clinique de l'Étoile".into(),
            deposit: self.facts.id,
            reference: self.facts.reference.clone(),
            message_id: self.facts.message_id.clone(),
            subject: Some("Résultats".into()),
            sender: self.facts.sender.clone(),
            delegate: None,
            recipients: (1..).zip(self.facts.recipients.clone()).collect(),
            submitted: self.facts.submitted,
            size: self.facts.size,
            digests: self.facts.digests,
            parts: self.facts.parts.clone(),
            steps: events
                .iter()
                .map(|e| Step {
                    time: e.time,
                    event: e.name,
                    entry: e.id,
                    recipient: e.recipient,
                    note: None,
                })
                .collect(),
            original: Some(Source::bytes(MESSAGE.to_vec())),
            sent: vec![(1, Source::bytes(b"Subject: notice\r\n\r\nx\r\n".to_vec()))],
            receipts: vec![
                (1, Source::bytes(b"Subject: DSN\r\n\r\nx\r\n".to_vec())),
                (1, Source::bytes(b"Subject: MDN\r\n\r\nx\r\n".to_vec())),
            ],
            verify_url: Some("https://mail.sealpost.test/verify".into()),
            evidence: evidence.collect(),
            external_time: ExternalTime::None,
            revocation: vec![self.list(&[])],
            long_term: false,
            enveloped: false,
            entries,
            checkpoint,
            roots: vec![self.authority.certificate().clone()],
        }
    }

    /// The authority's list as of the world's beginning.
    pub fn list(&self, revoked: &[Revoked]) -> RevocationValue {
        RevocationValue::list(&self.authority.issue_crl(revoked, self.at).unwrap()).unwrap()
    }

    /// As the gateway exports: with revocation values inside of the seals.
    pub fn export_long_term(&self, mut bundle: Bundle<'_>) -> Vec<u8> {
        complete(&mut bundle, &self.seal, self.clock.now()).unwrap();
        self.export(bundle).unwrap()
    }

    pub fn export(&self, bundle: Bundle<'_>) -> Result<Vec<u8>, ExportError> {
        let stamp = |imprint: &Sha256Digest| self.tsa.stamp(imprint);
        let out = export(bundle, &self.seal, stamp, self.clock.now(), Cursor::new(Vec::new()))?;
        Ok(out.into_inner())
    }

    pub fn proof(&self) -> Vec<u8> {
        self.export(self.bundle(&self.events())).unwrap()
    }

    pub fn verify(&self, proof: &[u8]) -> Report {
        verify(Cursor::new(proof), &self.trust, self.clock.now()).unwrap()
    }
}

fn subtree(leaves: &[[u8; 32]], level: u8, index: u64) -> [u8; 32] {
    if level == 0 {
        return leaves[index as usize];
    }
    node_hash(&subtree(leaves, level - 1, index * 2), &subtree(leaves, level - 1, index * 2 + 1))
}

/// Says what failed.
pub(crate) fn failures(report: &Report) -> Vec<String> {
    report.checks.iter().filter(|c| !c.ok).map(|c| format!("{}: {}", c.subject, c.what)).collect()
}

#[test]
fn an_exported_proof_is_valid_and_says_so_line_by_line() {
    let w = World::new(Timestamp::now());
    let proof = w.proof();
    assert_eq!(&proof[30..38], b"mimetype");
    assert_eq!(&proof[38..69], crate::container::MIMETYPE.as_bytes());
    let report = w.verify(&proof);
    assert_eq!(failures(&report), Vec::<String>::new());
    assert_eq!(report.verdict, Verdict::Valid);
    for member in [
        "(container)",
        "mimetype",
        "report.pdf",
        "README.txt",
        "message/original.eml",
        "message/sent-1.eml",
        "message/receipts-1/2.eml",
        "evidence/01-SubmissionAcceptance.xml",
        "evidence/03-ContentHandover.xml.p7s",
        "log/7.json",
        "log/9.open.json",
        "log/10.tlog-proof",
        "log/checkpoint",
        "log/checkpoint.tst",
        "log/checkpoint.p7s",
        "certificates/root-1.pem",
        "META-INF/ASiCManifest001.xml",
        "META-INF/signature001.p7s",
    ] {
        assert!(report.checks.iter().any(|c| c.subject == member), "{member} is not in the report");
    }
    // The same bytes in, the same bytes out: nothing depends on the moment or on chance but signatures.
    assert!(serde_json::to_string(&report).unwrap().contains("\"verdict\":\"VALID\""));
}

#[test]
fn verifying_is_cheap() {
    let w = World::new(Timestamp::now());
    let proof = w.proof();
    let start = std::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(w.verify(&proof).verdict, Verdict::Valid);
    }
    println!("one verification of {} bytes: {:?}", proof.len(), start.elapsed() / 10);
}
