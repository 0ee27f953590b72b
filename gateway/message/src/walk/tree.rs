//! The tree as it grows: open multiparts, nodes, the sink of the current body, and the budgets.

use super::WalkEvent;
use super::leaf::{Looks, PartWriter, decode_text};
use super::roles::{self, Crypto, Place};
use super::sink::Sink;
use super::{CidScan, Limits, cid::normal_id};
use crate::error::MessageError;
use crate::header::{parse_part, parse_top};
use crate::skeleton::{SkeletonWriter, TextInfo};
use crate::structure::{Disposition, Node, NodeBody, PartInfo, Role, Structure, TopHeaders, Transfer};
use crate::tnef::TnefScan;
use sealpost_envelope::PartNo;
use std::collections::HashSet;

/// Bytes between parts that stay in the skeleton at a stretch.
const MAX_FILLER: usize = 16 << 10;
/// Bytes of one recipe.
const MAX_RECIPE: usize = 64 << 10;
/// Files found within the parts of one message; what holds more is offered whole all the same.
const MAX_INSIDE: usize = 2_000;
/// Raw bytes of a text in which the beginning of inline PGP is looked for.
const PGP_HEAD: usize = 256;

/// An open multipart.
#[derive(Debug)]
pub(super) struct Multipart {
    node: u32,
    pub(super) boundary: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Tree {
    pub(super) skeleton: SkeletonWriter,
    pub(super) top: Option<TopHeaders>,
    pub(super) stack: Vec<Multipart>,
    nodes: Vec<Node>,
    sink: Sink,
    leaves: usize,
    parts: PartNo,
    skeleton_left: usize,
    text_inline: usize,
    max_depth: usize,
    max_nodes: usize,
    cids: HashSet<String>,
    inside_left: usize,
    signed: bool,
    encrypted: bool,
    method: Option<String>,
}

impl Tree {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            skeleton: SkeletonWriter::new(),
            top: None,
            stack: Vec::new(),
            nodes: Vec::new(),
            sink: Sink::Filler { left: 0 },
            leaves: 0,
            parts: 0,
            skeleton_left: limits.skeleton_bytes,
            text_inline: limits.text_inline,
            max_depth: limits.depth,
            max_nodes: limits.parts,
            cids: HashSet::new(),
            inside_left: MAX_INSIDE,
            signed: false,
            encrypted: false,
            method: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A header block has ended: makes its node and the sink of its body.
    pub(super) fn open(&mut self, block: &[u8], out: &mut Vec<WalkEvent>) -> Result<(), MessageError> {
        if self.nodes.is_empty() {
            self.top = Some(parse_top(block));
        }
        let parent = self.stack.last().map(|m| m.node);
        let parent_type = parent.map_or("", |p| self.nodes[p as usize].info.media_type.as_str()).to_owned();
        let mut parsed = parse_part(block, parent_type == "multipart/digest");
        let multipart = parsed.boundary.take();
        if multipart.is_none() {
            let first = self.leaves == 0;
            self.leaves += 1;
            parsed.info.role = roles::role(&parsed, Place { parent: &parent_type, first });
        }
        let node = self.add_node(parent, parsed.info.clone())?;
        self.skeleton.headers(node, block);
        match multipart {
            Some(boundary) => self.open_multipart(node, boundary)?,
            None => self.open_leaf(node, &parsed.info, out),
        }
        Ok(())
    }

    fn within(&self, media_type: &str) -> bool {
        self.stack.iter().any(|m| self.nodes[m.node as usize].info.media_type == media_type)
    }

    fn add_node(&mut self, parent: Option<u32>, info: PartInfo) -> Result<u32, MessageError> {
        if self.nodes.len() >= self.max_nodes {
            return Err(MessageError::TooManyParts { limit: self.max_nodes });
        }
        self.note(roles::crypto(&info));
        let author_signed = self.within("multipart/signed");
        let (body, inside) = (NodeBody::Multipart, Vec::new());
        self.nodes.push(Node { parent, info, body, author_signed, inside });
        Ok(self.nodes.len() as u32 - 1)
    }

    fn note(&mut self, crypto: Crypto) {
        self.signed |= crypto == Crypto::Signed;
        self.encrypted |= crypto == Crypto::Encrypted;
    }

    fn open_multipart(&mut self, node: u32, boundary: Vec<u8>) -> Result<(), MessageError> {
        if self.stack.len() >= self.max_depth {
            return Err(MessageError::TooDeep { limit: self.max_depth });
        }
        self.stack.push(Multipart { node, boundary });
        self.sink = self.filler();
        Ok(())
    }

    fn open_leaf(&mut self, node: u32, info: &PartInfo, out: &mut Vec<WalkEvent>) {
        if stays_in_skeleton(info) {
            self.sink = Sink::Text { node, raw: Vec::new() };
        } else {
            self.start_part(node, out);
        }
    }

    fn start_part(&mut self, node: u32, out: &mut Vec<WalkEvent>) {
        self.parts += 1;
        let info = self.nodes[node as usize].info.clone();
        let looks = match info.media_type.as_str() {
            "text/html" if info.role == Role::Body => Looks::Html(CidScan::default()),
            _ if roles::is_tnef(&info) => Looks::Tnef(Box::new(TnefScan::new(self.inside_left))),
            _ => Looks::None,
        };
        let budget = self.skeleton_left.min(MAX_RECIPE);
        let writer = PartWriter::new(self.parts, &info, looks, budget);
        out.push(WalkEvent::PartStart { n: self.parts, info });
        self.sink = Sink::Part { node, writer: Box::new(writer) };
    }

    fn filler(&self) -> Sink {
        Sink::Filler { left: self.skeleton_left.min(MAX_FILLER) }
    }

