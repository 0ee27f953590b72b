//! An address book as a file: comma, semicolon or tab between values, the first line naming them.
//!
//! **Exposure.** A file that somebody chose. Lines are bounded; one that cannot be read is shown with why, and left out.
//!
//! **Standards.** RFC 4180, with the separators that spreadsheets write.

use super::Form;
use sealpost_envelope::Language;
use sealpost_store::Contact;
use std::collections::HashSet;

/// Lines of a file.
const LINES: usize = 5000;

/// What a line would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    New,
    Changed,
    Same,
    Wrong,
}

/// A line.
#[derive(Debug)]
pub(super) struct Line {
    /// Its number in the file.
    pub(super) number: usize,
    pub(super) contact: Option<Contact>,
    pub(super) change: Change,
    /// What stands there, and what is wrong with it.
    pub(super) typed: String,
    pub(super) wrong: Option<&'static str>,
}

/// What a file would do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) lines: Vec<Line>,
    /// There were more lines than are taken.
    pub(super) cut: bool,
}

impl Plan {
    fn count(&self, change: Change) -> usize {
        self.lines.iter().filter(|l| l.change == change).count()
    }
    pub(super) fn fresh(&self) -> usize {
        self.count(Change::New)
    }
    pub(super) fn changed(&self) -> usize {
        self.count(Change::Changed)
    }
    pub(super) fn same(&self) -> usize {
        self.count(Change::Same)
    }
    pub(super) fn wrong(&self) -> usize {
        self.count(Change::Wrong)
    }
    /// How many would be written.
    pub(super) fn taken(&self) -> usize {
        self.fresh() + self.changed()
    }
}

/// What a column holds, by its name in French or English.
fn column(name: &str) -> Option<usize> {
    const NAMES: [&[&str]; 5] = [
        &[
            "adresse",
            "courriel",
            "email",
            "e-mail",
            "mail",
            "address",
            "adresse e-mail",
            "adresse de messagerie",
        ],
        &["nom", "name", "nom complet", "full name", "display name", "nom complet affiché"],
        &["mobile", "téléphone", "telephone", "phone", "portable", "tél. mobile", "mobile phone"],
        &["rpps", "identité", "identity"],
        &["groupes", "groupe", "groups", "group", "catégories", "categories"],
    ];
    let name = name.trim().trim_start_matches('\u{feff}').to_lowercase();
    NAMES.iter().position(|all| all.contains(&name.as_str()))
}

/// Reads a file; `None` where no column holds addresses. What a line would change is not known yet.
pub(super) fn plan(text: &str, l: Language) -> Option<Plan> {
    let first = text.lines().next().unwrap_or_default();
    let separator = [';', '\t', ','].into_iter().max_by_key(|s| first.matches(*s).count()).unwrap_or(',');
    let mut records = records(text, separator).into_iter();
    let (_, head) = records.next()?;
    let columns: Vec<Option<usize>> = head.iter().map(|name| column(name)).collect();
    columns.contains(&Some(0)).then_some(())?;
    let (mut lines, mut known, mut cut) = (Vec::new(), HashSet::new(), false);
    for (number, values) in records {
        if values.iter().all(|v| v.trim().is_empty()) {
            continue;
        }
        if lines.len() == LINES {
            cut = true;
            break;
        }
        let value = |wanted: usize| {
            let at = columns.iter().position(|c| *c == Some(wanted));
            at.and_then(|at| values.get(at)).map(|v| v.trim().to_owned()).unwrap_or_default()
        };
        let mut form = Form {
            address: value(0),
            name: value(1),
            phone: value(2),
            rpps: value(3).trim_start_matches("rpps:").to_owned(),
            groups: value(4),
            ..Form::default()
        };
        let typed = form.address.chars().take(100).collect();
        let mut contact = form.read(l);
        let mut wrong = form.address_wrong.or(form.phone_wrong).or(form.rpps_wrong);
        if contact.as_ref().is_some_and(|c| !known.insert(c.address.key())) {
            contact = None;
            wrong =
                Some(l.pick("Cette adresse figure déjà plus haut.", "This address stands above already."));
        }
        let change = if contact.is_some() { Change::New } else { Change::Wrong };
        lines.push(Line { number, contact, change, typed, wrong });
    }
    Some(Plan { lines, cut })
}

/// Records with the line each begins on (RFC 4180 §2).
fn records(text: &str, separator: char) -> Vec<(usize, Vec<String>)> {
    let (mut all, mut record, mut value) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut line, mut begun) = (false, 1, 1);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                value.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if value.trim().is_empty() => {
                value.clear();
                quoted = true;
            }
            '\n' if !quoted => {
                line += 1;
                record.push(std::mem::take(&mut value));
                all.push((begun, std::mem::take(&mut record)));
                begun = line;
            }
            '\r' if !quoted => {}
            c if c == separator && !quoted => record.push(std::mem::take(&mut value)),
            c => {
                line += usize::from(c == '\n');
                value.push(c);
            }
        }
    }
    if !value.is_empty() || !record.is_empty() {
        record.push(value);
        all.push((begun, record));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_spreadsheets_are_read() {
        let text = "\u{feff}Nom;Courriel;Mobile;Groupes\r\n\"Petit; Bob\";bob@example.test;06 12 34 56 78;Nuit, Jour\r\n\
                    ;dora@example.test;;\r\n;;;\r\nEve;eve;;\r\nBob;BOB@example.test;;\r\nX;x@example.test;12;";
        let plan = plan(text, Language::Fr).unwrap();
        let bob = plan.lines[0].contact.as_ref().unwrap();
        assert_eq!((bob.name.as_deref(), bob.phone.as_deref()), (Some("Petit; Bob"), Some("06 12 34 56 78")));
        assert_eq!(bob.groups, ["Nuit", "Jour"]);
        assert_eq!(plan.lines[1].contact.as_ref().unwrap().name, None);
        let wrong: Vec<(usize, bool)> = plan.lines.iter().map(|l| (l.number, l.wrong.is_some())).collect();
        assert_eq!(wrong, [(2, false), (3, false), (5, true), (6, true), (7, true)]);
        assert_eq!((plan.taken(), plan.wrong()), (2, 3));
        assert!(super::plan("Nom;Mobile\nBob;06", Language::Fr).is_none());
        assert!(super::plan("", Language::Fr).is_none());
        let english = super::plan("name,email\nBob,bob@example.test\n", Language::En).unwrap();
        assert_eq!(english.taken(), 1);
    }

    #[test]
    fn lines_are_bounded() {
        let text: String = (0..LINES + 5).map(|n| format!("n{n}@example.test\n")).collect();
        let plan = plan(&format!("email\n{text}"), Language::Fr).unwrap();
        assert!(plan.cut && plan.lines.len() == LINES);
    }

    #[test]
    fn what_is_quoted_comes_back() {
        for values in [&["a;b", "\"", "c\nd"][..], &["é, f"], &["\"\"", ";"]] {
            let quoted: Vec<String> =
                values.iter().map(|v| format!("\"{}\"", v.replace('"', "\"\""))).collect();
            let found = records(&format!("{}\r\n", quoted.join(";")), ';');
            assert_eq!(found, [(1, values.iter().map(|v| (*v).to_owned()).collect())]);
        }
        assert_eq!(records("a;\"b", ';'), [(1, vec!["a".to_owned(), "b".to_owned()])], "never closed");
    }
}
