//! The sealed copy of the key store: all its files in one, under a recovery passphrase.
//!
//! ```text
//! sealpost keys, version 1
//! salt: (32 hexadecimal digits)
//! file <path> <base64 of the sealed octets>        one line per file
//! end <base64 of the sealed digest over all lines above>
//! ```
//! The key is Argon2id (64 MiB, 3 passes, 1 lane) of the passphrase; every file is sealed for its own path
//! ([`crate::crypto::small`]), and the last line ties them together, so that none can be taken out, added,
//! exchanged or renamed.
//!
//! **Exposure.** Lies wherever copies lie: without the passphrase it tells the names and sizes of keys only.

use super::{KeyError, file};
use crate::crypto::{open_small, random, seal_small};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::digest::{Context, SHA256};
use sealpost_envelope::{Secret, hex};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const TITLE: &str = "sealpost keys, version 1";
/// Characters of generated passphrases: 32, without those that are mistaken for one another.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// A line longer than this is none of ours: key files and certificates have some kilobytes.
const MAX_LINE: u64 = 4 << 20;

/// Why a sealed copy cannot be written or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Reading or writing.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Wrong passphrase, or not the file that was written.
    #[error("{0}: the passphrase is wrong, or the file was changed")]
    Refused(PathBuf),
    /// There are keys already.
    #[error("{0} holds keys already: nothing was changed")]
    NotEmpty(PathBuf),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SealedError {
    let path = path.to_owned();
    move |source| SealedError::Io { path, source }
}

/// A passphrase of 120 random bits, in six groups of four.
pub fn passphrase() -> Secret<String> {
    let mut raw = [0u8; 24];
    random(&mut raw);
    let letters: Vec<u8> = raw.iter().map(|b| LETTERS[usize::from(b % 32)]).collect();
    raw.fill(0);
    let groups: Vec<&str> = letters.chunks(4).map(|g| std::str::from_utf8(g).unwrap_or_default()).collect();
    Secret::new(groups.join("-"))
}

fn derived(passphrase: &Secret<String>, salt: &[u8]) -> Secret<[u8; 32]> {
    let params = Params::new(64 * 1024, 3, 1, Some(32)).expect("the parameters are within Argon2's bounds");
    let mut key = [0u8; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().trim().as_bytes(), salt, &mut key)
        .expect("salt and length are within Argon2's bounds");
    Secret::new(key)
}

/// Writes every file of the key store into the new file `to`; says how many.
pub fn seal(dir: &Path, to: &Path, passphrase: &Secret<String>) -> Result<u64, SealedError> {
    let mut salt = [0u8; 16];
    random(&mut salt);
    let key = derived(passphrase, &salt);
    let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(at(to))?;
    let mut out = BufWriter::new(out);
    let mut sum = Context::new(&SHA256);
    let mut put = |line: String| {
        sum.update(line.as_bytes());
        out.write_all(line.as_bytes()).map_err(at(to))
    };
    put(format!("{TITLE}\nsalt: {}\n", hex::encode(&salt)))?;
    let files = files(dir)?;
    for name in &files {
        let path = dir.join(name);
        let plain = Zeroizing::new(fs::read(&path).map_err(at(&path))?);
        let sealed = seal_small(key.expose(), "key file", name.as_bytes(), &plain)
            .map_err(|_| SealedError::Refused(to.to_owned()))?;
        put(format!("file {name} {}\n", base64_simd::STANDARD.encode_to_string(sealed)))?;
    }
    let sealed = seal_small(key.expose(), "key files", b"end", sum.finish().as_ref())
        .map_err(|_| SealedError::Refused(to.to_owned()))?;
    writeln!(out, "end {}", base64_simd::STANDARD.encode_to_string(sealed)).map_err(at(to))?;
    let out = out.into_inner().map_err(|e| at(to)(e.into_error()))?;
    out.sync_all().map_err(at(to))?;
    Ok(files.len() as u64)
}

/// Brings the keys back into a directory that holds none; says how many files. Everything is checked before
/// the first file is written.
pub fn unseal(from: &Path, dir: &Path, passphrase: &Secret<String>) -> Result<u64, SealedError> {
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(SealedError::NotEmpty(dir.to_owned()));
    }
    each(from, passphrase, |_, _| Ok(()))?;
    file::private_dir(dir)?;
    let count = each(from, passphrase, |name, plain| {
        let path = dir.join(name);
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(at(parent))?;
        }
        let mode = if name.ends_with(".pem") { 0o644 } else { 0o600 };
        let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        made.and_then(|mut f| f.write_all(plain).and_then(|()| f.sync_all())).map_err(at(&path))
    })?;
    file::sync_dir(dir).map_err(at(dir))?;
    Ok(count)
}

