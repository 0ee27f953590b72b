//! What stands in a folder in place of a sender's copy whose content was destroyed: a message with a new UID
//! that says so. Other mail leaves nothing.
//!
//! The stub is delivered before the copy is removed, under a name of its own, so that a crash in between
//! repeats nothing.

use super::HousekeepingError;
use crate::gateway::{Gateway, Organisation, zone};
use sealpost_envelope::{Language, Timestamp};
use sealpost_store::mailbox::{FolderId, NewMail, Uid};
use sealpost_store::{DepositRow, StoreError};

/// Delivers the stub of a message, if it is a sender's copy of a deposit.
pub async fn leave(gateway: &Gateway, folder: FolderId, uid: Uid) -> Result<(), HousekeepingError> {
    let mailboxes = &gateway.mailboxes;
    let Some(copy) = mailboxes.messages(folder, uid..=uid).await?.pop() else { return Ok(()) };
    let Some(id) = copy.deposit else { return Ok(()) };
    let row = match gateway.store.read_deposit(id).await {
        Ok(deposit) => deposit.row,
        Err(StoreError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let Some(organisation) = gateway.organisation(row.entity) else { return Ok(()) };
    let now = gateway.clock.now();
    let mut writer = mailboxes.writer(organisation.settings.retention.evidence.after(now))?;
    writer.write(text(&row, organisation, copy.internal_date, now).as_bytes()).await?;
    let mail = NewMail {
        flags: copy.flags,
        origin: Some(format!("stub/{uid}")),
        ..NewMail::plain(folder, writer.finish().await?, copy.internal_date)
    };
    mailboxes.deliver(mail, Vec::new()).await?;
    Ok(())
}

fn text(row: &DepositRow, organisation: &Organisation, date: Timestamp, now: Timestamp) -> String {
    let day = |t: Timestamp| t.to_zoned(zone()).strftime("%Y-%m-%d").to_string();
    let (sent, gone, reference) = (day(row.created), day(now), &row.reference);
    let (subject, body) = match organisation.language() {
        Language::Fr => (
            "Contenu détruit",
            format!(
                "Le contenu de ce message, déposé le {sent} sous la référence {reference}, a été détruit le {gone} à \
                 la fin de sa durée de conservation.\r\n\r\nLes preuves de son dépôt et de sa remise restent \
                 disponibles."
            ),
        ),
        Language::En => (
            "Content destroyed",
            format!(
                "The content of this message, deposited on {sent} with the reference {reference}, was destroyed on \
                 {gone} at the end of its retention.\r\n\r\nThe proofs of its deposit and delivery remain available."
            ),
        ),
    };
    let subject = base64_simd::STANDARD.encode_to_string(format!("{subject} – {reference}"));
    // RFC 5322 §3.6.4; what the author's program chose is repeated only where it cannot break a line.
    let plain =
        |id: &&String| id.len() < 200 && id.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>');
    let answers = row
        .message_id
        .as_ref()
        .filter(plain)
        .map_or_else(String::new, |id| format!("In-Reply-To: <{id}>\r\n"));
    let date = date.strftime("%a, %d %b %Y %H:%M:%S +0000");
    format!(
        "From: <{}>\r\nDate: {date}\r\nMessage-ID: <{}.destroyed@{}>\r\n{answers}Subject: =?utf-8?B?{subject}?=\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\
         Auto-Submitted: auto-generated\r\n\r\n{body}\r\n",
        organisation.seal_address, row.id, organisation.settings.hostname,
    )
}
