//! A message's body as the recipient's page shows it.
//!
//! The page asks [`bodies`] what to show, takes each body's bytes from the skeleton ([`Collector`]) or
//! from the stored part (up to [`MAX_SHOWN`] content bytes), and gets [`render`]ed, sanitised HTML.
use crate::skeleton::Record;
use crate::structure::Structure;
use sealpost_envelope::PartNo;

/// Content bytes of one body that are shown at most; the whole stays in the message itself.
pub const MAX_SHOWN: usize = 1 << 20;

/// Where a body's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodySource {
    /// In the skeleton, under the node's index.
    Skeleton,
    /// In this stored part: pass its bytes through [`crate::ContentDecoder`].
    Part(PartNo),
}

/// How to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// text/html.
    Html,
    /// text/plain and all other texts.
    Plain {
        /// format=flowed (RFC 3676).
        flowed: bool,
        /// delsp=yes.
        delsp: bool,
    },
}

/// One body to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Index of the node.
    pub node: u32,
    /// Where its bytes are.
    pub source: BodySource,
    /// How to read it.
    pub kind: BodyKind,
    /// Charset parameter.
    pub charset: Option<String>,
}

/// Sanitised HTML to be put into the page as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafeHtml {
    /// The markup.
    pub html: String,
    /// Pictures or styles from elsewhere were left out.
    pub remote_removed: bool,
    /// Not all of the body is shown.
    pub truncated: bool,
}

/// Which bodies to show, in order: of alternatives the HTML one, else the plainest text.
pub fn bodies(structure: &Structure) -> Vec<Body> {
    let _ = structure;
    todo!()
}

/// Gathers the chosen bodies from skeleton records, transfer encoding removed.
#[derive(Debug)]
pub struct Collector {}

impl Collector {
    /// For these bodies.
    pub fn new(bodies: &[Body]) -> Self {
        let _ = bodies;
        todo!()
    }
    /// Looks at one record.
    pub fn see(&mut self, record: &Record) {
        let _ = record;
        todo!()
    }
    /// Content bytes of that node's text, once seen.
    pub fn content(&self, node: u32) -> Option<&[u8]> {
        let _ = node;
        todo!()
    }
}

/// Renders content bytes. `cid` gives the address under which the page serves the picture of that
/// Content-ID (see [`Structure::part`] and [`crate::Role::Inline`]), or `None` when there is none.
pub fn render(body: &Body, content: &[u8], truncated: bool, cid: &dyn Fn(&str) -> Option<String>) -> SafeHtml {
    let _ = (body, content, truncated, cid);
    todo!()
}
