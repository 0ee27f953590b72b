//! The methods themselves, behind one trait so that tokens, cards and providers plug in later.

use crate::{Code, CodeKey};
use sealpost_envelope::{DepositId, GateMethod, RecipientNo, Secret, password};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Longest password looked at; argon2 itself would take more.
const MAX_PASSWORD: usize = 256;

/// What a method asks the person for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Nothing: asking for it passes it.
    Nothing,
    /// A code that is sent to them; the form field is `code`.
    SentCode,
    /// The message's password; the form field is `password`.
    Password,
    /// A code that their token or app shows; nothing is sent, the form field is `code`.
    TypedCode,
    /// To go to another page or listener, which comes back with the proof: a card, a provider, a telephone.
    Elsewhere,
}

/// What must be on record of a recipient before a method can be offered to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing beyond their address.
    Nothing,
    /// A verifier kept for the consignment (the message's password).
    Verifier,
    /// A telephone number.
    Phone,
    /// A token or app of theirs.
    Enrolment,
}

/// Bounds of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodLimits {
    /// How long a challenge may be answered.
    pub lifetime: Duration,
    /// Tries per challenge, whatever the number of browsers.
    pub tries: u32,
    /// Shortest time between two sendings of the same code.
    pub resend_after: Duration,
    /// Sendings (or, where nothing is sent, challenges) per consignment and hour.
    pub per_hour: u32,
}

impl Default for MethodLimits {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(600),
            tries: 5,
            resend_after: Duration::from_secs(45),
            per_hour: 6,
        }
    }
}

/// One answer, with what is needed to judge it.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The challenge that is answered.
    pub challenge: Uuid,
    /// Its deposit.
    pub deposit: DepositId,
    /// Its recipient.
    pub recipient: RecipientNo,
    /// What was typed.
    pub typed: &'a Secret<String>,
    /// The verifier kept for this consignment and method, where one is kept (PHC string).
    pub verifier: Option<&'a str>,
}

/// A way to authenticate.
pub trait Method: Send + Sync + fmt::Debug {
    /// Its name in rules and addresses.
    fn name(&self) -> GateMethod;
    /// What it asks for.
    fn asks(&self) -> Asks;
    /// Its bounds.
    fn limits(&self) -> MethodLimits;
    /// What must be on record of the recipient.
    fn needs(&self) -> Needs {
        Needs::Nothing
    }
    /// What people call it, where the installation says so.
    fn label(&self) -> Option<&str> {
        None
    }
    /// Whether the answer is right. Takes the same time for every wrong answer of the same length. Nothing is
    /// right where the proof comes from elsewhere, or where it is compared with a token's state.
    fn check(&self, _: &Attempt<'_>) -> bool {
        false
    }
}

/// The methods this installation offers.
#[derive(Debug, Clone, Default)]
pub struct Methods(Vec<Arc<dyn Method>>);

impl Methods {
    /// Offers these.
    pub fn new(methods: Vec<Arc<dyn Method>>) -> Self {
        Self(methods)
    }
    /// The method of that name, if offered.
    pub fn get(&self, name: &GateMethod) -> Option<&Arc<dyn Method>> {
        self.0.iter().find(|m| m.name() == *name)
    }
    /// Those for which `offered` holds.
    pub fn only(&self, offered: impl Fn(&dyn Method) -> bool) -> Self {
        Self(self.0.iter().filter(|m| offered(m.as_ref())).cloned().collect())
    }
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Method> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// Nothing is asked beyond the link.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinkMethod;

impl Method for LinkMethod {
    fn name(&self) -> GateMethod {
        GateMethod::Link
    }
    fn asks(&self) -> Asks {
        Asks::Nothing
    }
    fn limits(&self) -> MethodLimits {
        MethodLimits::default()
    }
    fn check(&self, _: &Attempt<'_>) -> bool {
        true
    }
}

/// Six digits by mail to the address that received the link.
#[derive(Debug, Clone)]
pub struct OtpMail {
    key: Arc<CodeKey>,
    limits: MethodLimits,
}

impl OtpMail {
    /// Codes under `key`.
    pub fn new(key: Arc<CodeKey>, limits: MethodLimits) -> Self {
        Self { key, limits }
    }
}

impl Method for OtpMail {
    fn name(&self) -> GateMethod {
        GateMethod::OtpMail
    }
    fn asks(&self) -> Asks {
        Asks::SentCode
    }
    fn limits(&self) -> MethodLimits {
        self.limits
    }
    fn check(&self, attempt: &Attempt<'_>) -> bool {
        let expected = self.key.derive(attempt.challenge, attempt.deposit, attempt.recipient);
        Code::typed(attempt.typed.expose()).is_some_and(|typed| typed.matches(&expected))
    }
}

/// Six digits by SMS to the recipient's number on record.
#[derive(Debug, Clone)]
pub struct OtpSms(OtpMail);

impl OtpSms {
    /// Codes under `key`; another purpose key than that of codes by mail.
    pub fn new(key: Arc<CodeKey>, limits: MethodLimits) -> Self {
        Self(OtpMail::new(key, limits))
    }
}

impl Method for OtpSms {
    fn name(&self) -> GateMethod {
        GateMethod::OtpSms
    }
    fn asks(&self) -> Asks {
        Asks::SentCode
    }
    fn limits(&self) -> MethodLimits {
        self.0.limits
    }
    fn needs(&self) -> Needs {
        Needs::Phone
    }
    fn check(&self, attempt: &Attempt<'_>) -> bool {
        self.0.check(attempt)
    }
}

/// `totp` or `hotp`: the caller compares with the state of the recipient's tokens ([`crate::oath`]).
#[derive(Debug, Clone)]
pub struct TypedCodeMethod {
    name: GateMethod,
    limits: MethodLimits,
}

impl TypedCodeMethod {
    /// For tokens that follow a clock.
    pub fn totp(limits: MethodLimits) -> Self {
        Self { name: GateMethod::Totp, limits }
    }
    /// For tokens that count.
    pub fn hotp(limits: MethodLimits) -> Self {
        Self { name: GateMethod::Hotp, limits }
    }
}

impl Method for TypedCodeMethod {
    fn name(&self) -> GateMethod {
        self.name.clone()
    }
    fn asks(&self) -> Asks {
        Asks::TypedCode
    }
    fn limits(&self) -> MethodLimits {
        self.limits
    }
    fn needs(&self) -> Needs {
        Needs::Enrolment
    }
}

/// A card, a provider or a telephone: what proves the person happens on another page or listener.
#[derive(Debug, Clone)]
pub struct ElsewhereMethod {
    name: GateMethod,
    needs: Needs,
    label: Option<String>,
}

impl ElsewhereMethod {
    /// For `name`, offered to those of whom `needs` is on record.
    pub fn new(name: GateMethod, needs: Needs) -> Self {
        Self { name, needs, label: None }
    }
    /// That people call so.
    pub fn called(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }
}

impl Method for ElsewhereMethod {
    fn name(&self) -> GateMethod {
        self.name.clone()
    }
    fn asks(&self) -> Asks {
        Asks::Elsewhere
    }
    fn limits(&self) -> MethodLimits {
        MethodLimits::default()
    }
    fn needs(&self) -> Needs {
        self.needs
    }
    fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }
}

