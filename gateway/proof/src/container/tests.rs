//! Sizes that need ZIP64, and other programs' opinion.

use super::read::{Member, read};
use super::records::{central, end, local};
use super::write::Writer;
use crate::name::{EntryPart, MemberName};
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::process::Command;

#[test]
fn five_gibibytes_take_zip64_and_unzip_agrees() {
    // A sparse file: headers are real, the content is a hole, and checksums are not looked at here.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big.zip");
    let mut file = std::fs::File::create_new(&path).unwrap();
    let mut members: Vec<Member> = Vec::new();
    let mut at = 0;
    for (name, size) in [
        ("mimetype", 31),
        ("message/original.eml", 5 << 30),
        ("message/sent-1.eml", 0xffff_fffe),
        ("log/checkpoint", 7),
    ] {
        let mut member = Member { name: name.into(), size, crc: 0, offset: at, data: 0 };
        let head = local(&member);
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(&head).unwrap();
        member.data = at + head.len() as u64;
        at = member.data + size;
        members.push(member);
    }
    file.seek(SeekFrom::Start(at)).unwrap();
    let directory: Vec<u8> = members.iter().flat_map(central).collect();
    file.write_all(&directory).unwrap();
    file.write_all(&end(members.len() as u64, directory.len() as u64, at)).unwrap();
    let mut file = std::fs::File::open(&path).unwrap();
    let archive = read(&mut file).unwrap();
    assert_eq!((archive.members, archive.deviations), (members, vec![]));
    let listed = Command::new("unzip").arg("-l").arg(&path).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for size in ["5368709120", "4294967294", "31", "7"] {
        assert!(listed.lines().any(|l| l.split_whitespace().next() == Some(size)), "{size}: {listed}");
    }
}

#[test]
fn more_members_than_sixteen_bits_count() {
    let mut writer = Writer::new(Cursor::new(Vec::new()));
    let count = 0x1_0001;
    for index in 0..count {
        writer.add_bytes(&MemberName::Entry(index, EntryPart::Json), b"").unwrap();
    }
    let mut file = writer.finish().unwrap();
    let archive = read(&mut file).unwrap();
    assert_eq!((archive.members.len() as u64, archive.deviations), (count, vec![]));
}

#[test]
fn other_peoples_zips_are_read_and_found_wanting() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mimetype"), super::MIMETYPE).unwrap();
    let script = "import zipfile; z = zipfile.ZipFile('z.zip', 'w'); z.write('mimetype'); z.close()";
    let made = Command::new("python3").args(["-c", script]).current_dir(dir.path()).status();
    // Python is a convenience of developers' machines, not a requirement.
    if !made.is_ok_and(|status| status.success()) {
        return;
    }
    let bytes = std::fs::read(dir.path().join("z.zip")).unwrap();
    let archive = read(&mut Cursor::new(bytes)).unwrap();
    assert_eq!(archive.deviations[0].subject, "mimetype");
}

proptest::proptest! {
    #[test]
    fn noise_is_refused_without_panic(
        noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        start in 0usize..3,
    ) {
        // As it is, after a local header's magic, and before an end record.
        let bytes = match start {
            0 => noise,
            1 => [b"PK\x03\x04\x0a\0\0\0\0\0\0\0\x21\0".as_slice(), &noise].concat(),
            _ => [noise.as_slice(), &end(1, 60, 0)].concat(),
        };
        if let Ok(archive) = read(&mut Cursor::new(bytes)) {
            assert!(!archive.deviations.is_empty());
        }
    }
}
