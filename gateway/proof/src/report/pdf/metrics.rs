//! WinAnsi codes and the advance widths of Helvetica, in thousandths of the size.

/// Code of a character in WinAnsiEncoding (ISO 32000-1 annex D.2), if it has one.
pub(super) fn win_ansi(c: char) -> Option<u8> {
    Some(match c {
        ' '..='~' | '\u{a1}'..='\u{ff}' => c as u8,
        '\u{a0}' | '\u{202f}' | '\u{2009}' => b' ',
        '€' => 0x80,
        '‚' => 0x82,
        '„' => 0x84,
        '…' => 0x85,
        'Š' => 0x8a,
        'Œ' => 0x8c,
        'Ž' => 0x8e,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '•' => 0x95,
        '–' | '\u{2011}' => 0x96,
        '—' => 0x97,
        'š' => 0x9a,
        'œ' => 0x9c,
        'ž' => 0x9e,
        'Ÿ' => 0x9f,
        _ => return None,
    })
}

/// Helvetica from blank to tilde.
const TEXT: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];
/// Helvetica-Bold from blank to tilde.
const BOLD: [u16; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667, 611, 778, 722, 278,
    556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584,
    556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611, 611, 611, 389, 556,
    333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];

/// Advance of a WinAnsi code. Accented letters are as wide as their base; the rest is rounded up.
pub(super) fn advance(code: u8, bold: bool) -> u32 {
    let base = match code {
        0xc0..=0xc5 => b'A',
        0xc7 => b'C',
        0xc8..=0xcb => b'E',
        0xcc..=0xcf => b'I',
        0xd1 => b'N',
        0xd2..=0xd6 | 0xd8 => b'O',
        0xd9..=0xdc => b'U',
        0xdd | 0x9f => b'Y',
        0xe0..=0xe5 => b'a',
        0xe7 => b'c',
        0xe8..=0xeb => b'e',
        0xec..=0xef => b'i',
        0xf1 => b'n',
        0xf2..=0xf6 => b'o',
        0xf9..=0xfc => b'u',
        0xfd | 0xff => b'y',
        0x91 | 0x92 | 0x82 => b'.',
        other => other,
    };
    let table = if bold { &BOLD } else { &TEXT };
    let index = usize::from(base).wrapping_sub(32);
    match (base, table.get(index)) {
        (_, Some(width)) => u32::from(*width),
        (0x85 | 0x8c | 0x97 | 0xc6, None) => 1000,
        (0x9c | 0xe6, None) => 944,
        (_, None) => 611,
    }
}
