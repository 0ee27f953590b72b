//! CRC-32 as in ZIP (ISO 3309), eight bytes at a time.

const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut n = 0;
    while n < 256 {
        let mut value = n as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        tables[0][n] = value;
        n += 1;
    }
    let mut t = 1;
    while t < 8 {
        let mut n = 0;
        while n < 256 {
            let before = tables[t - 1][n];
            tables[t][n] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            n += 1;
        }
        t += 1;
    }
    tables
}

/// A checksum in progress.
#[derive(Debug, Clone)]
pub(crate) struct Crc32(u32);

impl Crc32 {
    pub(crate) fn new() -> Self {
        Self(!0)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let mut value = self.0;
        let (eights, rest) = bytes.as_chunks::<8>();
        for c in eights {
            let low = value ^ u32::from_le_bytes([c[0], c[1], c[2], c[3]]);
            let of = |table: usize, byte: u8| TABLES[table][usize::from(byte)];
            let [a, b, d, e] = low.to_le_bytes();
            value = of(7, a) ^ of(6, b) ^ of(5, d) ^ of(4, e);
            value ^= of(3, c[4]) ^ of(2, c[5]) ^ of(1, c[6]) ^ of(0, c[7]);
        }
        for byte in rest {
            value = (value >> 8) ^ TABLES[0][((value as u8) ^ byte) as usize];
        }
        self.0 = value;
    }

    pub(crate) fn finish(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_answer_in_any_pieces() {
        // The check value of CRC-32/ISO-HDLC.
        for split in 0..9 {
            let mut crc = super::Crc32::new();
            crc.update(&b"123456789"[..split]);
            crc.update(&b"123456789"[split..]);
            assert_eq!(crc.finish(), 0xcbf4_3926);
        }
    }
}
