//! Manifests: the digest of every member, in the one spelling that is accepted.
//!
//! `META-INF/ASiCManifest001.xml` belongs to the seal over the proof, `META-INF/ASiCArchiveManifestNNN.xml` to the
//! archive timestamp of a renewal, and lists all that stood in the file before it.
//!
//! **Exposure.** [`parse`] reads strangers' bytes: line by line, then written again and compared.
//! **Standards.** EN 319 162-1 annex A.4 (namespace `http://uri.etsi.org/02918/v1.2.1#`).

use crate::name::MemberName;
use sealpost_envelope::Sha256Digest;
use std::fmt::Write;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
<asic:ASiCManifest xmlns:asic=\"http://uri.etsi.org/02918/v1.2.1#\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\n";
const METHOD: &str = "    <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\n";
const END_REFERENCE: &str = "  </asic:DataObjectReference>\n";
const TAIL: &str = "</asic:ASiCManifest>\n";

/// One reference.
pub(crate) type Listed = (MemberName, Sha256Digest);

fn head(vouched_by: &MemberName) -> String {
    let kind = vouched_by.media_type();
    format!("{HEAD}  <asic:SigReference URI=\"{vouched_by}\" MimeType=\"{kind}\"/>\n")
}

/// The manifest of these members, over which `vouched_by` is made. Names are ASCII without markup, so that
/// nothing needs escaping.
pub(crate) fn write(vouched_by: &MemberName, members: &[Listed]) -> Vec<u8> {
    let mut out = head(vouched_by);
    for (name, digest) in members {
        let value = base64_simd::STANDARD.encode_to_string(digest.as_bytes());
        // Writing to a String cannot fail.
        let _ =
            writeln!(out, "  <asic:DataObjectReference URI=\"{name}\" MimeType=\"{}\">", name.media_type());
        out.push_str(METHOD);
        let _ = writeln!(out, "    <ds:DigestValue>{value}</ds:DigestValue>");
        out.push_str(END_REFERENCE);
    }
    out.push_str(TAIL);
    out.into_bytes()
}

/// Reads a manifest; `None` when it is not exactly what [`write`] would have written.
pub(crate) fn parse(vouched_by: &MemberName, bytes: &[u8]) -> Option<Vec<Listed>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut rest = text.strip_prefix(&head(vouched_by))?;
    let mut members = Vec::new();
    while rest != TAIL {
        rest = rest.strip_prefix("  <asic:DataObjectReference URI=\"")?;
        let (name, after) = rest.split_once('"')?;
        let (_, after) = after.split_once('\n')?;
        let after = after.strip_prefix(METHOD)?.strip_prefix("    <ds:DigestValue>")?;
        let (value, after) = after.split_once("</ds:DigestValue>\n")?;
        let digest = base64_simd::STANDARD.decode_to_vec(value).ok()?;
        members.push((MemberName::parse(name)?, Sha256Digest::from_slice(&digest)?));
        rest = after.strip_prefix(END_REFERENCE)?;
    }
    (write(vouched_by, &members) == bytes).then_some(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        let members = vec![
            (MemberName::Readme, Sha256Digest::of(b"a")),
            (MemberName::Original, Sha256Digest::of(b"b")),
        ];
        let seal = MemberName::Signature;
        let bytes = write(&seal, &members);
        assert_eq!(parse(&seal, &bytes), Some(members));
        assert_eq!(parse(&MemberName::Archive { number: 1, token: true }, &bytes), None);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            // What still parses says something else, and is written differently.
            assert!(parse(&seal, &damaged).is_none_or(|m| write(&seal, &m) == damaged), "{at}");
        }
        assert_eq!(parse(&seal, &bytes[..bytes.len() - 1]), None);
        assert_eq!(parse(&seal, b""), None);
    }
}
