//! Facts of a part's header.

use super::params::Parameters;
use super::{fields, safe_filename};
use crate::structure::{Disposition, PartInfo, Role, Transfer};

/// Longest boundary that is looked for. RFC 2046 §5.1.1 allows 70 characters; writers exceed it.
pub(crate) const MAX_BOUNDARY: usize = 250;

/// A part's header, read.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The facts that are kept; the role is for the walker to decide.
    pub(crate) info: PartInfo,
    /// Boundary of a multipart.
    pub(crate) boundary: Option<Vec<u8>>,
    /// The file name comes from the Content-Disposition, not only from the type's `name`.
    pub(crate) named_by_disposition: bool,
}

/// Parameters worth keeping beside the media type.
const KEPT: [&str; 8] =
    ["protocol", "method", "format", "delsp", "smime-type", "report-type", "profile", "micalg"];

/// Reads a header block; within a multipart/digest the default type is another (RFC 2046 §5.1.5).
pub(crate) fn parse_part(block: &[u8], in_digest: bool) -> Parsed {
    let value = |name: &str| fields(block).find(|f| f.is(name)).map(|f| f.value);
    let parameters = |name: &str| value(name).map(Parameters::parse).unwrap_or_default();
    let (content_type, disposition) = (parameters("Content-Type"), parameters("Content-Disposition"));
    let media_type = match content_type.main.split_once('/') {
        Some((main, sub)) if !main.is_empty() && !sub.is_empty() => content_type.main.clone(),
        // RFC 2045 §5.2: what cannot be read is text/plain.
        _ if in_digest => "message/rfc822".to_owned(),
        _ => "text/plain".to_owned(),
    };
    let filename = disposition.get("filename").as_deref().and_then(safe_filename);
    let named_by_disposition = filename.is_some();
    let boundary = Some(&content_type)
        .filter(|_| media_type.starts_with("multipart/"))
        .and_then(|ct| ct.bytes("boundary"))
        // Blanks at its end do not belong to it (RFC 2046 §5.1.1).
        .map(|b| b.trim_ascii_end().to_vec())
        .filter(|b| !b.is_empty() && b.len() <= MAX_BOUNDARY);
    let info = PartInfo {
        role: Role::Body,
        filename: filename.or_else(|| content_type.get("name").as_deref().and_then(safe_filename)),
        content_id: value("Content-ID").and_then(content_id),
        disposition: match disposition.main.as_str() {
            "" => None,
            "inline" => Some(Disposition::Inline),
            _ => Some(Disposition::Attachment),
        },
        charset: content_type.word("charset").map(|c| c.to_lowercase()).filter(|c| c.len() <= 64),
        transfer: transfer(value("Content-Transfer-Encoding")),
        parameters: KEPT
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), content_type.word(name)?)))
            .collect(),
        media_type,
    };
    Parsed { info, boundary, named_by_disposition }
}

/// RFC 2045 §7: a msg-id; careless writers leave the brackets out.
fn content_id(value: &[u8]) -> Option<String> {
    let text = super::to_text(value.trim_ascii());
    let id = text.trim().trim_start_matches('<').trim_end_matches('>').trim();
    (!id.is_empty() && id.len() <= 998 && !id.chars().any(char::is_control)).then(|| id.to_owned())
}

fn transfer(value: Option<&[u8]>) -> Transfer {
    // Only the word counts, without the comment that some writers add.
    let main = Parameters::parse(value.unwrap_or_default()).main;
    match main.as_str() {
        "" | "7bit" => Transfer::SevenBit,
        "8bit" => Transfer::EightBit,
        "binary" => Transfer::Binary,
        "quoted-printable" => Transfer::QuotedPrintable,
        "base64" => Transfer::Base64,
        _ => Transfer::Other,
    }
}
