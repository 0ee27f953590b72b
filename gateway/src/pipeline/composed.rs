//! A message from a page or a program: composed as a stream, or written already, and taken in as if by SMTP.
//!
//! **Job.** The very same intake, verdict and deposit as a mail program's; only the way in differs. Files flow from
//! their uploads through base64 into the intake, so that memory does not grow with them.
//!
//! **Exposure.** Bodies and names that accounts chose; addresses arrive parsed. The author is checked against the
//! account as for SMTP.
//!
//! **Standards.** RFC 5322, RFC 2045 (`message/src/compose/authored.rs`); RFC 3848's protocol names.
//!
//! **Failure.** Nothing is deposited; what the sender can change is said, what is ours is logged.

use super::intake::Intake;
use super::submission::{Arrival, accept, intake_reply, likely_end, recipient};
use super::submitter::Client;
use crate::gateway::Gateway;
use futures_util::{StreamExt, TryStreamExt};
use sealpost_envelope::{BodyType, DepositId, EmailAddress, Envelope, EnvelopeRecipient, Secret, Treatment};
use sealpost_message::compose::{AuthoredMail, FileEncoder, Named};
use sealpost_policy::PASSWORD_HEADER;
use sealpost_smtp::Reply;
use sealpost_store::upload::Upload;
use sealpost_web::{Addressee, Guest, MailSource, NewMail, Personal, Submit, SubmitError};
use std::collections::HashSet;
use uuid::Uuid;

/// How a message came that is no SMTP client's.
const PROTOCOL: &str = "HTTPS";

/// Takes a message in; answers its deposit, or the one that was made of the same submission before.
pub async fn submit(gateway: &Gateway, by: Submit, mut mail: MailSource) -> Result<DepositId, SubmitError> {
    let client = client(gateway, &by)?;
    if let (Some(_), MailSource::Composed(new)) = (&by.guest, &mut mail) {
        new.treatment = Some(for_one_of_ours(gateway, new));
    }
    let (addresses, declared) = match &mail {
        MailSource::Composed(new) => (everybody(new), new.attachments.iter().map(|u| u.length).sum()),
        MailSource::Written { recipients, .. } => (recipients.clone(), 0),
    };
    let envelope = envelope(gateway, &by, addresses).await?;
    super::space::enough_for(&gateway.config, declared).map_err(refusal)?;
    let mut intake = Intake::begin(gateway, likely_end(gateway)).map_err(|e| refusal(intake_reply(e)))?;
    match mail {
        MailSource::Composed(new) => compose(gateway, &by, &new, &mut intake).await?,
        MailSource::Written { mut body, .. } => {
            while let Some(bytes) = body.next().await {
                let bytes = bytes.map_err(|_| SubmitError::Broken)?;
                push(&mut intake, &bytes).await?;
            }
        }
    }
    let received = intake.finish().await.map_err(|e| refusal(intake_reply(e)))?;
    let arrival = Arrival { envelope: &envelope, helo: String::new(), protocol: PROTOCOL, once: by.once };
    accept(gateway, &client, received, arrival).await.map_err(refusal)
}

fn client(gateway: &Gateway, by: &Submit) -> Result<Client, SubmitError> {
    let organisation = gateway.organisation(by.account.entity).cloned();
    let organisation = organisation.ok_or_else(|| fault("submission", "the entity is not configured"))?;
    if let Some(Guest { address, methods }) = by.guest.clone() {
        return Ok(Client::Guest { address, methods, at: by.authenticated, organisation });
    }
    Ok(Client::Account {
        account: by.account.clone(),
        mechanism: by.mechanism,
        at: by.authenticated,
        organisation,
    })
}

/// How a guest's files reach one of our people: into the mailbox that we keep, as they are; else behind a link, since
/// mail that leaves us under a stranger's address would be taken for forged.
fn for_one_of_ours(gateway: &Gateway, new: &NewMail) -> Treatment {
    match new.to.iter().all(|a| gateway.delivers_locally(a.address.domain())) {
        true => Treatment::Trace,
        false => Treatment::Notify,
    }
}

fn everybody(new: &NewMail) -> Vec<EmailAddress> {
    new.to.iter().chain(&new.cc).chain(&new.bcc).map(|a| a.address.clone()).collect()
}

/// Each recipient once, checked as at RCPT. What comes back goes to the account, or to the guest.
async fn envelope(
    gateway: &Gateway,
    by: &Submit,
    addresses: Vec<EmailAddress>,
) -> Result<Envelope, SubmitError> {
    let mut known = HashSet::new();
    let recipients: Vec<EmailAddress> =
        addresses.into_iter().filter(|address| known.insert(address.key())).collect();
    let most = gateway.config.limits.recipients as usize;
    if recipients.is_empty() || recipients.len() > most {
        return Err(SubmitError::Invalid(format!("a message has between 1 and {most} recipients")));
    }
    for address in &recipients {
        recipient(gateway, address).await.map_err(refusal)?;
    }
    let smtputf8 = recipients.iter().any(|address| !address.as_str().is_ascii());
    Ok(Envelope {
        reverse_path: Some(by.guest.as_ref().map_or(&by.account.login, |guest| &guest.address).clone()),
        recipients: recipients.into_iter().map(EnvelopeRecipient::plain).collect(),
        body: BodyType::SevenBit,
        smtputf8,
        declared_size: None,
        envid: None,
        ret_full: None,
    })
}

