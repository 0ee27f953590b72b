//! A small tagged PDF: text in the standard fonts, which every reader has (ISO 32000-1 §9.6.2.2), with a structure
//! tree (§14.7, §14.8) so that screen readers read headings, tables and pictures as such.
//!
//! Text is encoded as WinAnsi: French and the other western languages. Other letters are printed as the nearest ones, `?` where there
//! are none, and the text itself goes along for who copies it or has it read out (§14.9.4). The same input gives the same bytes.

mod file;
mod letters;
mod metrics;
mod structure;

use letters::spelled;
use metrics::{advance, win_ansi};
use std::borrow::Cow;
use structure::{Element, Tree};

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
            Self::Mono => encoded(text).len() as u32 * 600,
            font => encoded(text).iter().map(|code| advance(*code, font == Self::Bold)).sum(),
        };
        thousandths as f32 * size / 1000.0
    }
}

/// Colours, as operands of `rg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// Text.
    Black,
    /// What stands back.
    Soft,
    /// What holds.
    Green,
}

impl Ink {
    fn operands(self) -> &'static str {
        match self {
            Self::Black => "0.11 0.16 0.18",
            Self::Soft => "0.33 0.39 0.42",
            Self::Green => "0.055 0.353 0.298",
        }
    }
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) font: Font,
    pub(super) size: f32,
    pub(super) ink: Ink,
}

impl Style {
    pub(super) const fn new(font: Font, size: f32) -> Self {
        Self { font, size, ink: Ink::Black }
    }
    pub(super) const fn ink(self, ink: Ink) -> Self {
        Self { ink, ..self }
    }
    fn leading(self) -> f32 {
        self.size * 1.36
    }
}

const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 54.0;
/// Room for the foot of the page.
const FOOT: f32 = 66.0;
/// Between columns of a table.
const GAP: f32 = 10.0;
/// Width between the margins.
pub(super) const ROOM: f32 = WIDTH - 2.0 * MARGIN;

/// A page's drawing operators and how many marked contents are in them.
#[derive(Default)]
struct Page {
    content: Vec<u8>,
    marks: Vec<usize>,
}

/// A document under construction: text flows downwards and onto new pages.
pub(super) struct Document {
    title: String,
    foot: String,
    pages: Vec<Page>,
    tree: Tree,
    y: f32,
    /// Whether a text was printed in other letters than its own.
    respelled: bool,
}

/// A cell of a table.
pub(super) struct Cell<'a> {
    pub(super) style: Style,
    pub(super) text: &'a str,
}

impl Document {
    pub(super) fn new(title: &str, foot: &str) -> Self {
        let (title, foot) = (title.into(), foot.into());
        let mut document =
            Self { title, foot, pages: Vec::new(), tree: Tree::default(), y: 0.0, respelled: false };
        document.page();
        document
    }

    fn page(&mut self) {
        self.pages.push(Page::default());
        self.y = HEIGHT - MARGIN;
    }

    /// Whether a text was printed in other letters than its own.
    pub(super) fn is_respelled(&self) -> bool {
        self.respelled
    }

    /// Leaves vertical space.
    pub(super) fn space(&mut self, points: f32) {
        self.y -= points;
    }

    /// Makes sure that `points` fit on this page.
    pub(super) fn keep(&mut self, points: f32) {
        if self.y - points < FOOT {
            self.page();
        }
    }

    /// A horizontal line, which says nothing.
    pub(super) fn rule(&mut self) {
        self.line(MARGIN, WIDTH - MARGIN, self.y, 0.6);
        self.y -= 8.0;
    }

    fn line(&mut self, from: f32, to: f32, y: f32, width: f32) {
        self.draw(&format!("/Artifact BMC {width} w 0.82 G {from:.1} {y:.1} m {to:.1} {y:.1} l S EMC\n"));
    }

    /// A heading of a level from 1.
    pub(super) fn heading(&mut self, level: u8, style: Style, text: &str) {
        let tag = if level == 1 { "H1" } else { "H2" };
        self.block(tag, style, 0.0, ROOM, text);
    }

    /// A paragraph.
    pub(super) fn paragraph(&mut self, style: Style, text: &str) {
        self.block("P", style, 0.0, ROOM, text);
    }

    /// A paragraph that leaves `points` free on its right.
    pub(super) fn narrow(&mut self, style: Style, points: f32, text: &str) {
        self.block("P", style, 0.0, ROOM - points, text);
    }

