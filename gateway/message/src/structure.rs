//! What the walk learned about a message: its header facts, its tree, its stored parts. Serialised as
//! JSON beside the deposit; small whatever the message (its size is bounded by the walker's limits).

use sealpost_envelope::{Digests, PartNo, Timestamp};
use serde::{Deserialize, Serialize};

/// Address with its display name, as in a From field. The address is what the author wrote: parse it
/// with [`sealpost_envelope::EmailAddress`] before acting on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Decoded display name (RFC 2047), without control or direction-changing characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `local@domain`.
    pub address: String,
}

/// Facts of the message's own header. Ids are without angle brackets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopHeaders {
    /// Authors (RFC 5322 §3.6.2).
    pub from: Vec<Mailbox>,
    /// Who sent it for them.
    pub sender: Option<Mailbox>,
    /// Where answers go.
    pub reply_to: Vec<Mailbox>,
    /// To.
    pub to: Vec<Mailbox>,
    /// Cc.
    pub cc: Vec<Mailbox>,
    /// Bcc, which must not leave.
    pub bcc: Vec<Mailbox>,
    /// Decoded subject; empty when there is none.
    pub subject: String,
    /// Date, when it can be read.
    pub date: Option<Timestamp>,
    /// Message-ID.
    pub message_id: Option<String>,
    /// In-Reply-To.
    pub in_reply_to: Vec<String>,
    /// References.
    pub references: Vec<String>,
    /// Auto-Submitted (RFC 3834 §5), its first word in lower case.
    pub auto_submitted: Option<String>,
    /// Sensitivity (RFC 2156 §5.3.4).
    pub sensitivity: Option<String>,
    /// Content-Language tags (RFC 3282).
    pub content_language: Vec<String>,
    /// Where a read receipt is wanted (RFC 8098 §2.1).
    pub disposition_notification_to: Vec<Mailbox>,
    /// The older field some clients still write.
    pub return_receipt_to: Vec<Mailbox>,
    /// `X-Sealpost-…` fields: name in lower case, unfolded value.
    pub hints: Vec<(String, String)>,
    /// Fields that RFC 5322 §3.6 allows once and that stand there more often, in lower case.
    pub repeated: Vec<String>,
    /// Every field in order: name as written, value unfolded and decoded as text. Not serialised.
    #[serde(skip)]
    pub fields: Vec<(String, String)>,
}

impl TopHeaders {
    /// Value of the first field of that name, in any case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
    /// Values of all fields of that name, in any case, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, v)| v.as_str()).collect()
    }
    /// Value of a hint such as `x-sealpost-treatment`.
    pub fn hint(&self, name: &str) -> Option<&str> {
        self.hints.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// What a leaf is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Text of the message, or one of its alternatives.
    Body,
    /// Image that an HTML body shows by `cid:`.
    Inline,
    /// A file.
    Attachment,
    /// text/calendar.
    Calendar,
    /// A visiting card.
    VCard,
    /// Detached signature (S/MIME or PGP).
    Signature,
    /// Machine-readable part of a report (RFC 6522).
    Report,
    /// Bytes outside all parts (preamble, epilogue) too many for the skeleton; never shown.
    Filler,
}

/// Content-Disposition (RFC 2183).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    /// Shown with the message.
    Inline,
    /// A file; also any unknown word (RFC 2183 §2.8).
    Attachment,
}

/// Content-Transfer-Encoding (RFC 2045 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transfer {
    /// 7bit, also when absent.
    #[default]
    #[serde(rename = "7bit")]
    SevenBit,
    /// 8bit.
    #[serde(rename = "8bit")]
    EightBit,
    /// binary.
    Binary,
    /// quoted-printable.
    QuotedPrintable,
    /// base64.
    Base64,
    /// Any other word: the bytes are taken as they are (RFC 2045 §6.4).
    Other,
}

/// Header facts of one node of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartInfo {
    /// What it is for; of a multipart always [`Role::Body`].
    pub role: Role,
    /// `type/subtype` in lower case.
    pub media_type: String,
    /// File name fit for display and for a download: no path, no control or direction-changing character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// Content-ID without angle brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    /// Content-Disposition, when present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Disposition>,
    /// The charset parameter in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// Transfer encoding that the header claims.
    #[serde(default)]
    pub transfer: Transfer,
    /// Other parameters of the Content-Type that matter: protocol, method, format, delsp, smime-type…
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<(String, String)>,
}

impl PartInfo {
    /// A Content-Type parameter by its lower-case name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// Text before the slash.
    pub fn main_type(&self) -> &str {
        self.media_type.split('/').next().unwrap_or("")
    }
}

