//! The damage matrix: every file of every kind of proof, changed in every way, judged by the whole verification.
//!
//! A bit at many places, cut short, emptied, lengthened, left out, taken from another proof, signatures in another
//! encoding; files added; the structure of the ZIP. Each time INVALID, each time naming the file.

use super::damage::{complaint, content_of, everywhere, members, owner};
use super::{World, failures};
use crate::bundle::ExternalTime;
use crate::container::Member;
use crate::*;
use jiff::Timestamp;
use sealpost_certs::{KeyKind, TrustAnchors};
use sealpost_envelope::Sha256Digest;
use std::io::Cursor;

/// A kind of proof.
#[derive(Debug, Clone, Copy)]
struct Sort {
    key: KeyKind,
    content: bool,
    /// The checkpoint was dated by an authority outside.
    outside: bool,
    /// For one recipient.
    single: bool,
    renewed: bool,
}

impl Sort {
    /// A world that trusts what this kind needs, and its proof; another installation's, to take members from.
    fn made(self) -> (World, Vec<u8>, Vec<u8>) {
        let now = Timestamp::now();
        let (mut w, outside) = (World::sealing_by(self.key, now), World::new(now));
        let roots = [w.authority.certificate().clone(), outside.authority.certificate().clone()];
        w.trust = TrustAnchors::new(roots.to_vec()).unwrap();
        let (proof, foreign) = (self.proof(&w, &outside), self.proof(&outside, &w));
        (w, proof, foreign)
    }

    fn proof(self, w: &World, outside: &World) -> Vec<u8> {
        let events = w.events();
        let mut bundle = w.bundle(if self.single { &events[1..3] } else { &events[..2] });
        if self.single {
            bundle.recipients.truncate(1);
        }
        bundle.enveloped = self.single;
        if !self.content {
            (bundle.original, bundle.sent, bundle.receipts) = (None, Vec::new(), Vec::new());
        }
        if self.outside {
            let note = Sha256Digest::of(&bundle.checkpoint.note);
            bundle.checkpoint.token = outside.tsa.stamp(&note).unwrap();
            bundle.roots.push(outside.authority.certificate().clone());
            bundle.external_time = ExternalTime::Dated { at: w.at, authority: "CN=Time".into() };
        }
        let proof = w.export(bundle).unwrap();
        match self.renewed {
            true => super::ageing::renewed(w, &proof, jiff::SignedDuration::from_secs(60)),
            false => proof,
        }
    }

    /// With `every`, all combinations; otherwise some in which each property appears.
    fn all(every: bool) -> Vec<Self> {
        let mut sorts = Vec::new();
        for n in 0..16u32 {
            let bit = |place: u32| n & (1 << place) != 0;
            let key = if bit(0) { KeyKind::Rsa3072 } else { KeyKind::P256 };
            let sort = Self { key, content: bit(1), outside: bit(2), single: bit(3), renewed: false };
            if every || [0b0010, 0b1101].contains(&n) {
                sorts.push(sort);
            }
        }
        sorts.push(Self { key: KeyKind::P256, content: true, outside: false, single: false, renewed: true });
        sorts
    }
}

/// What is done to a proof.
enum Damage {
    /// A member has other content, or is left out.
    Member(String, Option<Vec<u8>>),
    /// A member that was not there.
    Added(String, Vec<u8>),
    /// A bit of the file itself, checksums and all else as they were.
    Bit(usize),
}

impl Damage {
    /// The damaged proof, and the file that must be named.
    fn done<'a>(&'a self, proof: &[u8], all: &'a [Member]) -> (Vec<u8>, Option<&'a str>) {
        let mut named: Vec<(MemberName, &[u8])> = Vec::new();
        for member in all {
            let bytes = &proof[member.data as usize..(member.data + member.size) as usize];
            let bytes = match self {
                Self::Member(name, content) if *name == member.name => content.as_deref(),
                _ => Some(bytes),
            };
            named.extend(bytes.map(|b| (MemberName::parse(&member.name).unwrap(), b)));
        }
        let subject = match self {
            Self::Member(name, _) => name,
            Self::Added(name, content) => {
                named.push((MemberName::parse(name).unwrap(), content));
                named.sort();
                name
            }
            Self::Bit(at) => {
                let mut bytes = proof.to_vec();
                bytes[*at] ^= 1 << (at % 8);
                return (bytes, owner(all, *at as u64));
            }
        };
        let mut writer = container::Writer::new(Cursor::new(Vec::new()));
        for (name, bytes) in named {
            writer.add_bytes(&name, bytes).unwrap();
        }
        (writer.finish().unwrap().into_inner(), Some(subject))
    }
}

