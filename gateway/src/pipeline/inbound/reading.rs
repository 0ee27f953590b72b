//! Reads a message from outside for what it reports, while it streams past.
//!
//! **Exposure.** Strangers' bytes. The walk bounds its memory; of the message only its header, its first
//! texts and the machine-readable halves of reports are kept, each within a limit.
//!
//! **Failure.** A message that cannot be walked is one for people.

use sealpost_envelope::EmailAddress;
use sealpost_message::compose::html_to_text;
use sealpost_message::{
    Coding, ContentDecoder, Limits, Record, SkeletonReader, Structure, Transfer, WalkEvent, Walker,
};
use sealpost_relay::report::{self, Incoming, MAX_REPORT, Report};

/// Header and texts that are looked at.
const MAX_SKELETON: usize = 1 << 20;
/// Text that is looked at.
const MAX_TEXT: usize = 32 << 10;
/// Machine-readable halves of one message.
const MAX_HALVES: usize = 4;
/// Bytes of the whole message that are kept in memory, for what is small enough to be an answer.
pub(super) const MAX_RAW: usize = 1 << 20;

/// A message being read.
pub(super) struct Reading {
    walker: Option<Walker>,
    events: Vec<WalkEvent>,
    skeleton: Vec<u8>,
    halves: Vec<(String, Vec<u8>)>,
    in_half: bool,
    raw: Option<Vec<u8>>,
}

impl Reading {
    pub(super) fn new() -> Self {
        Self {
            walker: Some(Walker::new(Limits::default())),
            events: Vec::new(),
            skeleton: Vec::new(),
            halves: Vec::new(),
            in_half: false,
            raw: Some(Vec::new()),
        }
    }

    /// The next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.raw.as_ref().is_some_and(|raw| raw.len() + bytes.len() > MAX_RAW) {
            self.raw = None;
        }
        if let Some(raw) = &mut self.raw {
            raw.extend_from_slice(bytes);
        }
        let Some(walker) = &mut self.walker else { return };
        if walker.push(bytes, &mut self.events).is_err() {
            self.walker = None;
        }
        self.gather();
    }

    fn gather(&mut self) {
        for event in std::mem::take(&mut self.events) {
            match event {
                WalkEvent::Skeleton(bytes) if self.skeleton.len() + bytes.len() <= MAX_SKELETON => {
                    self.skeleton.extend_from_slice(&bytes);
                }
                WalkEvent::Skeleton(_) => self.walker = None,
                WalkEvent::PartStart { info, .. } => {
                    let media_type = info.media_type;
                    self.in_half = self.halves.len() < MAX_HALVES
                        && (media_type.ends_with("delivery-status")
                            || media_type.ends_with("disposition-notification"));
                    if self.in_half {
                        self.halves.push((media_type, Vec::new()));
                    }
                }
                WalkEvent::PartData(bytes) if self.in_half => {
                    if let Some((_, half)) = self.halves.last_mut() {
                        // One octet too many tells that it was too long.
                        let room = (MAX_REPORT + 1).saturating_sub(half.len());
                        half.extend_from_slice(&bytes[..bytes.len().min(room)]);
                    }
                }
                WalkEvent::PartData(_) => {}
                WalkEvent::PartEnd(_) => self.in_half = false,
            }
        }
    }

    /// The end of the message.
    pub(super) fn finish(mut self) -> Read {
        let mut read = Read { halves: Vec::new(), raw: self.raw.take(), ..Read::default() };
        let Some(walker) = self.walker.take() else { return read };
        let Ok(structure) = walker.finish(&mut self.events) else { return read };
        self.gather();
        let top = &structure.top;
        read.from = top.from.first().map(|m| m.address.clone());
        read.failed = top.field("X-Failed-Recipients").map(str::to_owned);
        read.auto_submitted = top.auto_submitted.clone();
        read.forwarded = top.field(super::returned::FORWARDED).is_some();
        read.hops = top.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Received")).count();
        read.halves = self.halves;
        read.text = text(&self.skeleton);
        read.personal = super::verification::is_personal(top);
        read.words = words(&structure, &self.skeleton);
        read
    }
}

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Read {
    from: Option<String>,
    failed: Option<String>,
    auto_submitted: Option<String>,
    halves: Vec<(String, Vec<u8>)>,
    text: String,
    /// A person has sent it, as far as it says (RFC 3834 §2).
    pub(super) personal: bool,
    /// Its first text as a person reads it: plain, or what HTML shows.
    pub(super) words: String,
    /// We have forwarded it before.
    pub(super) forwarded: bool,
    /// Servers it has passed.
    pub(super) hops: usize,
    /// All of it, when it is small.
    pub(super) raw: Option<Vec<u8>>,
}

impl Read {
    /// What it reports about a recipient.
    pub(super) fn about(&self, recipient: &EmailAddress, null_path: bool) -> Report {
        let incoming = Incoming {
            null_path,
            from: self.from.as_deref(),
            failed_recipients: self.failed.as_deref(),
            auto_submitted: self.auto_submitted.as_deref(),
            halves: &self.halves,
            text: &self.text,
        };
        report::read(&incoming, recipient)
    }
    /// The address in From.
    pub(super) fn author(&self) -> Option<&str> {
        self.from.as_deref()
    }
}

/// The first plain text, or else the first HTML without its markup.
fn words(structure: &Structure, skeleton: &[u8]) -> String {
    let (mut reader, mut html) = (SkeletonReader::new(), None);
    reader.push(skeleton);
    while let Ok(Some(record)) = reader.next_record() {
        let Record::Text { node, info, raw } = record else { continue };
        let media_type = structure.nodes.get(node as usize).map_or("", |n| n.info.media_type.as_str());
        match media_type {
            "text/html" if html.is_none() => html = Some(decoded(info.transfer, &raw)),
            "text/plain" => return decoded(info.transfer, &raw),
            _ => {}
        }
    }
    html.map(|html| html_to_text(&html)).unwrap_or_default()
}

/// A text's first words; bytes that are no UTF-8 become marks.
fn decoded(transfer: Transfer, raw: &[u8]) -> String {
    let mut out = Vec::new();
    let mut decoder = ContentDecoder::new(coding(transfer));
    decoder.push(raw, &mut out);
    decoder.finish(&mut out);
    out.truncate(MAX_TEXT);
    String::from_utf8_lossy(&out).into_owned()
}

fn coding(transfer: Transfer) -> Coding {
    match transfer {
        Transfer::QuotedPrintable => Coding::QpRaw,
        Transfer::Base64 => Coding::Base64Tail { decoded: 0, tail: true },
        _ => Coding::Identity,
    }
}

/// The first texts, decoded; bytes that are no UTF-8 become marks, for only words and addresses count.
fn text(skeleton: &[u8]) -> String {
    let (mut reader, mut out) = (SkeletonReader::new(), Vec::new());
    reader.push(skeleton);
    while let Ok(Some(record)) = reader.next_record() {
        let Record::Text { info, raw, .. } = record else { continue };
        let mut decoder = ContentDecoder::new(coding(info.transfer));
        decoder.push(&raw, &mut out);
        decoder.finish(&mut out);
        if out.len() > MAX_TEXT {
            break;
        }
    }
    out.truncate(MAX_TEXT);
    String::from_utf8_lossy(&out).into_owned()
}
