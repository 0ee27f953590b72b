//! The relaxed forms of header fields and bodies (RFC 6376 §3.4.2, §3.4.4).

/// A message on its way to be signed: header kept, body handed on in its relaxed form.
#[derive(Debug, Clone, Default)]
pub struct Intake {
    header: Vec<u8>,
    body: RelaxedBody,
    in_body: bool,
}

impl Intake {
    /// The next bytes of the message; `emit` gets what belongs into the body's digest.
    pub fn push(&mut self, bytes: &[u8], emit: &mut impl FnMut(&[u8])) {
        if self.in_body {
            return self.body.push(bytes, emit);
        }
        // The blank line may lie across two pieces.
        let from = self.header.len().saturating_sub(3);
        self.header.extend_from_slice(bytes);
        let blank = if self.header.starts_with(b"\r\n") {
            Some((0, 2))
        } else {
            memchr::memmem::find(&self.header[from..], b"\r\n\r\n").map(|at| (from + at + 2, from + at + 4))
        };
        if let Some((header_end, body_start)) = blank {
            let body = self.header.split_off(body_start);
            self.header.truncate(header_end);
            self.in_body = true;
            self.body.push(&body, emit);
        }
    }

    /// Ends the body and gives the header, without the blank line.
    pub fn finish(self, emit: &mut impl FnMut(&[u8])) -> Vec<u8> {
        self.body.finish(emit);
        self.header
    }
}

/// The relaxed form of a body, as a stream: blanks at the end of lines go, runs of blanks become one space,
/// empty lines at the end go, and a body that is not empty ends with CRLF.
#[derive(Debug, Clone, Default)]
pub struct RelaxedBody {
    /// Line ends that count only if something follows.
    line_ends: u64,
    /// Blanks that count only if something follows on their line.
    blank: bool,
    /// A CR whose LF has not been seen.
    cr: bool,
    any: bool,
}

fn is_ordinary(byte: u8) -> bool {
    !matches!(byte, b' ' | b'\t' | b'\r')
}

impl RelaxedBody {
    /// The next bytes.
    pub fn push(&mut self, mut bytes: &[u8], emit: &mut impl FnMut(&[u8])) {
        while let Some(&first) = bytes.first() {
            if is_ordinary(first) && !self.cr {
                self.flush(emit);
                let n = unchanged(bytes);
                emit(&bytes[..n]);
                self.any = true;
                bytes = &bytes[n..];
            } else {
                self.step(first, emit);
                bytes = &bytes[1..];
            }
        }
    }

    fn step(&mut self, byte: u8, emit: &mut impl FnMut(&[u8])) {
        if std::mem::take(&mut self.cr) {
            if byte == b'\n' {
                self.line_ends += 1;
                self.blank = false;
                return;
            }
            self.text(b'\r', emit);
        }
        match byte {
            b'\r' => self.cr = true,
            b' ' | b'\t' => self.blank = true,
            other => self.text(other, emit),
        }
    }

    fn text(&mut self, byte: u8, emit: &mut impl FnMut(&[u8])) {
        self.flush(emit);
        emit(&[byte]);
        self.any = true;
    }

    /// What waited for something to follow.
    fn flush(&mut self, emit: &mut impl FnMut(&[u8])) {
        // A body of empty lines may be as long as its author likes: in pieces.
        const LINES: [u8; 512] = {
            let mut lines = [b'\r'; 512];
            let mut at = 1;
            while at < lines.len() {
                lines[at] = b'\n';
                at += 2;
            }
            lines
        };
        while self.line_ends > 0 {
            let now = self.line_ends.min(LINES.len() as u64 / 2);
            self.line_ends -= now;
            emit(&LINES[..now as usize * 2]);
        }
        if std::mem::take(&mut self.blank) {
            emit(b" ");
        }
    }

    /// The end of the body.
    pub fn finish(mut self, emit: &mut impl FnMut(&[u8])) {
        if std::mem::take(&mut self.cr) {
            self.text(b'\r', emit);
        }
        // RFC 6376 §3.4.4: an empty body stays empty; any other ends with one CRLF.
        if self.any {
            emit(b"\r\n");
        }
    }
}

