//! Message bytes on the wire: line rules, dot-stuffing, the end of data (RFC 5321 §4.5.2, §2.3.8).
//!
//! **Job.** [`Unstuffer`] takes what follows DATA or BDAT apart into message bytes, in place and in big
//! slices; [`Stuffer`] is its inverse for the way out.
//!
//! **Exposure.** Every octet of every stranger's message passes here. Only CRLF ends a line and only
//! CRLF.CRLF ends a message; a bare CR or LF, or a NUL, is a [`Fault`] and never a line end, so that no
//! two readers can disagree about where a message stops ("SMTP smuggling").
//!
//! **Failure modes.** After a fault nothing more is yielded, but the end is still found, by the same rule,
//! so that the session can answer and stay in step.

use crate::Reply;
use bytes::{Bytes, BytesMut};
use memchr::memchr3;

/// Longest header line without its CRLF (RFC 5322 §2.1.1).
pub const MAX_HEADER_LINE: u64 = 998;

/// Why a message is refused while it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// CR without LF.
    #[error("Bare CR: lines end with CR LF only (RFC 5321 section 2.3.8)")]
    BareCr,
    /// LF without CR.
    #[error("Bare LF: lines end with CR LF only (RFC 5321 section 2.3.8)")]
    BareLf,
    /// NUL.
    #[error("NUL octets are not allowed (RFC 5322 section 4.1)")]
    Nul,
    /// A header line over [`MAX_HEADER_LINE`].
    #[error("Header line over 998 octets (RFC 5322 section 2.1.1)")]
    HeaderLine,
    /// The header section is over the limit.
    #[error("Header section too large")]
    Header,
    /// The message is over the limit.
    #[error("Message too large")]
    TooLarge,
}

impl Fault {
    /// The reply the client gets at the end of its message.
    pub fn reply(self) -> Reply {
        match self {
            Self::TooLarge | Self::Header => Reply::new(552, 3, 4, self.to_string()),
            _ => Reply::new(554, 6, 0, self.to_string()),
        }
    }
}

/// What an [`Unstuffer`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Message bytes.
    Data(Bytes),
    /// The message, or the current BDAT chunk, is over; input starts with what follows.
    End,
    /// The message is refused; go on reading until `End`.
    Fault(Fault),
    /// All input has been taken.
    NeedInput,
}

/// How the sender marks the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// DATA: dot-stuffed, ends with CRLF.CRLF.
    Dot,
    /// BDAT: counted; octets of the chunk still to come.
    Chunk(u64),
}

/// Where in a line the next octet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    Within,
    /// After CR.
    Cr,
    /// After a dot at the start of a line, which has been taken out.
    Dot,
    /// After that dot and CR.
    DotCr,
}

/// Reads message bytes as they arrive.
#[derive(Debug)]
pub struct Unstuffer {
    framing: Framing,
    at: At,
    /// Octets of the current line so far; kept in the header only.
    line: u64,
    /// Octets of the header section so far; `None` in the body.
    header: Option<u64>,
    max_header: u64,
    max_total: u64,
    total: u64,
    bare_lf: bool,
    faulty: bool,
    ended: bool,
    /// Octets dropped since the fault.
    drained: u64,
}

/// Outcome of one pass over a buffer.
struct Pass {
    /// Octets of input used up.
    taken: usize,
    /// Octets of message, moved to the buffer's front.
    kept: usize,
    fault: Option<Fault>,
}

