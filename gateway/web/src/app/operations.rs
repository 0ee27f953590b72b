//! What the gateway tells and does for auditors and administrators: the words in which it is asked and answers.

use futures_util::future::BoxFuture;
use sealpost_envelope::{EmailAddress, EntityId, Language, Timestamp, Verdict};
use sealpost_evidence::Actor;
use sealpost_store::queue::OutboundId;
use std::fmt;

/// The whole log, verified.
#[derive(Debug, Clone, Default)]
pub struct LogVerdict {
    /// Entries recomputed.
    pub entries: u64,
    /// Checkpoints compared.
    pub checkpoints: u64,
    /// What is wrong; nothing if the log is intact.
    pub findings: Vec<String>,
}

/// A message that nobody sent.
#[derive(Debug, Clone)]
pub struct Question {
    /// From.
    pub sender: EmailAddress,
    /// To.
    pub recipient: EmailAddress,
    /// Subject.
    pub subject: String,
    /// Octets of attachments.
    pub size: u64,
    /// Names of attachments.
    pub attachments: Vec<String>,
    /// Language of the answer.
    pub language: Language,
}

/// What would happen to it.
#[derive(Debug, Clone)]
pub struct WouldBe {
    /// Policy's answer.
    pub verdict: Verdict,
    /// Why, one step a line.
    pub explanation: Vec<String>,
    /// Why it would wait, in words.
    pub held: Option<String>,
}

/// A rule as configured.
#[derive(Debug, Clone)]
pub struct RuleShown {
    /// Name.
    pub name: String,
    /// Condition.
    pub when: Option<String>,
    /// Treatment, gate, periods: name and value as in the configuration.
    pub settings: Vec<(&'static str, String)>,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateUse {
    /// Trust in everything that this installation signs.
    Root,
    /// Seals of evidence.
    Evidence,
    /// The built-in time authority.
    Time,
    /// Signs the journal's checkpoints.
    Journal,
    /// Signs mail as the organisation.
    Mail,
    /// Pages and mail servers.
    Tls,
}

/// A certificate in use.
#[derive(Debug, Clone)]
pub struct CertificateShown {
    /// What for.
    pub usage: CertificateUse,
    /// Whom it names.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// SHA-256 of it.
    pub fingerprint: String,
    /// Its end.
    pub not_after: Timestamp,
}

/// Something that the service depends on.
#[derive(Debug, Clone)]
pub struct HealthLine {
    /// What, in French and English.
    pub name: (&'static str, &'static str),
    /// How it is.
    pub state: Health,
    /// What is worth knowing, in French and English.
    pub words: (String, String),
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Works.
    Good,
    /// Works, and needs somebody's look.
    Warn,
    /// Does not work.
    Bad,
}

/// A section of the configuration in force.
#[derive(Debug, Clone)]
pub struct SettingsShown {
    /// Name of the section.
    pub name: String,
    /// Keys and values; secrets are masked.
    pub values: Vec<(String, String)>,
}

/// What an administrator does to a row of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// Send now; what was held is released.
    Retry,
    /// Hold.
    Hold,
    /// Take out.
    Drop,
}

/// What the gateway does for auditors' and administrators' pages.
pub trait Operations: Send + Sync + fmt::Debug {
    /// Recomputes the log and compares it with every checkpoint.
    fn verify_log(&self) -> BoxFuture<'_, Result<LogVerdict, String>>;
    /// What would happen to a message.
    fn would_be(&self, entity: EntityId, question: &Question) -> Result<WouldBe, String>;
    /// The rules in force, in order.
    fn rules(&self) -> Vec<RuleShown>;
    /// The certificates in use by an organisation.
    fn certificates(&self, entity: EntityId) -> Vec<CertificateShown>;
    /// How everything is.
    fn health(&self) -> BoxFuture<'_, Vec<HealthLine>>;
    /// The configuration in force.
    fn settings(&self) -> Vec<SettingsShown>;
    /// Mail domains of an organisation.
    fn domains(&self, entity: EntityId) -> Vec<String>;
    /// Moves a row of the queue; `false` when it could not be moved any more.
    fn queue(
        &self,
        entity: EntityId,
        row: OutboundId,
        hand: Hand,
        by: Actor,
    ) -> BoxFuture<'_, Result<bool, String>>;
}

/// For tests of pages that ask nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoOperations;

impl Operations for NoOperations {
    fn verify_log(&self) -> BoxFuture<'_, Result<LogVerdict, String>> {
        Box::pin(async { Err("no operations".into()) })
    }
    fn would_be(&self, _: EntityId, _: &Question) -> Result<WouldBe, String> {
        Err("no operations".into())
    }
    fn rules(&self) -> Vec<RuleShown> {
        Vec::new()
    }
    fn certificates(&self, _: EntityId) -> Vec<CertificateShown> {
        Vec::new()
    }
    fn health(&self) -> BoxFuture<'_, Vec<HealthLine>> {
        Box::pin(async { Vec::new() })
    }
    fn settings(&self) -> Vec<SettingsShown> {
        Vec::new()
    }
    fn domains(&self, _: EntityId) -> Vec<String> {
        Vec::new()
    }
    fn queue(&self, _: EntityId, _: OutboundId, _: Hand, _: Actor) -> BoxFuture<'_, Result<bool, String>> {
        Box::pin(async { Err("no operations".into()) })
    }
}
