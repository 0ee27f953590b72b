//! Property lists within the attribute `attAttachment` (MS-OXTNEF §2.1.3.4 and §2.2).

use super::{MAX_DEPTH, MAX_NAME, Small as Gathered, Target, Then as After, TnefScan, word};

/// Most properties of one list that are read.
const MAX_PROPERTIES: u32 = 2048;
/// Values of other types are this many octets long, or unknown here.
const MULTIPLE: u16 = 0x1000;
/// From here on a property is named.
const NAMED: u16 = 0x8000;

// MS-OXCDATA §2.11.1: types.
const OBJECT: u16 = 0x000D;
const STRING8: u16 = 0x001E;
const UNICODE: u16 = 0x001F;
const BINARY: u16 = 0x0102;

// MS-OXPROPS: what an attachment says of itself.
const DISPLAY_NAME: u16 = 0x3001;
const DATA: u16 = 0x3701;
const FILENAME: u16 = 0x3704;
const LONG_FILENAME: u16 = 0x3707;
const MIME_TAG: u16 = 0x370E;

/// IID_IMessage: the object is a message, as a TNEF stream of its own.
const MESSAGE: [u8; 16] = [7, 3, 2, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Small {
    Count,
    Head,
    NameKind,
    NameNumber,
    NameLength,
    Values,
    Length,
    Text,
    Interface,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The property's values.
    Value,
    /// Padding, then the next value.
    Pad,
    /// The next value.
    Next,
}

/// The place within a list.
#[derive(Debug, Default)]
pub(super) struct Props {
    left: u32,
    kind: u16,
    id: u16,
    values: u32,
    /// Octets of the current value that are to come.
    length: u64,
    pad: u64,
}

impl TnefScan {
    pub(super) fn property_list(&mut self) {
        self.ask(Small::Count, 4);
    }

    fn ask(&mut self, what: Small, need: usize) {
        self.gather(Gathered::Property(what), need);
    }

    fn let_pass(&mut self, length: u64, to: Target, then: Then) {
        self.pass(length, to, After::Property(then));
    }

    pub(super) fn property(&mut self, what: Small, bytes: &[u8]) {
        match what {
            Small::Count => {
                self.props = Props { left: word(bytes), ..Props::default() };
                match self.props.left <= MAX_PROPERTIES {
                    true => self.next_property(),
                    false => self.skip_attribute(),
                }
            }
            Small::Head => {
                let head = word(bytes);
                (self.props.kind, self.props.id) = (head as u16, (head >> 16) as u16);
                match self.props.id >= NAMED {
                    true => self.ask(Small::NameKind, 20),
                    false => self.values(),
                }
            }
            // §2.1.3.4: a set's GUID, then a number or a text.
            Small::NameKind => match word(&bytes[16..]) {
                0 => self.ask(Small::NameNumber, 4),
                1 => self.ask(Small::NameLength, 4),
                _ => self.skip_attribute(),
            },
            Small::NameNumber => self.values(),
            Small::NameLength => {
                let length = u64::from(word(bytes));
                self.let_pass(length.next_multiple_of(4), Target::Nothing, Then::Value);
            }
            Small::Values => {
                self.props.values = word(bytes);
                self.next_value();
            }
            Small::Length => self.value(u64::from(word(bytes))),
            Small::Text => {
                self.text(bytes);
                self.let_pass(self.props.pad, Target::Nothing, Then::Next);
            }
            Small::Interface => self.object(bytes),
        }
    }

    pub(super) fn continue_list(&mut self, then: Then) {
        match then {
            Then::Value => self.values(),
            Then::Pad => self.let_pass(self.props.pad, Target::Nothing, Then::Next),
            Then::Next => self.next_value(),
        }
    }

    fn next_property(&mut self) {
        match self.props.left.checked_sub(1) {
            Some(left) => {
                self.props.left = left;
                self.ask(Small::Head, 4);
            }
            None => self.skip_attribute(),
        }
    }

    /// The values of a property: one, or as many as a number says.
    fn values(&mut self) {
        let kind = self.props.kind & !MULTIPLE;
        self.props.values = 1;
        match (is_variable(kind), self.props.kind & MULTIPLE != 0) {
            (true, _) | (false, true) => self.ask(Small::Values, 4),
            (false, false) => self.next_value(),
        }
    }

    fn next_value(&mut self) {
        let Some(values) = self.props.values.checked_sub(1) else { return self.next_property() };
        self.props.values = values;
        let kind = self.props.kind & !MULTIPLE;
        if is_variable(kind) {
            return self.ask(Small::Length, 4);
        }
        match fixed_length(kind) {
            // No type has no value several times.
            Some(0) if self.props.kind & MULTIPLE != 0 => self.skip_attribute(),
            Some(length) => self.let_pass(length, Target::Nothing, Then::Next),
            None => self.skip_attribute(),
        }
    }

    /// A value of variable length comes.
    fn value(&mut self, length: u64) {
        self.props.length = length;
        self.props.pad = length.next_multiple_of(4) - length;
        let single = self.props.kind & MULTIPLE == 0;
        let named = matches!(self.props.id, DISPLAY_NAME | FILENAME | LONG_FILENAME | MIME_TAG);
        match (self.props.kind, self.props.id) {
            (STRING8 | UNICODE, _) if named && single && length <= MAX_NAME => {
                self.ask(Small::Text, length as usize);
            }
            (BINARY, DATA) if !self.current().has_data() => {
                let at = self.at;
                self.current().begin(at, None);
                self.let_pass(length, Target::Data, Then::Pad);
            }
            (OBJECT, DATA) if !self.current().has_data() && length >= 16 => {
                self.ask(Small::Interface, 16);
            }
            _ => self.let_pass(length.next_multiple_of(4), Target::Nothing, Then::Next),
        }
    }

    /// §2.1.3.4: before an object stands what kind of object it is.
    fn object(&mut self, interface: &[u8]) {
        let (at, rest) = (self.at, self.props.length - 16);
        let inner = *interface == MESSAGE && self.depth < MAX_DEPTH;
        let room = self.room.saturating_sub(self.found.len());
        let scan = inner.then(|| Box::new(TnefScan::within(at, room, self.depth + 1)));
        let target = if inner { Target::Message } else { Target::Data };
        self.current().begin(at, scan);
        self.let_pass(rest, target, Then::Pad);
    }

    fn text(&mut self, bytes: &[u8]) {
        let text = match self.props.kind {
            UNICODE => super::draft::wide(bytes),
            _ => super::draft::narrow(bytes, self.codepage),
        };
        let id = self.props.id;
        let draft = self.current();
        match id {
            DISPLAY_NAME => draft.display = text,
            FILENAME => draft.short = text,
            LONG_FILENAME => draft.long = text,
            _ => draft.media_type = text,
        }
    }
}

fn is_variable(kind: u16) -> bool {
    matches!(kind, OBJECT | STRING8 | UNICODE | BINARY)
}

/// MS-OXCDATA §2.11.1; each value is padded to four octets.
fn fixed_length(kind: u16) -> Option<u64> {
    Some(match kind {
        0x0001 => 0,
        0x0002 | 0x0003 | 0x0004 | 0x000A | 0x000B => 4,
        0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => 8,
        0x0048 => 16,
        _ => return None,
    })
}