/// A password could not be turned into a verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Empty, or longer than is accepted.
    #[error("a message password has between 1 and 256 characters")]
    Length,
    /// The hash function refused its parameters.
    #[error("the password could not be hashed")]
    Hash,
}

/// The message's password, which the sender passes on by another way. Kept as Argon2id.
#[derive(Debug, Clone, Copy)]
pub struct PasswordMethod {
    limits: MethodLimits,
}

impl PasswordMethod {
    /// With these bounds; `resend_after` has no meaning here.
    pub fn new(limits: MethodLimits) -> Self {
        Self { limits }
    }
    /// The verifier to keep for a consignment.
    pub fn verifier(password: &Secret<String>) -> Result<String, PasswordError> {
        let text = password.expose();
        if text.is_empty() || text.len() > MAX_PASSWORD {
            return Err(PasswordError::Length);
        }
        password::stretch(text).map_err(|_| PasswordError::Hash)
    }
}

impl Method for PasswordMethod {
    fn name(&self) -> GateMethod {
        GateMethod::Password
    }
    fn asks(&self) -> Asks {
        Asks::Password
    }
    fn limits(&self) -> MethodLimits {
        self.limits
    }
    fn needs(&self) -> Needs {
        Needs::Verifier
    }
    fn check(&self, attempt: &Attempt<'_>) -> bool {
        let typed = attempt.typed.expose();
        if typed.len() > MAX_PASSWORD {
            return false;
        }
        // No verifier means that nobody can pass, never that anybody may.
        attempt.verifier.is_some_and(|verifier| password::matches(typed, verifier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt<'a>(typed: &'a Secret<String>, verifier: Option<&'a str>) -> Attempt<'a> {
        Attempt {
            challenge: Uuid::from_u128(5),
            deposit: DepositId(Uuid::from_u128(6)),
            recipient: 2,
            typed,
            verifier,
        }
    }

    #[test]
    fn a_code_answers_its_own_challenge_only() {
        let key = Arc::new(CodeKey::new(&[3; 32]));
        let method = OtpMail::new(key.clone(), MethodLimits::default());
        let right =
            Secret::new(key.derive(Uuid::from_u128(5), DepositId(Uuid::from_u128(6)), 2).expose().to_owned());
        let other =
            Secret::new(key.derive(Uuid::from_u128(7), DepositId(Uuid::from_u128(6)), 2).expose().to_owned());
        assert!(method.check(&attempt(&right, None)));
        assert!(!method.check(&attempt(&other, None)));
        assert!(!method.check(&attempt(&Secret::new(String::new()), None)));
    }

    #[test]
    fn a_password_needs_its_verifier() {
        let method = PasswordMethod::new(MethodLimits::default());
        let right = Secret::new("correct horse".to_owned());
        let verifier = PasswordMethod::verifier(&right).unwrap();
        assert!(verifier.starts_with("$argon2id$"));
        assert!(method.check(&attempt(&right, Some(&verifier))));
        assert!(!method.check(&attempt(&Secret::new("wrong".into()), Some(&verifier))));
        assert!(!method.check(&attempt(&right, None)));
        assert!(!method.check(&attempt(&right, Some("garbage"))));
        assert_eq!(PasswordMethod::verifier(&Secret::new(String::new())), Err(PasswordError::Length));
    }
}
