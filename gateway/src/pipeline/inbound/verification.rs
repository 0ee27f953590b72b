//! `verify@`: proofs that come by mail are judged, and whoever sent them gets the verdict back.
//!
//! **Job.** Picks the proofs out of a message while it streams, has them judged as the page `/verify` does, and
//! queues one answer to the return path.
//!
//! **Exposure.** Anybody. Proofs go to unnamed files within the limits of `/verify`; this process parses the MIME
//! structure and nothing inside the files ([`crate::judge`]). Only a message with a proof in it is answered, once,
//! to its return path, never an automatic one: no mail can be multiplied or sent in circles through here. A return
//! path may be forged, so that the answer repeats neither the subject nor a name that could be read as a message, and
//! questions are counted by network before anything is kept.
//!
//! **Standards.** RFC 3834 (automatic answers), RFC 5321 §4.5.5 (null path).
//!
//! **Failure.** What cannot be judged now is refused for now (`451`, `450`), what never will with `550`; after `250`
//! the answer is in the queue.

use super::super::notices;
use super::super::spec::{Judged, Outcome, Spec, Verification};
use super::super::submission::ours;
use crate::gateway::Gateway;
use aws_lc_rs::digest::{Context, SHA256};
use sealpost_envelope::{EmailAddress, EntityId, Language, Sha256Digest};
use sealpost_message::compose::{Draft, Letter, NoticeMail, Rows, notice};
use sealpost_message::{Limits, PartInfo, TopHeaders, WalkEvent, Walker};
use sealpost_smtp::Reply;
use sealpost_store::queue::{Priority, insert};
use sealpost_web::{JudgeError, ProofJudge};
use std::io::{Seek, Write};
use std::net::IpAddr;
use std::time::Duration;

/// The local part of the address.
const VERIFY: &str = "verify";
/// Proofs judged of one message.
const MOST: usize = 3;
/// Failed checks named for each.
const NAMED: usize = 10;
/// Longest finding repeated.
const FINDING: usize = 300;
const HOUR: Duration = Duration::from_secs(3600);

/// The organisation that is asked, if this is its address for proofs.
pub fn asked(gateway: &Gateway, address: &EmailAddress) -> Option<EntityId> {
    let organisation = gateway.organisation_of(address)?;
    address.local().eq_ignore_ascii_case(VERIFY).then_some(organisation.id)
}

/// A message to that address on its way in.
pub struct Question {
    entity: EntityId,
    walker: Option<Walker>,
    events: Vec<WalkEvent>,
    proofs: Vec<Proof>,
    /// The next bytes belong to the last proof.
    inside: bool,
    size: u64,
}

struct Proof {
    name: String,
    file: std::fs::File,
    digest: Context,
    size: u64,
    too_large: bool,
}

impl Question {
    /// Begins one to the organisation.
    pub fn new(gateway: &Gateway, entity: EntityId) -> Self {
        let size = gateway.config.limits.proof_size.0;
        let walker = Some(Walker::new(Limits::default()));
        Self { entity, walker, events: Vec::new(), proofs: Vec::new(), inside: false, size }
    }

