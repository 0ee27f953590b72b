//! Names of members, and the one order in which they stand.

use sealpost_envelope::RecipientNo;
use sealpost_evidence::EventName;
use std::fmt;

/// Part of a journal entry's trio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryPart {
    /// The entry.
    Json,
    /// Its openings.
    Openings,
    /// Its inclusion proof.
    Proof,
}

/// One of the files of an evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidencePart {
    /// The evidence.
    Xml,
    /// Its seal.
    Seal,
    /// The same with a signature inside, where the organisation wants one.
    Enveloped,
}

/// A member of a proof. The order of the variants is the order in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberName {
    /// `mimetype`, first, so that the kind of file shows in its first bytes.
    Mimetype,
    /// `report.pdf`, for a person.
    Report,
    /// `README.txt`, the commands.
    Readme,
    /// `message/original.eml`, as received.
    Original,
    /// `message/sent-N.eml`, as recipient N was sent it.
    Sent(RecipientNo),
    /// `message/receipts-N/M.eml`, as received.
    Receipt(RecipientNo, u32),
    /// `evidence/NN-<Event>.xml`, `.xml.p7s`, `.xades`.
    Evidence {
        /// From 1, in the order of events.
        number: u32,
        /// What it attests.
        event: EventName,
        /// Which of its files.
        part: EvidencePart,
    },
    /// `log/<index>.json`, `.open.json`, `.tlog-proof`.
    Entry(u64, EntryPart),
    /// `log/checkpoint`.
    Checkpoint,
    /// `log/checkpoint.tst`.
    CheckpointToken,
    /// `log/checkpoint.p7s`.
    CheckpointSeal,
    /// `certificates/root-N.pem`.
    Root(u32),
    /// `revocation/crl-N.crl`, a list.
    Revocation(u32),
    /// `revocation/ocsp-N.ors`, a responder's answer.
    Answer(u32),
    /// `META-INF/ASiCManifest001.xml`.
    Manifest,
    /// `META-INF/signature001.p7s`.
    Signature,
    /// `META-INF/ASiCArchiveManifestNNN.xml`, and with `token` its `META-INF/timestampNNN.tst`: a renewal.
    Archive {
        /// From 1, in the order of renewals.
        number: u32,
        /// Whether this is the timestamp token.
        token: bool,
    },
}

impl MemberName {
    /// Reads a name; only the one spelling passes.
    pub fn parse(text: &str) -> Option<Self> {
        let name = Self::guess(text)?;
        (name.to_string() == text).then_some(name)
    }

    fn guess(text: &str) -> Option<Self> {
        Some(match text {
            "mimetype" => Self::Mimetype,
            "report.pdf" => Self::Report,
            "README.txt" => Self::Readme,
            "message/original.eml" => Self::Original,
            "log/checkpoint" => Self::Checkpoint,
            "log/checkpoint.tst" => Self::CheckpointToken,
            "log/checkpoint.p7s" => Self::CheckpointSeal,
            "META-INF/ASiCManifest001.xml" => Self::Manifest,
            "META-INF/signature001.p7s" => Self::Signature,
            _ => return Self::numbered(text),
        })
    }

    fn numbered(text: &str) -> Option<Self> {
        let (folder, rest) = text.split_once('/')?;
        match folder {
            "message" => {
                if let Some(rest) = rest.strip_prefix("sent-") {
                    return Some(Self::Sent(rest.strip_suffix(".eml")?.parse().ok()?));
                }
                let (recipient, number) = rest.strip_prefix("receipts-")?.split_once('/')?;
                Some(Self::Receipt(recipient.parse().ok()?, number.strip_suffix(".eml")?.parse().ok()?))
            }
            "evidence" => {
                let (stem, kind) = rest.split_once('.')?;
                let part = match kind {
                    "xml" => EvidencePart::Xml,
                    "xml.p7s" => EvidencePart::Seal,
                    "xades" => EvidencePart::Enveloped,
                    _ => return None,
                };
                let (number, event) = stem.split_once('-')?;
                let event = EventName::parse(event)?;
                Some(Self::Evidence { number: number.parse().ok()?, event, part })
            }
            "log" => {
                let (index, kind) = rest.split_once('.')?;
                let part = match kind {
                    "json" => EntryPart::Json,
                    "open.json" => EntryPart::Openings,
                    "tlog-proof" => EntryPart::Proof,
                    _ => return None,
                };
                Some(Self::Entry(index.parse().ok()?, part))
            }
            "META-INF" => {
                let number = |middle: Option<&str>| middle?.parse().ok();
                if let Some(rest) = rest.strip_prefix("ASiCArchiveManifest") {
                    return Some(Self::Archive { number: number(rest.strip_suffix(".xml"))?, token: false });
                }
                let rest = rest.strip_prefix("timestamp")?;
                Some(Self::Archive { number: number(rest.strip_suffix(".tst"))?, token: true })
            }
            "revocation" => match rest.strip_prefix("crl-") {
                Some(rest) => Some(Self::Revocation(rest.strip_suffix(".crl")?.parse().ok()?)),
                None => Some(Self::Answer(rest.strip_prefix("ocsp-")?.strip_suffix(".ors")?.parse().ok()?)),
            },
            "certificates" => {
                Some(Self::Root(rest.strip_prefix("root-")?.strip_suffix(".pem")?.parse().ok()?))
            }
            _ => None,
        }
    }

