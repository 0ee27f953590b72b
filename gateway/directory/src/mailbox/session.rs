//! The conversation with the server, from its greeting to the last message.

use super::response::{Attributes, Line, Piece, is_content, literal, read};
use super::{Login, Settle};
use crate::Trouble;
use crate::connection::{Place, Wire};
use sealpost_envelope::Secret;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::timeout;

/// Longest line.
const LINE: usize = 8192;
/// Lines of one answer.
const LINES: usize = 10_000;
/// Lines of a list of messages; a folder of more new ones than this is no mailbox for bounces.
const LISTED: usize = 1_000_000;
/// Bytes of a header that are looked at.
const HEADER: u64 = 64 << 10;
/// Bytes of a message that are asked of the connection at a time.
const CHUNK: usize = 16 << 10;

/// A message that waits in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub uid: u32,
    /// What the server says of its size.
    pub size: u64,
}

/// An open folder.
pub struct Session {
    wire: Wire,
    patience: Duration,
    /// What has arrived of a line.
    partial: Vec<u8>,
    commands: u32,
    uid_validity: u32,
    capabilities: Vec<String>,
}

/// What a server that breaks the protocol did.
fn broken<T>(what: &'static str) -> Result<T, Trouble> {
    Err(Trouble::Protocol(what))
}

impl Session {
    pub(super) async fn greeted(wire: Wire, patience: Duration) -> Result<Self, Trouble> {
        let (partial, capabilities) = (Vec::new(), Vec::new());
        let mut session = Self { wire, patience, partial, commands: 0, uid_validity: 0, capabilities };
        let greeting = session.line(patience).await?;
        match greeting.get(..4) {
            Some(ok) if ok.eq_ignore_ascii_case("* OK") => Ok(session),
            Some(bye) if bye.eq_ignore_ascii_case("* BY") => Err(refused(&greeting)),
            // PREAUTH: somebody's mailbox, but not one that we have asked for.
            _ => broken("no greeting that asks for a login"),
        }
    }

    /// TLS from here on; what was told before is forgotten (RFC 9051 §6.2.1).
    pub(super) async fn secured(mut self, place: &Place) -> Result<Self, Trouble> {
        self.run("STARTTLS").await?;
        let secured = timeout(self.patience, place.secured(self.wire)).await;
        let wire = secured.unwrap_or(Err(Trouble::Slow(self.patience)))?;
        Ok(Self { wire, partial: Vec::new(), capabilities: Vec::new(), ..self })
    }

    pub(super) async fn log_in(&mut self, user: &str, login: &Login) -> Result<(), Trouble> {
        if user.contains('\0') {
            return Err(Trouble::OurLogin);
        }
        self.run("CAPABILITY").await?;
        let (mechanism, response) = match login {
            Login::Password(password) if self.can("AUTH=PLAIN") || self.can("LOGINDISABLED") => {
                ("PLAIN", Secret::new(format!("\0{user}\0{}", password.expose())))
            }
            Login::Password(password) => {
                let command = format!("LOGIN {} {}", quoted(user)?, quoted(password.expose())?);
                return self.answered(&Secret::new(command)).await.map_err(our_login);
            }
            Login::Token(token) => {
                let text = format!("user={user}\x01auth=Bearer {}\x01\x01", token.expose());
                ("XOAUTH2", Secret::new(text))
            }
        };
        let tag = self.send(&format!("AUTHENTICATE {mechanism}")).await?;
        self.continued(&tag).await?;
        let response =
            Secret::new(base64_simd::STANDARD.encode_to_string(response.expose().as_bytes()) + "\r\n");
        self.wire.send(response.expose().as_bytes()).await?;
        let mut told = self.until(&tag, |_| Ok(())).await;
        if matches!(told, Err(Trouble::Protocol(UNASKED))) {
            // XOAUTH2 says what is wrong first, and waits for an empty line.
            self.wire.send(b"\r\n").await?;
            told = self.until(&tag, |_| Ok(())).await;
        }
        told.map_err(our_login)
    }

