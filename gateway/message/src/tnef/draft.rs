//! A file within a TNEF stream while its attributes come in.

use super::TnefScan;
use crate::charset;
use crate::header::{clean_text, safe_filename};
use crate::structure::Inside;
use sealpost_envelope::{Digests, DualDigester};

/// What is known of one attachment. All names are what the writer wrote.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) title: String,
    pub(super) short: String,
    pub(super) long: String,
    pub(super) display: String,
    pub(super) media_type: String,
    data: Option<Data>,
}

#[derive(Debug)]
struct Data {
    at: u64,
    size: u64,
    /// Until the data has ended.
    digester: Option<DualDigester>,
    digests: Option<Digests>,
    /// The data is a message of its own.
    message: Option<Box<TnefScan>>,
    inner: Vec<Inside>,
    is_message: bool,
}

impl Draft {
    pub(super) fn has_data(&self) -> bool {
        self.data.is_some()
    }
    /// The content begins at this offset; `message` reads it when it is a TNEF stream itself.
    pub(super) fn begin(&mut self, at: u64, message: Option<Box<TnefScan>>) {
        self.data = Some(Data {
            at,
            size: 0,
            digester: Some(DualDigester::new()),
            digests: None,
            is_message: message.is_some(),
            message,
            inner: Vec::new(),
        });
    }
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let Some(data) = &mut self.data else { return };
        data.size += bytes.len() as u64;
        if let Some(digester) = &mut data.digester {
            digester.update(bytes);
        }
        if let Some(message) = &mut data.message {
            message.push(bytes);
        }
    }
    pub(super) fn end(&mut self) {
        let Some(data) = &mut self.data else { return };
        data.digests = data.digester.take().map(DualDigester::finish);
        data.inner = data.message.take().map(|scan| scan.finish()).unwrap_or_default();
    }

    /// The file, then what was found inside it.
    pub(super) fn finish(self) -> impl Iterator<Item = Inside> {
        let names = [self.long, self.title, self.short];
        let name = names.iter().find_map(|name| safe_filename(name));
        let (mut file, mut inner) = (None, Vec::new());
        if let Some(Data { at, size, digests: Some(digests), is_message, inner: found, .. }) = self.data {
            let filename = match is_message {
                // An embedded message is named by its subject.
                true => safe_filename(&format!("{}.dat", name.unwrap_or(self.display))),
                false => name.or_else(|| safe_filename(&self.display)),
            };
            let media_type = match is_message {
                true => "application/ms-tnef".to_owned(),
                false => media_type(&self.media_type),
            };
            file = Some(Inside { filename, media_type, at, size, digests });
            inner = found;
        }
        file.into_iter().chain(inner)
    }
}

/// The type, if it is one.
fn media_type(text: &str) -> String {
    let token =
        |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    match text.split_once('/') {
        Some((main, sub)) if token(main) && token(sub) && text.len() <= 100 => text.to_ascii_lowercase(),
        _ => "application/octet-stream".to_owned(),
    }
}

/// A text in the writer's code page, ended by a NUL.
pub(super) fn narrow(bytes: &[u8], codepage: u32) -> String {
    let text = bytes.split(|b| *b == 0).next().unwrap_or_default();
    let label = match codepage {
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        20866 => "koi8-r".to_owned(),
        54936 => "gb18030".to_owned(),
        65001 => "utf-8".to_owned(),
        874 | 1250..=1258 => format!("windows-{codepage}"),
        28591..=28606 => format!("iso-8859-{}", codepage - 28590),
        _ => return clean_text(charset::decode(None, text)),
    };
    clean_text(charset::decode(Some(&label), text))
}

/// A text in UTF-16, ended by a NUL.
pub(super) fn wide(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let units = units.take_while(|unit| *unit != 0);
    clean_text(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}
