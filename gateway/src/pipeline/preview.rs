//! Preview: the mail that a recipient would get of a message that nobody has sent.
//!
//! **Job.** Policy's answer for one recipient, and the mail that the composer would make of it, with a link that leads
//! nowhere. Nothing is written, journaled or sent.
//!
//! **Exposure.** People who have logged in; what they typed goes through the same templates and the same cleaning as
//! what is sent.
//!
//! **Failure.** As composition; the page says that there is no preview.

use super::{composed, foresight};
use crate::gateway::{Gateway, Organisation, zone};
use sealpost_envelope::{EmailAddress, Language, Reference, Treatment};
use sealpost_message::compose::{
    self, Author, AuthoredMail, Brand, Draft, FileLine, Letter, LinkMail, NotifyMail, Recipe,
};
use sealpost_message::present::{self, Body, BodyKind, BodySource, SafeHtml};
use sealpost_message::{SkeletonError, Step};
use sealpost_policy::strip_tags;
use sealpost_store::account::Account;
use sealpost_web::{Foreseen, NewMail, Preview, SubmitError};

/// What recipient `n` (of To, Cc and Bcc, from 0) would get.
pub async fn preview(
    gateway: &Gateway,
    account: &Account,
    mail: &NewMail,
    n: usize,
    language: Language,
) -> Result<Preview, SubmitError> {
    let organisation = gateway.organisation(account.entity).ok_or(SubmitError::Fault)?;
    let mut all = foresight::foresee(gateway, account, mail, language).await?;
    let to = mail.to.iter().chain(&mail.cc).chain(&mail.bcc).nth(n).map(|a| &a.address);
    let (Some(to), true) = (to, n < all.len()) else {
        return Err(SubmitError::Invalid("no recipient".to_owned()));
    };
    let seen = all.swap_remove(n);
    let fault = |error: SkeletonError| {
        tracing::error!(%error, "a preview");
        SubmitError::Fault
    };
    let mail = match seen.verdict.treatment {
        Treatment::Notify | Treatment::Link => ours(gateway, organisation, mail, to, &seen).map_err(fault)?,
        _ => theirs(gateway, mail),
    };
    Ok(Preview { language: organisation.language_for(to), seen, mail })
}

/// Mail of our own: the notification, or the text with its files behind a link.
fn ours(
    gateway: &Gateway,
    organisation: &Organisation,
    mail: &NewMail,
    to: &EmailAddress,
    seen: &Foreseen,
) -> Result<Vec<u8>, SkeletonError> {
    let (now, zone, reference) = (gateway.clock.now(), zone(), Reference::generate());
    let support = &organisation.settings.support;
    let contacts = [support.mail.as_ref().map(ToString::to_string), support.phone.clone()];
    let contacts = contacts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let language = organisation.language_for(to);
    let letter = Letter {
        brand: Brand {
            entity: &organisation.settings.name,
            support: (!contacts.is_empty()).then_some(contacts.as_str()),
            address: &organisation.seal_address,
            zone: &zone,
        },
        to,
        message_id: "preview@invalid",
        date: now,
        language,
        reference: Some(&reference),
        deposit: None,
        unique: "preview",
    };
    let author = Author {
        name: mail.from.name.as_deref(),
        address: &mail.from.address,
        message_id: None,
        references: &[],
        sent: now,
    };
    let base = gateway.config.web.url.as_str().trim_end_matches('/');
    let url = format!("{base}/m/{}", language.pick("lien-personnel", "personal-link"));
    let expires = seen.verdict.expires;
    let draft: Draft = match seen.verdict.treatment {
        Treatment::Notify => {
            compose::notify(&NotifyMail { letter, author, url: &url, expires, reminder: false })
        }
        _ => compose::link(&LinkMail {
            letter,
            author,
            subject: &strip_tags(&mail.subject),
            text: None,
            html: Some(&shown(mail)),
            parts: None,
            whole: false,
            files: &files(mail),
            url: &url,
            expires,
        })?,
    };
    bytes(&draft.plain()?)
}

/// The author's own mail, as it is written; its files are named on the page.
fn theirs(gateway: &Gateway, mail: &NewMail) -> Vec<u8> {
    let (to, cc) = (composed::names(&mail.to), composed::names(&mail.cc));
    let message = AuthoredMail {
        from: (mail.from.name.as_deref(), mail.from.address.as_str()),
        sender: None,
        to: &to,
        cc: &cc,
        subject: &mail.subject,
        date: gateway.clock.now(),
        zone: &zone(),
        message_id: "preview@invalid",
        answers: None,
        hints: &[],
        text: &mail.text,
        html: mail.html.as_deref(),
        files: false,
    };
    [message.head(), message.end()].concat()
}

/// The author's words, cleaned as on the recipient's page.
fn shown(mail: &NewMail) -> SafeHtml {
    let kind = match mail.html {
        Some(_) => BodyKind::Html,
        None => BodyKind::Plain { flowed: false, delsp: false },
    };
    let body = Body { node: 0, source: BodySource::Skeleton, kind, charset: Some("utf-8".to_owned()) };
    let text = mail.html.as_deref().unwrap_or(&mail.text);
    present::render(&body, text.as_bytes(), false, &|_| None)
}

fn files(mail: &NewMail) -> Vec<FileLine<'_>> {
    let all = mail.attachments.iter();
    all.map(|u| FileLine { name: u.meta.name.as_deref().unwrap_or("document"), size: u.length }).collect()
}

/// A recipe without parts is all literal.
fn bytes(recipe: &Recipe) -> Result<Vec<u8>, SkeletonError> {
    let (mut rebuilder, mut out) = (recipe.rebuilder(), Vec::new());
    while let Some(step) = rebuilder.next_step()? {
        if let Step::Literal(bytes) = step {
            out.extend_from_slice(&bytes);
        }
    }
    Ok(out)
}