    pub(super) async fn select(&mut self, folder: &str) -> Result<(), Trouble> {
        self.capabilities.clear();
        self.run("CAPABILITY").await?;
        let tag = self.send(&format!("SELECT {}", quoted(folder)?)).await?;
        let mut validity = None;
        self.until(&tag, |line| {
            if let Line::UidValidity(number) = line {
                validity = Some(number);
            }
            Ok(())
        })
        .await?;
        // RFC 9051 §6.3.2: without it UIDs mean nothing, and messages would be read again or never.
        self.uid_validity = validity.ok_or(Trouble::Protocol("no UIDVALIDITY"))?;
        Ok(())
    }

    /// UIDs mean the same as long as this number does.
    pub fn uid_validity(&self) -> u32 {
        self.uid_validity
    }

    /// Who hands the messages over.
    pub fn peer(&self) -> Option<IpAddr> {
        self.wire.peer()
    }

    /// The next `most` messages above this UID, in their order.
    pub async fn newer(&mut self, uid: u32, most: usize) -> Result<Vec<Waiting>, Trouble> {
        let Some(first) = uid.checked_add(1) else { return Ok(Vec::new()) };
        let tag = self.send(&format!("UID FETCH {first}:* (UID RFC822.SIZE)")).await?;
        let mut found = BTreeMap::new();
        self.until_within(LISTED, &tag, |line| {
            let Line::Fetch(items) = line else { return Ok(()) };
            let mut read = Attributes::default();
            if read.piece(items, true)? != Piece::End {
                return broken("a literal that was not asked for");
            }
            // RFC 9051 §9: `n:*` names the last message even where its UID is below n. Flags of others come unasked.
            if let (Some(uid), Some(size)) = (read.uid.filter(|uid| *uid >= first), read.size) {
                found.insert(uid, size);
                if found.len() > most {
                    found.pop_last();
                }
            }
            Ok(())
        })
        .await?;
        Ok(found.into_iter().map(|(uid, size)| Waiting { uid, size }).collect())
    }

    /// The beginning of a message's header; `None` when the message is gone.
    pub async fn header(&mut self, uid: u32) -> Result<Option<Vec<u8>>, Trouble> {
        let items = format!("BODY.PEEK[HEADER]<0.{HEADER}>");
        let Some(mut body) = self.content(uid, &items, HEADER).await? else { return Ok(None) };
        let mut header = Vec::new();
        while let Some(bytes) = body.next().await? {
            header.extend_from_slice(bytes);
        }
        Ok(Some(header))
    }

