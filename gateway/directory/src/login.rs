//! One server outside, asked with care: a few at a time, within a time, and only after it has refused somebody.

use crate::ldap::Directory;
use crate::mail::MailServer;
use crate::{Answer, Person, Trouble};
use sealpost_envelope::{EmailAddress, Secret, random};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Questions at the same time.
const AT_ONCE: usize = 8;
/// A server that refused a password that nobody has is trusted for so long.
const TRUSTED: Duration = Duration::from_secs(3600);
/// Nobody's password is longer; more is not sent anywhere.
const LONGEST: usize = 1024;

#[derive(Debug)]
enum Kind {
    Directory(Directory),
    Mail(MailServer),
}

/// A server that knows the people of some domains.
#[derive(Debug)]
pub struct Backend {
    name: String,
    domains: Vec<String>,
    kind: Kind,
    patience: Duration,
    room: Semaphore,
    /// When it last refused what must be refused.
    discerning: Mutex<Option<Instant>>,
}

impl Backend {
    /// A directory.
    pub fn directory(name: &str, domains: Vec<String>, directory: Directory, patience: Duration) -> Self {
        Self::new(name, domains, Kind::Directory(directory), patience)
    }
    /// An IMAP or SMTP server.
    pub fn mail(name: &str, domains: Vec<String>, server: MailServer, patience: Duration) -> Self {
        Self::new(name, domains, Kind::Mail(server), patience)
    }
    fn new(name: &str, domains: Vec<String>, kind: Kind, patience: Duration) -> Self {
        let room = Semaphore::new(AT_ONCE);
        Self { name: name.to_owned(), domains, kind, patience, room, discerning: Mutex::default() }
    }
    /// As the configuration calls it.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Whether it knows the people of this login's domain.
    pub fn knows(&self, login: &EmailAddress) -> bool {
        self.domains.iter().any(|d| d.eq_ignore_ascii_case(login.domain()))
    }
    /// Whether its people can be listed.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory(_))
    }

    /// Whether the password is the login's. It says nothing about a second factor.
    pub async fn judge(&self, login: &EmailAddress, password: &Secret<String>) -> Result<Answer, Trouble> {
        let typed = password.expose();
        // An empty password is "nobody" to directories (RFC 4513 §5.1.2); NUL divides PLAIN's fields (RFC 4616 §2).
        if !self.knows(login) || typed.is_empty() || typed.len() > LONGEST || typed.contains('\0') {
            return Ok(Answer::Wrong);
        }
        let asked = async {
            // The semaphore is never closed.
            let _room = self.room.acquire().await;
            self.is_discerning(login).await?;
            self.ask(login, password).await
        };
        timeout(self.patience, asked).await.unwrap_or(Err(Trouble::Slow(self.patience)))
    }

    /// Whether it answers, and refuses what must be refused.
    pub async fn probe(&self) -> Result<(), Trouble> {
        let Some(domain) = self.domains.first() else { return Ok(()) };
        let like = EmailAddress::parse(&format!("nobody@{domain}"))
            .map_err(|_| Trouble::Protocol("a domain is none"))?;
        let asked = timeout(self.patience, self.is_discerning(&like));
        asked.await.unwrap_or(Err(Trouble::Slow(self.patience)))
    }

    /// Tries a password that nobody has for a login that nobody has, now and then: whoever takes it takes any.
    async fn is_discerning(&self, like: &EmailAddress) -> Result<(), Trouble> {
        let known = *self.discerning.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_some_and(|at| at.elapsed() < TRUSTED) {
            return Ok(());
        }
        let nobody = format!("nobody-{}@{}", random_word(), like.domain());
        let nobody = EmailAddress::parse(&nobody).map_err(|_| Trouble::Protocol("a domain is none"))?;
        if self.ask(&nobody, &Secret::new(random_word())).await? != Answer::Wrong {
            return Err(Trouble::Credulous);
        }
        *self.discerning.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    async fn ask(&self, login: &EmailAddress, password: &Secret<String>) -> Result<Answer, Trouble> {
        match &self.kind {
            Kind::Directory(directory) => directory.judge(login, password).await,
            Kind::Mail(server) => server.judge(login, password).await,
        }
    }

    /// Everybody, some at a time. Each step may take as long as a login.
    pub async fn people(
        &self,
        take: impl AsyncFnMut(Vec<Person>) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        match &self.kind {
            Kind::Directory(directory) => directory.people(take, self.patience).await,
            Kind::Mail(_) => Err(Trouble::NoDirectory),
        }
    }
}

/// A hundred and twenty random bits, in letters.
fn random_word() -> String {
    let mut raw = [0u8; 15];
    random::fill(&mut raw);
    raw.iter().map(|byte| format!("{byte:02x}")).collect()
}
