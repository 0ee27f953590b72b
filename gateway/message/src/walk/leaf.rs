//! Leaves: a short text on its way into the skeleton, or a part on its way into the store.

use super::WalkEvent;
use super::base64::Base64Coder;
use super::cid::CidScan;
use crate::content::ContentDecoder;
use crate::recipe::Recipe;
use crate::structure::{Coding, Inside, PartInfo, Stored, Transfer};
use crate::tnef::TnefScan;
use bytes::Bytes;
use sealpost_envelope::{DualDigester, PartNo};
use std::collections::HashSet;

/// Bytes given to the store at a time, and digested at a time.
const STAGE: usize = 64 << 10;

/// A part that is being stored.
#[derive(Debug)]
pub(super) struct PartWriter {
    n: PartNo,
    coder: Coder,
    stage: Vec<u8>,
    stored_len: u64,
    coding: Coding,
    content: Content,
    wear: Option<Wear>,
}

#[derive(Debug)]
enum Coder {
    Verbatim,
    Base64(Box<Base64Coder>),
}

/// What is computed over the content while it passes.
struct Content {
    decoder: Option<ContentDecoder>,
    digester: DualDigester,
    looks: Looks,
    buf: Vec<u8>,
}

/// What else looks at the content.
#[derive(Debug)]
pub(super) enum Looks {
    /// Nobody.
    None,
    /// An HTML body: which pictures it shows.
    Html(CidScan),
    /// A `winmail.dat`: which files it holds.
    Tnef(Box<TnefScan>),
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("len", &self.digester.len()).finish_non_exhaustive()
    }
}

impl Content {
    fn see(&mut self, stored: &[u8], cids: &mut HashSet<String>) {
        let Some(decoder) = &mut self.decoder else { return self.count(stored, cids) };
        let mut buf = std::mem::take(&mut self.buf);
        decoder.push(stored, &mut buf);
        self.count(&buf, cids);
        buf.clear();
        self.buf = buf;
    }
    fn count(&mut self, content: &[u8], cids: &mut HashSet<String>) {
        self.digester.update(content);
        match &mut self.looks {
            Looks::None => {}
            Looks::Html(scan) => scan.push(content, cids),
            Looks::Tnef(scan) => scan.push(content),
        }
    }
    /// From here on another decoder reads.
    fn switch(&mut self, coding: Coding) {
        self.decoder = Some(ContentDecoder::new(coding));
    }
    fn finish(mut self, cids: &mut HashSet<String>) -> (DualDigester, Vec<Inside>) {
        if let Some(decoder) = self.decoder.take() {
            let mut rest = Vec::new();
            decoder.finish(&mut rest);
            self.count(&rest, cids);
        }
        let inside = match self.looks {
            Looks::None => Vec::new(),
            Looks::Html(scan) => {
                scan.finish(cids);
                Vec::new()
            }
            Looks::Tnef(scan) => scan.finish(),
        };
        (self.digester, inside)
    }
}

impl PartWriter {
    /// Part `n` in this transfer encoding; `budget` bounds its recipe.
    pub(super) fn new(n: PartNo, info: &PartInfo, looks: Looks, budget: usize) -> Self {
        let transfer = info.transfer;
        let worn = transfer == Transfer::QuotedPrintable
            || info.main_type() == "message" && transfer != Transfer::Base64;
        let (coder, coding) = match transfer {
            Transfer::Base64 => (Coder::Base64(Box::new(Base64Coder::new(budget))), Coding::Identity),
            Transfer::QuotedPrintable => (Coder::Verbatim, Coding::QpRaw),
            _ => (Coder::Verbatim, Coding::Identity),
        };
        let decoder = (coding != Coding::Identity).then(|| ContentDecoder::new(coding));
        let content = Content { decoder, digester: DualDigester::new(), looks, buf: Vec::new() };
        let wear = worn.then(Wear::default);
        Self { n, coder, stage: Vec::new(), stored_len: 0, coding, content, wear }
    }

    /// Takes message bytes.
    pub(super) fn push(&mut self, input: &[u8], cids: &mut HashSet<String>, out: &mut Vec<WalkEvent>) {
        for piece in input.chunks(STAGE) {
            self.push_piece(piece, cids, out);
            if self.stage.len() >= STAGE {
                self.flush(cids, out);
            }
        }
    }