    /// A message; `None` when it is gone. More than `limit` octets break the protocol: its size was told before.
    pub async fn body(&mut self, uid: u32, limit: u64) -> Result<Option<Body<'_>>, Trouble> {
        self.content(uid, "BODY.PEEK[]", limit).await
    }

    async fn content(&mut self, uid: u32, item: &str, limit: u64) -> Result<Option<Body<'_>>, Trouble> {
        let tag = self.send(&format!("UID FETCH {uid} (UID {item})")).await?;
        for _ in 0..LINES {
            let line = self.line(self.patience).await?;
            let items = match read(&line)? {
                Line::Fetch(items) => items,
                other => match judged(&tag, other)? {
                    true => return Ok(None),
                    false => continue,
                },
            };
            let mut read = Attributes::default();
            let (left, text) = match read.piece(items, true)? {
                Piece::Literal(name) if is_content(&name) => {
                    let length = literal(items).unwrap_or(u64::MAX);
                    if length > limit {
                        return broken("a literal is larger than what was asked for");
                    }
                    (Some(length), Vec::new())
                }
                Piece::Literal(_) => return broken("a literal that was not asked for"),
                Piece::End => match read.text.take() {
                    Some(text) => (None, text.into_bytes()),
                    // Flags of a message, told unasked.
                    None => continue,
                },
            };
            let buffer = vec![0; CHUNK];
            return Ok(Some(Body { session: self, tag, uid, read, left, text, buffer, over: false }));
        }
        broken("too many lines")
    }

    /// Reads past the literals of a response that was not asked for.
    async fn pass_over(&mut self, mut line: String) -> Result<(), Trouble> {
        let mut buffer = vec![0; CHUNK];
        let mut room = HEADER;
        while let Some(mut left) = literal(&line) {
            room = room.checked_sub(left).ok_or(Trouble::Protocol("a literal that was not asked for"))?;
            while left > 0 {
                left -= self.chunk(left, &mut buffer).await?.len() as u64;
            }
            line = self.line(self.patience).await?;
        }
        Ok(())
    }

    /// The next bytes of a literal of which so many are left.
    async fn chunk<'b>(&mut self, left: u64, buffer: &'b mut [u8]) -> Result<&'b [u8], Trouble> {
        let size = usize::try_from(left).unwrap_or(CHUNK).min(buffer.len());
        let chunk = &mut buffer[..size];
        let read = timeout(self.patience, self.wire.exactly(chunk)).await;
        read.unwrap_or(Err(Trouble::Slow(self.patience)))?;
        Ok(chunk)
    }

    /// Marks, deletes or moves a message.
    pub async fn settle(&mut self, uid: u32, how: &Settle) -> Result<(), Trouble> {
        match how {
            Settle::Seen => self.run(&format!("UID STORE {uid} +FLAGS.SILENT (\\Seen)")).await,
            Settle::Delete => self.delete(uid).await,
            Settle::Move(folder) if self.can("MOVE") => {
                self.run(&format!("UID MOVE {uid} {}", quoted(folder)?)).await
            }
            Settle::Move(folder) => {
                self.run(&format!("UID COPY {uid} {}", quoted(folder)?)).await?;
                self.delete(uid).await
            }
        }
    }

    async fn delete(&mut self, uid: u32) -> Result<(), Trouble> {
        self.run(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)")).await?;
        // A plain EXPUNGE would take what others have marked: without UIDPLUS the mark is all.
        match self.can("UIDPLUS") {
            true => self.run(&format!("UID EXPUNGE {uid}")).await,
            false => Ok(()),
        }
    }

    /// Waits until there is more in the folder, or for so long.
    pub async fn wait(&mut self, longest: Duration) -> Result<(), Trouble> {
        if !self.can("IDLE") {
            tokio::time::sleep(longest).await;
            return self.run("NOOP").await;
        }
        let tag = self.send("IDLE").await?;
        self.continued(&tag).await?;
        let heard = timeout(longest, async {
            for _ in 0..LINES {
                let line = self.line(longest.saturating_add(self.patience)).await?;
                match read(&line)? {
                    Line::Exists(_) => return Ok(()),
                    Line::Tagged(..) | Line::Continue => return broken("an answer to no question"),
                    Line::Bye(words) => return Err(refused(words)),
                    _ => {}
                }
            }
            broken("too many lines")
        });
        if let Ok(heard) = heard.await {
            heard?;
        }
        self.wire.send(b"DONE\r\n").await?;
        self.until(&tag, |_| Ok(())).await
    }

    /// Takes leave; what the server says to it does not matter.
    pub async fn log_out(mut self) {
        let _left: Result<(), Trouble> = self.run("LOGOUT").await;
    }

    fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|c| c.eq_ignore_ascii_case(capability))
    }

    async fn run(&mut self, command: &str) -> Result<(), Trouble> {
        let tag = self.send(command).await?;
        self.until(&tag, |_| Ok(())).await
    }

    async fn answered(&mut self, command: &Secret<String>) -> Result<(), Trouble> {
        let tag = self.send(command.expose()).await?;
        self.until(&tag, |_| Ok(())).await
    }

    async fn send(&mut self, command: &str) -> Result<String, Trouble> {
        self.commands += 1;
        let tag = format!("a{}", self.commands);
        let line = Secret::new(format!("{tag} {command}\r\n"));
        let sent = timeout(self.patience, self.wire.send(line.expose().as_bytes())).await;
        sent.unwrap_or(Err(Trouble::Slow(self.patience)))?;
        Ok(tag)
    }

    /// Waits until the server asks for the rest of a command.
    async fn continued(&mut self, tag: &str) -> Result<(), Trouble> {
        for _ in 0..LINES {
            let line = self.line(self.patience).await?;
            match read(&line)? {
                Line::Continue => return Ok(()),
                other => {
                    if judged(tag, other)? {
                        return broken("an answer before the question was whole");
                    }
                }
            }
        }
        broken("too many lines")
    }

    /// Reads to the answer of this command, which must be a good one.
    async fn until(
        &mut self,
        tag: &str,
        each: impl FnMut(Line<'_>) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.until_within(LINES, tag, each).await
    }

    async fn until_within(
        &mut self,
        lines: usize,
        tag: &str,
        mut each: impl FnMut(Line<'_>) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        for _ in 0..lines {
            let line = self.line(self.patience).await?;
            let read = read(&line)?;
            if let Line::Capability(words) = read {
                self.capabilities = words.split_ascii_whitespace().take(200).map(str::to_owned).collect();
            }
            if judged(tag, read)? {
                return Ok(());
            }
            // Nothing that is asked for here comes as a literal.
            match literal(&line) {
                Some(_) => self.pass_over(line).await?,
                None => each(read)?,
            }
        }
        broken("too many lines")
    }

    /// One line, without its end. What has come of it stays when this is dropped half-way.
    async fn line(&mut self, longest: Duration) -> Result<String, Trouble> {
        let read = async {
            loop {
                let mut byte = [0];
                self.wire.exactly(&mut byte).await?;
                match byte[0] {
                    b'\n' => return Ok(()),
                    _ if self.partial.len() >= LINE => return broken("a line is too long"),
                    byte => self.partial.push(byte),
                }
            }
        };
        timeout(longest, read).await.unwrap_or(Err(Trouble::Slow(longest)))?;
        let mut line = std::mem::take(&mut self.partial);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map_err(|_| Trouble::Protocol("a line is no UTF-8"))
    }
}

