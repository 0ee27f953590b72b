//! What lies inside a `winmail.dat`: the files of a message that Outlook wrote as one TNEF stream.
//!
//! **Job.** [`TnefScan`] looks at the decoded bytes of such a part while they pass and finds each file in it:
//! its name, type, place, length and digests. A file's bytes stand in one stretch, so that its place suffices
//! to read it later ([`Inside`]); nothing is copied.
//!
//! **Exposure.** Strangers' bytes in a format of lengths within lengths. Every length is checked against what
//! is around it; names, properties, files and embedded messages are bounded. The stream's checksums are
//! honoured: at the first one that is wrong the scan ends, and only files that were whole before it count.
//! The `winmail.dat` itself is always offered beside what was found in it.
//!
//! **Memory.** One name, one property header, and what was found.
//!
//! **Standards.** MS-OXTNEF (attributes, property lists), MS-OXCMSG §2.2.2 (attachment properties).
//!
//! **Absent on purpose.** Bodies in RTF: writers send a text beside them.

mod draft;
mod props;

use crate::structure::Inside;
use draft::Draft;
use props::Props;

/// Octets of the longest name or type that is read.
const MAX_NAME: u64 = 4096;
/// Messages embedded in messages.
const MAX_DEPTH: u8 = 4;
/// MS-OXTNEF §2.1.3.1: the stream begins so.
const SIGNATURE: [u8; 4] = 0x223E_9F78_u32.to_le_bytes();

// MS-OXTNEF §2.1.3.2: level, and identifier with its type.
const LEVEL_MESSAGE: u8 = 1;
const LEVEL_ATTACHMENT: u8 = 2;
const OEM_CODEPAGE: u32 = 0x0006_9007;
const ATTACH_REND_DATA: u32 = 0x0006_9002;
const ATTACH_TITLE: u32 = 0x0001_8010;
const ATTACH_DATA: u32 = 0x0006_800F;
const ATTACHMENT: u32 = 0x0006_9005;

/// A few bytes that are gathered before they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Small {
    Signature,
    Attribute,
    Checksum,
    Codepage,
    Title,
    Property(props::Small),
}

/// Bytes that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Nothing,
    /// Content of the current file.
    Data,
    /// The same, and a TNEF stream itself.
    Message,
}

/// What comes after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Checksum,
    Property(props::Then),
}

#[derive(Debug)]
enum State {
    Gather { what: Small, need: usize },
    Pass { left: u64, to: Target, then: Then },
    Stopped,
}

/// Push parser over one TNEF stream.
#[derive(Debug)]
pub struct TnefScan {
    /// Offset of the next byte within the outermost stream.
    at: u64,
    state: State,
    gathered: Vec<u8>,
    /// Bytes left of the current attribute, and the sum of those that passed.
    left: u64,
    sum: u16,
    props: Props,
    draft: Option<Draft>,
    found: Vec<Inside>,
    room: usize,
    codepage: u32,
    depth: u8,
}

impl TnefScan {
    /// A scan that finds at most `room` files.
    pub fn new(room: usize) -> Self {
        Self::within(0, room, 0)
    }

    fn within(at: u64, room: usize, depth: u8) -> Self {
        Self {
            at,
            // The signature, and a key that means nothing here.
            state: State::Gather { what: Small::Signature, need: 6 },
            gathered: Vec::new(),
            left: 0,
            sum: 0,
            props: Props::default(),
            draft: None,
            found: Vec::new(),
            room,
            codepage: 0,
            depth,
        }
    }

    /// Takes the next decoded bytes, in any pieces.
    pub fn push(&mut self, mut input: &[u8]) {
        loop {
            match self.state {
                State::Stopped => return,
                State::Gather { what, need } if self.gathered.len() == need => {
                    let bytes = std::mem::take(&mut self.gathered);
                    self.gathered_all(what, &bytes);
                }
                State::Pass { left: 0, to, then } => self.passed(to, then),
                _ if input.is_empty() => return,
                State::Gather { what, need } => {
                    let (now, later) = input.split_at(input.len().min(need - self.gathered.len()));
                    self.gathered.extend_from_slice(now);
                    if !matches!(what, Small::Signature | Small::Attribute | Small::Checksum) {
                        self.count(now);
                    }
                    self.at += now.len() as u64;
                    input = later;
                }
                State::Pass { left, to, then } => {
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let (now, later) = input.split_at(n);
                    self.count(now);
                    if let (Target::Data | Target::Message, Some(draft)) = (to, &mut self.draft) {
                        draft.take(now);
                    }
                    self.at += now.len() as u64;
                    self.state = State::Pass { left: left - n as u64, to, then };
                    input = later;
                }
            }
        }
    }