/// Length of the front of `bytes` that is its own relaxed form whatever follows; the first byte is ordinary.
fn unchanged(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = memchr::memchr3(b' ', b'\t', b'\r', &bytes[at..]) {
        let place = at + found;
        let step = match bytes[place] {
            b' ' => 1,
            b'\r' if bytes.get(place + 1) == Some(&b'\n') => 2,
            _ => return place,
        };
        match bytes.get(place + step) {
            Some(next) if is_ordinary(*next) => at = place + step + 1,
            _ => return place,
        }
    }
    bytes.len()
}

/// The relaxed form of one field, without its line end (RFC 6376 §3.4.2).
pub fn relaxed_field(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + value.len() + 1);
    out.extend(name.trim_ascii_end().iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let start = out.len();
    let mut blank = false;
    for (i, &byte) in value.iter().enumerate() {
        match byte {
            b' ' | b'\t' => blank = true,
            // Folds vanish; the blank behind them stays.
            b'\r' if value.get(i + 1) == Some(&b'\n') => {}
            b'\n' if i > 0 && value[i - 1] == b'\r' => {}
            other => {
                if std::mem::take(&mut blank) && out.len() > start {
                    out.push(b' ');
                }
                out.push(other);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut relaxed, mut out) = (RelaxedBody::default(), Vec::new());
        let mut emit = |b: &[u8]| out.extend_from_slice(b);
        for piece in pieces {
            relaxed.push(piece, &mut emit);
        }
        relaxed.finish(&mut emit);
        out
    }

    #[test]
    fn bodies() {
        for (input, want) in [
            // RFC 6376 §3.4.5, example 2.
            (&b" C \r\nD \t E\r\n\r\n\r\n"[..], &b" C\r\nD E\r\n"[..]),
            (b"", b""),
            (b"\r\n\r\n", b""),
            (b" \t\r\n \r\n", b""),
            (b"a", b"a\r\n"),
            (b"a\r\n", b"a\r\n"),
            (b"a \r\n\r\nb", b"a\r\n\r\nb\r\n"),
            (b"\r\na\r\n", b"\r\na\r\n"),
            (b"a\rb\r\r\n", b"a\rb\r\r\n"),
            (b"a\nb \n", b"a\nb \n\r\n"),
            (b"  a", b" a\r\n"),
            (b"a\t", b"a\r\n"),
            (b"a\r", b"a\r\r\n"),
        ] {
            assert_eq!(body(&[input]), want, "{:?}", String::from_utf8_lossy(input));
        }
        assert_eq!(body(&[&b"\r\n".repeat(1000), b"x"]), [&b"\r\n".repeat(1000)[..], b"x\r\n"].concat());
    }

    #[test]
    fn header_fields() {
        for (name, value, want) in [
            // RFC 6376 §3.4.5, example 2.
            (&b"A"[..], &b" X\r\n"[..], &b"a:X"[..]),
            (b"B ", b" Y\t\r\n\tZ  \r\n", b"b:Y Z"),
            (b"SubJect", b"\r\n a\r\n\t b\r\n", b"subject:a b"),
            (b"x", b"", b"x:"),
            (b"x", b" \r\n \r\n", b"x:"),
        ] {
            assert_eq!(relaxed_field(name, value), want);
        }
    }

    #[test]
    fn header_and_body_are_parted() {
        for (message, header, want) in [
            (&b"A: b\r\nC: d\r\n\r\nbody\r\n"[..], &b"A: b\r\nC: d\r\n"[..], &b"body\r\n"[..]),
            (b"A: b\r\n\r\n", b"A: b\r\n", b""),
            (b"A: b\r\n", b"A: b\r\n", b""),
            (b"\r\nbody", b"", b"body\r\n"),
        ] {
            for cut in 0..=message.len() {
                let (mut intake, mut out) = (Intake::default(), Vec::new());
                let mut emit = |b: &[u8]| out.extend_from_slice(b);
                intake.push(&message[..cut], &mut emit);
                intake.push(&message[cut..], &mut emit);
                assert_eq!(intake.finish(&mut emit), header);
                assert_eq!(out, want);
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(bytes in "[ab \t\r\n]{0,80}", cuts in prop::collection::vec(0usize..80, 0..5)) {
            let bytes = bytes.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let whole = body(&[bytes]);
            prop_assert_eq!(body(&pieces), whole.clone());
            // What is relaxed stays as it is.
            prop_assert_eq!(body(&[&whole]), whole);
        }
    }
}
