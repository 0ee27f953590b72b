//! Objects, cross-reference table and trailer (ISO 32000-1 §7.5).

use super::{Document, Font, HEIGHT, WIDTH};

/// Objects before those of pages and structure: catalogue, pages, information, three fonts, structure root, parent
/// tree, the one element `Document`.
const FIXED: usize = 9;
const ROOT: usize = 7;
const PARENTS: usize = 8;
const DOCUMENT: usize = 9;

/// The whole file.
pub(super) fn write(d: &Document, language: &str) -> Vec<u8> {
    let mut file = File { out: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(), offsets: Vec::new() };
    let count = d.pages.len();
    let page = |n: usize| FIXED + 1 + 2 * n;
    let element = |n: usize| FIXED + 1 + 2 * count + n;
    let list = |numbers: &mut dyn Iterator<Item = usize>| {
        numbers.map(|n| format!("{n} 0 R")).collect::<Vec<_>>().join(" ")
    };
    file.object(&format!(
        "<< /Type /Catalog /Pages 2 0 R /Lang ({language}) /MarkInfo << /Marked true >> /StructTreeRoot {ROOT} 0 R \
         /ViewerPreferences << /DisplayDocTitle true >> >>"
    ));
    file.object(&format!("<< /Type /Pages /Count {count} /Kids [{}] >>", list(&mut (0..count).map(page))));
    file.object(&format!("<< /Title {} /Producer (Sealpost) >>", utf16(&d.title)));
    for (_, name) in Font::ALL {
        file.object(&format!(
            "<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>"
        ));
    }
    file.object(&format!(
        "<< /Type /StructTreeRoot /K {DOCUMENT} 0 R /ParentTree {PARENTS} 0 R /ParentTreeNextKey {count} >>"
    ));
    // For each page the elements of its marked contents, by number.
    let parents = d
        .pages
        .iter()
        .enumerate()
        .map(|(n, page)| format!("{n} [{}]", list(&mut page.marks.iter().map(|e| element(*e)))));
    file.object(&format!("<< /Nums [{}] >>", parents.collect::<Vec<_>>().join(" ")));
    let tops = list(&mut d.tree.top().map(element));
    file.object(&format!("<< /Type /StructElem /S /Document /P {ROOT} 0 R /K [{tops}] >>"));
    for (n, content) in d.pages.iter().enumerate() {
        file.object(&format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Contents {} 0 R /StructParents {n} \
             /Tabs /S /Resources << /Font << /F1 4 0 R /F2 5 0 R /F3 6 0 R >> >> >>",
            page(n) + 1
        ));
        file.stream(&content.content);
    }
    for n in 0..d.tree.len() {
        file.object(&d.tree.dictionary(n, DOCUMENT, element, page));
    }
    file.finish()
}

/// A text string in UTF-16 with byte order mark (ISO 32000-1 §7.9.2.2), in hexadecimal.
pub(super) fn utf16(text: &str) -> String {
    let units: String = text.encode_utf16().map(|u| format!("{u:04X}")).collect();
    format!("<FEFF{units}>")
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
