//! A message that is rewritten but not yet signed.

use super::plan::{Planner, Recipe};
use super::quoted::base64_lines;
use crate::error::SkeletonError;

/// Outer header and content, ready to be signed, or to leave as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Fields outside the signature, without Content-… fields and without the blank line.
    pub(super) outer: Vec<u8>,
    /// The content: its own header, blank line, body. Exactly these bytes are signed.
    pub(super) inner: Recipe,
}

impl Draft {
    /// What is to be signed: stream it, take its SHA-256 (RFC 8551 §3.5: everything between the boundary
    /// lines, without the line end before the closing one).
    pub fn inner(&self) -> &Recipe {
        &self.inner
    }
    /// The message without a signature.
    pub fn plain(self) -> Result<Recipe, SkeletonError> {
        let mut plan = Planner::new();
        plan.literal(&self.outer);
        plan.append(&self.inner)?;
        Ok(plan.finish())
    }
    /// The message as multipart/signed with the detached CMS signature over SHA-256 of [`Draft::inner`].
    /// `unique` makes the boundary (an identifier of this outgoing message; letters, digits and hyphens
    /// count); the same draft, signature and `unique` give the same bytes.
    pub fn sealed(self, cms_der: &[u8], unique: &str) -> Result<Recipe, SkeletonError> {
        let unique: String =
            unique.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(50).collect();
        // "=_" stands in no base64 or quoted-printable text (RFC 2045 §6.7 note 5).
        let boundary = format!("=_seal_{unique}");
        let mut plan = Planner::new();
        plan.literal(&self.outer);
        plan.literal(
            format!(
                "Content-Type: multipart/signed; micalg=sha-256;\r\n \
                 protocol=\"application/pkcs7-signature\";\r\n boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
            )
            .as_bytes(),
        );
        plan.append(&self.inner)?;
        plan.literal(
            format!(
                "\r\n--{boundary}\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
                 Content-Transfer-Encoding: base64\r\n\
                 Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
            )
            .as_bytes(),
        );
        plan.literal(&base64_lines(cms_der));
        plan.literal(format!("\r\n--{boundary}--\r\n").as_bytes());
        Ok(plan.finish())
    }
}