/// How stored bytes become the content that a person downloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Coding {
    /// They are the content; ranges may be read directly.
    Identity,
    /// They are quoted-printable text.
    QpRaw,
    /// The first `decoded` bytes are content; after them stands base64 text that the walker could not
    /// describe, to be read leniently (`tail`) or, after the end of the data, to be ignored.
    Base64Tail {
        /// Bytes of content stored decoded.
        decoded: u64,
        /// Whether the text after them still holds content.
        tail: bool,
    },
}

/// A stored part: bytes kept outside the skeleton.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Number within the message, from 1; the `{n}` of `/files/{n}`.
    pub n: PartNo,
    /// Bytes as stored, the sum of all `PartData`.
    pub stored_len: u64,
    /// How to get the content from them.
    pub coding: Coding,
    /// Bytes of content.
    pub size: u64,
    /// Digests of the content.
    pub digests: Digests,
    /// Kept as it stood, and would not survive every relay: 8-bit, long lines, blanks at line ends, odd line
    /// ends, `From ` at a line's beginning. Looked for in quoted-printable parts and attached messages only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fragile: bool,
}

/// A file found within a stored part, in one stretch of its content (see [`crate::tnef`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// File name fit for display and for a download.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// `type/subtype` in lower case, as its writer says.
    pub media_type: String,
    /// Where it begins in the part's content.
    pub at: u64,
    /// Bytes of content.
    pub size: u64,
    /// Digests of the content.
    pub digests: Digests,
}

/// What follows a node's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NodeBody {
    /// Children, which name this node as their parent.
    Multipart,
    /// A text kept in the skeleton, with its raw length.
    Text {
        /// Bytes as they stand in the message.
        raw_len: u64,
    },
    /// A stored part.
    Stored(Stored),
}

/// One node of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Index of the multipart around it; `None` for the message itself.
    pub parent: Option<u32>,
    /// Header facts.
    pub info: PartInfo,
    /// What follows.
    pub body: NodeBody,
    /// Stands within a multipart/signed: its bytes are under the author's signature.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub author_signed: bool,
    /// Files found within it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<Inside>,
}

/// All the walk learned. Nodes are in the order of the message; the first one is the message itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Structure {
    /// Facts of the message's header.
    pub top: TopHeaders,
    /// The tree.
    pub nodes: Vec<Node>,
    /// Bytes of the whole message.
    pub size: u64,
    /// Signed by its author: multipart/signed, or signed-data in application/pkcs7-mime (RFC 8551).
    pub author_signed: bool,
    /// Encrypted by its author: multipart/encrypted (RFC 1847), enveloped-data (RFC 8551) or inline PGP.
    pub author_encrypted: bool,
    /// multipart/report (RFC 6522), or a bare delivery or disposition notification.
    pub is_report: bool,
    /// `Auto-Submitted` other than `no` (RFC 3834).
    pub automatic: bool,
    /// Method of a text/calendar body, in upper case (RFC 5546).
    pub calendar_method: Option<String>,
}

impl Structure {
    /// Stored parts in order of their number, fillers included.
    pub fn stored(&self) -> impl Iterator<Item = (&Node, &Stored)> {
        self.nodes.iter().filter_map(|node| match &node.body {
            NodeBody::Stored(stored) => Some((node, stored)),
            _ => None,
        })
    }
    /// The stored part of that number.
    pub fn part(&self, n: PartNo) -> Option<(&Node, &Stored)> {
        self.stored().find(|(_, stored)| stored.n == n)
    }
    /// The files, by the design's definition of an attachment.
    pub fn attachments(&self) -> impl Iterator<Item = (&Node, &Stored)> {
        self.stored().filter(|(node, _)| node.info.role == Role::Attachment)
    }
    /// Files within stored parts, with the part that holds each. Their numbers follow those of the parts.
    pub fn inside(&self) -> impl Iterator<Item = (PartNo, &Stored, &Inside)> {
        let first = self.stored().map(|(_, stored)| stored.n).max().unwrap_or(0).saturating_add(1);
        let all = self.stored().flat_map(|(node, stored)| node.inside.iter().map(move |file| (stored, file)));
        (first..).zip(all).map(|(n, (stored, file))| (n, stored, file))
    }
    /// Whether there is a file.
    pub fn has_attachments(&self) -> bool {
        self.attachments().next().is_some()
    }
    /// Decoded bytes of all files.
    pub fn attachments_size(&self) -> u64 {
        self.attachments().map(|(_, stored)| stored.size).sum()
    }
}
