//! Mail of ours that belongs to no deposit: about an account, to a guest, or in answer to a question.
//!
//! **Job.** Fills the templates of such mail. What a row of the queue says of it holds no secret: whatever is
//! one (a code, a link) is derived from an identifier when the mail is composed. Its recipe lies under a key of
//! the installation and is removed when the mail has left or was taken out of the queue (`handover`).
//!
//! **Failure.** As composition.

use super::account_mail;
use super::composition::ComposeError;
use super::guests;
use super::press::Press;
use super::spec::Spec;
use crate::gateway::{Gateway, Organisation, zone};
use jiff::tz::TimeZone;
use sealpost_envelope::{EmailAddress, EntityId, Language, Timestamp};
use sealpost_message::compose::{Brand, Draft, Letter, Recipe};
use sealpost_store::queue::{NewOutbound, Outbound, OutboundId, Priority};

/// The finished message of such a row.
pub async fn compose(
    gateway: &Gateway,
    organisation: &Organisation,
    row: &Outbound,
) -> Result<Recipe, ComposeError> {
    let spec = Spec::read(&row.spec).map_err(|e| ComposeError::Row(format!("unknown request: {e}")))?;
    let heading = Heading::new(organisation, row);
    let draft: Draft = match spec {
        Spec::Verification(found) => {
            super::inbound::verification::letter(heading.letter(gateway, found.language), &found)
        }
        Spec::AccountCode { challenge } => {
            let language = account_mail::language(organisation, row);
            account_mail::code(gateway, heading.letter(gateway, language), challenge).await?
        }
        Spec::AccountLink { link } => {
            let language = account_mail::language(organisation, row);
            account_mail::link(gateway, heading.letter(gateway, language), link).await?
        }
        Spec::AccountNews { account, news, at } => {
            let language = account_mail::language(organisation, row);
            account_mail::news(gateway, heading.letter(gateway, language), account, news, at).await?
        }
        Spec::Invitation { invitation } => guests::invitation(gateway, &heading, invitation).await?,
        Spec::GuestReceipt { invitation } => guests::receipt(gateway, &heading, invitation).await?,
        Spec::Alert(alert) => {
            let language = account_mail::language(organisation, row);
            super::alerts::letter(heading.letter(gateway, language), organisation, &alert)
        }
        Spec::Observed { at } => {
            let language = account_mail::language(organisation, row);
            super::observation::letter(gateway, heading.letter(gateway, language), organisation, at).await?
        }
        Spec::TlsReport(report) => {
            let press = Press { gateway, organisation, row, open: None };
            return super::tlsreport::mail(&press, heading.letter(gateway, Language::En), &report).await;
        }
        _ => return Err(ComposeError::Row("the row belongs to no deposit".to_owned())),
    };
    Press { gateway, organisation, row, open: None }.letter(draft).await
}

/// A row for such a mail.
pub fn row(
    entity: EntityId,
    rcpt: EmailAddress,
    spec: &Spec,
    priority: Priority,
    now: Timestamp,
) -> NewOutbound {
    NewOutbound {
        id: OutboundId::generate(),
        entity,
        deposit: None,
        recipient: None,
        priority,
        spec: spec.to_json(),
        // Whether it arrives or not, nobody waits for an answer (RFC 3834 §3.3).
        envelope_from: None,
        rcpt,
        next_at: now,
        created: now,
        hold: None,
    }
}

/// Facts that all such letters share, kept alive for the borrowed [`Letter`].
#[derive(Debug)]
pub struct Heading<'a> {
    organisation: &'a Organisation,
    row: &'a Outbound,
    support: Option<String>,
    zone: TimeZone,
    message_id: String,
    unique: String,
}

impl<'a> Heading<'a> {
    /// For a row.
    pub fn new(organisation: &'a Organisation, row: &'a Outbound) -> Self {
        let support = &organisation.settings.support;
        let contacts = [support.mail.as_ref().map(ToString::to_string), support.phone.clone()];
        let contacts: Vec<String> = contacts.into_iter().flatten().collect();
        Self {
            organisation,
            row,
            support: (!contacts.is_empty()).then(|| contacts.join(" · ")),
            zone: zone(),
            message_id: format!("{}.0@{}", row.id, organisation.settings.hostname),
            unique: row.id.to_string(),
        }
    }

    /// The letter's frame, dated now.
    pub fn letter(&self, gateway: &Gateway, language: Language) -> Letter<'_> {
        Letter {
            brand: Brand {
                entity: &self.organisation.settings.name,
                support: self.support.as_deref(),
                address: &self.organisation.seal_address,
                zone: &self.zone,
            },
            to: &self.row.rcpt,
            message_id: &self.message_id,
            date: gateway.clock.now(),
            language,
            reference: None,
            deposit: None,
            unique: &self.unique,
        }
    }
}
