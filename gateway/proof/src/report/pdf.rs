//! A small PDF: pages of text in the standard fonts, which every reader has (ISO 32000-1 §9.6.2.2).
//!
//! Text is encoded as WinAnsi: French and the other western languages; other letters become a question
//! mark, and the exact spelling stands in the evidence. The same input gives the same bytes.

use super::metrics::{advance, win_ansi};

/// Fonts in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Font {
    /// Helvetica.
    Text,
    /// Helvetica-Bold.
    Bold,
    /// Courier, for digests and identifiers.
    Mono,
}

impl Font {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Text, "Helvetica"), (Self::Bold, "Helvetica-Bold"), (Self::Mono, "Courier")];

    fn resource(self) -> &'static str {
        match self {
            Self::Text => "F1",
            Self::Bold => "F2",
            Self::Mono => "F3",
        }
    }
    /// Width in points at `size`.
    fn width(self, text: &str, size: f32) -> f32 {
        let thousandths: u32 = match self {
            Self::Mono => text.chars().count() as u32 * 600,
            font => text.chars().map(|c| advance(win_ansi(c), font == Self::Bold)).sum(),
        };
        thousandths as f32 * size / 1000.0
    }
}

const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 56.0;
/// Room for the foot of the page.
const FOOT: f32 = 72.0;

/// A document under construction: text flows downwards and onto new pages.
pub(super) struct Document {
    title: String,
    foot: String,
    pages: Vec<Vec<u8>>,
    y: f32,
}

impl Document {
    pub(super) fn new(title: &str, foot: &str) -> Self {
        let mut document = Self { title: title.into(), foot: foot.into(), pages: Vec::new(), y: 0.0 };
        document.page();
        document
    }

    fn page(&mut self) {
        self.pages.push(Vec::new());
        self.y = HEIGHT - MARGIN;
    }

    /// Leaves vertical space.
    pub(super) fn space(&mut self, points: f32) {
        self.y -= points;
    }

    /// A horizontal line.
    pub(super) fn rule(&mut self) {
        let line =
            format!("0.6 w 0.7 G {MARGIN} {y:.1} m {x:.1} {y:.1} l S\n", y = self.y, x = WIDTH - MARGIN);
        self.append(line.as_bytes());
        self.y -= 10.0;
    }

    /// Makes sure that `points` fit on this page.
    pub(super) fn keep(&mut self, points: f32) {
        if self.y - points < FOOT {
            self.page();
        }
    }

    /// A paragraph from `indent` to the right margin, broken where needed.
    pub(super) fn paragraph(&mut self, font: Font, size: f32, indent: f32, text: &str) {
        let room = WIDTH - 2.0 * MARGIN - indent;
        for line in wrap(font, size, room, text) {
            self.keep(size * 1.4);
            self.y -= size * 1.35;
            self.show(font, size, MARGIN + indent, self.y, &line);
        }
    }

    /// A label on the left and its value beside it.
    pub(super) fn field(&mut self, label: &str, font: Font, value: &str) {
        const COLUMN: f32 = 128.0;
        let size = if font == Font::Mono { 8.0 } else { 9.5 };
        self.keep(size * 1.4);
        self.show(Font::Bold, 9.5, MARGIN, self.y - size * 1.35, label);
        self.paragraph(font, size, COLUMN, value);
        self.y -= 2.0;
    }

    fn show(&mut self, font: Font, size: f32, x: f32, y: f32, text: &str) {
        let mut run = format!("BT /{} {size} Tf {x:.1} {y:.1} Td (", font.resource()).into_bytes();
        for byte in text.chars().map(win_ansi) {
            if matches!(byte, b'(' | b')' | b'\\') {
                run.push(b'\\');
            }
            run.push(byte);
        }
        run.extend_from_slice(b") Tj ET\n");
        self.append(&run);
    }

    fn append(&mut self, bytes: &[u8]) {
        if let Some(page) = self.pages.last_mut() {
            page.extend_from_slice(bytes);
        }
    }

    /// The file.
    pub(super) fn finish(mut self, language: &str) -> Vec<u8> {
        let count = self.pages.len();
        let pages = std::mem::take(&mut self.pages);
        for (n, page) in (1..).zip(pages) {
            self.pages.push(page);
            let foot = format!("{}  -  {n} / {count}", self.foot);
            self.show(Font::Text, 8.0, MARGIN, 40.0, &foot);
        }
        self.write(language)
    }

