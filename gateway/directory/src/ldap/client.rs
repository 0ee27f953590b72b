//! One LDAP connection: bind, search, StartTLS.
//!
//! **Exposure.** Answers of a server that may be slow or lie: frames are bounded, each answer must carry the number of
//! its question, and referrals are told, not followed.

use super::ber::{self, Reader};
use crate::Trouble;
use crate::connection::{Place, Security, Wire};

/// Longest message taken from a server.
const LONGEST: usize = 4 << 20;
/// Name of StartTLS (RFC 4511 §4.14.1) …
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// … and of the control for results in pages (RFC 2696).
const PAGES: &[u8] = b"1.2.840.113556.1.4.319";

/// Result codes that are looked at (RFC 4511 appendix A).
mod code {
    pub(super) const SUCCESS: u32 = 0;
    pub(super) const SIZE_LIMIT: u32 = 4;
    pub(super) const REFERRAL: u32 = 10;
    pub(super) const NO_SUCH_OBJECT: u32 = 32;
    pub(super) const INVALID_NAME: u32 = 34;
    pub(super) const INVALID_CREDENTIALS: u32 = 49;
}

/// How far a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Object = 0,
    Subtree = 2,
}

/// What to look for.
#[derive(Debug, Clone)]
pub(super) struct Query<'a> {
    pub(super) base: &'a str,
    pub(super) scope: Scope,
    pub(super) filter: &'a [u8],
    pub(super) attributes: Vec<&'a str>,
    /// Most entries wanted.
    pub(super) most: u32,
}

/// An entry, with the values that are text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Its distinguished name.
    pub name: String,
    attributes: Vec<(String, Vec<String>)>,
}

impl Found {
    /// Values of an attribute, whose name has no case.
    pub fn values(&self, attribute: &str) -> impl Iterator<Item = &str> {
        let of = self.attributes.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(attribute));
        of.flat_map(|(_, values)| values.iter().map(String::as_str))
    }
}

/// A page of a search.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) entries: Vec<Found>,
    /// Where the next one begins; empty after the last.
    pub(super) cookie: Vec<u8>,
}

pub(super) struct Client {
    wire: Wire,
    asked: u32,
}

/// The result that ends an operation.
struct Outcome {
    code: u32,
    words: String,
}

impl Outcome {
    /// resultCode, matchedDN, diagnosticMessage.
    fn read(content: &mut Reader<'_>) -> Option<Self> {
        let code = content.number(ber::ENUMERATED)?;
        content.take(ber::OCTETS)?;
        let words = String::from_utf8_lossy(content.take(ber::OCTETS)?);
        // It goes into the log: one line, and not a long one.
        let words = words.chars().filter(|c| !c.is_control()).take(200).collect();
        Some(Self { code, words })
    }
    fn refused(self) -> Trouble {
        match self.code {
            code::REFERRAL => Trouble::Referral,
            code => Trouble::Refused(format!("{code} {}", self.words)),
        }
    }
}

impl Client {
    /// Connects, and begins TLS where the settings ask for it.
    pub(super) async fn connect(place: &Place) -> Result<Self, Trouble> {
        let mut client = Self { wire: place.connect().await?, asked: 0 };
        if place.security() == Security::StartTls {
            client.ask(&ber::all(0x77, &[ber::tlv(0x80, START_TLS)]), None).await?;
            let (tag, content, _) = client.answer().await?;
            let outcome = (tag == 0x78).then(|| Outcome::read(&mut Reader(&content))).flatten();
            match outcome.ok_or(Trouble::Protocol("no answer to StartTLS"))? {
                Outcome { code: code::SUCCESS, .. } => client.wire = place.secured(client.wire).await?,
                other => return Err(other.refused()),
            }
        }
        Ok(client)
    }

    /// Proves who we are. `false`: name or password is wrong. An empty password would be taken for "nobody"
    /// (RFC 4513 §5.1.2) and is never sent.
    pub(super) async fn bind(&mut self, name: &str, password: &str) -> Result<bool, Trouble> {
        if name.is_empty() || password.is_empty() {
            return Ok(false);
        }
        let parts = [
            ber::number(ber::INTEGER, 3),
            ber::tlv(ber::OCTETS, name.as_bytes()),
            ber::tlv(0x80, password.as_bytes()),
        ];
        self.ask(&ber::all(0x60, &parts), None).await?;
        let (tag, content, _) = self.answer().await?;
        let outcome = (tag == 0x61).then(|| Outcome::read(&mut Reader(&content))).flatten();
        let outcome = outcome.ok_or(Trouble::Protocol("no answer to a bind"))?;
        match outcome.code {
            code::SUCCESS => Ok(true),
            code::INVALID_CREDENTIALS | code::NO_SUCH_OBJECT | code::INVALID_NAME => Ok(false),
            _ => Err(outcome.refused()),
        }
    }

