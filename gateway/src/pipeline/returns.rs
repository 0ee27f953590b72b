//! Return addresses: the envelope sender of what leaves names the one recipient it was for.
//!
//! **Job.** `return-REFERENCE-N-MAC@domain`: whatever comes back there is matched to its consignment without
//! reading it. The MAC (80 bits of HMAC-SHA256 by a key of this installation) keeps strangers from making up
//! addresses; who has had one in a mail can of course write to it, which is why what comes back is a claim.
//!
//! **Exposure.** Local parts from anywhere; relays may have changed their case.
//!
//! **Standards.** RFC 5321 §4.5.3.1.1 (64 octets), RFC 3834 §4 (answers go to the envelope sender).
//!
//! **Failure.** An address that is not exactly one we made is nobody's.

use crate::gateway::{Gateway, Organisation};
use sealpost_envelope::{EmailAddress, EntityId, RecipientNo, Reference};
use sealpost_policy::Ask;
use sealpost_store::keys::KeyError;
use std::sync::Arc;

/// What an address of this making is for.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    prefix: &'static str,
    /// Of the key that makes its MAC.
    purpose: &'static str,
    /// Characters of the MAC, five bits each.
    mac: usize,
}

/// Where bounces go.
pub const RETURN: Kind = Kind { prefix: "return-", purpose: "returns", mac: 16 };
/// Where a sender answers a question (`pipeline/answers.rs`): whoever knows the address may, so it is not to be guessed.
/// Each kind of question has its own, so that an answer to one is none to a later one.
pub const fn answer(ask: Ask) -> Kind {
    let purpose = match ask {
        Ask::Protect => "answers-protect",
        Ask::Confirm => "answers-confirm",
        Ask::Phone => "answers-phone",
    };
    Kind { prefix: "answer-", purpose, mac: 26 }
}
/// Five bits each; no two are alike in any case, and none needs quoting in a local part.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Whom something came back for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// Organisation.
    pub entity: EntityId,
    /// The deposit's name.
    pub reference: Reference,
    /// Recipient within it.
    pub recipient: RecipientNo,
}

/// Whether bounces can reach us at all: without an inbound listener or a mailbox to fetch them from, authors get them as ever.
pub fn are_used(gateway: &Gateway) -> bool {
    gateway.config.listen.inbound.is_some() || !gateway.config.returns_mailbox.is_empty()
}

/// The address for a recipient's mail.
pub fn address(
    kind: Kind,
    gateway: &Gateway,
    organisation: &Organisation,
    reference: &Reference,
    recipient: RecipientNo,
) -> Result<Option<EmailAddress>, KeyError> {
    let mac = mac(kind, gateway, organisation.id, reference, recipient)?;
    let local = format!("{}{}-{recipient}-{mac}", kind.prefix, reference.as_str().to_ascii_lowercase());
    Ok(EmailAddress::parse(&format!("{local}@{}", domain(organisation))).ok())
}

fn domain(organisation: &Organisation) -> &str {
    match &organisation.settings.returns {
        Some(domain) => domain.as_str(),
        None => organisation.seal_address.domain(),
    }
}

/// What an address that mail came to says; `None` for all that we did not make.
pub fn read(kind: Kind, gateway: &Gateway, address: &EmailAddress) -> Result<Option<Return>, KeyError> {
    let Some((reference, recipient, claimed)) = split(kind, address.local()) else { return Ok(None) };
    let ours = |o: &&Arc<Organisation>| domain(o) == address.domain() || o.owns(address);
    for organisation in gateway.organisations.iter().filter(ours) {
        // What left before a merge comes back to the number it left under.
        for entity in std::iter::once(&organisation.id).chain(&organisation.former) {
            let expected = mac(kind, gateway, *entity, &reference, recipient)?;
            let (expected, claimed) = (expected.as_bytes(), claimed.as_bytes());
            if aws_lc_rs::constant_time::verify_slices_are_equal(expected, claimed).is_ok() {
                return Ok(Some(Return { entity: organisation.id, reference, recipient }));
            }
        }
    }
    Ok(None)
}

/// Whether the address has the shape of one of ours, true or not.
pub fn is_shaped(kind: Kind, address: &EmailAddress) -> bool {
    split(kind, address.local()).is_some()
}

fn split(kind: Kind, local: &str) -> Option<(Reference, RecipientNo, String)> {
    // Looked at for every recipient: others cost a comparison.
    if !local.get(..kind.prefix.len())?.eq_ignore_ascii_case(kind.prefix) {
        return None;
    }
    let local = local.to_ascii_lowercase();
    let mut pieces = local.strip_prefix(kind.prefix)?.split('-');
    let reference = pieces.next().filter(|r| r.len() == 8).and_then(Reference::parse)?;
    let number = pieces.next()?;
    let recipient = number.parse::<RecipientNo>().ok().filter(|n| n.to_string() == number)?;
    let mac = pieces.next().filter(|m| m.len() == kind.mac)?;
    pieces.next().is_none().then(|| (reference, recipient, mac.to_owned()))
}

fn mac(
    kind: Kind,
    gateway: &Gateway,
    entity: EntityId,
    reference: &Reference,
    recipient: RecipientNo,
) -> Result<String, KeyError> {
    let key = gateway.store.keys().purpose(kind.purpose)?;
    let digest =
        key.hmac(&[&entity.0.to_be_bytes(), reference.as_str().as_bytes(), &recipient.to_be_bytes()]);
    Ok(base32(&digest, kind.mac))
}

/// The first `length` groups of five bits.
fn base32(bytes: &[u8], length: usize) -> String {
    let (mut text, mut bits, mut held) = (String::with_capacity(length + 1), 0u32, 0u32);
    for byte in bytes.iter().take((length * 5).div_ceil(8)) {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(held >> bits & 31) as usize]));
        }
        held &= (1 << bits) - 1;
    }
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_shape_is_read() {
        let read = |local: &str| split(RETURN, local).map(|(r, n, m)| (r.as_str().to_owned(), n, m));
        let good = "return-k7m2q9xa-12-0123456789abcdef";
        let want = Some(("K7M2Q9XA".to_owned(), 12, "0123456789abcdef".to_owned()));
        assert_eq!(read(good), want);
        // Some relays change the case.
        assert_eq!(read(&good.to_ascii_uppercase()), want);
        for bad in [
            "",
            "return-",
            "return-k7m2q9xa-12",
            "return-k7m2q9xa-12-0123456789abcde",
            "return-k7m2q9xa-012-0123456789abcdef",
            "return-k7m2q9xa-+1-0123456789abcdef",
            "return-k7m2q9xa-12-0123456789abcdef-x",
            "return-k7m2q9x-12-0123456789abcdef",
            "retour-k7m2q9xa-12-0123456789abcdef",
            "return-k7m2q9xa-99999999999-0123456789abcdef",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_kind_of_question_has_its_own_key() {
        let kinds = [Ask::Protect, Ask::Confirm, Ask::Phone].map(|ask| answer(ask).purpose);
        let different: std::collections::BTreeSet<_> = kinds.iter().collect();
        assert_eq!(different.len(), kinds.len());
    }

    #[test]
    fn five_bits_each() {
        assert_eq!(base32(&[0xff; 32], 16), "zzzzzzzzzzzzzzzz");
        assert_eq!(base32(&[0; 32], 26), "00000000000000000000000000");
        assert_eq!(
            base32(&[0x08, 0x42, 0x10, 0x84, 0x21, 0x08, 0x42, 0x10, 0x84, 0x21], 16),
            "1111111111111111"
        );
    }
}
