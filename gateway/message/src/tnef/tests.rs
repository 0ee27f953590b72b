//! Streams of an independent writer, whole, in pieces, cut off and damaged.

use super::TnefScan;
use crate::structure::Inside;
use proptest::prelude::*;
use sealpost_envelope::Digests;

/// Writes TNEF as Outlook does: message attributes, then for each attachment rendering data, content, title
/// and a property list.
struct Writer(Vec<u8>);

impl Writer {
    fn new() -> Self {
        let mut writer = Self(vec![0x78, 0x9f, 0x3e, 0x22, 0x01, 0x00]);
        writer.attribute(1, 0x0008_9006, &[0, 0, 1, 0]);
        writer.attribute(1, 0x0006_9007, &[0xe4, 4, 0, 0, 0, 0, 0, 0]);
        writer.attribute(1, 0x0007_8008, b"IPM.Microsoft Mail.Note\0");
        writer
    }
    fn attribute(&mut self, level: u8, id: u32, data: &[u8]) {
        self.0.push(level);
        self.0.extend(id.to_le_bytes());
        self.0.extend((data.len() as u32).to_le_bytes());
        self.0.extend(data);
        let sum = data.iter().fold(0u32, |sum, b| sum + u32::from(*b)) as u16;
        self.0.extend(sum.to_le_bytes());
    }
    fn attachment(&mut self, title: &str, content: Option<&[u8]>, props: &[Vec<u8>]) {
        self.attribute(2, 0x0006_9002, &[1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
        if let Some(content) = content {
            self.attribute(2, 0x0006_800f, content);
        }
        if !title.is_empty() {
            self.attribute(2, 0x0001_8010, &[title.as_bytes(), b"\0"].concat());
        }
        if !props.is_empty() {
            let list = [&(props.len() as u32).to_le_bytes()[..], &props.concat()].concat();
            self.attribute(2, 0x0006_9005, &list);
        }
    }
}

fn padded(mut value: Vec<u8>) -> Vec<u8> {
    value.resize(value.len().next_multiple_of(4), 0);
    value
}
fn variable(kind: u16, id: u16, value: &[u8]) -> Vec<u8> {
    let mut out = [kind.to_le_bytes(), id.to_le_bytes()].concat();
    out.extend(1u32.to_le_bytes());
    out.extend((value.len() as u32).to_le_bytes());
    out.extend(padded(value.to_vec()));
    out
}
fn unicode(id: u16, text: &str) -> Vec<u8> {
    let value: Vec<u8> = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    variable(0x001f, id, &value)
}
fn string8(id: u16, text: &[u8]) -> Vec<u8> {
    variable(0x001e, id, &[text, b"\0"].concat())
}
fn number(id: u16, value: u32) -> Vec<u8> {
    [&3u16.to_le_bytes()[..], &id.to_le_bytes(), &value.to_le_bytes()].concat()
}
/// A named property, by number or by name.
fn named(name: Option<&str>) -> Vec<u8> {
    let mut out = [3u16.to_le_bytes(), 0x8001u16.to_le_bytes()].concat();
    out.extend([7; 16]);
    match name {
        None => out.extend([0u32.to_le_bytes(), 0x1234u32.to_le_bytes()].concat()),
        Some(name) => {
            let name: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
            out.extend(1u32.to_le_bytes());
            out.extend((name.len() as u32).to_le_bytes());
            out.extend(padded(name));
        }
    }
    out.extend(42u32.to_le_bytes());
    out
}
/// A property with several values of a fixed type.
fn several(values: &[u32]) -> Vec<u8> {
    let mut out = [0x1003u16.to_le_bytes(), 0x6001u16.to_le_bytes()].concat();
    out.extend((values.len() as u32).to_le_bytes());
    values.iter().for_each(|v| out.extend(v.to_le_bytes()));
    out
}

const MESSAGE: [u8; 16] = [7, 3, 2, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46];

fn scan(stream: &[u8], step: usize) -> Vec<Inside> {
    let mut scan = TnefScan::new(100);
    stream.chunks(step.max(1)).for_each(|piece| scan.push(piece));
    scan.finish()
}

/// Name, type and content of what was found; content by its place, checked against its digest.
fn files(stream: &[u8]) -> Vec<(String, String, Vec<u8>)> {
    let found = scan(stream, stream.len());
    for step in [1, 2, 3, 7, 64] {
        assert_eq!(scan(stream, step), found, "in pieces of {step}");
    }
    let content = |file: &Inside| {
        let content = stream[file.at as usize..][..file.size as usize].to_vec();
        assert_eq!(Digests::of(&content), file.digests);
        content
    };
    found.iter().map(|f| (f.filename.clone().unwrap_or_default(), f.media_type.clone(), content(f))).collect()
}

fn file(name: &str, media_type: &str, content: &[u8]) -> (String, String, Vec<u8>) {
    (name.to_owned(), media_type.to_owned(), content.to_vec())
}

/// Two files, as Outlook writes them.
fn sample() -> Vec<u8> {
    let mut writer = Writer::new();
    let props = [
        number(0x3705, 1),
        named(None),
        named(Some("x-name")),
        several(&[1, 2, 3]),
        unicode(0x3707, "Résumé final.pdf"),
        string8(0x370e, b"Application/PDF"),
        variable(0x0102, 0x3702, b""),
    ];
    writer.attachment("RESUME~1.PDF", Some(b"%PDF-1.4 first"), &props);
    writer.attachment("notes.txt", Some(b"second"), &[]);
    writer.0
}

#[test]
fn files_with_long_and_short_names() {
    assert_eq!(
        files(&sample()),
        [
            file("Résumé final.pdf", "application/pdf", b"%PDF-1.4 first"),
            file("notes.txt", "application/octet-stream", b"second")
        ]
    );
}

#[test]
fn what_writers_do() {
    let mut writer = Writer::new();
    // The title only in the code page of the stream, windows-1252.
    writer.attribute(2, 0x0006_9002, &[0; 14]);
    writer.attribute(2, 0x0006_800f, b"one");
    writer.attribute(2, 0x0001_8010, b"\xe9t\xe9.txt\0");
    // Content among the properties.
    writer.attachment("", None, &[string8(0x3704, b"TWO.DAT"), variable(0x0102, 0x3701, b"two: odd")]);
    // Empty, unnamed, with a path, with a type that is none.
    writer.attachment("empty.bin", Some(b""), &[]);
    writer.attachment("", Some(b"four"), &[string8(0x370e, b"nonsense\r\nX: y")]);
    writer.attachment("C:\\tmp\\five.txt", Some(b"5"), &[unicode(0x3001, "shown")]);
    // Rendering data alone is no file.
    writer.attachment("nothing.txt", None, &[]);
    let octets = "application/octet-stream";
    assert_eq!(
        files(&writer.0),
        [
            file("été.txt", octets, b"one"),
            file("TWO.DAT", octets, b"two: odd"),
            file("empty.bin", octets, b""),
            file("", octets, b"four"),
            file("five.txt", octets, b"5"),
        ]
    );
}

#[test]
fn a_message_within_is_looked_into() {
    let object = |inner: &[u8]| variable(0x000d, 0x3701, &[&MESSAGE[..], inner].concat());
    let mut outer = Writer::new();
    outer.attachment("", None, &[unicode(0x3001, "Re: hello"), object(&sample())]);
    outer.attachment("last.txt", Some(b"last"), &[]);
    let names: Vec<_> = files(&outer.0).into_iter().map(|f| f.0).collect();
    assert_eq!(names, ["Re_ hello.dat", "Résumé final.pdf", "notes.txt", "last.txt"]);
    // Deeper than anybody writes: the innermost ones are not looked into, and nothing recurses further.
    let mut stream = sample();
    for _ in 0..40 {
        let mut around = Writer::new();
        around.attachment("", None, &[unicode(0x3001, "deep"), object(&stream)]);
        stream = around.0;
    }
    assert_eq!(files(&stream).len(), usize::from(super::MAX_DEPTH) + 1);
}

#[test]
fn limits_hold() {
    let mut writer = Writer::new();
    for _ in 0..150 {
        writer.attachment("x", Some(b"x"), &[]);
    }
    assert_eq!(scan(&writer.0, 1000).len(), 100);
    // A name, a number of properties, of values, of octets beyond all measure.
    for list in [
        [&[0xff; 4][..], &number(0x3705, 1)].concat(),
        [&1u32.to_le_bytes()[..], &[0x03, 0x10, 1, 0x60], &[0xff; 4]].concat(),
        [&1u32.to_le_bytes()[..], &[0x01, 0x10, 1, 0x60], &[0xff; 4]].concat(),
        [&1u32.to_le_bytes()[..], &[0x02, 0x01, 1, 0x37, 1, 0, 0, 0], &[0xff; 4]].concat(),
        [&1u32.to_le_bytes()[..], &[0x1f, 0x00, 7, 0x37, 1, 0, 0, 0], &[0xff; 4]].concat(),
        vec![1],
    ] {
        let mut writer = Writer::new();
        writer.attachment("a.txt", Some(b"content"), &[]);
        writer.attribute(2, 0x0006_9005, &list);
        writer.attachment("b.txt", Some(b"more"), &[]);
        let names: Vec<_> = files(&writer.0).into_iter().map(|f| f.0).collect();
        assert_eq!(names.last().map(String::as_str), Some("b.txt"), "{list:?}");
    }
}

#[test]
fn cut_off_anywhere_only_whole_content_is_found() {
    let (stream, whole) = (sample(), scan(&sample(), 4096));
    for end in 0..stream.len() {
        let found = scan(&stream[..end], 5);
        assert!(found.len() <= whole.len());
        // Its name may have been cut off with what came after.
        for (file, whole) in found.iter().zip(&whole) {
            assert_eq!((file.at, file.digests), (whole.at, whole.digests), "cut at {end}");
        }
    }
    assert!(scan(b"", 1).is_empty() && scan(b"not a stream at all", 3).is_empty());
}

/// Bytes of the sample that stand in content or in names; a change of one must never go unnoticed.
#[test]
fn a_changed_byte_never_makes_another_file() {
    let (stream, whole) = (sample(), scan(&sample(), 4096));
    for at in 0..stream.len() {
        for bit in 0..8 {
            let mut damaged = stream.clone();
            damaged[at] ^= 1 << bit;
            for file in scan(&damaged, 64) {
                let content = &damaged[file.at as usize..][..file.size as usize];
                assert_eq!(Digests::of(content), file.digests);
                // What is still offered under a name of the sample has the content of the sample.
                if let Some(same) = whole.iter().find(|w| w.filename == file.filename) {
                    assert_eq!(same.digests, file.digests, "byte {at}, bit {bit}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_written_is_found(
        contents in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..200), any::<bool>()), 0..8),
        step in 1usize..50,
    ) {
        let mut writer = Writer::new();
        for (n, (content, in_list)) in contents.iter().enumerate() {
            let name = format!("file {n}.bin");
            match in_list {
                true => writer.attachment("", None, &[unicode(0x3707, &name), variable(0x0102, 0x3701, content)]),
                false => writer.attachment(&name, Some(content), &[]),
            }
        }
        let found = scan(&writer.0, step);
        prop_assert_eq!(found.len(), contents.len());
        for (n, (file, (content, _))) in found.iter().zip(&contents).enumerate() {
            prop_assert_eq!(file.filename.clone(), Some(format!("file {n}.bin")));
            prop_assert_eq!(file.digests, Digests::of(content));
            prop_assert_eq!(&writer.0[file.at as usize..][..file.size as usize], &content[..]);
        }
    }

    #[test]
    fn nothing_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..600), step in 1usize..50) {
        let mut stream = vec![0x78, 0x9f, 0x3e, 0x22, 0, 0];
        stream.extend(bytes);
        prop_assert_eq!(scan(&stream, step), scan(&stream, usize::MAX));
    }
}