/// A message while it is fetched. It must be read to its end before the session can do anything else.
pub struct Body<'a> {
    session: &'a mut Session,
    tag: String,
    uid: u32,
    read: Attributes,
    /// What the literal still holds, where it came as one.
    left: Option<u64>,
    /// What came within the line.
    text: Vec<u8>,
    buffer: Vec<u8>,
    over: bool,
}

impl Body<'_> {
    /// The next bytes; nothing at the end, when the server has said that the message was the one asked for.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, Trouble> {
        if self.over {
            return Ok(None);
        }
        if let Some(left) = self.left.as_mut().filter(|left| **left > 0) {
            let chunk = self.session.chunk(*left, &mut self.buffer).await?;
            *left -= chunk.len() as u64;
            return Ok(Some(chunk));
        }
        if !self.text.is_empty() {
            self.buffer = std::mem::take(&mut self.text);
            return Ok(Some(&self.buffer));
        }
        if self.left.is_some() {
            let rest = self.session.line(self.session.patience).await?;
            if self.read.piece(&rest, false)? != Piece::End || self.read.text.is_some() {
                return broken("a literal that was not asked for");
            }
        }
        if self.read.uid != Some(self.uid) {
            return broken("another message than the one asked for");
        }
        self.session.until(&self.tag, |_| Ok(())).await?;
        self.over = true;
        Ok(None)
    }
}

const UNASKED: &str = "a question in place of an answer";

/// Whether the line is the good answer to the command with this tag.
fn judged(tag: &str, line: Line<'_>) -> Result<bool, Trouble> {
    match line {
        Line::Tagged(of, ..) if of != tag => broken("an answer to no question"),
        Line::Tagged(_, true, _) => Ok(true),
        Line::Tagged(_, false, words) | Line::Bye(words) => Err(refused(words)),
        Line::Continue => broken(UNASKED),
        _ => Ok(false),
    }
}

/// Server's words for the log: one line, and not a long one.
fn refused(words: &str) -> Trouble {
    Trouble::Refused(words.chars().filter(|c| !c.is_control()).take(200).collect())
}

/// A refusal to a login is about the login, unless the server says that it is about itself (RFC 5530 §3).
fn our_login(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Refused(words) if is_no(&words) && !words.contains("[UNAVAILABLE]") => Trouble::OurLogin,
        other => other,
    }
}

fn is_no(words: &str) -> bool {
    words.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case("NO"))
}

/// A string of a command (RFC 9051 §4.3): no line ends, no octets above ASCII.
fn quoted(text: &str) -> Result<String, Trouble> {
    if !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return Err(Trouble::Refused("a name or password with characters that LOGIN cannot carry".into()));
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}
