//! What a browser may show of a stranger's file, judged by its first bytes and never by its claim alone.

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
    let _ = (media_type, filename, head);
    todo!()
}

impl Viewable {
    /// Value of the Content-Type field to serve it with.
    pub fn content_type(self) -> &'static str {
        todo!()
    }
}