async fn compose(
    gateway: &Gateway,
    by: &Submit,
    new: &NewMail,
    intake: &mut Intake,
) -> Result<(), SubmitError> {
    let host = gateway.organisation(by.account.entity).map_or("localhost", |o| o.settings.hostname.as_str());
    let message_id = format!("{}@{host}", Uuid::now_v7());
    let (to, cc, hints) = (names(&new.to), names(&new.cc), hints(new));
    let zone = crate::gateway::zone();
    let delegate = by.guest.is_none() && new.from.address.key() != by.account.login.key();
    let message = AuthoredMail {
        from: (new.from.name.as_deref(), new.from.address.as_str()),
        // RFC 5322 §3.6.2: who writes for somebody else says so, unless both are the same person.
        sender: (delegate && acts_for(gateway, by, new).await?).then_some(by.account.login.as_str()),
        to: &to,
        cc: &cc,
        subject: &new.subject,
        date: gateway.clock.now(),
        zone: &zone,
        message_id: &message_id,
        answers: new.answers.as_deref(),
        hints: &hints,
        text: &new.text,
        html: new.html.as_deref(),
        files: !new.attachments.is_empty(),
    };
    if let Some(password) = &new.password {
        // The intake takes this field out before anything else sees it.
        let line = Secret::new(format!("{PASSWORD_HEADER}: {}\r\n", password.expose()).into_bytes());
        push(intake, line.expose()).await?;
    }
    push(intake, &message.head()).await?;
    for upload in &new.attachments {
        let name = upload.meta.name.as_deref().unwrap_or("file");
        let media_type = upload.meta.media_type.as_deref().unwrap_or_default();
        push(intake, &message.file(name, media_type)).await?;
        file(gateway, upload, intake).await?;
    }
    push(intake, &message.end()).await
}

async fn acts_for(gateway: &Gateway, by: &Submit, new: &NewMail) -> Result<bool, SubmitError> {
    let standing = gateway.accounts.standing(by.account.id, &new.from.address).await;
    let standing = standing.map_err(|e| fault("an account's addresses", e))?;
    Ok(standing == Some(sealpost_store::account::Standing::ActsFor))
}

async fn file(gateway: &Gateway, upload: &Upload, intake: &mut Intake) -> Result<(), SubmitError> {
    let mut bytes = gateway.store.read_upload(upload).await.map_err(|e| fault("an upload", e))?;
    let (mut encoder, mut out) = (FileEncoder::default(), Vec::new());
    while let Some(piece) = bytes.try_next().await.map_err(|e| fault("an upload", e))? {
        encoder.push(&piece, &mut out);
        push(intake, &out).await?;
        out.clear();
    }
    encoder.finish(&mut out);
    push(intake, &out).await
}

pub(super) fn names(all: &[Addressee]) -> Vec<Named<'_>> {
    all.iter().map(|a| (a.name.as_deref(), a.address.as_str())).collect()
}

/// What the author asks for beyond policy's word, as a mail program would write it.
pub(super) fn hints(new: &NewMail) -> Vec<(&'static str, String)> {
    let phones = new.personal.iter().filter_map(|p| Some(format!("{}={}", p.address, p.phone.as_ref()?)));
    let personal = new.personal.iter().filter_map(wishes);
    [
        ("X-Sealpost-Treatment", new.treatment.map(|t| t.as_str().to_owned())),
        ("X-Sealpost-Gate", new.gate.as_ref().map(|gate| gate.words().join(", "))),
        ("X-Sealpost-Expires", new.expires.map(|t| t.to_string())),
        ("X-Sealpost-Phone", Some(phones.collect::<Vec<_>>().join(", "))),
        ("X-Sealpost-Recipient", Some(personal.collect::<Vec<_>>().join(", "))),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value.filter(|v| !v.is_empty())?)))
    .collect()
}

/// What is asked for one recipient but the number, which has a field of its own.
fn wishes(one: &Personal) -> Option<String> {
    let gate = one.gate.as_ref().map(|gate| format!(" gate={}", gate.words().join("|")));
    let expires = one.expires.map(|end| format!(" expires={end}"));
    let identity = one.identity.as_ref().map(|id| format!(" identity={id}"));
    let words: String = [gate, expires, identity].into_iter().flatten().collect();
    (!words.is_empty()).then(|| format!("{}{words}", one.address))
}

async fn push(intake: &mut Intake, bytes: &[u8]) -> Result<(), SubmitError> {
    intake.push(bytes).await.map_err(|e| refusal(intake_reply(e)))
}

/// The same refusal in the words of pages and programs.
fn refusal(reply: Reply) -> SubmitError {
    match (reply.code, &reply.enhanced) {
        (452, _) => SubmitError::Full,
        (code, _) if code < 500 => SubmitError::Fault,
        (_, Some(enhanced)) if enhanced.1 == 7 => SubmitError::Refused(reply.text),
        _ => SubmitError::Invalid(reply.text),
    }
}

fn fault(what: &str, cause: impl std::fmt::Display) -> SubmitError {
    tracing::error!(%cause, "{what}");
    SubmitError::Fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_become_refusals() {
        for (reply, expected) in [
            (Reply::new(452, 3, 1, "full"), "storage is short at the moment"),
            (Reply::new(451, 3, 0, "ours"), "a temporary fault on our side"),
            (Reply::new(550, 7, 1, "the rule \"x\""), "the rule \"x\""),
            (Reply::new(554, 6, 0, "broken"), "broken"),
        ] {
            assert_eq!(refusal(reply).to_string(), expected);
        }
        assert!(matches!(refusal(Reply::new(550, 7, 1, "x")), SubmitError::Refused(_)));
        assert!(matches!(refusal(Reply::new(550, 1, 1, "x")), SubmitError::Invalid(_)));
    }
}
