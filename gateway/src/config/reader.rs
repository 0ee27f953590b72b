//! Reads a parsed file into settings and collects every mistake with its place.

use super::section::{Section, Setting};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in the file: what it is called and where it stands.
#[derive(Debug, Clone)]
pub struct Spot {
    /// Dotted path, as `entity[0].domains`; empty for the whole file.
    pub path: String,
    /// Bytes it covers.
    pub span: Range<usize>,
}

impl Spot {
    /// The place of a key below this one.
    fn key(&self, key: &str, span: Range<usize>) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { path, span }
    }
    /// The place of an element.
    fn element(&self, index: usize, span: Range<usize>) -> Self {
        Self { path: format!("{}[{index}]", self.path), span }
    }
}

/// A mistake at a byte of the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Byte offset.
    pub at: usize,
    /// Dotted path of the key; empty where there is none.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// What reading has gathered.
#[derive(Debug)]
pub struct Context {
    directory: PathBuf,
    /// Mistakes so far.
    pub mistakes: Vec<Mistake>,
    places: BTreeMap<String, usize>,
    unread: Vec<String>,
}

impl Context {
    /// Starts; relative paths in the file begin at `directory`.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            mistakes: Vec::new(),
            places: BTreeMap::new(),
            unread: Vec::new(),
        }
    }
    /// A path of the file as an absolute one.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }
    /// Reports a mistake at a place.
    pub fn wrong(&mut self, spot: &Spot, message: impl Into<String>) {
        self.mistakes.push(Mistake { at: spot.span.start, path: spot.path.clone(), message: message.into() });
    }
    /// Whether something was wrong at this key, above it or below it.
    pub fn is_wrong(&self, path: &str) -> bool {
        let below =
            |a: &str, b: &str| a.strip_prefix(b).is_some_and(|r| r.is_empty() || r.starts_with(['.', '[']));
        self.mistakes.iter().any(|m| !m.path.is_empty() && (below(&m.path, path) || below(path, &m.path)))
    }
    /// Reports a mistake found after reading, at the key or at the nearest thing above it that exists.
    /// Nothing is said of a key that could not be read: its value here is only a stand-in.
    pub fn wrong_at(&mut self, path: &str, message: impl Into<String>) {
        if self
            .unread
            .iter()
            .any(|u| path.strip_prefix(u.as_str()).is_some_and(|r| r.is_empty() || r.starts_with(['.', '['])))
        {
            return;
        }
        let mut here = path;
        let at = loop {
            if let Some(at) = self.places.get(here) {
                break *at;
            }
            match here.rfind(['.', '[']) {
                Some(end) => here = &here[..end],
                None => break 0,
            }
        };
        self.mistakes.push(Mistake { at, path: path.to_owned(), message: message.into() });
    }
    /// Sets a value in the place of one that could not be read, so that the rest can still be judged.
    fn stand_in<T: Setting>(&mut self, path: &str, example: &str) -> Option<T> {
        self.unread.push(path.to_owned());
        let value = DeValue::parse(example).ok()?;
        let spot = Spot { path: path.to_owned(), span: 0..0 };
        T::read(&value, &spot, &mut Context::new(&self.directory))
    }

    /// Reports the keys of a table that are not among the known ones.
    pub fn unknown_keys(&mut self, table: &DeTable<'_>, spot: &Spot, known: &[&str]) {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let place = spot.key(name, key.span());
            match sealpost_policy::closest(name, known.iter().copied()) {
                Some(near) => self.wrong(&place, format!("unknown key; did you mean {near:?}?")),
                None => self.wrong(&place, format!("unknown key; known here: {}", known.join(", "))),
            }
        }
    }
    /// The table at a value.
    pub fn table<'t, 'i>(&mut self, value: &'t Spanned<DeValue<'i>>, spot: &Spot) -> Option<&'t DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.expected("a section", value, spot);
        }
        table
    }
    /// Reports a value of the wrong kind.
    pub fn expected(&mut self, what: &str, value: &Spanned<DeValue<'_>>, spot: &Spot) {
        self.wrong(spot, format!("{what} belongs here, not {}", kind(value.get_ref())));
    }
    /// Reads a key that may be absent.
    pub fn optional<T: Setting>(
        &mut self,
        table: &DeTable<'_>,
        spot: &Spot,
        key: &str,
        absent: impl FnOnce() -> Option<T>,
    ) -> Option<T> {
        match table.get_key_value(key) {
            None => absent(),
            Some((name, value)) => {
                let place = spot.key(key, value.span());
                self.places.insert(place.path.clone(), name.span().start);
                let read = T::read(value, &place, self);
                if read.is_none() {
                    self.unread.push(place.path);
                    return absent();
                }
                read
            }
        }
    }
    /// Reads a key that must be there.
    pub fn required<T: Setting>(
        &mut self,
        table: &DeTable<'_>,
        spot: &Spot,
        key: &str,
        example: &str,
    ) -> Option<T> {
        if !table.contains_key(key) {
            let place = spot.key(key, spot.span.clone());
            self.wrong(&place, format!("is missing; for example {key} = {example}"));
            return self.stand_in(&place.path, example);
        }
        let read = self.optional(table, spot, key, || None);
        read.or_else(|| self.stand_in(&spot.key(key, 0..0).path, example))
    }
    /// Reads a table that may be absent: all its defaults then count.
    pub fn section<T: Section + Setting>(
        &mut self,
        table: &DeTable<'_>,
        spot: &Spot,
        key: &str,
    ) -> Option<T> {
        if table.contains_key(key) {
            return self.optional(table, spot, key, || None);
        }
        T::read_table(&DeTable::new(), &spot.key(key, spot.span.clone()), self)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        let Some(array) = value.get_ref().as_array() else {
            context.expected("a list", value, spot);
            return None;
        };
        let mut all = Some(Vec::new());
        for (index, element) in array.iter().enumerate() {
            let place = spot.element(index, element.span());
            context.places.insert(place.path.clone(), place.span.start);
            match (T::read(element, &place, context), &mut all) {
                (Some(item), Some(list)) => list.push(item),
                _ => all = None,
            }
        }
        all
    }
}

impl<T: Setting> Setting for Option<T> {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        T::read(value, spot, context).map(Some)
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}
