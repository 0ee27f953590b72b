//! Commitments and their openings.

use super::scan::{Bad, Scanner};
use super::view::{EntryError, EntryView};
use super::write::push_string;
use aws_lc_rs::digest::{Context, SHA256};
use sealpost_envelope::hex;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Openings that do not belong to their entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// Not our JSON, or not in its one canonical spelling.
    #[error("the openings are not in the form that Sealpost writes")]
    Form,
    /// They name another entry.
    #[error("the openings are those of entry {0}")]
    OtherEntry(String),
    /// The entry has no commitment at this path.
    #[error("the entry commits to nothing at {0}")]
    NoCommitment(String),
    /// Value or salt is not what was committed to.
    #[error("the value at {0} is not the one committed to")]
    Mismatch(String),
    /// The entry itself is wrong.
    #[error("the entry: {0}")]
    Entry(#[from] EntryError),
}

/// Clear values by path.
pub type Openings = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    id: String,
    open: BTreeMap<String, One>,
    v: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    salt: String,
    value: String,
}

/// Hexadecimal SHA-256(salt ‖ 0x00 ‖ path ‖ 0x00 ‖ value).
pub fn commitment(salt: &[u8], path: &str, value: &str) -> String {
    let mut context = Context::new(&SHA256);
    for part in [salt, &[0], path.as_bytes(), &[0], value.as_bytes()] {
        context.update(part);
    }
    hex::encode(context.finish().as_ref())
}

/// The openings' one spelling; `fields` in RFC 8785 order of their paths.
pub(super) fn write<'a>(id: &str, fields: impl Iterator<Item = (&'a str, String, &'a str)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"id\":");
    push_string(&mut out, id);
    out.extend_from_slice(b",\"open\":{");
    for (n, (path, salt, value)) in fields.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        push_string(&mut out, path);
        out.extend_from_slice(b":{\"salt\":");
        push_string(&mut out, &salt);
        out.extend_from_slice(b",\"value\":");
        push_string(&mut out, value);
        out.push(b'}');
    }
    out.extend_from_slice(b"},\"v\":1}");
    out
}

fn read(openings: &[u8]) -> Result<Stored, OpeningError> {
    let stored: Stored = serde_json::from_slice(openings).map_err(|_| OpeningError::Form)?;
    if stored.v != 1 || rewrite(&stored, |_| true) != openings {
        return Err(OpeningError::Form);
    }
    Ok(stored)
}

fn rewrite(stored: &Stored, keep: impl Fn(&str) -> bool) -> Vec<u8> {
    let mut fields: Vec<_> = stored.open.iter().filter(|(path, _)| keep(path)).collect();
    fields.sort_by(|a, b| super::write::utf16_order(a.0, b.0));
    write(
        &stored.id,
        fields.into_iter().map(|(path, one)| (path.as_str(), one.salt.clone(), one.value.as_str())),
    )
}

/// Whether openings are those of an entry that was read before: the quick form of [`check_openings`], for
/// whoever goes through a whole journal. The entry's text holds every commitment that the openings make.
pub fn openings_fit(view: &EntryView<'_>, openings: &[u8]) -> Result<(), OpeningError> {
    let text = std::str::from_utf8(openings).map_err(|_| OpeningError::Form)?;
    let mut s = Scanner::new(text);
    let mut fields = Vec::new();
    let mut scan = || -> Result<&str, Bad> {
        s.literal("{\"id\":")?;
        let (id, _) = s.string()?;
        s.literal(",\"open\":{")?;
        while !s.try_literal("}") {
            if !fields.is_empty() {
                s.literal(",")?;
            }
            let (path, odd) = s.string()?;
            s.literal(":{\"salt\":")?;
            let (salt, _) = s.string()?;
            s.literal(",\"value\":")?;
            let (value, escaped) = s.string()?;
            s.literal("}")?;
            fields.push((path, salt, value, odd || escaped));
        }
        s.literal(",\"v\":1}")?;
        s.end()?;
        Ok(id)
    };
    let id = scan().map_err(|_| OpeningError::Form)?;
    if !view.has_id(id) {
        return Err(OpeningError::OtherEntry(id.to_owned()));
    }
    for (path, salt, value, escaped) in fields {
        if escaped {
            return check_openings(view.text().as_bytes(), openings).map(drop);
        }
        let salt = hex::decode(salt).filter(|s| s.len() == 16).ok_or(OpeningError::Form)?;
        let committed = commitment(&salt, path, value);
        if !view.text().contains(&committed) {
            return Err(OpeningError::Mismatch(path.to_owned()));
        }
    }
    Ok(())
}

/// The same openings without the paths that `keep` denies: a proof shows only what it needs.
pub fn filter_openings(openings: &[u8], keep: impl Fn(&str) -> bool) -> Result<Vec<u8>, OpeningError> {
    Ok(rewrite(&read(openings)?, keep))
}

/// Checks every opening against its commitment in the entry and gives the clear values. Openings may be
/// missing; those that are there must fit.
pub fn check_openings(entry: &[u8], openings: &[u8]) -> Result<Openings, OpeningError> {
    let view = EntryView::parse(entry)?;
    let stored = read(openings)?;
    if stored.id != view.id.to_string() {
        return Err(OpeningError::OtherEntry(stored.id));
    }
    let json = view.json();
    let mut clear = Openings::new();
    for (path, one) in stored.open {
        let place = path.split('.').try_fold(&json, |at, key| at.get(key));
        let Some(committed) = place.and_then(|c| c.get("sha256")).and_then(|c| c.as_str()) else {
            return Err(OpeningError::NoCommitment(path));
        };
        let salt = hex::decode(&one.salt).filter(|s| s.len() == 16).ok_or(OpeningError::Form)?;
        if commitment(&salt, &path, &one.value) != committed {
            return Err(OpeningError::Mismatch(path));
        }
        clear.insert(path, one.value);
    }
    Ok(clear)
}