    /// Media type, as the manifest says it.
    pub fn media_type(&self) -> &'static str {
        match self {
            Self::Mimetype | Self::Readme | Self::Checkpoint => "text/plain",
            Self::Report => "application/pdf",
            Self::Original | Self::Sent(_) | Self::Receipt(..) => "message/rfc822",
            Self::Evidence { part: EvidencePart::Seal, .. } | Self::CheckpointSeal | Self::Signature => {
                "application/pkcs7-signature"
            }
            Self::Evidence { .. } | Self::Manifest | Self::Archive { token: false, .. } => "application/xml",
            Self::Entry(_, EntryPart::Proof) => "text/plain",
            Self::Entry(..) => "application/json",
            Self::CheckpointToken | Self::Archive { token: true, .. } => {
                "application/vnd.etsi.timestamp-token"
            }
            Self::Root(_) => "application/x-pem-file",
            Self::Revocation(_) => "application/pkix-crl",
            Self::Answer(_) => "application/ocsp-response",
        }
    }

    /// Whether the manifest lists it: everything but the type marker, whose content is fixed, the
    /// signature with its manifest (EN 319 162-1 §4.4.3), and what a renewal adds later.
    pub fn is_listed(&self) -> bool {
        !matches!(self, Self::Mimetype | Self::Manifest | Self::Signature | Self::Archive { .. })
    }

    /// Whether it may be larger than memory.
    pub fn is_message(&self) -> bool {
        matches!(self, Self::Original | Self::Sent(_) | Self::Receipt(..))
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mimetype => f.write_str("mimetype"),
            Self::Report => f.write_str("report.pdf"),
            Self::Readme => f.write_str("README.txt"),
            Self::Original => f.write_str("message/original.eml"),
            Self::Sent(n) => write!(f, "message/sent-{n}.eml"),
            Self::Receipt(n, m) => write!(f, "message/receipts-{n}/{m}.eml"),
            Self::Evidence { number, event, part } => {
                let kind = match part {
                    EvidencePart::Xml => "xml",
                    EvidencePart::Seal => "xml.p7s",
                    EvidencePart::Enveloped => "xades",
                };
                write!(f, "evidence/{number:02}-{event}.{kind}")
            }
            Self::Entry(index, EntryPart::Json) => write!(f, "log/{index}.json"),
            Self::Entry(index, EntryPart::Openings) => write!(f, "log/{index}.open.json"),
            Self::Entry(index, EntryPart::Proof) => write!(f, "log/{index}.tlog-proof"),
            Self::Checkpoint => f.write_str("log/checkpoint"),
            Self::CheckpointToken => f.write_str("log/checkpoint.tst"),
            Self::CheckpointSeal => f.write_str("log/checkpoint.p7s"),
            Self::Root(n) => write!(f, "certificates/root-{n}.pem"),
            Self::Revocation(n) => write!(f, "revocation/crl-{n}.crl"),
            Self::Answer(n) => write!(f, "revocation/ocsp-{n}.ors"),
            Self::Manifest => f.write_str("META-INF/ASiCManifest001.xml"),
            Self::Signature => f.write_str("META-INF/signature001.p7s"),
            Self::Archive { number, token: false } => {
                write!(f, "META-INF/ASiCArchiveManifest{number:03}.xml")
            }
            Self::Archive { number, token: true } => write!(f, "META-INF/timestamp{number:03}.tst"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_each_in_order() {
        let names = [
            "mimetype",
            "report.pdf",
            "README.txt",
            "message/original.eml",
            "message/sent-2.eml",
            "message/sent-10.eml",
            "message/receipts-2/1.eml",
            "evidence/01-SubmissionAcceptance.xml",
            "evidence/01-SubmissionAcceptance.xml.p7s",
            "evidence/01-SubmissionAcceptance.xades",
            "evidence/100-ContentHandover.xml",
            "log/9.json",
            "log/9.open.json",
            "log/9.tlog-proof",
            "log/10.json",
            "log/checkpoint",
            "log/checkpoint.tst",
            "log/checkpoint.p7s",
            "certificates/root-1.pem",
            "revocation/crl-1.crl",
            "revocation/ocsp-1.ors",
            "revocation/ocsp-2.ors",
            "META-INF/ASiCManifest001.xml",
            "META-INF/signature001.p7s",
            "META-INF/ASiCArchiveManifest001.xml",
            "META-INF/timestamp001.tst",
            "META-INF/ASiCArchiveManifest002.xml",
            "META-INF/timestamp002.tst",
        ];
        let parsed: Vec<_> = names.iter().map(|n| MemberName::parse(n).unwrap()).collect();
        assert!(parsed.is_sorted());
        for bad in [
            "Mimetype",
            "message/sent-02.eml",
            "message/sent-+2.eml",
            "message/../x",
            "evidence/1-SubmissionAcceptance.xml",
            "evidence/01-Nothing.xml",
            "evidence/01-SubmissionAcceptance.xades.p7s",
            "log/01.json",
            "log/1.xml",
            "revocation/ocsp-01.ors",
            "revocation/crl-1.ors",
            "META-INF/ASiCArchiveManifest1.xml",
            "META-INF/timestamp0001.tst",
            "/mimetype",
            "",
        ] {
            assert_eq!(MemberName::parse(bad), None, "{bad}");
        }
    }
}