    fn write(&self, language: &str) -> Vec<u8> {
        let mut file = File { out: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(), offsets: Vec::new() };
        // Objects: 1 catalogue, 2 pages, 3 information, 4 to 6 fonts, then page and content in pairs.
        let count = self.pages.len();
        let kids: Vec<String> = (0..count).map(|n| format!("{} 0 R", 7 + 2 * n)).collect();
        file.object(&format!(
            "<< /Type /Catalog /Pages 2 0 R /Lang ({language}) /ViewerPreferences << /DisplayDocTitle true >> >>"
        ));
        file.object(&format!("<< /Type /Pages /Count {count} /Kids [{}] >>", kids.join(" ")));
        file.object(&format!("<< /Title {} /Producer (Sealpost) >>", utf16(&self.title)));
        for (_, name) in Font::ALL {
            file.object(&format!(
                "<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>"
            ));
        }
        for (n, content) in self.pages.iter().enumerate() {
            file.object(&format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Contents {} 0 R \
                 /Resources << /Font << /F1 4 0 R /F2 5 0 R /F3 6 0 R >> >> >>",
                8 + 2 * n
            ));
            file.stream(content);
        }
        file.finish()
    }
}

/// A text string in UTF-16 with byte order mark (ISO 32000-1 §7.9.2.2), in hexadecimal.
fn utf16(text: &str) -> String {
    let units: String = text.encode_utf16().map(|u| format!("{u:04X}")).collect();
    format!("<FEFF{units}>")
}

/// Breaks at blanks, and within words that do not fit on a line.
fn wrap(font: Font, size: f32, room: f32, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let fits = |s: &str| font.width(s, size) <= room;
    for word in text.split_whitespace() {
        let candidate = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if fits(&candidate) {
            line = candidate;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            line.push(c);
            if !fits(&line) && line.chars().count() > 1 {
                line.pop();
                lines.push(std::mem::replace(&mut line, c.to_string()));
            }
        }
    }
    lines.push(line);
    lines
}

struct File {
    out: Vec<u8>,
    offsets: Vec<usize>,
}

impl File {
    fn begin(&mut self) {
        self.offsets.push(self.out.len());
        self.out.extend_from_slice(format!("{} 0 obj\n", self.offsets.len()).as_bytes());
    }
    fn object(&mut self, body: &str) {
        self.begin();
        self.out.extend_from_slice(body.as_bytes());
        self.out.extend_from_slice(b"\nendobj\n");
    }
    fn stream(&mut self, content: &[u8]) {
        self.begin();
        self.out.extend_from_slice(format!("<< /Length {} >>\nstream\n", content.len()).as_bytes());
        self.out.extend_from_slice(content);
        self.out.extend_from_slice(b"\nendstream\nendobj\n");
    }
    fn finish(mut self) -> Vec<u8> {
        let (start, count) = (self.out.len(), self.offsets.len() + 1);
        let mut tail = format!("xref\n0 {count}\n0000000000 65535 f \n");
        for offset in &self.offsets {
            tail.push_str(&format!("{offset:010} 00000 n \n"));
        }
        tail.push_str(&format!(
            "trailer\n<< /Size {count} /Root 1 0 R /Info 3 0 R >>\nstartxref\n{start}\n%%EOF\n"
        ));
        self.out.extend_from_slice(tail.as_bytes());
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_words_and_long_words() {
        let lines = wrap(Font::Mono, 10.0, 60.0, "aaaa bbbb cccccccccccccccccccccccc");
        assert_eq!(lines, ["aaaa bbbb", "cccccccccc", "cccccccccc", "cccc"]);
        assert_eq!(wrap(Font::Text, 10.0, 60.0, ""), [""]);
    }

    #[test]
    fn offsets_point_at_objects() {
        let mut d = Document::new("Épreuve", "foot");
        for _ in 0..200 {
            d.paragraph(Font::Text, 10.0, 0.0, "Reçu (partiellement) \\ œuvre — €");
        }
        let pdf = d.finish("fr");
        let text: String = pdf.iter().map(|b| *b as char).collect();
        let xref = &text[text.rfind("xref\n0").unwrap()..];
        let entries: Vec<_> = xref.lines().skip(3).take_while(|l| l.ends_with("n ")).collect();
        assert!(entries.len() > 10);
        for (n, line) in (1..).zip(entries) {
            let at: usize = line[..10].parse().unwrap();
            assert!(pdf[at..].starts_with(format!("{n} 0 obj").as_bytes()));
        }
        assert!(text.contains("\\(partiellement\\) \\\\ \u{9c}uvre \u{97} \u{80}"));
    }
}
