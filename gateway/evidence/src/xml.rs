//! Evidence XML of EN 319 522-3: writing, and reading of the facts that a verifier compares.
//!
//! **Exposure.** [`parse`] reads strangers' files: bounded size and depth, no DTD, no entities beyond the
//! five of XML; names, addresses and remote replies are escaped on writing and characters that XML 1.0
//! cannot hold are replaced by U+FFFD.
//! **Standards.** EN 319 522-2 table 13 (which component for which event), EN 319 522-3 (schema
//! `http://uri.etsi.org/19522/v1#`: global elements qualified, local ones in no namespace, order fixed).
//! Without an enveloped XAdES signature (component R03) the file follows the structure of the standard and
//! does not claim conformance; a detached CAdES-T signature stands beside it.
//! **Failure.** [`crate::EventError`] on writing, [`XmlError`] on reading.

mod read;
mod write;

pub use read::{EvidencePart, ParsedEvidence, XmlError, parse};
pub(crate) use write::write;