    /// Ends the stream: the files that are whole, in their order.
    pub fn finish(mut self) -> Vec<Inside> {
        // A stream that breaks off within an attribute leaves its last file unfinished.
        if matches!(self.state, State::Gather { what: Small::Attribute, .. }) {
            self.close();
        }
        self.found
    }

    /// Bytes of the current attribute.
    fn count(&mut self, bytes: &[u8]) {
        self.left -= bytes.len() as u64;
        self.sum = bytes.iter().fold(self.sum, |sum, b| sum.wrapping_add(u16::from(*b)));
    }

    fn gathered_all(&mut self, what: Small, bytes: &[u8]) {
        match what {
            Small::Signature if bytes.starts_with(&SIGNATURE) => self.expect_attribute(),
            Small::Signature => self.state = State::Stopped,
            Small::Attribute => self.attribute(bytes[0], word(&bytes[1..]), u64::from(word(&bytes[5..]))),
            Small::Checksum if *bytes == self.sum.to_le_bytes() => self.expect_attribute(),
            Small::Checksum => {
                self.draft = None;
                self.state = State::Stopped;
            }
            Small::Codepage => {
                self.codepage = word(bytes);
                self.skip_attribute();
            }
            Small::Title => {
                let title = draft::narrow(bytes, self.codepage);
                self.current().title = title;
                self.skip_attribute();
            }
            Small::Property(what) => self.property(what, bytes),
        }
    }

    fn expect_attribute(&mut self) {
        self.state = State::Gather { what: Small::Attribute, need: 9 };
    }

    /// MS-OXTNEF §2.1.3.2: an attribute's header was read.
    fn attribute(&mut self, level: u8, id: u32, length: u64) {
        (self.left, self.sum) = (length, 0);
        match (level, id) {
            (LEVEL_MESSAGE, OEM_CODEPAGE) => self.gather(Small::Codepage, 4),
            (LEVEL_ATTACHMENT, ATTACH_REND_DATA) => {
                // §2.1.3.4: it begins the next attachment.
                self.close();
                self.draft = Some(Draft::default());
                self.skip_attribute();
            }
            (LEVEL_ATTACHMENT, ATTACH_TITLE) if length <= MAX_NAME => {
                self.gather(Small::Title, length as usize);
            }
            (LEVEL_ATTACHMENT, ATTACH_DATA) => {
                if self.draft.as_ref().is_some_and(Draft::has_data) {
                    self.close();
                }
                let at = self.at;
                self.current().begin(at, None);
                self.pass(length, Target::Data, Then::Checksum);
            }
            (LEVEL_ATTACHMENT, ATTACHMENT) => self.property_list(),
            (LEVEL_MESSAGE | LEVEL_ATTACHMENT, _) => self.skip_attribute(),
            _ => {
                self.draft = None;
                self.state = State::Stopped;
            }
        }
    }

    fn current(&mut self) -> &mut Draft {
        self.draft.get_or_insert_default()
    }

    /// The current file is complete.
    fn close(&mut self) {
        let Some(draft) = self.draft.take() else { return };
        for file in draft.finish() {
            if self.found.len() < self.room {
                self.found.push(file);
            }
        }
    }

    /// Gathers `need` bytes of the attribute; where it has not as many, it is damaged and read over.
    fn gather(&mut self, what: Small, need: usize) {
        match need as u64 <= self.left {
            true => self.state = State::Gather { what, need },
            false => self.skip_attribute(),
        }
    }

    /// Lets `length` bytes of the attribute pass.
    fn pass(&mut self, length: u64, to: Target, then: Then) {
        match length <= self.left {
            true => self.state = State::Pass { left: length, to, then },
            false => {
                // Content that is longer than what holds it is none.
                self.draft = self.draft.take().filter(|_| to == Target::Nothing);
                self.skip_attribute();
            }
        }
    }

    fn skip_attribute(&mut self) {
        self.state = State::Pass { left: self.left, to: Target::Nothing, then: Then::Checksum };
    }

    fn passed(&mut self, to: Target, then: Then) {
        if let (Target::Data | Target::Message, Some(draft)) = (to, &mut self.draft) {
            draft.end();
        }
        match then {
            Then::Checksum => self.state = State::Gather { what: Small::Checksum, need: 2 },
            Then::Property(then) => self.continue_list(then),
        }
    }
}

/// The first four bytes as a number.
fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |four| u32::from_le_bytes(*four))
}

#[cfg(test)]
mod tests;
