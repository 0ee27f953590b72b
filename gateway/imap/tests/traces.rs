//! Dialogues in files: `C: ` is sent with CR LF, `S: ` is expected; `! ` does something behind the session's
//! back, `? ` names the flow expected after the line before. SEALPOST_BLESS=1 rewrites what is expected.
#![allow(missing_docs, clippy::unwrap_used)]

mod memory;

use memory::{Collected, Memory};
use sealpost_imap::{Flow, Limits, Session};
use std::path::Path;
use std::sync::Arc;

/// How much of what the client says comes at once.
#[derive(Clone, Copy, PartialEq)]
enum Pieces {
    Lines,
    Bytes,
}

async fn run(path: &Path, pieces: Pieces) {
    let text = std::fs::read_to_string(path).unwrap();
    let quota = text.contains("# quota").then_some(4096);
    let memory = Arc::new(Memory { quota, ..Memory::new() });
    for mail in ["1-plain.eml", "2-mixed.eml"] {
        let bytes = std::fs::read(path.parent().unwrap().with_file_name("mails").join(mail)).unwrap();
        memory.deliver(1, bytes, if mail.starts_with('1') { "\\Seen $Sealed" } else { "" });
    }
    let tls = !text.contains("# clear");
    let errors = if text.contains("# errors") { 4 } else { 40 };
    let append = if text.contains("# no limit") { 0 } else { 1000 };
    let limits = Limits { errors, append, ..Limits::default() };
    let mut session = Session::new(memory.clone(), tls, limits);
    let mut out = Collected::default();
    session.greet(&mut out).await.unwrap();
    let (mut got, mut flow) = (Vec::<String>::new(), Flow::Continue);
    take(&mut out, &mut got);
    let bless = pieces == Pieces::Lines && std::env::var_os("SEALPOST_BLESS").is_some();
    let mut blessed = String::new();
    let bless_rest = |got: &mut Vec<String>, blessed: &mut String| {
        got.drain(..).for_each(|l| blessed.push_str(&format!("S: {l}\n")));
    };
    for (n, line) in text.lines().enumerate() {
        let at = format!("{}:{}", path.display(), n + 1);
        if bless {
            if line.starts_with("S: ") {
                continue;
            }
            bless_rest(&mut got, &mut blessed);
            blessed.push_str(&format!("{line}\n"));
        }
        match line.split_at_checked(3).unwrap_or((line, "")) {
            ("C: ", rest) => {
                assert!(got.is_empty(), "{at}: not expected: {got:#?}");
                let line = format!("{rest}\r\n");
                let size = if pieces == Pieces::Bytes { 1 } else { line.len() };
                for piece in line.as_bytes().chunks(size) {
                    flow = session.receive(piece, &mut out).await.unwrap();
                }
                take(&mut out, &mut got);
            }
            ("S: ", rest) => {
                assert!(!got.is_empty(), "{at}: nothing came instead of {rest}");
                assert_eq!(got.remove(0), rest, "{at}");
            }
            _ if line.starts_with("? ") => assert_eq!(format!("{flow:?}"), line[2..], "{at}"),
            _ if line == "! deliver" => {
                memory.deliver(1, &b"Subject: new\r\n\r\nx\r\n"[..], "");
            }
            _ if line == "! expunge 1" => memory.expunge(1, 1),
            _ if line == "! expunge 3" => memory.expunge(1, 3),
            _ if line == "! tls" => session.tls_started(),
            _ if line == "! changed" => {
                assert!(session.is_idle(), "{at}");
                session.changed(&mut out).await.unwrap();
                take(&mut out, &mut got);
            }
            _ => assert!(line.is_empty() || line.starts_with('#'), "{at}: {line}"),
        }
    }
    if bless {
        bless_rest(&mut got, &mut blessed);
        return std::fs::write(path, blessed).unwrap();
    }
    assert!(got.is_empty(), "{}: not expected: {got:#?}", path.display());
    assert_eq!(session.take_faults(), Vec::<String>::new());
}

fn take(out: &mut Collected, got: &mut Vec<String>) {
    let text = String::from_utf8(std::mem::take(&mut out.0)).unwrap();
    let Some(text) = text.strip_suffix("\r\n") else { return assert!(text.is_empty(), "{text}") };
    got.extend(text.split("\r\n").map(str::to_owned));
}

async fn all(pieces: Pieces) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces");
    let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 8);
    for path in paths {
        run(&path, pieces).await;
    }
}

#[tokio::test]
async fn dialogues() {
    all(Pieces::Lines).await;
}

/// Every dialogue is the same when its bytes come one by one.
#[tokio::test]
async fn dialogues_byte_by_byte() {
    all(Pieces::Bytes).await;
}

/// A whole session without waiting for a single answer.
#[tokio::test]
async fn bytes_one_by_one() {
    let memory = Arc::new(Memory::new());
    let mut session = Session::new(memory, true, Limits::default());
    let input = b"a LOGIN {16}\r\nbob@example.test {6+}\r\nsecret\r\nb APPEND INBOX (\\Seen) {5+}\r\nA: b\n\r\nc SELECT INBOX\r\nd LOGOUT\r\n";
    let mut out = Collected::default();
    let mut flow = Flow::Continue;
    for byte in input {
        flow = session.receive(&[*byte], &mut out).await.unwrap();
    }
    let text = String::from_utf8(out.0).unwrap();
    assert_eq!(flow, Flow::Close);
    assert!(text.starts_with("+ Ready\r\na OK"), "{text}");
    assert!(text.contains("b OK [APPENDUID 7 1] APPEND done\r\n") && text.contains("* 1 EXISTS"), "{text}");
}

/// Whatever a stranger sends, the session answers or closes.
mod strangers {
    use super::*;
    proptest::proptest! {
        #[test]
        fn never_panics(
            lines in proptest::collection::vec("[ -~\\r\\n{}()\"*%\\\\é]{0,60}", 0..20),
            authenticated in proptest::prelude::any::<bool>(),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let memory = Arc::new(Memory::new());
                memory.deliver(1, &b"Subject: x\r\n\r\ny\r\n"[..], "");
                let mut session = Session::new(memory, true, Limits::default());
                let mut out = Collected::default();
                if authenticated {
                    session.receive(b"a LOGIN bob@example.test secret\r\nb SELECT INBOX\r\n", &mut out).await.unwrap();
                }
                for line in lines {
                    let _ = session.receive(format!("a {line}\r\n").as_bytes(), &mut out).await.unwrap();
                }
            });
        }
    }
}
