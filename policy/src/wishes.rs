//! What a sender asks for single recipients: numbers for codes, and what stands in `X-Sealpost-Recipient`.
//!
//! **Exposure.** Senders write these lists, as long as a header may be, and each recipient's verdict looks into them:
//! addresses are folded when they are read, and looked up by key ever after.

use crate::hints::{Ending, ending};
use sealpost_envelope::{EmailAddress, Gate};
use std::collections::{BTreeMap, BTreeSet};

/// A number for codes by SMS, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneHint {
    /// Whose it is, when said.
    pub address: Option<String>,
    /// The number.
    pub number: String,
}

impl PhoneHint {
    /// `NUMBER` or `ADDRESS=NUMBER`.
    pub(crate) fn parse(text: &str) -> Self {
        let clean = |t: &str| t.trim_matches(|c: char| c.is_whitespace() || c == ',' || c == ';').to_owned();
        match text.rsplit_once('=') {
            Some((address, number)) => Self { address: Some(clean(address)), number: clean(number) },
            None => Self { address: None, number: clean(text) },
        }
    }
}

/// What is asked for one recipient, in `X-Sealpost-Recipient`: their address, then words of which each is optional, as
/// in `bob@example.test gate=otp-mail|totp expires=2026-12-01 identity=rpps:10001234567`. Several recipients are
/// separated by commas. What stands here counts in place of what is asked for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Personal {
    pub(crate) address: String,
    pub(crate) gate: Option<Gate>,
    pub(crate) ending: Option<Ending>,
    pub(crate) identity: Option<String>,
}

impl Personal {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let address = words.next().filter(|a| a.contains('@'))?.to_owned();
        let mut personal = Self { address, gate: None, ending: None, identity: None };
        for word in words {
            match word.split_once('=')? {
                ("gate", ways) => {
                    let ways: Vec<String> = ways.split('|').map(str::to_ascii_lowercase).collect();
                    personal.gate = Some(Gate::parse(&ways).ok()?);
                }
                ("expires", end) => personal.ending = Some(ending(end)?),
                ("identity", id) => personal.identity = Some(identity(id)?.to_owned()),
                _ => return None,
            }
        }
        Some(personal)
    }
}

/// `rpps:10001234567` and its like.
fn identity(text: &str) -> Option<&str> {
    let (kind, number) = text.split_once(':')?;
    let plain = |t: &str| !t.is_empty() && t.len() <= 40 && t.bytes().all(|b| b.is_ascii_alphanumeric());
    (plain(kind) && plain(number)).then_some(text)
}

/// All of it, by [`EmailAddress::key`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    recipients: BTreeSet<String>,
    personal: BTreeMap<String, Personal>,
    phones: BTreeMap<String, String>,
    /// The first number of which nobody said whose it is.
    phone: Option<String>,
    /// The first who was given a number and is no recipient, as typed.
    pub(crate) stranger: Option<String>,
}

impl Wishes {
    /// For a message to these, with the numbers of its subject.
    pub(crate) fn new(recipients: &[EmailAddress], phones: Vec<PhoneHint>) -> Self {
        let recipients = recipients.iter().map(EmailAddress::key).collect();
        let mut wishes = Self { recipients, ..Self::default() };
        for hint in phones {
            // The subject's first number for somebody counts.
            let _ = wishes.add_phone(hint);
        }
        wishes
    }

    /// Takes over one recipient's wishes; `None` when they cannot be read, are for nobody whom the message goes to, or
    /// for somebody whose wishes stand there already. So there are never more of them than recipients.
    pub(crate) fn add(&mut self, text: &str) -> Option<()> {
        let personal = Personal::parse(text)?;
        let key = personal.address.to_lowercase();
        if !self.recipients.contains(&key) || self.personal.contains_key(&key) {
            return None;
        }
        self.personal.insert(key, personal);
        Some(())
    }

    /// Takes over a list of numbers; `None` when a recipient then has two.
    pub(crate) fn add_phones(&mut self, list: &str) -> Option<()> {
        let mut all = Some(());
        for hint in list.split([',', ';']).map(PhoneHint::parse) {
            all = all.and(self.add_phone(hint));
        }
        all
    }

    fn add_phone(&mut self, hint: PhoneHint) -> Option<()> {
        let Some(address) = hint.address else {
            self.phone.get_or_insert(hint.number);
            return Some(());
        };
        let key = address.to_lowercase();
        if !self.recipients.contains(&key) {
            self.stranger.get_or_insert(address);
            return Some(());
        }
        let known = self.phones.entry(key).or_insert_with(|| hint.number.clone());
        (*known == hint.number).then_some(())
    }

    /// What is asked for that recipient.
    pub(crate) fn of(&self, recipient: &EmailAddress) -> Option<&Personal> {
        // Mostly nothing is.
        if self.personal.is_empty() { None } else { self.personal.get(&recipient.key()) }
    }

    /// The number given for that recipient by name.
    pub(crate) fn phone_of(&self, recipient: &EmailAddress) -> Option<&str> {
        self.phones.get(&recipient.key()).map(String::as_str)
    }

    /// The number of which nobody said whose it is.
    pub(crate) fn phone(&self) -> Option<&str> {
        self.phone.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> EmailAddress {
        EmailAddress::parse(text).unwrap()
    }

    #[test]
    fn no_more_is_kept_than_there_are_recipients() {
        let mut wishes = Wishes::new(&[address("Bob@example.test")], Vec::new());
        for n in 0..1000 {
            assert_eq!(wishes.add(&format!("r{n}@example.test gate=totp")), None);
            assert_eq!(wishes.add_phones(&format!("r{n}@example.test=0612345678")), Some(()));
        }
        assert_eq!(wishes.stranger.as_deref(), Some("r0@example.test"));
        assert_eq!(wishes.add("BOB@example.test gate=totp"), Some(()));
        assert_eq!(wishes.add("bob@example.test gate=totp"), None);
        assert_eq!((wishes.personal.len(), wishes.phones.len()), (1, 0));
        assert!(wishes.of(&address("bob@EXAMPLE.test")).is_some_and(|p| p.gate.is_some()));
    }

    #[test]
    fn a_number_said_twice_is_one() {
        let mut wishes = Wishes::new(&[address("bob@example.test")], Vec::new());
        assert_eq!(wishes.add_phones("bob@example.test=1, Bob@example.test=1; 3"), Some(()));
        assert_eq!(wishes.add_phones("bob@example.test=2"), None);
        assert_eq!(wishes.phone_of(&address("bob@example.test")), Some("1"));
        assert_eq!(wishes.phone(), Some("3"));
    }
}
