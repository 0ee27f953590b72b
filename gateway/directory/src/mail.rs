//! Logging in to an IMAP or SMTP server with somebody's password, and out again: nothing is read or sent there.
//!
//! **Exposure.** Answers of a server that may be slow or lie: lines are short and few, and what was sent before TLS
//! counts for nothing (RFC 3207 §4.2, RFC 9051 §6.2.1).

use crate::connection::{Place, Security, Wire};
use crate::{Answer, Person, Trouble};
use sealpost_envelope::{EmailAddress, Secret};

/// Longest line of an answer.
const LINE: usize = 8192;
/// Lines of one answer.
const LINES: usize = 200;

/// Which protocol a mail server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// IMAP (RFC 9051).
    Imap,
    /// SMTP submission (RFC 6409).
    Smtp,
}

/// A mail server that knows people's passwords.
#[derive(Debug, Clone)]
pub struct MailServer {
    /// Where it is.
    pub place: Place,
    /// Its protocol.
    pub speaks: Speaks,
    /// People's name there, with `{login}`, `{local}` and `{domain}`.
    pub user: String,
}

impl MailServer {
    pub(crate) async fn judge(
        &self,
        login: &EmailAddress,
        password: &Secret<String>,
    ) -> Result<Answer, Trouble> {
        let user = self.user.replace("{login}", login.as_str());
        let user = user.replace("{local}", login.local()).replace("{domain}", login.domain());
        // RFC 4616 §2: no identity to act for, the name, the password.
        let plain = Secret::new(format!("\0{user}\0{}", password.expose()));
        let response = Secret::new(base64_simd::STANDARD.encode_to_string(plain.expose().as_bytes()));
        let wire = self.place.connect().await?;
        let is_right = match self.speaks {
            Speaks::Imap => self.imap(wire, &response).await?,
            Speaks::Smtp => self.smtp(wire, &response).await?,
        };
        match is_right {
            true => Ok(Answer::Right(Person { address: login.clone(), name: None, groups: Vec::new() })),
            false => Ok(Answer::Wrong),
        }
    }

    async fn imap(&self, mut wire: Wire, response: &Secret<String>) -> Result<bool, Trouble> {
        if !wire.line(LINE).await?.to_ascii_uppercase().starts_with("* OK") {
            return Err(Trouble::Protocol("no greeting that asks for a login"));
        }
        if self.place.security() == Security::StartTls {
            wire.send(b"a1 STARTTLS\r\n").await?;
            let answer = tagged(&mut wire, "a1").await?;
            if !answer.to_ascii_uppercase().starts_with("OK") {
                return Err(refused(&answer));
            }
            wire = self.place.secured(wire).await?;
        }
        wire.send(b"a2 AUTHENTICATE PLAIN\r\n").await?;
        let line = past_untagged(&mut wire).await?;
        if !line.starts_with('+') {
            return Err(refused(&line));
        }
        wire.send(format!("{}\r\n", response.expose()).as_bytes()).await?;
        let answer = tagged(&mut wire, "a2").await?;
        let upper = answer.to_ascii_uppercase();
        // RFC 5530: a server that cannot look says so.
        let unavailable = ["[UNAVAILABLE]", "[SERVERBUG]", "[INUSE]", "[LIMIT]", "[CONTACTADMIN]"];
        let is_right = match upper.split_ascii_whitespace().next() {
            Some("OK") => true,
            Some("NO") if !unavailable.iter().any(|code| upper.contains(code)) => false,
            _ => return Err(refused(&answer)),
        };
        drop(wire.send(b"a3 LOGOUT\r\n").await);
        Ok(is_right)
    }

    async fn smtp(&self, mut wire: Wire, response: &Secret<String>) -> Result<bool, Trouble> {
        expect(&mut wire, 220).await?;
        wire.send(b"EHLO sealpost.invalid\r\n").await?;
        expect(&mut wire, 250).await?;
        if self.place.security() == Security::StartTls {
            wire.send(b"STARTTLS\r\n").await?;
            expect(&mut wire, 220).await?;
            wire = self.place.secured(wire).await?;
            wire.send(b"EHLO sealpost.invalid\r\n").await?;
            expect(&mut wire, 250).await?;
        }
        wire.send(format!("AUTH PLAIN {}\r\n", response.expose()).as_bytes()).await?;
        let (code, words) = reply(&mut wire).await?;
        drop(wire.send(b"QUIT\r\n").await);
        match code {
            235 => Ok(true),
            // RFC 4954 §6: 535 is the credentials; everything else is the server.
            535 => Ok(false),
            _ => Err(refused(&words)),
        }
    }
}

/// Server's words for the log: one line, and not a long one.
fn refused(words: &str) -> Trouble {
    Trouble::Refused(words.chars().filter(|c| !c.is_control()).take(200).collect())
}

/// The first line that is no untagged answer.
async fn past_untagged(wire: &mut Wire) -> Result<String, Trouble> {
    for _ in 0..LINES {
        let line = wire.line(LINE).await?;
        let upper = line.to_ascii_uppercase();
        if upper.starts_with("* BYE") {
            return Err(refused(&line));
        }
        if !upper.starts_with("* ") {
            return Ok(line);
        }
    }
    Err(Trouble::Protocol("too many lines"))
}

/// The answer with this tag, without it.
async fn tagged(wire: &mut Wire, tag: &str) -> Result<String, Trouble> {
    let line = past_untagged(wire).await?;
    let rest = line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' '));
    rest.map(str::to_owned).ok_or(Trouble::Protocol("an answer to no question"))
}

/// A reply's code and its last line (RFC 5321 §4.2.1).
async fn reply(wire: &mut Wire) -> Result<(u16, String), Trouble> {
    for _ in 0..LINES {
        let line = wire.line(LINE).await?;
        let code = line.get(..3).and_then(|c| c.parse::<u16>().ok()).filter(|c| (200..600).contains(c));
        let code = code.ok_or(Trouble::Protocol("a reply without code"))?;
        match line.as_bytes().get(3) {
            Some(b'-') => {}
            None | Some(b' ') => return Ok((code, line)),
            Some(_) => return Err(Trouble::Protocol("a reply without code")),
        }
    }
    Err(Trouble::Protocol("too many lines"))
}

async fn expect(wire: &mut Wire, wanted: u16) -> Result<(), Trouble> {
    let (code, words) = reply(wire).await?;
    if code == wanted { Ok(()) } else { Err(refused(&words)) }
}