impl Unstuffer {
    /// For what follows the 354 reply.
    pub fn data(max_header: u64, max_total: Option<u64>) -> Self {
        Self::new(Framing::Dot, max_header, max_total)
    }
    /// For BDAT; call [`Unstuffer::chunk`] for each command.
    pub fn chunked(max_header: u64, max_total: Option<u64>) -> Self {
        Self::new(Framing::Chunk(0), max_header, max_total)
    }
    fn new(framing: Framing, max_header: u64, max_total: Option<u64>) -> Self {
        Self {
            framing,
            at: At::LineStart,
            line: 0,
            header: Some(0),
            max_header,
            max_total: max_total.unwrap_or(u64::MAX),
            total: 0,
            bare_lf: false,
            faulty: false,
            ended: false,
            drained: 0,
        }
    }
    /// Lets LF without CR pass. It ends lines of the header as far as their limits go, and never the message: dots
    /// behind it are not looked at.
    #[must_use]
    pub fn with_bare_lf(self, bare_lf: bool) -> Self {
        Self { bare_lf, ..self }
    }
    /// The next BDAT chunk has that many octets.
    pub fn chunk(&mut self, octets: u64) {
        self.framing = Framing::Chunk(octets);
        self.ended = false;
    }
    /// From here on nothing is yielded, only the end is looked for.
    pub fn drain(&mut self) {
        self.faulty = true;
    }
    /// Octets dropped since the fault.
    pub fn drained(&self) -> u64 {
        self.drained
    }
    /// Whether the last octet was a CR: a message must not end there.
    pub fn ends_in_cr(&self) -> bool {
        self.at == At::Cr
    }

    /// Takes what it can from the front of `input`.
    pub fn next(&mut self, input: &mut BytesMut) -> Piece {
        loop {
            if self.ended || self.framing == Framing::Chunk(0) {
                return Piece::End;
            }
            if input.is_empty() {
                return Piece::NeedInput;
            }
            let available = match self.framing {
                Framing::Dot => input.len(),
                Framing::Chunk(left) => input.len().min(usize::try_from(left).unwrap_or(usize::MAX)),
            };
            let pass = self.pass(&mut input[..available]);
            let mut slice = input.split_to(pass.taken);
            slice.truncate(pass.kept);
            if let Framing::Chunk(left) = &mut self.framing {
                *left -= pass.taken as u64;
            }
            if self.faulty {
                self.drained += pass.taken as u64;
                continue;
            }
            self.total += pass.kept as u64;
            let fault = if self.total > self.max_total { Some(Fault::TooLarge) } else { pass.fault };
            if let Some(fault) = fault {
                self.faulty = true;
                return Piece::Fault(fault);
            }
            if !slice.is_empty() {
                return Piece::Data(slice.freeze());
            }
        }
    }

    /// One pass. Message bytes are moved towards the front only past a dot that was taken out, each
    /// stretch between two dots at once: ordinary mail is not moved at all.
    fn pass(&mut self, buf: &mut [u8]) -> Pass {
        let mut kept = 0;
        // Message bytes found and not yet moved.
        let mut from = 0;
        let mut here = 0;
        let mut fault = None;
        while let Some(&octet) = buf.get(here) {
            match self.at {
                At::LineStart if octet == b'.' && self.framing == Framing::Dot => {
                    kept = keep(buf, from, here, kept);
                    here += 1;
                    from = here;
                    self.at = At::Dot;
                }
                At::Dot if octet == b'\r' => {
                    here += 1;
                    from = here;
                    self.at = At::DotCr;
                }
                At::Dot => self.at = At::Within,
                At::DotCr if octet == b'\n' => {
                    self.ended = true;
                    here += 1;
                    from = here;
                    break;
                }
                At::Cr if octet == b'\n' => {
                    here += 1;
                    fault = fault.or(self.end_line());
                }
                At::Cr | At::DotCr => {
                    fault = fault.or(Some(Fault::BareCr));
                    self.at = At::Within;
                }
                At::LineStart | At::Within => {
                    let (next, found) = self.line(buf, here);
                    here = next;
                    fault = fault.or(found);
                }
            }
            if fault.is_some() && !self.faulty {
                break;
            }
        }
        if !self.faulty {
            kept = keep(buf, from, here, kept);
        }
        Pass { taken: here, kept, fault }
    }