/// Opens every file of the copy, and the seal over all of them.
fn each(
    from: &Path,
    passphrase: &Secret<String>,
    mut visit: impl FnMut(&str, &[u8]) -> Result<(), SealedError>,
) -> Result<u64, SealedError> {
    let refused = || SealedError::Refused(from.to_owned());
    let mut reader = BufReader::new(File::open(from).map_err(at(from))?);
    let mut line = || -> Result<String, SealedError> {
        let mut text = String::new();
        io::Read::take(&mut reader, MAX_LINE).read_line(&mut text).map_err(at(from))?;
        Ok(text)
    };
    let mut sum = Context::new(&SHA256);
    let (title, salt) = (line()?, line()?);
    sum.update(title.as_bytes());
    sum.update(salt.as_bytes());
    if title.trim_end() != TITLE {
        return Err(refused());
    }
    let salt = salt.strip_prefix("salt: ").and_then(|s| hex::decode(s.trim_end())).ok_or_else(refused)?;
    if salt.len() != 16 {
        return Err(refused());
    }
    let key = derived(passphrase, &salt);
    let mut count = 0;
    loop {
        let text = line()?;
        let decode = |b: &str| base64_simd::STANDARD.decode_to_vec(b).ok();
        let body = text.strip_suffix('\n').ok_or_else(refused)?;
        if let Some(sealed) = body.strip_prefix("end ") {
            let sealed = decode(sealed).ok_or_else(refused)?;
            let said = open_small(key.expose(), "key files", b"end", &sealed).map_err(|_| refused())?;
            return if said == sum.finish().as_ref() { Ok(count) } else { Err(refused()) };
        }
        let (name, sealed) =
            body.strip_prefix("file ").and_then(|rest| rest.split_once(' ')).ok_or_else(refused)?;
        if !plain_name(name) {
            return Err(refused());
        }
        let sealed = decode(sealed).ok_or_else(refused)?;
        let plain = Zeroizing::new(
            open_small(key.expose(), "key file", name.as_bytes(), &sealed).map_err(|_| refused())?,
        );
        visit(name, &plain)?;
        sum.update(text.as_bytes());
        count += 1;
    }
}

/// Our own names only: no way out of the directory.
fn plain_name(name: &str) -> bool {
    let word = |w: &str| {
        !w.is_empty()
            && !w.starts_with('.')
            && w.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    name.split('/').count() <= 4 && name.split('/').all(word)
}

/// Paths of all files below `dir`, in order.
fn files(dir: &Path) -> Result<Vec<String>, SealedError> {
    let (mut found, mut waiting) = (Vec::new(), vec![String::new()]);
    while let Some(below) = waiting.pop() {
        let here = dir.join(&below);
        for entry in fs::read_dir(&here).map_err(at(&here))? {
            let entry = entry.map_err(at(&here))?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let name = if below.is_empty() { name } else { format!("{below}/{name}") };
            let kind = entry.file_type().map_err(at(&here))?;
            if !plain_name(&name) {
                continue;
            }
            if kind.is_dir() {
                waiting.push(name);
            } else if kind.is_file() {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let keys = super::super::KeyStore::open(root.path().join("keys")).unwrap();
        let codes = *keys.purpose("codes").unwrap().expose();
        fs::create_dir(keys.dir().join("authority")).unwrap();
        fs::write(keys.dir().join("authority/root.pem"), b"certificate").unwrap();
        let (copy, phrase) = (root.path().join("keys.sealed"), passphrase());
        assert_eq!(phrase.expose().len(), 29);
        assert_eq!(seal(keys.dir(), &copy, &phrase).unwrap(), 2);

        let back = root.path().join("back");
        assert_eq!(unseal(&copy, &back, &phrase).unwrap(), 2);
        let again = super::super::KeyStore::open(&back).unwrap();
        assert_eq!(*again.purpose("codes").unwrap().expose(), codes);
        assert_eq!(fs::read(back.join("authority/root.pem")).unwrap(), b"certificate");
        assert!(matches!(unseal(&copy, &back, &phrase), Err(SealedError::NotEmpty(_))));

        let text = fs::read_to_string(&copy).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let without =
            |n: usize| lines.iter().enumerate().filter(|(i, _)| *i != n).map(|(_, l)| *l).collect::<String>();
        let other = root.path().join("other");
        for (what, changed) in [
            ("a file is missing", without(2)),
            ("the end is missing", without(4)),
            ("another path", text.replacen("authority/root.pem", "authority/boot.pem", 1)),
            ("a way out", text.replacen("authority/root.pem", "../authority/root.pem", 1)),
            ("two files exchanged", [lines[0], lines[1], lines[3], lines[2], lines[4]].concat()),
            ("cut", text[..text.len() - 10].to_owned()),
        ] {
            let file = root.path().join("changed");
            fs::write(&file, changed).unwrap();
            assert!(matches!(unseal(&file, &other, &phrase), Err(SealedError::Refused(_))), "{what}");
            assert!(!other.exists(), "{what}");
        }
        let wrong = Secret::new("0000-0000-0000-0000-0000-0000".to_owned());
        assert!(matches!(unseal(&copy, &other, &wrong), Err(SealedError::Refused(_))));
    }
}