/// `SEALPOST_TEST_PLACES=100` flips at a hundred places of each file instead of four, in all kinds.
#[test]
fn the_damage_matrix() {
    let wanted: Option<usize> = std::env::var("SEALPOST_TEST_PLACES").ok().map(|n| n.parse().unwrap());
    let places = wanted.unwrap_or(4);
    let (begun, mut tried) = (std::time::Instant::now(), 0);
    for sort in Sort::all(wanted.is_some()) {
        let (w, proof, foreign) = sort.made();
        let at = w.at + jiff::SignedDuration::from_mins(3);
        let report = verify(Cursor::new(&proof), &w.trust, at).unwrap();
        assert_eq!(report.verdict, Verdict::Valid, "{sort:?}: {:?}", failures(&report));
        let all = members(&proof);
        let mut cases = changed(&proof, &foreign, places);
        cases.extend(added(&proof, &foreign));
        cases.extend(structure(&proof, &all, places));
        tried += cases.len();
        let positions: Vec<usize> = (0..cases.len()).collect();
        everywhere(&positions, |n| {
            let (damaged, subject) = cases[n].done(&proof, &all);
            complaint(&w, &damaged, subject)
                .map(|c| format!("{sort:?} {subject:?}, {} bytes: {c}", damaged.len()))
        });
        if wanted.is_some() {
            println!("{tried} damaged proofs after {:?}", begun.elapsed());
        }
    }
    println!("{tried} damaged proofs, each INVALID and its file named, in {:?}", begun.elapsed());
}

/// Each member with what it is replaced by; nothing where it is left out.
fn changed(proof: &[u8], foreign: &[u8], places: usize) -> Vec<Damage> {
    let mut cases = Vec::new();
    for name in members(proof).into_iter().map(|m| m.name) {
        let content = content_of(proof, &name).unwrap();
        let mut add = |changed: Vec<u8>| {
            if changed != content {
                cases.push(Damage::Member(name.clone(), Some(changed)));
            }
        };
        for place in 0..places {
            let mut changed = content.clone();
            let at = place * content.len() / places;
            changed[at] ^= 1 << (place % 8);
            add(changed);
        }
        add(content[..content.len() - 1].to_vec());
        add(content[..content.len() / 2].to_vec());
        add(Vec::new());
        add([&content[..], b"\n"].concat());
        add([&content[..], b"\0\0"].concat());
        content_of(foreign, &name).into_iter().for_each(&mut add);
        if name.ends_with(".p7s") || name.ends_with(".tst") {
            other_encodings(&content).into_iter().for_each(&mut add);
        }
        cases.push(Damage::Member(name, None));
    }
    cases
}

/// The same CMS in BER: a length with a needless octet, and without a length.
fn other_encodings(cms: &[u8]) -> [Vec<u8>; 2] {
    let (head, body) = cms.split_at(4);
    assert_eq!(head[..2], [0x30, 0x82], "a CMS of 256 to 65,535 octets");
    let padded = [&[0x30, 0x83, 0], &head[2..], body].concat();
    [padded, [&[0x30, 0x80], body, &[0, 0]].concat()]
}

/// Members that belong to nothing, of every kind, with contents that could be theirs.
fn added(proof: &[u8], foreign: &[u8]) -> Vec<Damage> {
    let of = |name: &str| content_of(foreign, name).or_else(|| content_of(proof, name));
    let candidates = [
        ("message/original.eml", "message/original.eml"),
        ("message/sent-9.eml", "message/sent-1.eml"),
        ("message/receipts-9/1.eml", "message/receipts-1/1.eml"),
        ("evidence/99-ContentHandover.xml", "evidence/01-SubmissionAcceptance.xml"),
        ("evidence/99-ContentHandover.xml.p7s", "evidence/01-SubmissionAcceptance.xml.p7s"),
        ("evidence/01-SubmissionAcceptance.xades", "evidence/01-SubmissionAcceptance.xml"),
        ("log/9999.json", "log/7.json"),
        ("log/9999.open.json", "log/7.open.json"),
        ("log/9999.tlog-proof", "log/7.tlog-proof"),
        ("certificates/root-9.pem", "certificates/root-1.pem"),
        ("revocation/crl-9.crl", "revocation/crl-1.crl"),
        ("revocation/ocsp-9.ors", "revocation/crl-1.crl"),
        ("META-INF/ASiCArchiveManifest009.xml", "META-INF/ASiCManifest001.xml"),
        ("META-INF/timestamp009.tst", "log/checkpoint.tst"),
    ];
    let free = candidates.iter().filter(|(name, _)| content_of(proof, name).is_none());
    free.map(|(name, like)| Damage::Added((*name).into(), of(like).unwrap_or_else(|| b"x".to_vec())))
        .collect()
}

/// Bits of headers, directory and end. (`damage.rs` has every one of them, for one proof.)
fn structure(proof: &[u8], all: &[Member], places: usize) -> Vec<Damage> {
    let held = |at: u64| all.iter().any(|m| (m.data..m.data + m.size).contains(&at));
    let outside: Vec<usize> = (0..proof.len()).filter(|at| !held(*at as u64)).collect();
    outside.iter().step_by(outside.len().div_ceil(2 * places)).map(|at| Damage::Bit(*at)).collect()
}
