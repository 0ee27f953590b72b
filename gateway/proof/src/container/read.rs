//! Reading: members are found by walking from the front, then everything is derived again and compared.

use super::records::{CENTRAL, CENTRAL_LEN, END, END_LEN, LOCAL, LOCAL_LEN, central, end, local};
use crate::name::MemberName;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use thiserror::Error;

/// More members than this are refused; a proof of a thousand recipients has some ten thousand.
const MAX_MEMBERS: usize = 200_000;
/// Longest name of a member of ours, with room.
const MAX_NAME: usize = 255;
/// What deviations are ascribed to when no member can be named.
pub(crate) const WHOLE: &str = "(container)";

/// Why a file cannot be looked at at all.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Neither begins nor ends like a ZIP.
    #[error("not a ZIP file")]
    NotZip,
    /// The system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A difference from the canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// Member, or `(container)`.
    pub subject: String,
    /// What is different.
    pub what: String,
}

/// A member as its local header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// CRC-32, as claimed.
    pub crc: u32,
    /// Where the local header begins.
    pub offset: u64,
    /// Where the content begins.
    pub data: u64,
}

/// What was found.
#[derive(Debug)]
pub struct Archive {
    /// Members in the order of the file, up to the first one that cannot be read.
    pub members: Vec<Member>,
    /// Differences from the canonical form; none in a good file.
    pub deviations: Vec<Deviation>,
}

/// Lists the members and compares the container's own bytes with their canonical form.
pub fn read<R: Read + Seek>(reader: &mut R) -> Result<Archive, ReadError> {
    let len = reader.seek(SeekFrom::End(0))?;
    let hints = central_names(reader, len)?;
    let mut archive = Archive { members: Vec::new(), deviations: Vec::new() };
    reader.seek(SeekFrom::Start(0))?;
    let mut input = BufReader::new(reader);
    let mut at = 0;
    loop {
        let index = archive.members.len();
        let found = match local_header(&mut input, at, len)? {
            Next::Central if index > 0 => break,
            Next::Central => Err((None, "no members".to_owned())),
            Next::Bad(name, what) => Err((name, what)),
            Next::Member(m) => Ok(m),
        };
        match found {
            Ok(member) if index < MAX_MEMBERS => {
                check_name(&mut archive, &member, hints.as_ref().and_then(|h| h.get(index)));
                at = member.data + member.size;
                input.seek(SeekFrom::Start(at))?;
                archive.members.push(member);
            }
            Ok(_) => {
                archive.deviate(WHOLE, "too many members");
                return Ok(archive);
            }
            Err((name, what)) => {
                if hints.is_none() && archive.members.is_empty() && name.is_none() {
                    return Err(ReadError::NotZip);
                }
                let hint = hints.as_ref().and_then(|h| h.get(index)).cloned();
                archive.deviate(&hint.or(name).unwrap_or_else(|| WHOLE.to_owned()), &what);
                return Ok(archive);
            }
        }
    }
    check_order(&mut archive);
    check_directory(&mut input, &mut archive, at, len)?;
    Ok(archive)
}

impl Archive {
    fn deviate(&mut self, subject: &str, what: &str) {
        self.deviations.push(Deviation { subject: subject.to_owned(), what: what.to_owned() });
    }
}

pub(super) enum Next {
    Member(Member),
    Central,
    Bad(Option<String>, String),
}

/// Reads a local header at `at` and compares it with what the canonical writer would have written.
pub(super) fn local_header<R: Read>(input: &mut R, at: u64, len: u64) -> io::Result<Next> {
    let bad = |what: &str| Ok(Next::Bad(None, what.to_owned()));
    let mut head = vec![0; LOCAL_LEN];
    if !fill(input, &mut head[..4])? {
        return bad("the file ends where a header should be");
    }
    match u32_at(&head, 0) {
        CENTRAL => return Ok(Next::Central),
        LOCAL => {}
        _ => return bad("no header where one should be"),
    }
    if !fill(input, &mut head[4..])? {
        return bad("the file ends within a header");
    }
    let (name_len, extra_len) = (usize::from(u16_at(&head, 26)), usize::from(u16_at(&head, 28)));
    if name_len > MAX_NAME || extra_len > 20 {
        return bad("its header has an impossible name or extra field");
    }
    head.resize(LOCAL_LEN + name_len + extra_len, 0);
    if !fill(input, &mut head[LOCAL_LEN..])? {
        return bad("the file ends within a header");
    }
    let name = String::from_utf8_lossy(&head[LOCAL_LEN..LOCAL_LEN + name_len]).into_owned();
    let mut size = u64::from(u32_at(&head, 22));
    if extra_len == 20 {
        size = u64_at(&head, LOCAL_LEN + name_len + 4);
    }
    let data = at + head.len() as u64;
    let member = Member { size, crc: u32_at(&head, 14), offset: at, data, name };
    if local(&member) != head {
        return Ok(Next::Bad(Some(member.name), "its header is not canonical".to_owned()));
    }
    if data.checked_add(size).is_none_or(|end| end > len) {
        return Ok(Next::Bad(Some(member.name), "it is cut off".to_owned()));
    }
    Ok(Next::Member(member))
}

