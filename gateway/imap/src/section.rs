//! What `BODY[…]` names: bytes of the message, or header fields chosen from it (RFC 3501 §6.4.5).

use crate::header;
use crate::structure::{Part, Structure};
use imap_types::core::AString;
use imap_types::fetch::Section;

/// Where the bytes of a section come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A range of the message.
    Range(u64, u64),
    /// Fields chosen from the header block in this range.
    Fields { range: (u64, u64), names: Vec<Vec<u8>>, except: bool },
    /// There is no such part.
    Nothing,
}

/// Header bytes of a nested part that are read to choose fields from.
pub(crate) const MAX_NESTED_HEADER: u64 = 256 * 1024;

/// Whether the section needs the message's structure.
pub(crate) fn needs_structure(section: &Option<Section<'_>>) -> bool {
    !matches!(
        section,
        None | Some(
            Section::Header(None)
                | Section::Text(None)
                | Section::HeaderFields(None, _)
                | Section::HeaderFieldsNot(None, _)
        )
    )
}

/// Finds the bytes of a section in a message of `size` bytes whose header block has `header` bytes.
pub(crate) fn resolve(
    section: &Option<Section<'_>>,
    header: u64,
    size: u64,
    structure: Option<&Structure>,
) -> Source {
    let part = |path: &imap_types::fetch::Part| {
        let path: Vec<u32> = path.0.as_ref().iter().map(|n| n.get()).collect();
        structure.and_then(|s| s.find(&path))
    };
    let range = |(from, to): (u64, u64)| Source::Range(from, to.min(size).saturating_sub(from));
    let inner = |p: Option<&Part>, pick: fn(&Part) -> (u64, u64)| {
        let found = p.and_then(|p| structure.and_then(|s| s.inner(p))).map(pick);
        found.map_or(Source::Nothing, range)
    };
    match section {
        None => Source::Range(0, size),
        Some(Section::Header(None)) => Source::Range(0, header),
        Some(Section::Text(None)) => Source::Range(header, size.saturating_sub(header)),
        Some(Section::Part(path)) => part(path).map_or(Source::Nothing, |p| range(p.body)),
        Some(Section::Mime(path)) => part(path).map_or(Source::Nothing, |p| range(p.header)),
        Some(Section::Header(Some(path))) => inner(part(path), |p| p.header),
        Some(Section::Text(Some(path))) => inner(part(path), |p| p.body),
        Some(Section::HeaderFields(path, names)) => {
            let source =
                path.as_ref().map_or(Source::Range(0, header), |path| inner(part(path), |p| p.header));
            fields(source, names.as_ref(), false)
        }
        Some(Section::HeaderFieldsNot(path, names)) => {
            let source =
                path.as_ref().map_or(Source::Range(0, header), |path| inner(part(path), |p| p.header));
            fields(source, names.as_ref(), true)
        }
    }
}

fn fields(source: Source, names: &[AString<'_>], except: bool) -> Source {
    match source {
        Source::Range(from, len) => Source::Fields {
            range: (from, len),
            names: names.iter().map(|n| n.as_ref().to_vec()).collect(),
            except,
        },
        other => other,
    }
}

/// The chosen fields, with the empty line that ends every header.
pub(crate) fn choose(block: &[u8], names: &[Vec<u8>], except: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for field in header::fields(block) {
        if names.iter().any(|n| n.eq_ignore_ascii_case(field.name)) != except {
            out.extend_from_slice(field.raw);
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// The section as the response repeats it.
pub(crate) fn label(section: &Option<Section<'_>>) -> String {
    let path = |part: &imap_types::fetch::Part| {
        part.0.as_ref().iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
    };
    let with = |part: &Option<imap_types::fetch::Part>, what: &str| match part {
        Some(part) => format!("{}.{what}", path(part)),
        None => what.to_owned(),
    };
    let names = |list: &[AString<'_>]| {
        let mut out = Vec::new();
        for (n, name) in list.iter().enumerate() {
            if n > 0 {
                out.push(b' ');
            }
            let name: &[u8] = name.as_ref();
            let atom = |b: &u8| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(b);
            if !name.is_empty() && name.iter().all(atom) {
                out.extend_from_slice(name);
            } else {
                crate::text::string(&mut out, name);
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    };
    match section {
        None => String::new(),
        Some(Section::Part(part)) => path(part),
        Some(Section::Mime(part)) => format!("{}.MIME", path(part)),
        Some(Section::Header(part)) => with(part, "HEADER"),
        Some(Section::Text(part)) => with(part, "TEXT"),
        Some(Section::HeaderFields(part, list)) => {
            format!("{} ({})", with(part, "HEADER.FIELDS"), names(list.as_ref()))
        }
        Some(Section::HeaderFieldsNot(part, list)) => {
            format!("{} ({})", with(part, "HEADER.FIELDS.NOT"), names(list.as_ref()))
        }
    }
}
