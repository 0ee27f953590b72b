//! A message's body as the recipient's page shows it.
//!
//! **Job.** The page asks [`bodies`] what to show, takes each body's bytes from the skeleton ([`Collector`])
//! or from the stored part (up to [`MAX_SHOWN`] content bytes, through [`crate::ContentDecoder`]), and gets
//! [`render`]ed HTML. Subject, names and dates are in [`crate::TopHeaders`], as text still to be escaped.
//!
//! **Exposure.** Authors' HTML. What leaves here holds no script, no form, no frame, no remote content, no
//! id or class of the author's; links are marked, pictures are only those that the page itself serves.
//! The page is expected to set a content security policy all the same.
//!
//! **Memory.** [`MAX_SHOWN`] per body, some times over while it is parsed.

mod html;
mod text;

use crate::charset;
use crate::skeleton::Record;
use crate::structure::{Node, NodeBody, Role, Structure};
use crate::walk::decode_text;
use sealpost_envelope::PartNo;
use std::collections::HashMap;

/// Content bytes of one body that are shown at most; the whole stays in the message itself.
pub const MAX_SHOWN: usize = 1 << 20;
/// Bodies shown at most.
const MAX_BODIES: usize = 50;

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
    let mut children: Vec<Vec<u32>> = vec![Vec::new(); structure.nodes.len()];
    for (i, node) in structure.nodes.iter().enumerate() {
        if let Some(siblings) = node.parent.and_then(|p| children.get_mut(p as usize)) {
            siblings.push(i as u32);
        }
    }
    let mut found = Vec::new();
    if !structure.nodes.is_empty() {
        collect(structure, &children, 0, &mut found);
    }
    found.truncate(MAX_BODIES);
    found
}

fn collect(structure: &Structure, children: &[Vec<u32>], node: u32, found: &mut Vec<Body>) {
    let this = &structure.nodes[node as usize];
    if !matches!(this.body, NodeBody::Multipart) {
        return found.extend(leaf(node, this));
    }
    // Children have higher indices than their parent: no structure, however damaged, makes a circle.
    let below = || children[node as usize].iter().copied().filter(move |child| *child > node);
    if this.info.media_type != "multipart/alternative" {
        return below().for_each(|child| collect(structure, children, child, found));
    }
    let mut best: Vec<Body> = Vec::new();
    for child in below() {
        let mut of_child = Vec::new();
        collect(structure, children, child, &mut of_child);
        // RFC 2046 §5.1.4: the last one is the richest; but only HTML is rich enough to replace plain text.
        if best.is_empty() || of_child.iter().any(|b| b.kind == BodyKind::Html) {
            best = of_child;
        }
    }
    found.append(&mut best);
}

fn leaf(node: u32, this: &Node) -> Option<Body> {
    let info = &this.info;
    if info.role != Role::Body || info.main_type() != "text" {
        return None;
    }
    let source = match &this.body {
        NodeBody::Stored(stored) => BodySource::Part(stored.n),
        _ => BodySource::Skeleton,
    };
    let says = |name: &str, value: &str| info.parameter(name).is_some_and(|v| v.eq_ignore_ascii_case(value));
    let kind = match info.media_type.as_str() {
        "text/html" => BodyKind::Html,
        _ => BodyKind::Plain { flowed: says("format", "flowed"), delsp: says("delsp", "yes") },
    };
    Some(Body { node, source, kind, charset: info.charset.clone() })
}

/// Gathers the chosen bodies from skeleton records, transfer encoding removed.
#[derive(Debug)]
pub struct Collector {
    wanted: HashMap<u32, Option<Vec<u8>>>,
}

impl Collector {
    /// For these bodies.
    pub fn new(bodies: &[Body]) -> Self {
        let in_skeleton = bodies.iter().filter(|b| b.source == BodySource::Skeleton);
        Self { wanted: in_skeleton.map(|b| (b.node, None)).collect() }
    }
    /// Looks at one record.
    pub fn see(&mut self, record: &Record) {
        if let Record::Text { node, info, raw } = record
            && let Some(slot) = self.wanted.get_mut(node)
        {
            *slot = Some(decode_text(raw, info.transfer));
        }
    }
    /// Content bytes of that node's text, once seen.
    pub fn content(&self, node: u32) -> Option<&[u8]> {
        self.wanted.get(&node)?.as_deref()
    }
}

/// Renders content bytes. `cid` gives the address under which the page serves the picture of that
/// Content-ID (see [`inline_part`]), or `None` when there is none. `truncated` says that `content` is not
/// all of the body; what exceeds [`MAX_SHOWN`] is cut here.
pub fn render(
    body: &Body,
    content: &[u8],
    truncated: bool,
    cid: &dyn Fn(&str) -> Option<String>,
) -> SafeHtml {
    let shown = &content[..content.len().min(MAX_SHOWN)];
    let truncated = truncated || shown.len() < content.len();
    let (html, remote_removed) = match body.kind {
        BodyKind::Html => {
            let declared = body.charset.clone().or_else(|| html::declared_charset(shown));
            html::sanitise(&charset::decode(declared.as_deref(), shown), cid)
        }
        BodyKind::Plain { flowed, delsp } => {
            let text = charset::decode(body.charset.as_deref(), shown);
            (if flowed { text::flowed(&text, delsp) } else { text::fixed(&text) }, false)
        }
    };
    SafeHtml { html, remote_removed, truncated }
}

/// The stored picture of that Content-ID.
pub fn inline_part(structure: &Structure, cid: &str) -> Option<PartNo> {
    let wanted = crate::walk::normal_id(cid);
    let same =
        |node: &Node| node.info.content_id.as_deref().map(crate::walk::normal_id) == Some(wanted.clone());
    structure
        .stored()
        .find(|(node, _)| node.info.role == Role::Inline && same(node))
        .map(|(_, stored)| stored.n)
}
