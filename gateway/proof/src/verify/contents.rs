//! The members' contents: one streaming pass for checksum and digest, then small ones on demand.

use super::Judge;
use crate::container::{Archive, MIMETYPE, Member};
use crate::name::{EntryPart, EvidencePart, MemberName};
use aws_lc_rs::digest::{Context, SHA256};
use crc32fast::Hasher;
use sealpost_envelope::Sha256Digest;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

/// Largest member that is read into memory; evidence of a thousand recipients has one MiB.
const MAX_IN_MEMORY: u64 = 32 * 1024 * 1024;

/// Members by name, in order, with the digests of what they really hold.
pub(super) struct Contents<R> {
    reader: R,
    members: BTreeMap<MemberName, (Member, Sha256Digest)>,
}

impl<R: Read + Seek> Contents<R> {
    /// Reads every member once. Members that cannot be named have been reported already.
    pub(super) fn digest(mut reader: R, archive: Archive, judge: &mut Judge<'_>) -> io::Result<Self> {
        let mut members = BTreeMap::new();
        let mut buffer = vec![0; 128 * 1024];
        for member in archive.members {
            let Some(name) = MemberName::parse(&member.name) else { continue };
            let (crc, digest) = read_through(&mut reader, &member, &mut buffer)?;
            if crc != member.crc {
                judge.fail(&name, "its checksum is wrong");
            }
            members.insert(name, (member, digest));
        }
        let mut contents = Self { reader, members };
        contents.check_type(judge)?;
        contents.check_completeness(judge);
        Ok(contents)
    }

    fn check_type(&mut self, judge: &mut Judge<'_>) -> io::Result<()> {
        if let Some(found) = self.load(&MemberName::Mimetype, judge)? {
            let right = found == MIMETYPE.as_bytes();
            let outcome = if right { Ok(()) } else { Err("not the type of a proof") };
            judge.judge(&MemberName::Mimetype, outcome, |()| MIMETYPE.to_owned());
        }
        Ok(())
    }

    /// What must be there, and what must come in company.
    fn check_completeness(&self, judge: &mut Judge<'_>) {
        use MemberName as M;
        let mut required = vec![
            M::Mimetype,
            M::Report,
            M::Readme,
            M::Checkpoint,
            M::CheckpointToken,
            M::CheckpointSeal,
            M::Manifest,
            M::Signature,
        ];
        let (mut expected, mut archives) = (1, 1);
        for name in self.members.keys() {
            match name {
                M::Evidence { number, event, part } => {
                    let both = [EvidencePart::Xml, EvidencePart::Seal];
                    required.extend(both.map(|part| M::Evidence { number: *number, event: *event, part }));
                    if *number != expected - u32::from(*part != EvidencePart::Xml) || *number == 0 {
                        judge.fail(name, "its number is not the next one");
                    }
                    expected = number.saturating_add(1);
                }
                M::Archive { number, token } => {
                    required.push(M::Archive { number: *number, token: !token });
                    if *number != archives - u32::from(*token) || *number == 0 {
                        judge.fail(name, "its number is not the next one");
                    }
                    archives = number.saturating_add(1);
                }
                M::Entry(index, _) => {
                    required.extend([EntryPart::Json, EntryPart::Proof].map(|part| M::Entry(*index, part)));
                }
                _ => {}
            }
        }
        required.dedup();
        for name in required {
            if !self.members.contains_key(&name)
                && !judge.checks.iter().any(|c| c.subject == name.to_string())
            {
                judge.fail(&name, "it is missing");
            }
        }
        if !self.members.keys().any(|n| matches!(n, M::Entry(..))) {
            judge.fail(&"log/", "no journal entry is there");
        }
    }

    /// Names, in order.
    pub(super) fn names(&self) -> Vec<MemberName> {
        self.members.keys().cloned().collect()
    }

    /// Digest of what a member really holds.
    pub(super) fn digest_of(&self, name: &MemberName) -> Option<Sha256Digest> {
        self.members.get(name).map(|(_, digest)| *digest)
    }

    /// A small member's bytes; `None` when it is missing (reported already) or too large (reported here).
    pub(super) fn load(&mut self, name: &MemberName, judge: &mut Judge<'_>) -> io::Result<Option<Vec<u8>>> {
        let Some((member, _)) = self.members.get(name) else {
            return Ok(None);
        };
        if member.size > MAX_IN_MEMORY {
            judge.fail(name, "it is larger than any such file");
            return Ok(None);
        }
        self.reader.seek(SeekFrom::Start(member.data))?;
        let mut bytes = Vec::new();
        (&mut self.reader).take(member.size).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

fn read_through<R: Read + Seek>(
    reader: &mut R,
    member: &Member,
    buffer: &mut [u8],
) -> io::Result<(u32, Sha256Digest)> {
    reader.seek(SeekFrom::Start(member.data))?;
    let mut input = reader.take(member.size);
    let (mut crc, mut digest) = (Hasher::new(), Context::new(&SHA256));
    loop {
        match input.read(buffer) {
            Ok(0) => break,
            Ok(n) => {
                crc.update(&buffer[..n]);
                digest.update(&buffer[..n]);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let digest = Sha256Digest::from_slice(digest.finish().as_ref());
    Ok((crc.finalize(), digest.ok_or_else(|| io::Error::other("SHA-256 has 32 bytes"))?))
}
