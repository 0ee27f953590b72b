//! ZIP records as bytes. Writer and reader both derive them from name, size, checksum and offset.

use super::read::Member;

pub(super) const LOCAL: u32 = 0x0403_4b50;
pub(super) const CENTRAL: u32 = 0x0201_4b50;
pub(super) const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const LOCATOR64: u32 = 0x0706_4b50;
/// Fixed part of a local header, of a central header, of the end record.
pub(super) const LOCAL_LEN: usize = 30;
pub(super) const CENTRAL_LEN: usize = 46;
pub(super) const END_LEN: usize = 22;
/// Offset of the checksum in a local header.
pub(super) const CRC_AT: u64 = 14;
/// 1980-01-01, the first day a ZIP can name: a proof's times stand in its timestamps.
const DATE: u16 = 0x0021;
const MAX32: u64 = 0xffff_ffff;

fn is_big(value: u64) -> bool {
    value >= MAX32
}

fn cut(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn version(big: bool) -> u16 {
    // APPNOTE §4.4.3.2: 1.0 for a stored file, 4.5 for ZIP64.
    if big { 45 } else { 10 }
}

struct Bytes(Vec<u8>);

impl Bytes {
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
    fn raw(mut self, v: &[u8]) -> Self {
        self.0.extend_from_slice(v);
        self
    }
    /// Version needed, flags, method, time, date, checksum, sizes, name length: shared by both headers.
    fn common(self, m: &Member, big: bool) -> Self {
        let name = m.name.len() as u16;
        let sizes = self.u16(version(big)).u16(0).u16(0).u16(0).u16(DATE).u32(m.crc);
        sizes.u32(cut(m.size)).u32(cut(m.size)).u16(name)
    }
}

/// Local file header (APPNOTE §4.3.7).
pub(super) fn local(m: &Member) -> Vec<u8> {
    let big = is_big(m.size);
    let head = Bytes(Vec::new()).u32(LOCAL).common(m, big);
    let extra = if big { 20 } else { 0 };
    let head = head.u16(extra).raw(m.name.as_bytes());
    // §4.5.3: both sizes must be there in a local header.
    if big { head.u16(1).u16(16).u64(m.size).u64(m.size).0 } else { head.0 }
}

/// Central directory header (APPNOTE §4.3.12).
pub(super) fn central(m: &Member) -> Vec<u8> {
    let (big_size, big_offset) = (is_big(m.size), is_big(m.offset));
    let big = big_size || big_offset;
    let mut extra = Bytes(Vec::new());
    if big {
        let len = if big_size { 16 } else { 0 } + if big_offset { 8 } else { 0 };
        extra = extra.u16(1).u16(len);
        if big_size {
            extra = extra.u64(m.size).u64(m.size);
        }
        if big_offset {
            extra = extra.u64(m.offset);
        }
    }
    let head = Bytes(Vec::new()).u32(CENTRAL).u16(version(big)).common(m, big);
    // Extra, comment, disk, internal and external attributes, offset.
    let head = head.u16(extra.0.len() as u16).u16(0).u16(0).u16(0).u32(0).u32(cut(m.offset));
    head.raw(m.name.as_bytes()).raw(&extra.0).0
}

/// End of central directory, with its ZIP64 forms where needed (APPNOTE §4.3.14 to §4.3.16).
pub(super) fn end(count: u64, size: u64, offset: u64) -> Vec<u8> {
    let mut out = Bytes(Vec::new());
    if count >= 0xffff || is_big(size) || is_big(offset) {
        let at = offset + size;
        out = out.u32(END64).u64(44).u16(45).u16(45).u32(0).u32(0);
        out = out.u64(count).u64(count).u64(size).u64(offset);
        out = out.u32(LOCATOR64).u32(0).u64(at).u32(1);
    }
    let short = u16::try_from(count).unwrap_or(u16::MAX);
    out.u32(END).u16(0).u16(0).u16(short).u16(short).u32(cut(size)).u32(cut(offset)).u16(0).0
}
