//! Many proofs in one ZIP, which can be continued after an interruption.
//!
//! The same plain form as a proof's own container, with other names. Members are appended one after the other; the
//! directory is written last, so that an interrupted file ends in the middle of a member: what is whole before it
//! is kept, the rest is cut off.

use super::read::{Member, Next, local_header};
use super::records::{central, end, local};
use crc32fast::Hasher;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

/// A collection being written.
#[derive(Debug)]
pub struct Collection {
    file: File,
    at: u64,
    members: Vec<Member>,
}

impl Collection {
    /// Continues in `file`, which is empty or was interrupted.
    pub fn resume(mut file: File) -> io::Result<Self> {
        let len = file.seek(SeekFrom::End(0))?;
        let mut members: Vec<Member> = Vec::new();
        let mut at = 0;
        loop {
            file.seek(SeekFrom::Start(at))?;
            match local_header(&mut file, at, len)? {
                Next::Member(member) => {
                    at = member.data + member.size;
                    members.push(member);
                }
                Next::Central | Next::Bad(..) => break,
            }
        }
        // Only what was written last can be incomplete inside.
        if let Some(last) = members.last() {
            file.seek(SeekFrom::Start(last.data))?;
            if checksum(&mut (&mut file).take(last.size))? != last.crc {
                at = last.offset;
                members.pop();
            }
        }
        file.set_len(at)?;
        file.seek(SeekFrom::Start(at))?;
        Ok(Self { file, at, members })
    }

    /// Names of what is in it, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|m| m.name.as_str())
    }

    /// Appends a member; `from` is read twice. It is on the disk when this returns.
    pub fn add(&mut self, name: &str, mut from: impl Read + Seek) -> io::Result<()> {
        let size = from.seek(SeekFrom::End(0))?;
        from.rewind()?;
        let crc = checksum(&mut from)?;
        from.rewind()?;
        let mut member = Member { name: name.to_owned(), size, crc, offset: self.at, data: 0 };
        let head = local(&member);
        member.data = self.at + head.len() as u64;
        self.file.write_all(&head)?;
        if io::copy(&mut from, &mut self.file)? != size {
            return Err(io::Error::other(format!("{name} changed while it was read")));
        }
        self.file.sync_data()?;
        self.at = member.data + size;
        self.members.push(member);
        Ok(())
    }

    /// Writes the directory.
    pub fn finish(mut self) -> io::Result<()> {
        let mut size = 0;
        let mut out = io::BufWriter::new(&mut self.file);
        for member in &self.members {
            let record = central(member);
            size += record.len() as u64;
            out.write_all(&record)?;
        }
        out.write_all(&end(self.members.len() as u64, size, self.at))?;
        out.flush()?;
        drop(out);
        self.file.sync_all()
    }
}

fn checksum(from: &mut impl Read) -> io::Result<u32> {
    let mut crc = Hasher::new();
    let mut input = BufReader::with_capacity(1 << 17, from);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(crc.finalize()),
            Ok(n) => crc.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn an_interrupted_collection_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.zip");
        let open = || {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false).open(&path).unwrap()
        };
        let contents: Vec<Vec<u8>> = (0..5u8).map(|n| vec![n; 1000 * usize::from(n) + 1]).collect();
        let mut collection = Collection::resume(open()).unwrap();
        for (n, content) in contents[..3].iter().enumerate() {
            collection.add(&format!("proofs/{n}"), Cursor::new(content)).unwrap();
        }
        drop(collection);
        // Cut anywhere in the third: the first two stay.
        let whole = std::fs::read(&path).unwrap();
        for cut in [1, 500, 2000] {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(Collection::resume(open()).unwrap().names().count(), 2, "{cut}");
        }
        let mut collection = Collection::resume(open()).unwrap();
        for (n, content) in contents.iter().enumerate().skip(2) {
            collection.add(&format!("proofs/{n}"), Cursor::new(content)).unwrap();
        }
        collection.finish().unwrap();
        let said = std::process::Command::new("unzip").arg("-tq").arg(&path).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
        for (n, content) in contents.iter().enumerate() {
            let member = format!("proofs/{n}");
            let out = std::process::Command::new("unzip").arg("-p").arg(&path).arg(member).output().unwrap();
            assert_eq!(&out.stdout, content);
        }
    }
}
