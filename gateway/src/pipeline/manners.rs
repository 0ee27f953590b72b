//! Letters of the door: what a recipient says to the sender, reminders, and the news of an extension.
//!
//! **Job.** Fills `sealpost_message::compose::manners` with the facts of a note or a consignment.
//!
//! **Failure.** As composition; a note whose content was destroyed is not sent any more.

use super::composition::{ComposeError, Desk};
use super::content::ContentError;
use super::letters::{self, Heading};
use sealpost_message::compose::{self, Draft, GrantedMail, NotifyMail, Saying, SayingMail};
use sealpost_policy::strip_tags;
use sealpost_store::content::Place;
use sealpost_store::{ConsignmentRow, Note, NoteKind, NoteText, answer_token};
use uuid::Uuid;

/// The recipient's own link of that generation.
fn link(desk: &Desk<'_>, consignment: &ConsignmentRow, generation: u32) -> String {
    let token = desk.open.key.link_token(consignment.n, generation);
    format!("{}/m/{}", base(desk), token.expose())
}

fn base<'a>(desk: &Desk<'a>) -> &'a str {
    desk.gateway.config.web.url.as_str().trim_end_matches('/')
}

/// Reminds whoever has not opened; it says no more than the first notification.
pub fn reminder(desk: &Desk<'_>, consignment: &ConsignmentRow, generation: u32) -> Draft {
    let heading = Heading::new(desk);
    compose::notify(&NotifyMail {
        letter: heading.letter(desk, consignment.language),
        author: letters::author(desk, &desk.open.meta.structure),
        url: &link(desk, consignment, generation),
        expires: consignment.verdict.expires,
        reminder: true,
    })
}

/// Tells the recipient that their link opens again, or longer.
pub fn granted(desk: &Desk<'_>, consignment: &ConsignmentRow, generation: u32) -> Draft {
    let heading = Heading::new(desk);
    compose::granted(&GrantedMail {
        letter: heading.letter(desk, consignment.language),
        author: letters::author(desk, &desk.open.meta.structure),
        url: &link(desk, consignment, generation),
        expires: consignment.verdict.expires,
    })
}

/// Tells the sender what a recipient said.
pub async fn said(desk: &Desk<'_>, id: Uuid) -> Result<Draft, ComposeError> {
    let store = &desk.gateway.store;
    let note = store.read_note(id).await?;
    let consignment = store.consignment(note.deposit, note.recipient).await?;
    let plain = Place::note(note.id).open(&desk.open.key, &note.sealed)?;
    let text: NoteText = serde_json::from_slice(&plain)
        .map_err(|e| ComposeError::Row(format!("a note cannot be read: {e}")))?;
    let heading = Heading::new(desk);
    let (deposit, structure) = (&desk.open.deposit.row, &desk.open.meta.structure);
    Ok(compose::saying(&SayingMail {
        letter: heading.letter(desk, desk.organisation.language()),
        saying: saying(desk, &note, &text)?,
        recipient: &consignment.address,
        identified: text.identified,
        words: text.words.as_deref(),
        subject: &strip_tags(&structure.top.subject),
        message_id: deposit.message_id.as_deref(),
        sent: deposit.created,
        said: note.created,
    }))
}

fn saying(desk: &Desk<'_>, note: &Note, text: &NoteText) -> Result<Saying, ComposeError> {
    let missing = |what: &str| ComposeError::Row(format!("the note names no {what}"));
    Ok(match note.kind {
        NoteKind::NotForMe => Saying::NotForMe,
        NoteKind::Declined => Saying::Declined,
        NoteKind::Acknowledged => Saying::Acknowledged,
        NoteKind::Colleague => {
            Saying::Colleague { address: text.colleague.clone().ok_or_else(|| missing("colleague"))? }
        }
        NoteKind::Extension => {
            let token = answer_token(desk.gateway.store.keys(), note.id).map_err(ContentError::from)?;
            let url = format!("{}/a/{}", base(desk), token.expose());
            Saying::Extension { until: text.until.ok_or_else(|| missing("end"))?, url }
        }
    })
}
