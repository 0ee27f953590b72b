//! The structure tree: what is a heading, a table, a picture (ISO 32000-1 §14.7.2, §14.8.4).

/// A structure element.
pub(super) struct Element {
    tag: &'static str,
    /// Entries beside the kind.
    more: String,
    kids: Vec<Kid>,
    parent: Option<usize>,
}

enum Kid {
    Element(usize),
    /// Marked content: page and number.
    Mark(usize, usize),
}

impl Element {
    pub(super) fn new(tag: &'static str) -> Self {
        Self { tag, more: String::new(), kids: Vec::new(), parent: None }
    }
    /// A cell that heads its row or its column.
    pub(super) fn head(scope: &str) -> Self {
        Self { more: format!(" /A << /O /Table /Scope /{scope} >>"), ..Self::new("TH") }
    }
    /// A picture that says the same as `words`.
    pub(super) fn figure(words: &str, [left, bottom, right, top]: [f32; 4]) -> Self {
        let place = format!("/BBox [{left:.1} {bottom:.1} {right:.1} {top:.1}]");
        let more =
            format!(" /Alt {} /A << /O /Layout /Placement /Block {place} >>", super::file::utf16(words));
        Self { more, ..Self::new("Figure") }
    }
}

/// All elements, in the order of reading.
#[derive(Default)]
pub(super) struct Tree(Vec<Element>);

impl Tree {
    /// Adds an element below `parent`, or at the top.
    pub(super) fn add(&mut self, parent: Option<usize>, element: Element) -> usize {
        let number = self.0.len();
        self.0.push(Element { parent, ..element });
        if let Some(parent) = parent {
            self.0[parent].kids.push(Kid::Element(number));
        }
        number
    }
    pub(super) fn mark(&mut self, element: usize, page: usize, number: usize) {
        self.0[element].kids.push(Kid::Mark(page, number));
    }
    pub(super) fn tag(&self, element: usize) -> &'static str {
        self.0[element].tag
    }
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
    /// Elements without a parent.
    pub(super) fn top(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter(|(_, e)| e.parent.is_none()).map(|(n, _)| n)
    }
    /// One element's dictionary. `object` numbers an element's object, `page` a page's.
    pub(super) fn dictionary(
        &self,
        number: usize,
        document: usize,
        object: impl Fn(usize) -> usize,
        page: impl Fn(usize) -> usize,
    ) -> String {
        let element = &self.0[number];
        let kid = |kid: &Kid| match kid {
            Kid::Element(n) => format!("{} 0 R", object(*n)),
            Kid::Mark(p, n) => format!("<< /Type /MCR /Pg {} 0 R /MCID {n} >>", page(*p)),
        };
        let kids: Vec<String> = element.kids.iter().map(kid).collect();
        let parent = element.parent.map_or(document, &object);
        let (tag, more) = (element.tag, &element.more);
        format!("<< /Type /StructElem /S /{tag} /P {parent} 0 R{more} /K [{}] >>", kids.join(" "))
    }
}
