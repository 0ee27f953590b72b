//! File names of strangers, made fit for a page, a ZIP and a download.

use super::turns_text;

/// Longest name in bytes: what common file systems take, with room for a number.
const MAX_NAME: usize = 200;

/// The last path element without control, invisible or direction-changing characters, without characters
/// that file systems refuse; `None` when nothing is left. The extension survives shortening.
pub fn safe_filename(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).find(|s| !s.trim().is_empty())?;
    let kept: String = last
        .chars()
        .filter(|c| !c.is_control() && !turns_text(*c) && !is_invisible(*c))
        .map(|c| match c {
            '<' | '>' | ':' | '"' | '|' | '?' | '*' => '_',
            c if c.is_whitespace() => ' ',
            c => c,
        })
        .collect();
    // Leading dots hide a file, trailing dots and spaces are dropped by Windows.
    let trimmed = kept.trim().trim_start_matches('.').trim_end_matches(['.', ' ']).trim_start();
    (!trimmed.is_empty()).then(|| shorten(trimmed))
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{061c}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

fn shorten(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    };
    let mut end = (MAX_NAME - extension.len()).min(stem.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{extension}", &stem[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (given, safe) in [
            ("rapport.pdf", Some("rapport.pdf")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\Users\\x\\été.docx", Some("été.docx")),
            ("invoice\u{202e}fdp.exe", Some("invoicefdp.exe")),
            ("a\r\nb\0c.txt", Some("abc.txt")),
            ("what?<>:\"|*.txt", Some("what_______.txt")),
            (".htaccess", Some("htaccess")),
            ("name. . ", Some("name")),
            ("...", None),
            ("dir/", Some("dir")),
            ("", None),
            (" / ", None),
            ("a\u{a0}b\u{200b}.txt", Some("a b.txt")),
        ] {
            assert_eq!(safe_filename(given).as_deref(), safe, "{given:?}");
        }
        let long = format!("{}.tar.gz", "é".repeat(300));
        let short = safe_filename(&long).unwrap();
        assert!(short.len() <= MAX_NAME && short.ends_with(".gz"));
    }
}
