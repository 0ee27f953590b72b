//! Signed notes with a checkpoint as text.

use super::key::LogKey;
use crate::merkle::Hash;

/// A note that is none, or that the log did not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not the one form of the format; says what is wrong.
    #[error("malformed: {0}")]
    Form(&'static str),
    /// A key name or origin that cannot be one.
    #[error("the log's name is empty or holds blanks or a plus sign")]
    Name,
    /// Not a P-256 public key, or not a verifier key.
    #[error("the log's key is not a P-256 key")]
    Key,
    /// No signature of this key.
    #[error("the log's key did not sign it")]
    NotSigned,
    /// A signature of this key that does not verify.
    #[error("the log's signature is wrong")]
    Signature,
    /// The inclusion path.
    #[error(transparent)]
    Path(#[from] crate::merkle::MerkleError),
}

/// Notes over this are refused; ours have under 400 octets.
const MAX_NOTE: usize = 64 * 1024;
/// More signature lines are refused; signed-note asks for 16 at least.
const MAX_SIGNATURES: usize = 32;

/// Size and root of a log at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log: a URL without scheme.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Merkle tree hash.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64_simd::STANDARD.encode_to_string(self.root))
    }
    /// Signs with the closure, which gives the DER signature (ECDSA P-256, SHA-256) over the bytes it is
    /// given.
    pub fn sign<E>(
        self,
        key: &LogKey,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<SignedCheckpoint, E> {
        let text = self.text();
        let signature = sign(text.as_bytes())?;
        let blob = [key.id().as_slice(), &signature].concat();
        let note = format!("{text}\n— {} {}\n", key.name(), base64_simd::STANDARD.encode_to_string(blob));
        Ok(SignedCheckpoint { note, checkpoint: self })
    }
    fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(NoteError::Form("a checkpoint has three lines"));
        };
        if origin.is_empty() {
            return Err(NoteError::Name);
        }
        let size = decimal(size).ok_or(NoteError::Form("the size is not a decimal number"))?;
        let root = hash(root).ok_or(NoteError::Form("the root is not a hash"))?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// A checkpoint with its signature lines: the bytes that are stored, timestamped and published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: String,
    checkpoint: Checkpoint,
}

impl SignedCheckpoint {
    /// Reads a note without trusting it; [`SignedCheckpoint::verify`] gives the checkpoint.
    pub fn parse(note: &[u8]) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE {
            return Err(NoteError::Form("it is too large"));
        }
        let note = std::str::from_utf8(note).map_err(|_| NoteError::Form("it is not UTF-8"))?;
        if note.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(NoteError::Form("it holds control characters"));
        }
        // signed-note: the last empty line parts the text from the signatures.
        let split = note.rfind("\n\n").ok_or(NoteError::Form("no empty line before the signatures"))?;
        let checkpoint = Checkpoint::parse(&note[..=split])?;
        let lines = signature_lines(note)?;
        if lines.is_empty() || lines.len() > MAX_SIGNATURES {
            return Err(NoteError::Form("it has no signature line, or too many"));
        }
        Ok(Self { note: note.to_owned(), checkpoint })
    }
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.note.as_bytes()
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.note
    }
    /// What it says, whether signed by the right key or not.
    pub fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }
    /// Checks the signature of `key`, and that the origin is the key's name. Signatures of unknown keys are
    /// ignored; every one of this key must verify.
    pub fn verify(&self, key: &LogKey) -> Result<&Checkpoint, NoteError> {
        if self.checkpoint.origin != key.name() {
            return Err(NoteError::NotSigned);
        }
        let mut signed = false;
        for (name, blob) in signature_lines(&self.note)? {
            let (id, signature) = blob.split_at(4);
            if name == key.name() && id == key.id() {
                key.verify(self.checkpoint.text().as_bytes(), signature)?;
                signed = true;
            }
        }
        if signed { Ok(&self.checkpoint) } else { Err(NoteError::NotSigned) }
    }
}

/// Names and decoded blobs (key identifier and signature) of the signature lines.
fn signature_lines(note: &str) -> Result<Vec<(&str, Vec<u8>)>, NoteError> {
    let malformed = NoteError::Form("a signature line is wrong");
    let start = note.rfind("\n\n").map_or(0, |at| at + 2);
    let Some(block) = note[start..].strip_suffix('\n') else { return Err(malformed) };
    block
        .split('\n')
        .map(|line| {
            let (name, blob) = line.strip_prefix("— ").and_then(|l| l.split_once(' '))?;
            let blob = base64_simd::STANDARD.decode_to_vec(blob).ok()?;
            (!name.is_empty() && blob.len() > 4).then_some((name, blob))
        })
        .collect::<Option<_>>()
        .ok_or(malformed)
}

/// Decimal in its one spelling.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let spelt = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    if spelt { text.parse().ok() } else { None }
}

/// 32 octets in base64, in their one spelling.
pub(super) fn hash(text: &str) -> Option<Hash> {
    base64_simd::STANDARD.decode_to_vec(text).ok()?.try_into().ok()
}