    /// The next bytes of the message.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Reply> {
        let Some(walker) = &mut self.walker else { return Ok(()) };
        if walker.push(bytes, &mut self.events).is_err() {
            self.walker = None;
        }
        self.gather().map_err(|e| ours("keeping a proof", &e))
    }

    fn gather(&mut self) -> std::io::Result<()> {
        for event in std::mem::take(&mut self.events) {
            match event {
                WalkEvent::PartStart { info, .. } => {
                    self.inside = is_proof(&info) && self.proofs.len() < MOST;
                    if self.inside {
                        self.proofs.push(Proof::new(&info)?);
                    }
                }
                WalkEvent::PartData(bytes) if self.inside => {
                    if let Some(proof) = self.proofs.last_mut() {
                        proof.write(&bytes, self.size)?;
                    }
                }
                WalkEvent::PartEnd(_) => self.inside = false,
                WalkEvent::PartData(_) | WalkEvent::Skeleton(_) => {}
            }
        }
        Ok(())
    }

    /// The end of the message: judges, and queues the answer to `asker`.
    pub async fn answer(mut self, gateway: &Gateway, asker: Option<&EmailAddress>) -> Result<(), Reply> {
        let top = match self.walker.take().map(|w| w.finish(&mut self.events)) {
            Some(Ok(structure)) => structure.top,
            Some(Err(_)) | None => return Err(refuse(6, 0, "The message cannot be read")),
        };
        self.gather().map_err(|e| ours("keeping a proof", &e))?;
        let Some(asker) = asker.filter(|_| is_personal(&top)) else {
            return Err(refuse(7, 1, "Automatic messages are not answered here"));
        };
        if self.proofs.is_empty() {
            return Err(refuse(6, 0, "No proof is attached: attach the .asice file as it was exported"));
        }
        allowed(gateway, asker).await?;
        let mut files = Vec::with_capacity(self.proofs.len());
        for proof in self.proofs {
            files.push(proof.judge(gateway).await?);
        }
        if files.iter().all(|file| file.outcome == Outcome::NotProof) {
            return Err(refuse(
                6,
                0,
                "What is attached is no proof: attach the .asice file as it was exported",
            ));
        }
        let organisation = gateway
            .organisation(self.entity)
            .ok_or_else(|| ours("answering about a proof", &"its organisation is not configured"))?;
        let wanted = ["Accept-Language", "Content-Language"].into_iter().find_map(|name| top.field(name));
        let found = Verification {
            language: wanted.and_then(Language::negotiate).unwrap_or_else(|| organisation.language()),
            message_id: top.message_id.clone().filter(|id| id.len() <= 250),
            files,
        };
        let spec = Spec::Verification(found);
        let row = notices::row(self.entity, asker.clone(), &spec, Priority::Mail, gateway.clock.now());
        let written = gateway.store.db().write(async move |tx| insert(tx, &row).await).await;
        written.map_err(|e| ours("answering about a proof", &e))?;
        gateway.queue.wake();
        Ok(())
    }
}

impl Proof {
    fn new(info: &PartInfo) -> std::io::Result<Self> {
        let name = info.filename.as_deref().filter(|name| is_plain(name)).unwrap_or("proof.asice").to_owned();
        let file = tempfile::tempfile()?;
        Ok(Self { name, file, digest: Context::new(&SHA256), size: 0, too_large: false })
    }

    fn write(&mut self, bytes: &[u8], limit: u64) -> std::io::Result<()> {
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        if self.size > limit {
            self.too_large = true;
            return self.file.set_len(0);
        }
        self.file.write_all(bytes)
    }

    async fn judge(mut self, gateway: &Gateway) -> Result<Judged, Reply> {
        let sha256 = Sha256Digest::from_slice(self.digest.finish().as_ref()).expect("SHA-256 has 32 octets");
        let name = self.name;
        let judged = |outcome| Judged { name: name.clone(), sha256, outcome, checks: 0, failed: Vec::new() };
        if self.too_large {
            return Ok(judged(Outcome::TooHeavy));
        }
        self.file.rewind().map_err(|e| ours("reading a proof", &e))?;
        match gateway.judge.judge(self.file).await {
            Ok(report) => {
                let wrong = report.checks.iter().filter(|c| !c.ok).take(NAMED);
                let failed = wrong.map(|c| (cut(&c.subject), cut(&c.what))).collect();
                let outcome = match (report.verdict.as_str(), report.aged) {
                    ("VALID", _) => Outcome::Valid,
                    (_, true) => Outcome::Aged,
                    (_, false) => Outcome::Invalid,
                };
                Ok(Judged { name, sha256, outcome, checks: report.checks.len(), failed })
            }
            Err(JudgeError::NotProof) => Ok(judged(Outcome::NotProof)),
            Err(JudgeError::TooHeavy) => Ok(judged(Outcome::TooHeavy)),
            Err(JudgeError::Busy) => Err(Reply::new(450, 4, 5, "Other proofs are being examined: try again")),
            Err(JudgeError::Failed(cause)) => Err(ours("judging a proof", &cause)),
        }
    }
}

/// A file that calls itself a proof; what it is, the judge says.
fn is_proof(info: &PartInfo) -> bool {
    let named = |name: &str| name.len() >= 6 && name.to_ascii_lowercase().ends_with(".asice");
    info.media_type == "application/vnd.etsi.asic-e+zip" || info.filename.as_deref().is_some_and(named)
}

/// RFC 3834 §2: only what a person sent is answered.
pub(super) fn is_personal(top: &TopHeaders) -> bool {
    let automatic = top.auto_submitted.as_deref().is_some_and(|word| !word.eq_ignore_ascii_case("no"));
    let bulk = top
        .field("Precedence")
        .is_some_and(|word| ["bulk", "list", "junk"].iter().any(|b| word.trim().eq_ignore_ascii_case(b)));
    !automatic && !bulk && top.field("List-Id").is_none()
}