    fn block(&mut self, tag: &'static str, style: Style, indent: f32, room: f32, text: &str) {
        let element = self.tree.add(None, Element::new(tag));
        for line in wrap(style, room, text) {
            self.keep(style.leading());
            self.y -= style.leading();
            self.show(element, style, MARGIN + indent, self.y, &line);
        }
    }

    /// Label and value pairs: a table whose rows have their heading on the left.
    pub(super) fn fields(&mut self, rows: &[(&str, Style, String)]) {
        const LABEL: Style = Style::new(Font::Bold, 9.0).ink(Ink::Soft);
        let table = self.tree.add(None, Element::new("Table"));
        for (label, style, value) in rows {
            let cells = [Cell { style: LABEL, text: label }, Cell { style: *style, text: value }];
            self.row(table, &[118.0, ROOM - 118.0 - GAP], &cells, Some(0));
            self.y -= 1.5;
        }
    }

    /// A table with a row of headings and lines between its rows. `widths` and gaps make up [`ROOM`].
    pub(super) fn table<'a>(
        &mut self,
        widths: &[f32],
        heads: &[&str],
        rows: impl Iterator<Item = Vec<Cell<'a>>>,
    ) {
        const HEAD: Style = Style::new(Font::Bold, 8.0).ink(Ink::Soft);
        let table = self.tree.add(None, Element::new("Table"));
        let heads: Vec<Cell<'_>> = heads.iter().map(|text| Cell { style: HEAD, text }).collect();
        self.row(table, widths, &heads, None);
        for cells in rows {
            self.y -= 3.0;
            self.line(MARGIN, WIDTH - MARGIN, self.y, 0.5);
            self.y -= 2.0;
            self.row(table, widths, &cells, Some(usize::MAX));
        }
        self.y -= 3.0;
    }

    /// One row. `head` is the column that heads the row; without it all cells head their columns.
    fn row(&mut self, table: usize, widths: &[f32], cells: &[Cell<'_>], head: Option<usize>) {
        let wrapped: Vec<Vec<String>> =
            cells.iter().zip(widths).map(|(c, width)| wrap(c.style, *width, c.text)).collect();
        let height = |(lines, cell): (&Vec<String>, &Cell<'_>)| lines.len() as f32 * cell.style.leading();
        let tall = wrapped.iter().zip(cells).map(height).fold(0.0, f32::max);
        self.keep(tall.min(HEIGHT - MARGIN - FOOT));
        let row = self.tree.add(Some(table), Element::new("TR"));
        let (mut x, top) = (MARGIN, self.y);
        for (column, ((lines, cell), width)) in wrapped.iter().zip(cells).zip(widths).enumerate() {
            let element = match head {
                None => Element::head("Column"),
                Some(n) if n == column => Element::head("Row"),
                Some(_) => Element::new("TD"),
            };
            let element = self.tree.add(Some(row), element);
            let mut y = top;
            for line in lines {
                y -= cell.style.leading();
                self.show(element, cell.style, x, y, line);
            }
            x += width + GAP;
        }
        self.y = top - tall;
    }

    /// A picture of squares at the right margin, its upper edge `above` points over the current place.
    pub(super) fn squares(&mut self, dark: &[Vec<bool>], side: f32, above: f32, words: &str) {
        let Some(across) = dark.first().map(Vec::len).filter(|n| *n > 0) else { return };
        let module = side / across as f32;
        let (left, top) = (WIDTH - MARGIN - side, self.y + above);
        let element = self.tree.add(None, Element::figure(words, [left, top - side, left + side, top]));
        let mark = self.mark(element);
        let mut run = format!("/Figure <</MCID {mark}>> BDC 0 g\n");
        for (row, line) in dark.iter().enumerate() {
            for (column, _) in line.iter().enumerate().filter(|(_, dark)| **dark) {
                let (x, y) = (left + column as f32 * module, top - (row + 1) as f32 * module);
                run.push_str(&format!("{x:.2} {y:.2} {module:.2} {module:.2} re\n"));
            }
        }
        run.push_str("f EMC\n");
        self.draw(&run);
    }

    /// Opens a marked content of `element` on this page; gives its number.
    fn mark(&mut self, element: usize) -> usize {
        let page = self.pages.len() - 1;
        let marks = &mut self.pages[page].marks;
        marks.push(element);
        let number = marks.len() - 1;
        self.tree.mark(element, page, number);
        number
    }

    fn show(&mut self, element: usize, style: Style, x: f32, y: f32, text: &str) {
        let mark = self.mark(element);
        let tag = self.tree.tag(element);
        let actual = match spelled(text) {
            Cow::Borrowed(_) => String::new(),
            Cow::Owned(_) => {
                self.respelled = true;
                format!(" /ActualText {}", file::utf16(text))
            }
        };
        let mut run = format!("/{tag} <</MCID {mark}{actual}>> BDC ").into_bytes();
        run.extend(words(style, x, y, text));
        run.extend_from_slice(b" EMC\n");
        self.pages.last_mut().expect("there is always a page").content.extend_from_slice(&run);
    }

    fn draw(&mut self, operators: &str) {
        let page = self.pages.last_mut().expect("there is always a page");
        page.content.extend_from_slice(operators.as_bytes());
    }

    /// The file.
    pub(super) fn finish(mut self, language: &str) -> Vec<u8> {
        let count = self.pages.len();
        for (n, page) in (1..).zip(&mut self.pages) {
            let foot = format!("{}  ·  {n} / {count}", self.foot);
            page.content.extend_from_slice(b"/Artifact <</Type /Pagination>> BDC ");
            let style = Style::new(Font::Text, 7.5).ink(Ink::Soft);
            page.content.extend(words(style, MARGIN, 38.0, &foot));
            page.content.extend_from_slice(b" EMC\n");
        }
        file::write(&self, language)
    }
}

/// The text's codes, in the nearest letters.
fn encoded(text: &str) -> Vec<u8> {
    spelled(text).chars().map(|c| win_ansi(c).unwrap_or(b'?')).collect()
}

/// Operators that show a text.
fn words(style: Style, x: f32, y: f32, text: &str) -> Vec<u8> {
    let (ink, font, size) = (style.ink.operands(), style.font.resource(), style.size);
    let mut run = format!("BT {ink} rg /{font} {size} Tf {x:.1} {y:.1} Td (").into_bytes();
    for byte in encoded(text) {
        if matches!(byte, b'(' | b')' | b'\\') {
            run.push(b'\\');
        }
        run.push(byte);
    }
    run.extend_from_slice(b") Tj ET");
    run
}

/// Breaks at blanks, and within words that do not fit on a line.
fn wrap(style: Style, room: f32, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let fits = |s: &str| style.font.width(s, style.size) <= room;
    for word in text.split(|c: char| c == ' ' || c.is_control()).filter(|w| !w.is_empty()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Style = Style::new(Font::Text, 10.0);

    #[test]
    fn wraps_words_and_long_words() {
        let lines = wrap(Style::new(Font::Mono, 10.0), 60.0, "aaaa bbbb cccccccccccccccccccccccc");
        assert_eq!(lines, ["aaaa bbbb", "cccccccccc", "cccccccccc", "cccc"]);
        assert_eq!(wrap(SMALL, 60.0, ""), [""]);
    }

    #[test]
    fn offsets_point_at_objects_and_all_text_is_marked() {
        let mut d = Document::new("Épreuve", "foot");
        d.heading(1, SMALL, "Titre");
        for _ in 0..200 {
            d.paragraph(SMALL, "Reçu (partiellement) \\ œuvre — €");
        }
        d.fields(&[("Qui", SMALL, "Alice".into())]);
        d.squares(&[vec![true, false], vec![false, true]], 40.0, 0.0, "code");
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
        for needed in ["/MarkInfo << /Marked true >>", "/S /H1", "/S /TH", "/S /Figure", "/Alt <FEFF"] {
            assert!(text.contains(needed), "{needed}");
        }
        assert!(!text.contains("ActualText"));
        assert_eq!(
            text.matches(" BDC ").count() + text.matches(" BMC ").count(),
            text.matches("EMC").count()
        );
    }
    #[test]
    fn letters_that_cannot_be_printed_go_along() {
        let mut d = Document::new("Proof", "foot");
        d.paragraph(SMALL, "Łukasz");
        assert!(d.is_respelled());
        let pdf = d.finish("en");
        let text: String = pdf.iter().map(|b| *b as char).collect();
        assert!(text.contains("/ActualText <FEFF0141") && text.contains("(Lukasz) Tj"), "{text}");
    }
}
