//! Exclusive XML Canonicalization 1.0 of evidence (W3C, "http://www.w3.org/2001/10/xml-exc-c14n#", without comments).
//!
//! Not of any XML: of the form that Sealpost writes, which has no default namespace, no prefixed attributes, no
//! comments and no entities of its own. What is outside of that form is refused rather than treated wrongly.

use std::collections::BTreeMap;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// The canonical form, if the text is in the form that is written here.
pub(super) fn canonical(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix(DECLARATION)?;
    let mut writer = Writer { out: String::with_capacity(text.len() + 1024), ..Writer::default() };
    loop {
        let (before, tag) = rest.split_once('<')?;
        let (tag, after) = tag.split_once('>')?;
        rest = after;
        if !writer.open.is_empty() {
            writer.text(before)?;
        } else if !before.trim().is_empty() {
            return None;
        }
        match (tag.strip_prefix('/'), tag.strip_suffix('/')) {
            (Some(name), _) => writer.end(name)?,
            (None, Some(tag)) => {
                let name = writer.start(tag)?;
                writer.end(name)?;
            }
            (None, None) => drop(writer.start(tag)?),
        }
        if writer.open.is_empty() {
            return rest.trim().is_empty().then_some(writer.out);
        }
    }
}

#[derive(Default)]
struct Writer<'a> {
    out: String,
    /// Namespaces by prefix; the form declares each prefix once.
    known: BTreeMap<&'a str, &'a str>,
    /// Open elements, each with the prefix that it had to declare.
    open: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Writer<'a> {
    fn start(&mut self, tag: &'a str) -> Option<&'a str> {
        let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut attributes = BTreeMap::new();
        while !rest.is_empty() {
            let (key, after) = rest.split_once("=\"")?;
            let (value, after) = after.split_once('"')?;
            if value.contains(|c: char| matches!(c, '&' | '<' | '>') || c.is_control()) {
                return None;
            }
            rest = after.strip_prefix(' ').unwrap_or(after);
            match key.split_once(':') {
                Some(("xmlns", prefix)) => {
                    if self.known.insert(prefix, value).is_some_and(|before| before != value) {
                        return None;
                    }
                }
                None if key != "xmlns" && attributes.insert(key, value).is_none() => {}
                _ => return None,
            }
        }
        let declared = match name.split_once(':') {
            Some((prefix, _)) if !self.open.iter().any(|(_, p)| *p == Some(prefix)) => Some(prefix),
            _ => None,
        };
        self.out.push('<');
        self.out.push_str(name);
        if let Some(prefix) = declared {
            let uri = self.known.get(prefix)?;
            self.out.push_str(&format!(" xmlns:{prefix}=\"{uri}\""));
        }
        for (key, value) in attributes {
            self.out.push_str(&format!(" {key}=\"{value}\""));
        }
        self.out.push('>');
        self.open.push((name, declared));
        Some(name)
    }

    fn end(&mut self, name: &str) -> Option<()> {
        let (opened, _) = self.open.pop()?;
        self.out.push_str(&format!("</{name}>"));
        (opened == name).then_some(())
    }

    /// Text: of the references that the form has, those remain that Canonical XML 1.0 §2.3 keeps.
    fn text(&mut self, mut text: &str) -> Option<()> {
        if text.contains('\r') {
            return None;
        }
        while let Some((before, after)) = text.split_once('&') {
            let (name, rest) = after.split_once(';')?;
            self.out.push_str(before);
            self.out.push_str(match name {
                "amp" => "&amp;",
                "lt" => "&lt;",
                "gt" => "&gt;",
                "quot" => "\"",
                "apos" => "'",
                "#9" => "\t",
                "#10" => "\n",
                "#13" => "&#xD;",
                _ => return None,
            });
            text = rest;
        }
        self.out.push_str(text);
        Some(())
    }
}