/// A known name, and the one that the central directory remembers. A damaged length makes a shorter name and
/// sends the walk astray, so that this is said at once.
fn check_name(archive: &mut Archive, member: &Member, hint: Option<&String>) {
    let known = |name: &&String| MemberName::parse(name).is_some();
    if let Some(hint) = hint.filter(known).filter(|hint| **hint != member.name) {
        archive.deviate(hint, "its two headers name it differently");
    } else if !known(&&member.name) {
        let what = format!("{} is not the name of a member of a proof", member.name.escape_debug());
        archive.deviate(&member.name, &what);
    }
}

/// In order, each once.
fn check_order(archive: &mut Archive) {
    let mut last: Option<MemberName> = None;
    let mut wrong = Vec::new();
    for member in &archive.members {
        let name = MemberName::parse(&member.name);
        if name.is_some() && last >= name {
            wrong.push(member.name.clone());
        }
        last = name.or(last);
    }
    wrong.iter().for_each(|subject| archive.deviate(subject, "it is out of order, or there twice"));
}

/// Derives the central directory and the end record, and compares byte for byte up to the file's end.
fn check_directory<R: Read + Seek>(
    input: &mut R,
    archive: &mut Archive,
    at: u64,
    len: u64,
) -> io::Result<()> {
    input.seek(SeekFrom::Start(at))?;
    let mut size = 0u64;
    let members = std::mem::take(&mut archive.members);
    for member in &members {
        let expected = central(member);
        let mut found = vec![0; expected.len()];
        if !fill(input, &mut found)? || found != expected {
            archive.deviate(&member.name, "its record in the central directory is not canonical");
            archive.members = members;
            return Ok(());
        }
        size += expected.len() as u64;
    }
    let expected = end(members.len() as u64, size, at);
    archive.members = members;
    let mut found = vec![0; expected.len()];
    if !fill(input, &mut found)? || found != expected {
        archive.deviate(WHOLE, "its end record is not canonical");
    } else if at + size + expected.len() as u64 != len {
        archive.deviate(WHOLE, "there are bytes after its end");
    }
    Ok(())
}

/// Names by the central directory, read leniently: they only help to say which member is damaged.
fn central_names<R: Read + Seek>(reader: &mut R, len: u64) -> io::Result<Option<Vec<String>>> {
    let Some(end_at) = len.checked_sub(END_LEN as u64) else { return Ok(None) };
    let mut record = [0; END_LEN];
    reader.seek(SeekFrom::Start(end_at))?;
    if !fill(reader, &mut record)? || u32_at(&record, 0) != END {
        return Ok(None);
    }
    // By its size, not its offset, which an inserted byte has shifted.
    let Some(start) = end_at.checked_sub(u64::from(u32_at(&record, 12))) else { return Ok(Some(Vec::new())) };
    reader.seek(SeekFrom::Start(start))?;
    let mut input = BufReader::new(reader);
    let mut names = Vec::new();
    for _ in 0..u16_at(&record, 10) {
        let mut head = [0; CENTRAL_LEN];
        if !fill(&mut input, &mut head)? {
            break;
        }
        let (name, rest) = (usize::from(u16_at(&head, 28)), u16_at(&head, 30));
        if u32_at(&head, 0) != CENTRAL || name > MAX_NAME {
            break;
        }
        let mut text = vec![0; name];
        if !fill(&mut input, &mut text)? {
            break;
        }
        names.push(String::from_utf8_lossy(&text).into_owned());
        input.seek_relative(i64::from(rest))?;
    }
    Ok(Some(names))
}

/// Fills the buffer, or says that the input ended before.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
