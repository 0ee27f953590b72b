//! Plays the client's part: sends `# messages: N` messages to `# to: a, b`, then says QUIT.

use super::{Player, Script, escape, unescape, written};
use bytes::BytesMut;
use sealpost_envelope::{BodyType, DsnNotify, EmailAddress};
use sealpost_smtp::client::{Action, ClientConfig, Outcome, Recipient, Session, StartTls, Transaction};

pub struct Client {
    session: Session,
    input: BytesMut,
    to_send: Vec<Transaction>,
    content: Vec<u8>,
    closed: bool,
}

impl Client {
    pub fn new(script: &Script) -> Self {
        let starttls = match script.setting("starttls") {
            None | Some("never") => StartTls::Never,
            Some("offered") => StartTls::WhenOffered,
            Some("required") => StartTls::Required,
            Some(other) => panic!("{other}"),
        };
        let credentials = script.setting("login").map(|l| (l.to_owned(), "secret".to_owned().into()));
        let config = ClientConfig {
            hostname: "client.example".into(),
            starttls,
            tls_active: script.setting("tls") == Some("active"),
            credentials,
        };
        let content = unescape(script.setting("content").unwrap_or("Subject: x\\r\\n\\r\\nHello\\r\\n"));
        let dsn = script.setting("dsn").is_some();
        let recipients: Vec<_> = script
            .setting("to")
            .unwrap_or("bob@b.example")
            .split(", ")
            .map(|a| Recipient {
                address: EmailAddress::parse(a).unwrap(),
                notify: DsnNotify { success: dsn, failure: dsn, ..DsnNotify::default() },
                orcpt: dsn.then(|| format!("rfc822;{a}")),
            })
            .collect();
        let transaction = Transaction {
            reverse_path: EmailAddress::parse(script.setting("from").unwrap_or("")).ok(),
            recipients,
            size: (script.setting("size") != Some("unknown")).then_some(content.len() as u64),
            body: if content.is_ascii() { BodyType::SevenBit } else { BodyType::EightBitMime },
            smtputf8: false,
            envid: dsn.then(|| "id+1".into()),
            ret_full: dsn.then_some(false),
        };
        let count = script.number("messages").unwrap_or(1) as usize;
        let to_send = vec![transaction; count];
        Self { session: Session::new(config), input: BytesMut::new(), to_send, content, closed: false }
    }
}

impl Player for Client {
    fn feed(&mut self, packet: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        if self.closed {
            return lines;
        }
        self.input.extend_from_slice(packet);
        loop {
            match self.session.next(&mut self.input) {
                Action::NeedInput(_) => return lines,
                Action::Send(bytes) => lines.extend(written('C', &bytes)),
                Action::StartTls => {
                    lines.push("! starttls".into());
                    self.session.tls_started().unwrap();
                }
                Action::Ready => match self.to_send.pop() {
                    Some(transaction) => self.session.send(transaction).unwrap(),
                    None => self.session.quit().unwrap(),
                },
                Action::Content => {
                    let mut out = BytesMut::new();
                    for chunk in self.content.chunks(3) {
                        self.session.content(chunk, &mut out).unwrap();
                    }
                    self.session.content_end(&mut out).unwrap();
                    lines.push(format!("! content {}", escape(&out)));
                }
                Action::Done(outcomes) => lines.extend(outcomes.iter().map(|o| match o {
                    Outcome::Delivered { reply } => format!("! delivered {reply}"),
                    Outcome::Temporary { reply } => format!("! temporary {reply}"),
                    Outcome::Permanent { reply } => format!("! permanent {reply}"),
                })),
                Action::Failed(failure) => {
                    lines.push(format!("! failed {failure}"));
                    self.closed = true;
                    return lines;
                }
                Action::Closed => {
                    lines.push("! closed".into());
                    self.closed = true;
                    return lines;
                }
            }
        }
    }
}
