//! What a leaf is for, and what the tree says of the whole message.

use crate::header::Parsed;
use crate::structure::{Disposition, PartInfo, Role};

/// Where a leaf stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Media type of the multipart around it; empty for the message itself.
    pub(super) parent: &'a str,
    /// No other leaf came before.
    pub(super) first: bool,
}

/// The role of a leaf. An image becomes [`Role::Inline`] later, if an HTML body turns out to show it.
pub(super) fn role(part: &Parsed, place: Place<'_>) -> Role {
    let info = &part.info;
    let media = info.media_type.as_str();
    let file = info.disposition == Some(Disposition::Attachment);
    match media {
        "application/pkcs7-signature" | "application/x-pkcs7-signature" | "application/pgp-signature" => {
            return Role::Signature;
        }
        "text/calendar" => return Role::Calendar,
        "text/vcard" | "text/x-vcard" => return Role::VCard,
        "text/directory" if info.parameter("profile").is_some_and(|p| p.eq_ignore_ascii_case("vcard")) => {
            return Role::VCard;
        }
        _ => {}
    }
    let in_report = place.parent == "multipart/report";
    if in_report && (media.starts_with("message/") || media == "text/rfc822-headers") || is_report_part(media)
    {
        return Role::Report;
    }
    if info.main_type() == "text" {
        return text_role(part, place, file);
    }
    if place.parent == "multipart/alternative" && !file {
        return Role::Body;
    }
    Role::Attachment
}

fn text_role(part: &Parsed, place: Place<'_>, file: bool) -> Role {
    let info = &part.info;
    if file {
        return Role::Attachment;
    }
    if place.parent == "multipart/alternative" {
        return Role::Body;
    }
    // A `name` alone on the first text is a habit of some writers, not a file.
    let named = part.named_by_disposition || (info.filename.is_some() && !place.first);
    let readable = matches!(
        info.media_type.as_str(),
        "text/plain" | "text/html" | "text/enriched" | "text/richtext" | "text/markdown" | "text/x-amp-html"
    );
    if named || !(readable || place.parent.is_empty()) { Role::Attachment } else { Role::Body }
}

/// Machine-readable halves of reports (RFC 3464, RFC 8098, RFC 6533, RFC 5965).
fn is_report_part(media: &str) -> bool {
    matches!(
        media,
        "message/delivery-status"
            | "message/disposition-notification"
            | "message/global-delivery-status"
            | "message/global-disposition-notification"
            | "message/feedback-report"
    )
}

/// Whether the part may hold a TNEF stream (MS-OXTNEF §1.8; some writers name no better type than a file's).
/// Its first bytes decide.
pub(super) fn is_tnef(info: &PartInfo) -> bool {
    match info.media_type.as_str() {
        "application/ms-tnef" | "application/vnd.ms-tnef" => true,
        "application/octet-stream" => {
            info.filename.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("winmail.dat"))
        }
        _ => false,
    }
}

/// Whether a message of this top type is a report.
pub(super) fn is_report(media: &str) -> bool {
    media == "multipart/report" || is_report_part(media)
}

/// What a node says of its author's cryptography.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crypto {
    None,
    Signed,
    Encrypted,
}

/// RFC 8551 §3.2 and §3.5, RFC 1847, RFC 3156.
pub(super) fn crypto(info: &PartInfo) -> Crypto {
    match info.media_type.as_str() {
        "multipart/signed" => Crypto::Signed,
        "multipart/encrypted" => Crypto::Encrypted,
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => match info.parameter("smime-type") {
            Some(t) if t.eq_ignore_ascii_case("signed-data") => Crypto::Signed,
            // Certificates alone, or mere compression, sign nothing.
            Some(t) if t.eq_ignore_ascii_case("certs-only") || t.eq_ignore_ascii_case("compressed-data") => {
                Crypto::None
            }
            // enveloped-data and authEnveloped-data; without the parameter it cannot be told, and not to
            // split is the safe side.
            _ => Crypto::Encrypted,
        },
        _ => Crypto::None,
    }
}

/// Inline PGP at the beginning of a text (RFC 9580 §6.2 and §7).
pub(super) fn inline_pgp(text: &[u8]) -> Crypto {
    let text = text.trim_ascii_start();
    if text.starts_with(b"-----BEGIN PGP MESSAGE-----") {
        Crypto::Encrypted
    } else if text.starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----") {
        Crypto::Signed
    } else {
        Crypto::None
    }
}

/// Method of a calendar that is meant as an invitation (RFC 5546 §1.4), from its header or its first lines.
pub(super) fn calendar_method(info: &PartInfo, content: &[u8]) -> Option<String> {
    if info.role != Role::Calendar || info.disposition == Some(Disposition::Attachment) {
        return None;
    }
    let method = match info.parameter("method") {
        Some(method) => method.to_owned(),
        None => content
            .split(|b| *b == b'\n')
            .map(|line| line.trim_ascii())
            // Properties of the calendar itself stand before its components.
            .take_while(|line| !line.eq_ignore_ascii_case(b"BEGIN:VEVENT"))
            .find(|line| line.len() > 7 && line[..7].eq_ignore_ascii_case(b"METHOD:"))
            .map(|line| String::from_utf8_lossy(&line[7..]).into_owned())?,
    };
    let method = method.trim().to_ascii_uppercase();
    (!method.is_empty()
        && method.len() <= 32
        && method.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
    .then_some(method)
}
