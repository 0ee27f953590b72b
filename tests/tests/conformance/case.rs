//! Reads the cases: what a client does, what the RFC demands, what we answer.
//!
//! ```text
//! == name | RFC section | port | demand
//! What the case is about, one line.
//! from: rcpt                  the dialogue before it: none, ehlo (default), mail, rcpt, data, tls, auth, auth-rcpt, auth-data
//! C: NOOP                     a line with CR LF, and one reply is awaited
//! C= NOOP\n                   octets, nothing is awaited
//! P= NOOP\r\n                 the same, octet by octet
//! R                           one reply is awaited
//! ours: 250 2.0.0             our replies from here on, in order; `×3` repeats
//! ```
//! Octets are written with `\r`, `\n`, `\0`, `\\`, `\xNN`; `\*N,X;` repeats an octet, `\@N{TEXT}` a text with `%`
//! as its number.
//!
//! A demand is what any server must do, in a form that is checked against both: `accept` (no reply is
//! negative), `refuse` (one is, and no message is accepted), `one` (at most one message is accepted), `code:N`
//! (one reply has it; several with `/`), `not:N` (none has it), `close` (the server ends the session), `any`.

use std::path::Path;

/// One case.
pub struct Case {
    pub group: String,
    pub name: String,
    pub section: String,
    pub port: Port,
    pub demand: String,
    pub text: String,
    pub from: String,
    pub steps: Vec<Step>,
    pub ours: String,
}

/// Which of a server's ports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Mail from other servers, in the clear with STARTTLS.
    Inbound,
    /// Mail from people, in the clear with STARTTLS.
    Submission,
    /// Mail from people, under TLS from the first octet.
    Submissions,
}

/// What the client does.
pub enum Step {
    /// Sends.
    Send(Vec<u8>),
    /// Sends octet by octet.
    Drip(Vec<u8>),
    /// Awaits one reply.
    Await,
}

/// All cases of a folder, by file and in order.
pub fn read_all(folder: &Path) -> Vec<Case> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("cases").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    files.iter().flat_map(|f| read(f)).collect()
}

fn read(file: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(file).expect("a file of cases");
    let group = text.lines().next().and_then(|l| l.strip_prefix("# ")).expect("a heading").to_owned();
    text.split("\n== ").skip(1).map(|block| parse(&group, block)).collect()
}

fn parse(group: &str, block: &str) -> Case {
    let mut lines = block.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split(" | ").collect();
    let [name, section, port, demand] = head[..] else { panic!("four fields: {head:?}") };
    let port = match port {
        "inbound" => Port::Inbound,
        "submission" => Port::Submission,
        "submissions" => Port::Submissions,
        other => panic!("{name}: {other}"),
    };
    let mut case = Case {
        group: group.to_owned(),
        name: name.to_owned(),
        section: section.to_owned(),
        port,
        demand: demand.to_owned(),
        text: lines.next().unwrap_or_default().to_owned(),
        from: "ehlo".to_owned(),
        steps: Vec::new(),
        ours: String::new(),
    };
    for line in lines.filter(|l| !l.is_empty()) {
        match line.split_at_checked(3).unwrap_or((line, "")) {
            ("C: ", rest) => {
                let mut octets = unescape(rest.as_bytes());
                octets.extend_from_slice(b"\r\n");
                case.steps.extend([Step::Send(octets), Step::Await]);
            }
            ("C= ", rest) => case.steps.push(Step::Send(unescape(rest.as_bytes()))),
            ("P= ", rest) => case.steps.push(Step::Drip(unescape(rest.as_bytes()))),
            ("R", "") => case.steps.push(Step::Await),
            _ => match line.split_once(':').map(|(k, v)| (k, v.trim())) {
                Some(("from", value)) => case.from = value.to_owned(),
                Some(("ours", value)) => case.ours = value.to_owned(),
                _ => panic!("{name}: {line}"),
            },
        }
    }
    case
}

/// See the module's text.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((&b, after)) = rest.split_first() {
        rest = after;
        if b != b'\\' {
            out.push(b);
            continue;
        }
        let (&kind, after) = rest.split_first().expect("something after a backslash");
        rest = after;
        match kind {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b'0' => out.push(0),
            b'\\' => out.push(b'\\'),
            b'x' => {
                let digits = std::str::from_utf8(&rest[..2]).expect("hexadecimal");
                out.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
                rest = &rest[2..];
            }
            b'*' => {
                let (count, after) = number(rest);
                out.extend(std::iter::repeat_n(after[1], count));
                rest = &after[3..];
            }
            b'@' => {
                let (count, after) = number(rest);
                let end = after.iter().position(|b| *b == b'}').expect("a closing brace");
                let unit = unescape(&after[1..end]);
                for n in 0..count {
                    let number = n.to_string();
                    for b in &unit {
                        if *b == b'%' { out.extend_from_slice(number.as_bytes()) } else { out.push(*b) }
                    }
                }
                rest = &after[end + 1..];
            }
            other => panic!("unknown escape \\{}", other as char),
        }
    }
    out
}

fn number(text: &[u8]) -> (usize, &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).expect("something after the number");
    let digits = std::str::from_utf8(&text[..end]).expect("digits");
    (digits.parse().expect("a number"), &text[end..])
}
