//! What a browser may show of a stranger's file, judged by its first bytes and never by its claim alone.
//!
//! **Exposure.** The answer decides the Content-Type under which an attacker's bytes are served inline.
//! HTML, SVG and all else that can run anything is never viewable. The page serves what is viewable from a
//! sandboxed document without origin, with `nosniff`.

/// A type that is safe to show inline, in a sandboxed document without origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewable {
    /// application/pdf
    Pdf,
    /// image/png
    Png,
    /// image/jpeg
    Jpeg,
    /// image/gif
    Gif,
    /// image/webp
    Webp,
    /// text/plain
    Text,
}

/// Bytes that [`viewable`] wants to see.
pub const SNIFF_LEN: usize = 512;

/// Whether a file of claimed `media_type` and `filename` that begins with `head` may be shown, and as what.
pub fn viewable(media_type: &str, filename: Option<&str>, head: &[u8]) -> Option<Viewable> {
    let head = &head[..head.len().min(SNIFF_LEN)];
    let claim = claimed(media_type, filename)?;
    let found = by_signature(head);
    match claim {
        Claim::Pdf => found.filter(|f| *f == Viewable::Pdf),
        // Which of the four it is, the bytes know best.
        Claim::Image => found.filter(|f| *f != Viewable::Pdf),
        Claim::Text => (found.is_none() && is_text(head)).then_some(Viewable::Text),
    }
}

#[derive(Clone, Copy)]
enum Claim {
    Pdf,
    Image,
    Text,
}

/// What it claims to be; the name only counts where the type says nothing.
fn claimed(media_type: &str, filename: Option<&str>) -> Option<Claim> {
    match media_type {
        "application/pdf" | "application/x-pdf" => Some(Claim::Pdf),
        "image/png" | "image/jpeg" | "image/jpg" | "image/pjpeg" | "image/gif" | "image/webp" => {
            Some(Claim::Image)
        }
        "text/plain" | "text/csv" | "text/markdown" | "text/x-log" => Some(Claim::Text),
        "application/octet-stream" | "application/download" | "application/force-download" => {
            match filename?.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
                "pdf" => Some(Claim::Pdf),
                "png" | "jpg" | "jpeg" | "gif" | "webp" => Some(Claim::Image),
                "txt" | "log" | "csv" | "md" => Some(Claim::Text),
                _ => None,
            }
        }
        _ => None,
    }
}

fn by_signature(head: &[u8]) -> Option<Viewable> {
    match head {
        [b'%', b'P', b'D', b'F', b'-', ..] => Some(Viewable::Pdf),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Viewable::Png),
        [0xff, 0xd8, 0xff, ..] => Some(Viewable::Jpeg),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Viewable::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Viewable::Webp),
        _ => None,
    }
}

/// No byte that the MIME sniffing standard counts as binary, and no byte order mark of 16-bit text.
fn is_text(head: &[u8]) -> bool {
    !head.iter().any(|b| matches!(b, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f))
        && !head.starts_with(&[0xff, 0xfe])
}

impl Viewable {
    /// Value of the Content-Type field to serve it with. The charset of a text is the page's to add.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Text => "text/plain",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_and_bytes_must_agree() {
        let png = b"\x89PNG\r\n\x1a\nrest";
        for (media, name, head, expected) in [
            ("application/pdf", None, &b"%PDF-1.7"[..], Some(Viewable::Pdf)),
            ("application/pdf", None, b"<html><script>", None),
            ("application/octet-stream", Some("Scan.PDF"), b"%PDF-1.4", Some(Viewable::Pdf)),
            ("application/octet-stream", Some("x.exe"), b"%PDF-1.4", None),
            ("image/jpeg", None, png, Some(Viewable::Png)),
            ("image/png", None, b"%PDF-1.4", None),
            ("image/svg+xml", None, b"<svg/>", None),
            ("text/html", None, b"<p>", None),
            ("text/plain", None, b"hello \xe9", Some(Viewable::Text)),
            ("text/plain", None, b"MZ\0\x01", None),
            ("text/plain", None, png, None),
            ("text/plain", None, b"", Some(Viewable::Text)),
            ("image/webp", None, b"RIFF\x01\x02\x03\x04WEBPVP8 ", Some(Viewable::Webp)),
            ("image/gif", None, b"GIF89a", Some(Viewable::Gif)),
        ] {
            assert_eq!(viewable(media, name, head), expected, "{media} {name:?}");
        }
    }
}
