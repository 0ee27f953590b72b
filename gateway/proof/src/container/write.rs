//! Writing the canonical ZIP.

use super::read::Member;
use super::records::{CRC_AT, central, end, local};
use crate::name::MemberName;
use aws_lc_rs::digest::{Context, SHA256};
use crc32fast::Hasher;
use sealpost_envelope::Sha256Digest;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Writes members one after the other; each is read once, and its digest comes back.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    at: u64,
    last: Option<MemberName>,
    members: Vec<Member>,
}

impl<W: Write + Seek> Writer<W> {
    /// Starts at the current position of `out`, which must be its beginning.
    pub fn new(out: W) -> Self {
        Self { out, at: 0, last: None, members: Vec::new() }
    }

    /// Adds a member of exactly `size` bytes. Members must come in their order.
    pub fn add(&mut self, name: &MemberName, size: u64, mut from: impl Read) -> io::Result<Sha256Digest> {
        if self.last.as_ref().is_some_and(|last| last >= name) {
            return Err(io::Error::other(format!("{name} is out of order")));
        }
        let mut member = Member { name: name.to_string(), size, crc: 0, offset: self.at, data: 0 };
        let head = local(&member);
        self.out.write_all(&head)?;
        member.data = self.at + head.len() as u64;
        let (mut crc, mut digest) = (Hasher::new(), Context::new(&SHA256));
        let mut left = size;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let n = match from.read(&mut buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if n as u64 > left || (n == 0 && left > 0) {
                return Err(io::Error::other(format!("{name} is not as long as announced ({size} bytes)")));
            }
            if n == 0 {
                break;
            }
            crc.update(&buffer[..n]);
            digest.update(&buffer[..n]);
            self.out.write_all(&buffer[..n])?;
            left -= n as u64;
        }
        member.crc = crc.finalize();
        self.at = member.data + size;
        // The checksum is known only now, and a data descriptor would not be canonical.
        self.out.seek(SeekFrom::Start(member.offset + CRC_AT))?;
        self.out.write_all(&member.crc.to_le_bytes())?;
        self.out.seek(SeekFrom::Start(self.at))?;
        self.last = Some(name.clone());
        self.members.push(member);
        let digest = Sha256Digest::from_slice(digest.finish().as_ref());
        digest.ok_or_else(|| io::Error::other("SHA-256 has 32 bytes"))
    }

    /// Adds a member from memory.
    pub fn add_bytes(&mut self, name: &MemberName, bytes: &[u8]) -> io::Result<Sha256Digest> {
        self.add(name, bytes.len() as u64, bytes)
    }

    /// Writes the central directory, flushes, and gives the output back.
    pub fn finish(mut self) -> io::Result<W> {
        let mut size = 0;
        for member in &self.members {
            let record = central(member);
            size += record.len() as u64;
            self.out.write_all(&record)?;
        }
        self.out.write_all(&end(self.members.len() as u64, size, self.at))?;
        self.out.flush()?;
        Ok(self.out)
    }
}