    /// Searches; `from` asks for the page after that cookie, in pages of `most`.
    pub(super) async fn search(&mut self, query: &Query<'_>, from: Option<&[u8]>) -> Result<Page, Trouble> {
        let attributes: Vec<_> =
            query.attributes.iter().map(|a| ber::tlv(ber::OCTETS, a.as_bytes())).collect();
        let limit = if from.is_some() { 0 } else { query.most };
        let parts = [
            ber::tlv(ber::OCTETS, query.base.as_bytes()),
            ber::number(ber::ENUMERATED, query.scope as u32),
            // Aliases are not followed either.
            ber::number(ber::ENUMERATED, 0),
            ber::number(ber::INTEGER, limit),
            ber::number(ber::INTEGER, 0),
            ber::tlv(ber::BOOLEAN, &[0]),
            query.filter.to_vec(),
            ber::all(ber::SEQUENCE, &attributes),
        ];
        let control = from.map(|cookie| {
            let value = ber::all(
                ber::SEQUENCE,
                &[ber::number(ber::INTEGER, query.most), ber::tlv(ber::OCTETS, cookie)],
            );
            let parts = [
                ber::tlv(ber::OCTETS, PAGES),
                ber::tlv(ber::BOOLEAN, &[0xff]),
                ber::tlv(ber::OCTETS, &value),
            ];
            ber::all(0xa0, &[ber::all(ber::SEQUENCE, &parts)])
        });
        self.ask(&ber::all(0x63, &parts), control).await?;
        let mut page = Page::default();
        loop {
            let (tag, content, controls) = self.answer().await?;
            match tag {
                0x64 if page.entries.len() < query.most as usize => {
                    page.entries.push(entry(&content).ok_or(Trouble::Protocol("an entry is none"))?);
                }
                0x64 => return Err(Trouble::Protocol("more entries than were asked for")),
                // A reference to another server (RFC 4511 §4.5.3): we do not go there.
                0x73 => {}
                0x65 => {
                    let outcome =
                        Outcome::read(&mut Reader(&content)).ok_or(Trouble::Protocol("no result"))?;
                    page.cookie = next_page(&controls);
                    return match outcome.code {
                        code::SUCCESS => Ok(page),
                        // More than were wanted; a page that ends so would leave people out.
                        code::SIZE_LIMIT if from.is_none() => Ok(page),
                        _ => Err(outcome.refused()),
                    };
                }
                _ => return Err(Trouble::Protocol("an answer to no search")),
            }
        }
    }

    /// Says goodbye; whether it arrives does not matter any more.
    pub(super) async fn close(mut self) {
        drop(self.ask(&ber::tlv(0x42, &[]), None).await);
    }

    async fn ask(&mut self, operation: &[u8], controls: Option<Vec<u8>>) -> Result<(), Trouble> {
        self.asked += 1;
        let parts = [ber::number(ber::INTEGER, self.asked), operation.to_vec(), controls.unwrap_or_default()];
        self.wire.send(&ber::all(ber::SEQUENCE, &parts)).await
    }

    /// The next message: its operation's tag and content, and its controls.
    async fn answer(&mut self) -> Result<(u8, Vec<u8>, Vec<u8>), Trouble> {
        let message = self.frame().await?;
        let mut reader = Reader(&message);
        let id = reader.number(ber::INTEGER).ok_or(Trouble::Protocol("a message without number"))?;
        let (tag, content) = reader.any().ok_or(Trouble::Protocol("a message without operation"))?;
        match id {
            // Notice of disconnection (RFC 4511 §4.4.1).
            0 => Err(Trouble::Unreachable("the server ends the connection".to_owned())),
            id if id != self.asked => Err(Trouble::Protocol("an answer to another question")),
            _ => Ok((tag, content.to_vec(), reader.take(0xa0).unwrap_or_default().to_vec())),
        }
    }

    async fn frame(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut head = [0u8; 6];
        self.wire.exactly(&mut head[..2]).await?;
        let more = if head[1] < 0x80 { 0 } else { usize::from(head[1] & 0x7f) };
        if head[0] != ber::SEQUENCE || more > 4 {
            return Err(Trouble::Protocol("no LDAP message"));
        }
        self.wire.exactly(&mut head[2..2 + more]).await?;
        let length = ber::length(&head[1..2 + more]).flatten().map(|(length, _)| length);
        let length = length.filter(|l| *l <= LONGEST).ok_or(Trouble::Protocol("a message is too long"))?;
        let mut message = vec![0; length];
        self.wire.exactly(&mut message).await?;
        Ok(message)
    }
}

fn entry(content: &[u8]) -> Option<Found> {
    let mut reader = Reader(content);
    let name = std::str::from_utf8(reader.take(ber::OCTETS)?).ok()?.to_owned();
    let (mut list, mut attributes) = (Reader(reader.take(ber::SEQUENCE)?), Vec::new());
    while !list.is_empty() {
        let mut one = Reader(list.take(ber::SEQUENCE)?);
        let attribute = String::from_utf8(one.take(ber::OCTETS)?.to_vec()).ok()?;
        let (mut set, mut values) = (Reader(one.take(ber::SET)?), Vec::new());
        while !set.is_empty() {
            // What is no text (a photograph) is nothing that we ask for.
            values.extend(String::from_utf8(set.take(ber::OCTETS)?.to_vec()).ok());
        }
        attributes.push((attribute, values));
    }
    Some(Found { name, attributes })
}

/// The cookie of the answer's control for pages; empty without one.
fn next_page(controls: &[u8]) -> Vec<u8> {
    let mut list = Reader(controls);
    while let Some(control) = list.take(ber::SEQUENCE) {
        let mut control = Reader(control);
        if control.take(ber::OCTETS) != Some(PAGES) {
            continue;
        }
        while let Some((tag, value)) = control.any() {
            let mut inner = Reader(if tag == ber::OCTETS { value } else { &[] });
            let mut parts = Reader(inner.take(ber::SEQUENCE).unwrap_or_default());
            parts.number(ber::INTEGER);
            if let Some(cookie) = parts.take(ber::OCTETS) {
                return cookie.to_vec();
            }
        }
    }
    Vec::new()
}
