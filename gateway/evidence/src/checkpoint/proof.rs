//! tlog-proof: one entry's inclusion under one checkpoint, checkable offline.

use super::key::LogKey;
use super::note::{Checkpoint, NoteError, SignedCheckpoint, decimal, hash};
use crate::merkle::{Hash, verify_inclusion};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// A tree of 2^64 leaves has 64 levels.
const MAX_PATH: usize = 64;

/// An inclusion proof with its checkpoint. We write no `extra` line and refuse one: nothing vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Number of the entry, from 0.
    pub index: u64,
    /// Hashes from the leaf's sibling to the root's child.
    pub path: Vec<Hash>,
    /// The checkpoint, verbatim.
    pub checkpoint: SignedCheckpoint,
}

impl TlogProof {
    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\nindex {}\n", self.index);
        for hash in &self.path {
            text.push_str(&base64_simd::STANDARD.encode_to_string(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(self.checkpoint.as_str());
        text.into_bytes()
    }
    /// Reads the file, without trusting it.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let text = std::str::from_utf8(bytes).map_err(|_| NoteError::Form("it is not UTF-8"))?;
        let (head, note) =
            text.split_once("\n\n").ok_or(NoteError::Form("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(NoteError::Form("it is not a tlog-proof"));
        }
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(decimal)
            .ok_or(NoteError::Form("no index"))?;
        let path: Vec<Hash> = lines
            .take(MAX_PATH + 1)
            .map(hash)
            .collect::<Option<_>>()
            .ok_or(NoteError::Form("a hash is wrong"))?;
        if path.len() > MAX_PATH {
            return Err(NoteError::Form("the path is too long"));
        }
        Ok(Self { index, path, checkpoint: SignedCheckpoint::parse(note.as_bytes())? })
    }
    /// Checks the log's signature and that the leaf is below the root.
    pub fn verify(&self, leaf: &Hash, key: &LogKey) -> Result<&Checkpoint, NoteError> {
        let checkpoint = self.checkpoint.verify(key)?;
        verify_inclusion(leaf, self.index, checkpoint.size, &self.path, &checkpoint.root)?;
        Ok(checkpoint)
    }
}