    /// Goes on through ordinary octets, over as many whole lines as follow without a dot.
    fn line(&mut self, buf: &[u8], mut here: usize) -> (usize, Option<Fault>) {
        loop {
            let rest = &buf[here..];
            let Some(n) = memchr3(b'\r', b'\n', 0, rest) else {
                self.at = At::Within;
                return (buf.len(), self.count(rest.len()));
            };
            if let Some(fault) = self.count(n) {
                return (here + n, Some(fault));
            }
            here += n + 1;
            match rest[n] {
                b'\r' => {}
                b'\n' if self.bare_lf => {
                    let fault = self.end_line();
                    self.at = At::Within;
                    return (here, fault);
                }
                b'\n' => {
                    self.at = At::Within;
                    return (here, Some(Fault::BareLf));
                }
                _ => {
                    self.at = At::Within;
                    return (here, Some(Fault::Nul));
                }
            }
            // The usual case, without leaving this loop: LF, then no dot.
            if rest.get(n + 1) != Some(&b'\n') {
                self.at = At::Cr;
                return (here, None);
            }
            here += 1;
            let fault = self.end_line();
            if fault.is_some() || matches!(rest.get(n + 2), None | Some(b'.')) {
                // A dot at the start of a BDAT line is just a dot.
                if fault.is_none() && here < buf.len() && self.framing != Framing::Dot {
                    continue;
                }
                return (here, fault);
            }
        }
    }

    /// Counts octets of a header line.
    fn count(&mut self, octets: usize) -> Option<Fault> {
        // After a fault there is nothing more to find.
        if self.faulty || self.header.is_none() {
            return None;
        }
        self.line += octets as u64;
        (self.line > MAX_HEADER_LINE).then_some(Fault::HeaderLine)
    }

    /// CRLF has been read.
    fn end_line(&mut self) -> Option<Fault> {
        self.at = At::LineStart;
        let header = self.header.as_mut()?;
        *header += self.line + 2;
        let too_large = *header > self.max_header;
        if self.line == 0 {
            self.header = None;
        }
        self.line = 0;
        too_large.then_some(Fault::Header)
    }
}

/// Moves `buf[from..to]` down to `kept`; answers the new length kept.
fn keep(buf: &mut [u8], from: usize, to: usize, kept: usize) -> usize {
    if from != kept {
        buf.copy_within(from..to, kept);
    }
    kept + (to - from)
}

/// Content on its way out holds a bare CR or LF: sending it would let two readers disagree about where
/// the message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message holds a line end other than CR LF")]
pub struct BareLineEnd;

/// Writes message bytes for DATA (RFC 5321 §4.5.2).
#[derive(Debug)]
pub struct Stuffer {
    at: At,
}

impl Default for Stuffer {
    fn default() -> Self {
        Self { at: At::LineStart }
    }
}

impl Stuffer {
    /// At the start of a message.
    pub fn new() -> Self {
        Self::default()
    }
    /// Encodes the next bytes onto `out`.
    pub fn encode(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), BareLineEnd> {
        out.reserve(chunk.len() + 64);
        let mut from = 0;
        let mut here = 0;
        while let Some(&octet) = chunk.get(here) {
            match (self.at, octet) {
                (At::Cr, b'\n') => {
                    self.at = At::LineStart;
                    here += 1;
                }
                (At::Cr, _) => return Err(BareLineEnd),
                (At::LineStart, b'.') => {
                    out.extend_from_slice(&chunk[from..here]);
                    out.extend_from_slice(b".");
                    from = here;
                    self.at = At::Within;
                }
                _ => match memchr::memchr2(b'\r', b'\n', &chunk[here..]) {
                    None => {
                        self.at = At::Within;
                        here = chunk.len();
                    }
                    Some(n) if chunk[here + n] == b'\n' => return Err(BareLineEnd),
                    Some(n) => {
                        self.at = At::Cr;
                        here += n + 1;
                    }
                },
            }
        }
        out.extend_from_slice(&chunk[from..]);
        Ok(())
    }
    /// Writes the end of data, after the CRLF that a last line without one lacks.
    pub fn finish(self, out: &mut BytesMut) -> Result<(), BareLineEnd> {
        match self.at {
            At::Cr => return Err(BareLineEnd),
            At::LineStart => {}
            _ => out.extend_from_slice(b"\r\n"),
        }
        out.extend_from_slice(b".\r\n");
        Ok(())
    }
}
