//! The list of what was destroyed: `week 2026-W48 <time>` and `deposit <uuid> <time>`, one per line,
//! appended and flushed before the destruction. A restore applies it again.

use super::KeyError;
use sealpost_envelope::{DepositId, Timestamp};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const NAME: &str = "tombstones";
/// Longest line of ours is under 80 octets.
const MAX_LINE: u64 = 128;

/// What a tombstone stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TombstoneSubject {
    /// All deposits of a week.
    Week(String),
    /// One deposit, before its week.
    Deposit(DepositId),
}

/// One destruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Of what.
    pub subject: TombstoneSubject,
    /// When.
    pub time: Timestamp,
}

/// The destroyed weeks, and how much of the list was read to know them.
#[derive(Debug, Default)]
pub(super) struct Graveyard {
    weeks: HashSet<String>,
    read: u64,
}

impl Graveyard {
    pub(super) fn read(dir: &Path) -> Result<Self, KeyError> {
        let mut graves = Self::default();
        graves.refresh(dir)?;
        Ok(graves)
    }
    pub(super) fn weeks(&self) -> impl Iterator<Item = &String> {
        self.weeks.iter()
    }
    pub(super) fn has_week(&self, week: &str) -> bool {
        self.weeks.contains(week)
    }
    /// Reads the list again if it grew; says whether it did.
    pub(super) fn refresh(&mut self, dir: &Path) -> Result<bool, KeyError> {
        let path = dir.join(NAME);
        let len = match fs::metadata(&path) {
            Ok(meta) => meta.len(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => return Err(KeyError::io(&path)(e)),
        };
        if len == self.read {
            return Ok(false);
        }
        for stone in read_all(dir)? {
            if let TombstoneSubject::Week(week) = stone.subject {
                self.weeks.insert(week);
            }
        }
        self.read = len;
        Ok(true)
    }
    /// Appends one line, durable when it returns.
    pub(super) fn bury(
        &mut self,
        dir: &Path,
        what: TombstoneSubject,
        now: Timestamp,
    ) -> Result<(), KeyError> {
        let path = dir.join(NAME);
        let line = match &what {
            TombstoneSubject::Week(week) => format!("week {week} {now}\n"),
            TombstoneSubject::Deposit(id) => format!("deposit {id} {now}\n"),
        };
        let append = || -> io::Result<()> {
            let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
            cut_half_line(&mut file)?;
            // One write: lines of several processes do not mix.
            file.write_all(line.as_bytes())?;
            file.sync_all()?;
            super::file::sync_dir(dir)
        };
        append().map_err(KeyError::io(&path))?;
        self.refresh(dir)?;
        Ok(())
    }
}

/// Drops what a crash left of an append: the destruction it announced had not begun.
fn cut_half_line(file: &mut File) -> io::Result<()> {
    let len = file.metadata()?.len();
    let start = len.saturating_sub(MAX_LINE);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(MAX_LINE).read_to_end(&mut tail)?;
    match tail.iter().rposition(|&b| b == b'\n') {
        Some(at) if at + 1 < tail.len() => file.set_len(start + at as u64 + 1),
        None if start == 0 && !tail.is_empty() => file.set_len(0),
        _ => Ok(()),
    }
}

/// The whole list, oldest first.
pub(super) fn read_all(dir: &Path) -> Result<Vec<Tombstone>, KeyError> {
    let path = dir.join(NAME);
    let mut reader = match File::open(&path) {
        Ok(file) => BufReader::new(file),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(KeyError::io(&path)(e)),
    };
    let mut stones = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        match (&mut reader).take(MAX_LINE).read_line(&mut line) {
            Ok(0) => return Ok(stones),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                return Err(KeyError::Damaged(NAME.to_owned()));
            }
            Err(e) => return Err(KeyError::io(&path)(e)),
        }
        match parse(&line) {
            Some(stone) => stones.push(stone),
            // A crash in the middle of an append leaves half a line; its destruction had not begun.
            None if !line.ends_with('\n') && (line.len() as u64) < MAX_LINE => return Ok(stones),
            None => return Err(KeyError::Damaged(NAME.to_owned())),
        }
    }
}

fn parse(line: &str) -> Option<Tombstone> {
    let mut words = line.strip_suffix('\n')?.split(' ');
    let (kind, name, time) = (words.next()?, words.next()?, words.next()?);
    let subject = match kind {
        "week" => super::week::end(name).map(|_| TombstoneSubject::Week(name.to_owned()))?,
        "deposit" => TombstoneSubject::Deposit(name.parse().ok()?),
        _ => return None,
    };
    words.next().is_none().then_some(Tombstone { subject, time: time.parse().ok()? })
}