    fn push_piece(&mut self, input: &[u8], cids: &mut HashSet<String>, out: &mut Vec<WalkEvent>) {
        let mut rest = input;
        if self.stage.capacity() == 0 {
            self.stage.reserve(STAGE + (STAGE >> 1));
        }
        if let Coder::Base64(coder) = &mut self.coder
            && self.coding == Coding::Identity
        {
            let used = coder.push(input, &mut self.stage);
            rest = &input[used..];
            if coder.raw().is_none() {
                return;
            }
            self.give_up(cids, out);
        }
        self.stage.extend_from_slice(rest);
    }

    /// The coder found what no recipe describes: what comes is stored as it stands.
    fn give_up(&mut self, cids: &mut HashSet<String>, out: &mut Vec<WalkEvent>) {
        self.flush(cids, out);
        let Coder::Base64(coder) = &mut self.coder else { return };
        let Some(coding) = coder.raw() else { return };
        self.stage.extend(coder.take_pending());
        self.coding = coding;
        if let Coding::Base64Tail { tail, .. } = coding {
            self.content.switch(Coding::Base64Tail { decoded: 0, tail });
        }
    }

    fn flush(&mut self, cids: &mut HashSet<String>, out: &mut Vec<WalkEvent>) {
        if !self.stage.is_empty() {
            self.content.see(&self.stage, cids);
            if let Some(wear) = &mut self.wear {
                wear.look(&self.stage);
            }
            self.stored_len += self.stage.len() as u64;
            out.push(WalkEvent::PartData(Bytes::from(std::mem::take(&mut self.stage))));
        }
    }

    /// Ends the part.
    pub(super) fn finish(
        mut self,
        cids: &mut HashSet<String>,
        out: &mut Vec<WalkEvent>,
    ) -> (Stored, Recipe, Vec<Inside>) {
        if let Coder::Base64(coder) = &mut self.coder {
            coder.end();
            if self.coding == Coding::Identity && coder.raw().is_some() {
                self.give_up(cids, out);
            }
        }
        self.flush(cids, out);
        let (digester, inside) = self.content.finish(cids);
        let size = digester.len();
        let stored = Stored {
            n: self.n,
            stored_len: self.stored_len,
            coding: self.coding,
            size,
            digests: digester.finish(),
            fragile: self.wear.is_some_and(Wear::finish),
        };
        out.push(WalkEvent::PartEnd(stored));
        let recipe = match self.coder {
            Coder::Base64(coder) => coder.into_recipe(),
            Coder::Verbatim => Recipe::Raw,
        };
        (stored, recipe, inside)
    }
}

/// Whether a body would survive every relay as it stands.
#[derive(Debug, Default)]
struct Wear {
    fragile: bool,
    /// Octets of the current line.
    line: usize,
    /// The two octets before.
    last: [u8; 2],
    /// How much of `From ` the line begins with.
    from: usize,
}

impl Wear {
    fn look(&mut self, bytes: &[u8]) {
        const FROM: &[u8] = b"From ";
        for &b in bytes {
            if self.fragile {
                return;
            }
            let after_cr = self.last[1] == b'\r';
            self.fragile = b >= 128 || b == 0 || after_cr != (b == b'\n');
            if b == b'\n' {
                self.fragile |= matches!(self.last[0], b' ' | b'\t');
                (self.line, self.from) = (0, 0);
            } else {
                if self.from == self.line && FROM.get(self.line) == Some(&b) {
                    self.from += 1;
                }
                self.line += 1;
                // RFC 5322 §2.1.1, with the CR.
                self.fragile |= self.line > 999 || self.from == FROM.len();
            }
            self.last = [self.last[1], b];
        }
    }
    fn finish(self) -> bool {
        self.fragile || matches!(self.last[1], b' ' | b'\t' | b'\r')
    }
}

/// Content of a short text, its transfer encoding removed.
pub(crate) fn decode_text(raw: &[u8], transfer: Transfer) -> Vec<u8> {
    let coding = match transfer {
        Transfer::QuotedPrintable => Coding::QpRaw,
        Transfer::Base64 => Coding::Base64Tail { decoded: 0, tail: true },
        _ => return raw.to_vec(),
    };
    let (mut decoder, mut content) = (ContentDecoder::new(coding), Vec::with_capacity(raw.len()));
    decoder.push(raw, &mut content);
    decoder.finish(&mut content);
    content
}
