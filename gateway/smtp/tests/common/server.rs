//! Plays the server's part. Answers: `refuse…@` and `defer…@` addresses are turned down, `alice` logs in
//! with `secret`, a message beginning with `Refuse:` is refused at its end, `Stop:` in mid-stream.

use super::{Player, Script, escape, written};
use bytes::BytesMut;
use sealpost_envelope::{DepositId, EmailAddress};
use sealpost_smtp::Reply;
use sealpost_smtp::server::{
    Action, AuthResult, EndResult, Kind, Proof, ScramResult, ScramSecrets, ServerConfig, Session, TlsState,
};

pub struct Server {
    session: Session,
    input: BytesMut,
    closed: bool,
    message: Vec<u8>,
    inbound: bool,
}

impl Server {
    pub fn new(script: &Script) -> Self {
        let kind = match script.setting("kind") {
            None | Some("submission") => Kind::Submission,
            Some("inbound") => Kind::Inbound,
            Some("relay") => Kind::TrustedRelay,
            Some(other) => panic!("{other}"),
        };
        let tls = match script.setting("tls") {
            None | Some("active") => TlsState::Active,
            Some("offered") => TlsState::Offered,
            Some("none") => TlsState::Unavailable,
            Some(other) => panic!("{other}"),
        };
        let mut config = ServerConfig::new(kind, "mail.example", tls);
        if let Some(n) = script.number("recipients") {
            config.limits.recipients = n as usize;
        }
        if let Some(n) = script.number("errors") {
            config.limits.errors = n as u32;
        }
        if let Some(n) = script.number("idle") {
            config.limits.idle_commands = n as u32;
        }
        if let Some(n) = script.number("drain") {
            config.limits.drain = n;
        }
        if let Some(n) = script.number("header") {
            config.limits.header = n;
        }
        config.limits.message = script.number("message");
        let inbound = kind == Kind::Inbound;
        Self {
            session: Session::new(config),
            input: BytesMut::new(),
            closed: false,
            message: Vec::new(),
            inbound,
        }
    }

    fn judge(address: Option<&EmailAddress>) -> Result<(), Reply> {
        match address {
            Some(a) if a.local().starts_with("refuse") => Err(Reply::new(550, 7, 1, "Rule « interdit »")),
            Some(a) if a.local().starts_with("defer") => Err(Reply::new(452, 3, 1, "Storage short")),
            _ => Ok(()),
        }
    }

    fn end(&self) -> EndResult {
        if self.message.starts_with(b"Refuse:") {
            EndResult::Refused(Reply::new(550, 7, 1, "Not this one"))
        } else if self.inbound {
            EndResult::Accepted
        } else {
            EndResult::Deposited(DepositId("018f0000-0000-7000-8000-000000000001".parse().unwrap()))
        }
    }
}

impl Player for Server {
    fn feed(&mut self, packet: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        if self.closed {
            return lines;
        }
        self.input.extend_from_slice(packet);
        loop {
            match self.session.next(&mut self.input) {
                Action::NeedInput => return lines,
                Action::Reply(bytes) => lines.extend(written('S', &bytes)),
                Action::StartTls => {
                    assert!(self.input.is_empty());
                    lines.push("! starttls".into());
                    self.session.tls_started().unwrap();
                }
                Action::Scram(login) => {
                    lines.push(format!("! scram {login}"));
                    let secrets = ScramSecrets { salt: vec![0; 16], iterations: 4096, records: Vec::new() };
                    let result = match login.as_str() {
                        "throttled" => ScramResult::Throttled,
                        "broken" => ScramResult::Unavailable,
                        _ => ScramResult::Secrets(secrets),
                    };
                    self.session.scram_result(result).unwrap();
                }
                Action::Authenticate(c) => {
                    lines.push(format!("! auth {} {}", c.mechanism.name(), c.authcid));
                    let good = matches!(&c.proof, Proof::Password(p) if p.expose() == "secret");
                    let result = match c.authcid.as_str() {
                        "alice" if good => AuthResult::Accepted,
                        "throttled" => AuthResult::Throttled,
                        _ => AuthResult::Denied,
                    };
                    self.session.auth_result(result).unwrap();
                }
                Action::Mail(m) => {
                    let from = m.reverse_path.as_ref().map_or("", |a| a.as_str());
                    lines.push(match m.declared_size {
                        Some(size) => format!("! mail <{from}> {size}"),
                        None => format!("! mail <{from}>"),
                    });
                    self.session.mail_result(Self::judge(m.reverse_path.as_ref())).unwrap();
                }
                Action::Rcpt(r) => {
                    lines.push(format!(
                        "! rcpt <{}>{}",
                        r.address,
                        r.orcpt.map_or(String::new(), |o| format!(" {o}"))
                    ));
                    self.session.rcpt_result(Self::judge(Some(&r.address))).unwrap();
                }
                Action::BeginData(envelope) => {
                    self.message.clear();
                    lines.push(format!("! begin {} {}", envelope.recipients.len(), self.session.protocol()));
                    let refused = envelope.recipients.iter().any(|r| r.address.local() == "late");
                    let result = if refused { Err(Reply::new(451, 3, 0, "Not now")) } else { Ok(()) };
                    self.session.begin_result(result).unwrap();
                }
                Action::Data(bytes) => {
                    self.message.extend_from_slice(&bytes);
                    lines.push(format!("! data {}", escape(&bytes)));
                    if self.message.starts_with(b"Stop:") {
                        lines.pop();
                        self.session.refuse_data(Reply::new(554, 6, 0, "Malformed MIME")).unwrap();
                    }
                }
                Action::EndData => {
                    lines.push("! end".into());
                    self.session.end_result(self.end()).unwrap();
                }
                Action::Abort(reason) => {
                    let word = format!("{reason:?}").to_lowercase();
                    lines.push(format!("! abort {}", word.split('(').next().unwrap()));
                }
                Action::Close => {
                    lines.push("! close".into());
                    self.closed = true;
                    return lines;
                }
            }
        }
    }
}
