//! Foresight: what policy would say of a message that a page is about to send.
//!
//! **Job.** The same decision as after the intake ([`super::verdict::judge`]), from what the form says, so that the
//! page asks for what a recipient lacks before anything is deposited. The submission itself has the last word.
//!
//! **Exposure.** People who have logged in.
//!
//! **Failure.** As the store's; nothing is changed.

use super::composed;
use super::verdict::judge;
use crate::gateway::Gateway;
use sealpost_envelope::{EmailAddress, Language};
use sealpost_policy::{Decision, Hints, Hold, MessageFacts, Missing};
use sealpost_store::account::Account;
use sealpost_web::{Foreseen, Need, NewMail, SubmitError};
use std::collections::BTreeMap;

/// Policy's answers, in the order of To, Cc and Bcc.
pub async fn foresee(
    gateway: &Gateway,
    account: &Account,
    mail: &NewMail,
    language: Language,
) -> Result<Vec<Foreseen>, SubmitError> {
    let organisation = gateway.organisation(account.entity).ok_or(SubmitError::Fault)?;
    let now = gateway.clock.now();
    let everybody = || mail.to.iter().chain(&mail.cc).chain(&mail.bcc).map(|a| &a.address);
    let asked = facts(account, mail, everybody());
    let plain = facts(account, &NewMail { personal: Vec::new(), gate: None, ..mail.clone() }, everybody());
    let fault = |error| {
        tracing::error!(%error, "asking policy beforehand");
        SubmitError::Fault
    };
    let decisions = judge(gateway, organisation, &asked, everybody(), now).await.map_err(fault)?;
    let offers = judge(gateway, organisation, &plain, everybody(), now).await.map_err(fault)?;
    Ok(decisions.into_iter().zip(offers).map(|(one, offer)| foreseen(one, offer, language)).collect())
}

fn foreseen(decision: Decision, offer: Decision, language: Language) -> Foreseen {
    let held = decision.hold_text(language);
    let needs = match &decision.hold {
        None => Vec::new(),
        Some(Hold::BadPhone { .. }) => vec![Need::Phone],
        Some(Hold::CannotServe { missing, .. }) => missing.iter().map(need).collect(),
        Some(_) => vec![Need::Other],
    };
    Foreseen { verdict: decision.verdict, offered: offer.verdict.gate, needs, held }
}

fn need(missing: &Missing) -> Need {
    match missing {
        Missing::Phone | Missing::NearPhone => Need::Phone,
        Missing::Password => Need::Password,
        Missing::Token | Missing::SmsService | Missing::Identity => Need::Other,
    }
}

/// What the intake would find out, as far as the form tells it.
fn facts<'a>(
    account: &Account,
    mail: &NewMail,
    everybody: impl Iterator<Item = &'a EmailAddress>,
) -> MessageFacts {
    let headers: BTreeMap<String, String> =
        composed::hints(mail).into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let recipients: Vec<EmailAddress> = everybody.cloned().collect();
    let hints = Hints::read(&mail.subject, &recipients, |name| headers.get(name).map(String::as_str));
    let attachment_bytes: u64 = mail.attachments.iter().map(|u| u.length).sum();
    MessageFacts {
        sender: mail.from.address.clone(),
        login: Some(account.login.to_string()),
        server: None,
        recipients,
        subject: mail.subject.clone(),
        size: mail.text.len() as u64 + attachment_bytes / 3 * 4,
        attachment_bytes,
        archived_names: Vec::new(),
        attachment_names: mail.attachments.iter().map(|u| u.meta.name.clone().unwrap_or_default()).collect(),
        null_reverse_path: false,
        is_report: false,
        auto_submitted: false,
        calendar_method: None,
        author_signed: false,
        author_encrypted: false,
        hints: hints.with_password(mail.password.is_some()),
        replies_to: None,
        certificate_public: false,
        guest: false,
        headers,
    }
}