/// A name without words or addresses for whoever reads the answer: one stem of letters, digits and dashes.
fn is_plain(name: &str) -> bool {
    let stem = name.strip_suffix(".asice").unwrap_or_default();
    (1..=40).contains(&stem.len()) && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// Counts against the network that a message comes from, before any of it is kept. Providers send for many people.
pub(super) async fn welcome(gateway: &Gateway, peer: IpAddr) -> Result<(), Reply> {
    let network = match peer.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        // One customer's network.
        IpAddr::V6(ip) => format!("{:x?}", &ip.segments()[..4]),
    };
    count(gateway, b"verify by network", network.as_bytes(), 10).await
}

/// Counts against the address that gets the answer, kept as a keyed hash.
async fn allowed(gateway: &Gateway, asker: &EmailAddress) -> Result<(), Reply> {
    count(gateway, b"verify by mail", asker.key().as_bytes(), 1).await
}

async fn count(gateway: &Gateway, what: &[u8], whom: &[u8], times: u32) -> Result<(), Reply> {
    let fault = |e: &dyn std::fmt::Display| ours("counting questions", e);
    let rates = gateway.store.keys().purpose("rates").map_err(|e| fault(&e))?;
    let key = rates.hmac(&[what, whom]);
    let most = gateway.config.limits.proofs_per_hour.saturating_mul(times);
    let within = gateway.store.db().rate_allows(key, HOUR, most, gateway.clock.now()).await;
    match within.map_err(|e| fault(&e))? {
        true => Ok(()),
        false => Err(Reply::new(450, 7, 1, "Too many proofs within an hour: try again later")),
    }
}

fn refuse(subject: u16, detail: u16, text: &str) -> Reply {
    Reply::new(550, subject, detail, text)
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(FINDING)].to_owned()
}

/// The answer.
pub fn letter(letter: Letter<'_>, found: &Verification) -> Draft {
    let say = |fr, en| found.language.pick(fr, en);
    let all = |wanted| found.files.iter().all(|f| f.outcome == wanted);
    let title = match found.files.len() {
        1 if all(Outcome::Valid) => say("La preuve est valable", "The proof is valid"),
        1 => say("La preuve n'est pas valable", "The proof is not valid"),
        _ if all(Outcome::Valid) => say("Toutes les preuves sont valables", "All proofs are valid"),
        _ => say("Toutes les preuves ne sont pas valables", "Not all proofs are valid"),
    };
    let tables: Vec<Rows> = found.files.iter().map(|file| rows(file, found.language)).collect();
    let text = [say(
        "Voici ce que nous avons constaté sur les fichiers que vous nous avez transmis. L'empreinte permet de \
         s'assurer qu'il s'agit bien des mêmes.",
        "This is what we found about the files that you sent us. The digest tells whether they are the same ones.",
    )
    .to_owned()];
    let note = say(
        "Cette réponse n'est qu'une commodité : la preuve se vérifie aussi sans nous, comme le dit le fichier \
         README.txt qu'elle contient.",
        "This answer is a mere convenience: the proof can be verified without us too, as the file README.txt \
         inside it tells.",
    );
    notice(&NoticeMail {
        letter,
        subject: title,
        title,
        text: &text,
        tables: &tables,
        url: None,
        note: Some(note),
        answers: found.message_id.as_deref(),
    })
}

fn rows(file: &Judged, language: Language) -> Rows {
    let say = |fr: &'static str, en: &'static str| language.pick(fr, en).to_owned();
    let outcome = match file.outcome {
        Outcome::Valid => say("valable", "VALID"),
        Outcome::Aged => say(
            "non valable aujourd'hui : son dernier horodatage a vieilli",
            "INVALID today: its last timestamp has aged",
        ),
        Outcome::Invalid => say("NON VALABLE", "INVALID"),
        Outcome::NotProof => say("n'est pas une preuve (.asice)", "not a proof (.asice)"),
        Outcome::TooHeavy => say(
            "trop volumineux pour être examiné par courriel : utilisez « sealpost proof verify »",
            "too large to be examined by mail: use “sealpost proof verify”",
        ),
    };
    let mut rows = vec![
        (say("Fichier", "File"), file.name.clone()),
        (say("Résultat", "Verdict"), outcome),
        ("SHA-256".to_owned(), file.sha256.to_hex()),
    ];
    if file.checks > 0 {
        rows.push((say("Contrôles", "Checks"), file.checks.to_string()));
    }
    rows.extend(file.failed.iter().map(|(subject, what)| (subject.clone(), what.clone())));
    rows
}