    /// Bytes of the current body.
    pub(super) fn deliver(&mut self, bytes: &[u8], out: &mut Vec<WalkEvent>) -> Result<(), MessageError> {
        if bytes.is_empty() {
            return Ok(());
        }
        match &mut self.sink {
            Sink::Part { writer, .. } => writer.push(bytes, &mut self.cids, out),
            Sink::Filler { left } => {
                let (kept, over) = bytes.split_at(bytes.len().min(*left));
                *left -= kept.len();
                self.skeleton_left -= kept.len().min(self.skeleton_left);
                self.skeleton.structure(kept);
                if !over.is_empty() {
                    self.overflow_filler(out)?;
                    return self.deliver(over, out);
                }
            }
            Sink::Text { raw, .. } if raw.len() + bytes.len() <= self.text_inline.min(self.skeleton_left) => {
                raw.extend_from_slice(bytes);
            }
            Sink::Text { node, raw } => {
                // Its beginning tells the same in whatever pieces it arrives.
                let room = self.text_inline.min(self.skeleton_left).saturating_sub(raw.len());
                let (begins, rest) = bytes.split_at(room.min(bytes.len()));
                raw.extend_from_slice(begins);
                let (node, raw) = (*node, std::mem::take(raw));
                self.look_at(node, &raw);
                self.start_part(node, out);
                self.deliver(&raw, out)?;
                return self.deliver(rest, out);
            }
        }
        Ok(())
    }

    /// More bytes between parts than the skeleton takes: they become a part that is never shown.
    fn overflow_filler(&mut self, out: &mut Vec<WalkEvent>) -> Result<(), MessageError> {
        let parent = self.stack.last().map_or(0, |m| m.node);
        let info = PartInfo {
            role: Role::Filler,
            media_type: "application/octet-stream".to_owned(),
            filename: None,
            content_id: None,
            disposition: None,
            charset: None,
            transfer: Transfer::Binary,
            parameters: Vec::new(),
        };
        let node = self.add_node(Some(parent), info)?;
        self.start_part(node, out);
        Ok(())
    }

    /// A delimiter of the multipart at `level` was found: ends the current body and all inner multiparts.
    pub(super) fn close(&mut self, level: usize, close: bool, out: &mut Vec<WalkEvent>) {
        self.end(out);
        self.stack.truncate(if close { level } else { level + 1 });
        self.sink = self.filler();
    }

    /// Ends the current body.
    pub(super) fn end(&mut self, out: &mut Vec<WalkEvent>) {
        match std::mem::replace(&mut self.sink, Sink::Filler { left: 0 }) {
            Sink::Filler { .. } => {}
            Sink::Text { node, raw } => self.end_text(node, &raw),
            Sink::Part { node, writer } => {
                let (stored, recipe, inside) = writer.finish(&mut self.cids, out);
                self.inside_left -= inside.len().min(self.inside_left);
                self.nodes[node as usize].inside = inside;
                let before = self.skeleton.len();
                self.skeleton.part_recipe(stored.n, stored.stored_len, &recipe);
                let grown = self.skeleton.len() - before;
                self.skeleton_left -= grown.min(self.skeleton_left);
                self.nodes[node as usize].body = NodeBody::Stored(stored);
            }
        }
    }

    fn end_text(&mut self, node: u32, raw: &[u8]) {
        self.look_at(node, raw);
        self.skeleton_left -= raw.len().min(self.skeleton_left);
        let Node { info, body, author_signed, .. } = &mut self.nodes[node as usize];
        *body = NodeBody::Text { raw_len: raw.len() as u64 };
        let text = TextInfo::of(raw, info.transfer, info.charset.clone(), *author_signed);
        self.skeleton.text(node, &text, raw);
    }

    /// What a text in memory tells: pictures it shows, an invitation's method, inline PGP.
    fn look_at(&mut self, node: u32, raw: &[u8]) {
        let info = self.nodes[node as usize].info.clone();
        match info.media_type.as_str() {
            "text/html" => {
                let mut scan = CidScan::default();
                scan.push(&decode_text(raw, info.transfer), &mut self.cids);
                scan.finish(&mut self.cids);
            }
            "text/calendar" => {
                let method = roles::calendar_method(&info, &decode_text(raw, info.transfer));
                self.method = self.method.take().or(method);
            }
            _ => self.note(roles::inline_pgp(&decode_text(&raw[..raw.len().min(PGP_HEAD)], info.transfer))),
        }
    }

    pub(super) fn into_structure(mut self, size: u64) -> Structure {
        for node in &mut self.nodes {
            let shown = node.info.content_id.as_ref().is_some_and(|id| self.cids.contains(&normal_id(id)));
            if shown && node.info.main_type() == "image" && node.info.role == Role::Attachment {
                node.info.role = Role::Inline;
            }
        }
        let top = self.top.unwrap_or_default();
        let automatic = top.auto_submitted.as_deref().is_some_and(|word| word != "no");
        Structure {
            is_report: self.nodes.first().is_some_and(|n| roles::is_report(&n.info.media_type)),
            automatic,
            top,
            nodes: self.nodes,
            size,
            author_signed: self.signed,
            author_encrypted: self.encrypted,
            calendar_method: self.method,
        }
    }
}

/// Texts that are read, unless they are long. A calendar or card that is also a file gets a number, so that
/// it can be downloaded.
fn stays_in_skeleton(info: &PartInfo) -> bool {
    let file = info.disposition == Some(Disposition::Attachment) || info.filename.is_some();
    info.main_type() == "text"
        && match info.role {
            Role::Body | Role::Report => true,
            Role::Calendar | Role::VCard => !file,
            _ => false,
        }
}
