//! The records of a ZIP that is written while it is sent: stored files, with ZIP64 where sizes ask for it.
//!
//! **Standards.** PKWARE APPNOTE 6.3.10. Checksums are known only after a file's bytes have passed, so they follow the
//! data (bit 3).

use crate::locale;
use sealpost_envelope::Timestamp;

/// From this size on a field needs its ZIP64 form.
const BIG: u64 = 0xFFFF_FFFF;
/// Checksum after the data; names in UTF-8.
const FLAGS: u16 = 0x0808;

/// One file within the archive.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: String,
    /// Octets.
    pub(crate) size: u64,
    /// Where its local header begins.
    pub(crate) offset: u64,
    /// Checksum of its octets, once they have passed.
    pub(crate) crc: u32,
}

impl Entry {
    fn is_big(&self) -> bool {
        self.size >= BIG
    }
    /// Local header, data and descriptor.
    pub(crate) fn length(&self) -> u64 {
        let (extra, descriptor) = if self.is_big() { (20, 24) } else { (0, 16) };
        30 + self.name.len() as u64 + extra + self.size + descriptor
    }
    /// Fields that do not fit the classic directory entry, in APPNOTE's order (§4.5.3).
    fn directory_extra(&self) -> Vec<u64> {
        let mut fields = Vec::new();
        if self.is_big() {
            fields.extend([self.size, self.size]);
        }
        if self.offset >= BIG {
            fields.push(self.offset);
        }
        fields
    }
}

/// Little-endian fields one after the other.
#[derive(Default)]
struct Fields(Vec<u8>);
impl Fields {
    fn u16(mut self, v: u16) -> Self {
        self.0.extend_from_slice(&v.to_le_bytes());
        self
    }
    fn u32(mut self, v: u32) -> Self {
        self.0.extend_from_slice(&v.to_le_bytes());
        self
    }
    fn u64(mut self, v: u64) -> Self {
        self.0.extend_from_slice(&v.to_le_bytes());
        self
    }
    fn bytes(mut self, v: &[u8]) -> Self {
        self.0.extend_from_slice(v);
        self
    }
}

/// Cut to the classic field, which then says "look into ZIP64".
fn short(v: u64) -> u32 {
    u32::try_from(v).unwrap_or(u32::MAX)
}
fn version(big: bool) -> u16 {
    if big { 45 } else { 20 }
}

/// §4.3.7. Sizes and checksum follow the data.
pub(crate) fn local_header(entry: &Entry, (time, date): (u16, u16)) -> Vec<u8> {
    let big = entry.is_big();
    let size = if big { u32::MAX } else { 0 };
    let fields = Fields::default()
        .u32(0x0403_4b50)
        .u16(version(big))
        .u16(FLAGS)
        .u16(0)
        .u16(time)
        .u16(date)
        .u32(0)
        .u32(size)
        .u32(size)
        .u16(entry.name.len() as u16)
        .u16(if big { 20 } else { 0 })
        .bytes(entry.name.as_bytes());
    if big { fields.u16(1).u16(16).u64(0).u64(0).0 } else { fields.0 }
}

/// §4.3.9.
pub(crate) fn descriptor(entry: &Entry) -> Vec<u8> {
    let fields = Fields::default().u32(0x0807_4b50).u32(entry.crc);
    if entry.is_big() {
        fields.u64(entry.size).u64(entry.size).0
    } else {
        fields.u32(short(entry.size)).u32(short(entry.size)).0
    }
}

/// §4.3.12 to §4.3.16: central directory and its ends.
pub(crate) fn directory(entries: &[Entry], (time, date): (u16, u16)) -> Vec<u8> {
    let start = entries.iter().map(Entry::length).sum::<u64>();
    let mut out = Fields::default();
    for entry in entries {
        let extra = entry.directory_extra();
        let extra_len = if extra.is_empty() { 0 } else { 4 + 8 * extra.len() as u16 };
        let size = if entry.is_big() { u32::MAX } else { short(entry.size) };
        out = out
            .u32(0x0201_4b50)
            .u16(0x0300 | 45)
            .u16(version(!extra.is_empty()))
            .u16(FLAGS)
            .u16(0)
            .u16(time)
            .u16(date)
            .u32(entry.crc)
            .u32(size)
            .u32(size)
            .u16(entry.name.len() as u16)
            .u16(extra_len)
            .u16(0)
            .u16(0)
            .u16(0)
            // Upper half: Unix mode of a plain file, rw-r--r--.
            .u32(0o100_644 << 16)
            .u32(short(entry.offset))
            .bytes(entry.name.as_bytes());
        if !extra.is_empty() {
            out = out.u16(1).u16(extra_len - 4);
            out = extra.into_iter().fold(out, Fields::u64);
        }
    }
    let (count, size) = (entries.len() as u64, out.0.len() as u64);
    if start >= BIG || size >= BIG || count >= 0xFFFF {
        let end = start + size;
        out = out.u32(0x0606_4b50).u64(44).u16(0x0300 | 45).u16(45).u32(0).u32(0);
        out = out.u64(count).u64(count).u64(size).u64(start);
        out = out.u32(0x0706_4b50).u32(0).u64(end).u32(1);
    }
    let few = u16::try_from(count).unwrap_or(u16::MAX);
    out.u32(0x0605_4b50).u16(0).u16(0).u16(few).u16(few).u32(short(size)).u32(short(start)).u16(0).0
}

/// MS-DOS time and date, two-second steps, from 1980 on; UTC.
pub(crate) fn dos_time(t: Timestamp) -> (u16, u16) {
    let (year, month, day, hour, minute, second) = locale::utc(t);
    let year = year.clamp(1980, 2107) - 1980;
    ((hour << 11) | (minute << 5) | (second / 2), (year << 9) | (month << 5) | day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_agree_with_what_is_written() {
        let stamp = dos_time("2026-11-22T10:44:06Z".parse().unwrap());
        assert_eq!(stamp, ((10 << 11) | (44 << 5) | 3, (46 << 9) | (11 << 5) | 22));
        for sizes in [vec![0, 1, 70_000], vec![BIG - 1], vec![BIG, 3], vec![3_000_000_000, 3_000_000_000, 9]]
        {
            let mut offset = 0;
            let entries: Vec<Entry> = sizes
                .iter()
                .enumerate()
                .map(|(i, size)| {
                    let e = Entry { name: format!("{i}.bin"), size: *size, offset, crc: 7 };
                    offset += e.length();
                    e
                })
                .collect();
            for e in &entries {
                assert_eq!(
                    local_header(e, stamp).len() as u64 + e.size + descriptor(e).len() as u64,
                    e.length(),
                    "{e:?}"
                );
            }
            // A classic end cannot say where a directory beyond 4 GiB begins.
            let end = directory(&entries, stamp);
            let is_long = end.windows(4).any(|w| w == 0x0606_4b50u32.to_le_bytes());
            assert_eq!(is_long, offset >= BIG, "{sizes:?}");
        }
    }
}
