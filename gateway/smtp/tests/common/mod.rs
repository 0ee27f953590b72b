//! Reads and plays dialogue files.

mod client;
mod server;

use std::collections::HashMap;
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Server,
    Client,
}

/// One exchange: what arrives, and what must follow.
struct Turn {
    input: Vec<u8>,
    expected: Vec<String>,
}

pub struct Script {
    pub name: String,
    pub role: Role,
    settings: HashMap<String, String>,
    turns: Vec<Turn>,
}

/// What a session under test does with one packet; lines in the form of the files.
trait Player {
    fn feed(&mut self, packet: &[u8]) -> Vec<String>;
}

impl Script {
    pub fn read(path: &Path) -> Self {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let role = if name.starts_with("client-") { Role::Client } else { Role::Server };
        let (ours, theirs) = if role == Role::Server { ('S', 'C') } else { ('C', 'S') };
        let mut script = Self { name, role, settings: HashMap::new(), turns: Vec::new() };
        // What happens before anything arrives: a server's greeting.
        script.turns.push(Turn { input: Vec::new(), expected: Vec::new() });
        for line in std::fs::read_to_string(path).unwrap().lines() {
            if let Some((key, value)) = line.strip_prefix("# ").and_then(|l| l.split_once(": ")) {
                script.settings.insert(key.into(), value.into());
            } else if line.starts_with(theirs) {
                let mut octets = unescape(line.get(3..).unwrap_or(""));
                if line[1..].starts_with(':') {
                    octets.extend_from_slice(b"\r\n");
                }
                let last = script.turns.last_mut().unwrap();
                if last.expected.is_empty() && !last.input.is_empty() {
                    last.input.extend_from_slice(&octets);
                } else {
                    script.turns.push(Turn { input: octets, expected: Vec::new() });
                }
            } else if line.starts_with(ours) || line.starts_with('!') {
                script.turns.last_mut().unwrap().expected.push(line.trim_end().into());
            } else {
                assert!(line.is_empty() || line.starts_with('#'), "{}: {line}", script.name);
            }
        }
        script
    }

    /// Whether packets may be cut anywhere. Not where the cut itself is the subject.
    pub fn splits(&self) -> bool {
        self.setting("split") != Some("no")
    }
    fn setting(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }
    fn number(&self, key: &str) -> Option<u64> {
        self.setting(key).map(|v| v.parse().unwrap())
    }

    /// Plays the script with packets of the given sizes, over and over; whole turns when there are none.
    pub fn run(&self, sizes: &[usize]) -> String {
        let mut player: Box<dyn Player> = match self.role {
            Role::Server => Box::new(server::Server::new(self)),
            Role::Client => Box::new(client::Client::new(self)),
        };
        let mut sizes = sizes.iter().cycle();
        let mut lines = Vec::new();
        for turn in &self.turns {
            let mut rest = &turn.input[..];
            let mut turn_lines = Vec::new();
            loop {
                let take = sizes.next().map_or(rest.len(), |n| (*n).min(rest.len()));
                let (packet, after) = rest.split_at(take);
                turn_lines.extend(player.feed(packet));
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            lines.push(join(turn_lines));
        }
        lines.join("\n")
    }

    pub fn expected(&self) -> String {
        self.turns.iter().map(|t| join(t.expected.clone())).collect::<Vec<_>>().join("\n")
    }

    /// The same transcript with events and lines apart: cutting packets changes when replies are handed
    /// out, never what is said or done.
    pub fn flat(&self, transcript: &str) -> String {
        let (events, lines): (Vec<_>, Vec<_>) = transcript.lines().partition(|l| l.starts_with('!'));
        format!("{}\n{}", lines.join("\n"), join(events.into_iter().map(String::from).collect()))
    }
}

/// Joins lines; adjoining data events become one. Data of a message that is dropped does not count.
fn join(lines: Vec<String>) -> String {
    let mut out: Vec<String> = Vec::new();
    for line in lines {
        match (out.last_mut(), line.strip_prefix("! data ")) {
            (Some(last), Some(more)) if last.starts_with("! data ") => last.push_str(more),
            _ => {
                let dropped =
                    line.starts_with("! abort") && out.last().is_some_and(|l| l.starts_with("! data "));
                if dropped {
                    out.pop();
                }
                out.push(line);
            }
        }
    }
    out.join("\n")
}

pub fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        match bytes.next().unwrap() {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b'0' => out.push(0),
            b'\\' => out.push(b'\\'),
            b'x' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            b'*' => {
                // \*N,X; repeats the octet X N times.
                let rest: String = bytes.by_ref().map(char::from).take_while(|c| *c != ';').collect();
                let (n, x) = rest.split_once(',').unwrap();
                out.extend(std::iter::repeat_n(x.as_bytes()[0], n.parse().unwrap()));
            }
            other => panic!("unknown escape \\{}", other as char),
        }
    }
    out
}

pub fn escape(octets: &[u8]) -> String {
    octets
        .iter()
        .map(|b| match b {
            b'\r' => "\\r".into(),
            b'\n' => "\\n".into(),
            b'\\' => "\\\\".into(),
            b' '..=b'~' => (*b as char).to_string(),
            b => format!("\\x{b:02x}"),
        })
        .collect()
}

/// Lines of what the session wrote, each with `prefix`.
fn written(prefix: char, octets: &[u8]) -> Vec<String> {
    let text = octets.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("no line end: {}", escape(octets)));
    text.split(|b| *b == b'\n')
        .map(|l| format!("{prefix}: {}", escape(l.strip_suffix(b"\r").unwrap_or(l))).trim_end().to_owned())
        .collect()
}
