//! BODY and BODYSTRUCTURE (RFC 3501 §7.4.2).

use crate::structure::{Kind, Part, Structure};
use crate::text;

/// Writes the structure; `extended` for BODYSTRUCTURE.
pub(crate) fn write(out: &mut Vec<u8>, structure: &Structure, extended: bool) {
    if let Some(root) = structure.parts.first() {
        part(out, structure, root, extended);
    }
}

fn part(out: &mut Vec<u8>, structure: &Structure, part: &Part, extended: bool) {
    out.push(b'(');
    match part.kind {
        Kind::Multipart => multipart(out, structure, part, extended),
        Kind::Message | Kind::Leaf => single(out, structure, part, extended),
    }
    out.push(b')');
}

fn multipart(out: &mut Vec<u8>, structure: &Structure, this: &Part, extended: bool) {
    if this.children.is_empty() {
        // The grammar wants at least one.
        out.extend_from_slice(b"(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)");
    }
    for child in this.children.iter().filter_map(|n| structure.parts.get(*n)) {
        part(out, structure, child, extended);
    }
    let subtype = this.media.split_once('/').map_or("mixed", |(_, s)| s);
    out.push(b' ');
    text::string(out, subtype.as_bytes());
    if extended {
        out.push(b' ');
        params(out, &this.params);
        tail(out, this);
    }
}

fn single(out: &mut Vec<u8>, structure: &Structure, this: &Part, extended: bool) {
    let (mut kind, mut subtype) = this.media.split_once('/').unwrap_or(("text", "plain"));
    if (kind, subtype) == ("message", "rfc822") && this.kind != Kind::Message
        || kind == "multipart" && this.kind != Kind::Multipart
    {
        // The grammar would want what is within, which is encoded, too deep or not there.
        (kind, subtype) = ("application", "octet-stream");
    }
    text::string(out, kind.as_bytes());
    out.push(b' ');
    text::string(out, subtype.as_bytes());
    out.push(b' ');
    if kind == "text" && this.params.is_empty() {
        out.extend_from_slice(b"(\"charset\" \"us-ascii\")");
    } else {
        params(out, &this.params);
    }
    for value in [&this.id, &this.description] {
        out.push(b' ');
        text::nstring(out, value.as_ref().map(|v| v.as_bytes()));
    }
    out.push(b' ');
    let encoding = if this.encoding.is_empty() { "7bit" } else { &this.encoding };
    text::string(out, encoding.as_bytes());
    out.extend_from_slice(format!(" {}", this.body.1 - this.body.0).as_bytes());
    if let Some(inner) = structure.inner(this) {
        out.push(b' ');
        let envelope = inner.envelope.as_deref().unwrap_or("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
        out.extend_from_slice(envelope.as_bytes());
        out.push(b' ');
        part(out, structure, inner, extended);
        out.extend_from_slice(format!(" {}", this.lines).as_bytes());
    } else if kind == "text" {
        out.extend_from_slice(format!(" {}", this.lines).as_bytes());
    }
    if extended {
        out.push(b' ');
        text::nstring(out, this.md5.as_ref().map(|v| v.as_bytes()));
        tail(out, this);
    }
}

/// Disposition, language, location.
fn tail(out: &mut Vec<u8>, this: &Part) {
    match &this.disposition {
        None => out.extend_from_slice(b" NIL"),
        Some((value, list)) => {
            out.extend_from_slice(b" (");
            text::string(out, value.as_bytes());
            out.push(b' ');
            params(out, list);
            out.push(b')');
        }
    }
    for value in [&this.language, &this.location] {
        out.push(b' ');
        text::nstring(out, value.as_ref().map(|v| v.as_bytes()));
    }
}

fn params(out: &mut Vec<u8>, list: &[(String, String)]) {
    if list.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for (n, (name, value)) in list.iter().enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        text::string(out, name.as_bytes());
        out.push(b' ');
        text::string(out, value.as_bytes());
    }
    out.push(b')');
}
