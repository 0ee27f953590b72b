//! Key files: small texts, written once, linked into place complete, never edited.
//!
//! ```text
//! sealpost key, version 1
//! name: week-2026-W48
//! key: (64 hexadecimal digits)
//! check: (first 8 digits of SHA-256 over name and key octets)
//! ```

use super::KeyError;
use crate::crypto::random;
use aws_lc_rs::digest;
use sealpost_envelope::{Secret, failpoint, hex};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const TITLE: &str = "sealpost key, version 1";

/// Creates the directory with mode 0700, or refuses one that others can read.
pub(super) fn private_dir(dir: &Path) -> Result<(), KeyError> {
    durable_dir(dir, 0o700).map_err(KeyError::io(dir))?;
    let meta = fs::metadata(dir).map_err(KeyError::io(dir))?;
    if !meta.is_dir() || meta.permissions().mode() & 0o077 != 0 {
        return Err(KeyError::Exposed(dir.to_owned()));
    }
    Ok(())
}

fn path_of(dir: &Path, name: &str) -> Result<PathBuf, KeyError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return Err(KeyError::BadName(name.to_owned()));
    }
    Ok(dir.join(format!("{name}.key")))
}

/// Reads a key; `None` if there is no such file.
pub(super) fn read(dir: &Path, name: &str) -> Result<Option<Secret<[u8; 32]>>, KeyError> {
    let path = path_of(dir, name)?;
    let mut text = Zeroizing::new(String::with_capacity(512));
    match File::open(&path) {
        Ok(file) => match file.take(512).read_to_string(&mut text) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                return Err(KeyError::Damaged(name.to_owned()));
            }
            Err(e) => return Err(KeyError::io(&path)(e)),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(KeyError::io(&path)(e)),
    }
    parse(name, &text).map(Some).ok_or_else(|| KeyError::Damaged(name.to_owned()))
}

/// Creates a key file unless one is there, durable when it returns. Safe against other processes: the
/// file appears complete, and only the first wins.
pub(super) fn create(dir: &Path, name: &str, key: &Secret<[u8; 32]>) -> Result<(), KeyError> {
    let path = path_of(dir, name)?;
    let mut tag = [0u8; 8];
    random(&mut tag);
    let temporary = dir.join(format!(".{name}.{}.new", hex::encode(&tag)));
    let linked = write_new(&temporary, render(name, key.expose()).as_bytes())
        .and_then(|()| failpoint!(KeyWritten))
        .and_then(|()| match fs::hard_link(&temporary, &path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        })
        .map_err(KeyError::io(&path));
    let removed = fs::remove_file(&temporary).map_err(KeyError::io(&temporary));
    linked?;
    removed?;
    failpoint!(KeyLinked).and_then(|()| sync_dir(dir)).map_err(KeyError::io(dir))
}

/// Overwrites and removes a key file, if it is there. (Overwriting helps only where the file system
/// writes in place; the promise rests on the file being gone and on its absence from backups.)
pub(super) fn destroy(dir: &Path, name: &str) -> Result<(), KeyError> {
    let path = path_of(dir, name)?;
    let mut file = match OpenOptions::new().write(true).open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(KeyError::io(&path)(e)),
    };
    let wiped = file
        .metadata()
        .and_then(|m| file.write_all(&vec![0; m.len() as usize]))
        .and_then(|()| file.sync_all())
        .and_then(|()| failpoint!(KeyWiped));
    wiped.map_err(KeyError::io(&path))?;
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(KeyError::io(&path)(e)),
        _ => {}
    }
    failpoint!(KeyRemoved).and_then(|()| sync_dir(dir)).map_err(KeyError::io(dir))
}

/// Names of all keys.
pub(super) fn names(dir: &Path) -> Result<Vec<String>, KeyError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(KeyError::io(dir))? {
        let entry = entry.map_err(KeyError::io(dir))?;
        if let Some(name) = entry.file_name().to_str().and_then(|n| n.strip_suffix(".key")) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a directory, and those above it that are missing; durable when it returns.
pub(crate) fn durable_dir(dir: &Path, mode: u32) -> io::Result<()> {
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty());
    if !dir.is_dir() {
        parent.map_or(Ok(()), |parent| durable_dir(parent, 0o755))?;
        match DirBuilder::new().mode(mode).create(dir) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
    }
    // Also where it was there: whoever made it may have died before this.
    match parent.map_or(Ok(()), sync_dir) {
        // Above what is ours we need not be able to read; who made it answers for it.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// Makes the directory's entries durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn check(name: &str, key: &[u8; 32]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(name.as_bytes());
    context.update(key);
    hex::encode(&context.finish().as_ref()[..4])
}

fn render(name: &str, key: &[u8; 32]) -> Zeroizing<String> {
    let digits = Zeroizing::new(hex::encode(key));
    Zeroizing::new(format!("{TITLE}\nname: {name}\nkey: {}\ncheck: {}\n", *digits, check(name, key)))
}

fn parse(name: &str, text: &str) -> Option<Secret<[u8; 32]>> {
    let rest = text.strip_prefix(TITLE)?.strip_prefix("\nname: ")?.strip_prefix(name)?;
    let (digits, sum) = rest.strip_prefix("\nkey: ")?.split_once("\ncheck: ")?;
    let raw = Zeroizing::new(hex::decode(digits)?);
    let key = Secret::new(<[u8; 32]>::try_from(raw.as_slice()).ok()?);
    (sum.strip_suffix('\n')? == check(name, key.expose())).then_some(key)
}
