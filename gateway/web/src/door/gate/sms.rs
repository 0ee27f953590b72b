//! Codes by SMS: the number they go to, how many may, and "this is not my number".
//!
//! **Exposure.** Each sending costs the organisation money, so that strangers would like to cause many: counted by
//! number and by network, over all links, besides the limits of every challenge.

use super::{HOUR, Turn};
use crate::ctx::Ctx;
use crate::door::posted;
use crate::fault::Fault;
use crate::pages::{Back, Frame, NoticePage, html, see_other, show as respond};
use crate::state::WebState;
use crate::view::Door;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use sealpost_envelope::Timestamp;
use sealpost_store::ConsignmentRow;
use sealpost_store::StoreError;
use sealpost_store::Tx;
use sealpost_store::access::{Challenge, Link};
use sealpost_store::db::Db;
use sealpost_store::person::{NewSms, Person, Sms, SmsOwner};

/// The number for a consignment: the one given with it, or the one on record; none that its reader refused.
pub(super) async fn number(db: &Db, link: &Link, row: &ConsignmentRow) -> Result<Option<String>, StoreError> {
    let person = Person::find(db, link.entity, &row.address).await?;
    let Some(person) = person else { return Ok(row.verdict.phone.clone()) };
    let refused = person.phone_refused.and(person.phone.as_deref());
    let given = row.verdict.phone.as_deref().filter(|phone| Some(*phone) != refused);
    Ok(given.or_else(|| person.usable_phone()).map(str::to_owned))
}

/// Counts a sending against number and network; whether it is within their bounds.
pub(crate) async fn allowed(state: &WebState, ctx: &Ctx, phone: &str) -> Result<bool, Fault> {
    let (db, now, limits) = (state.store.db(), state.clock.now(), &state.limits);
    let mut within = true;
    if let Some(key) = ctx.network_key(state, "sms network") {
        within = db.rate_allows(key, HOUR, limits.sms_per_network, now).await?;
    }
    let number = state.rate_key("sms number", phone.as_bytes());
    within &= db.rate_allows(number, HOUR, limits.sms_per_number, now).await?;
    Ok(within)
}

/// Queues the message that carries a challenge's code.
pub(super) async fn queue(
    tx: &mut Tx,
    door: &Door,
    phone: &str,
    challenge: &Challenge,
    now: Timestamp,
) -> Result<(), StoreError> {
    let new = NewSms {
        entity: door.link.entity,
        challenge: challenge.id,
        owner: SmsOwner::Consignment(challenge.deposit, challenge.recipient),
        phone: phone.to_owned(),
        language: door.row.language,
        now,
        expires: challenge.expires,
    };
    Sms::insert(tx, &new).await.map(drop)
}

/// `POST /m/{token}/gate/otp-sms/not-mine`: nothing goes to that number any more until another is given.
pub(crate) async fn not_mine(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let (door, _) = posted(&state, &ctx, &token, body).await?;
        let turn = Turn::take(&state, &ctx, door, "otp-sms").await?;
        let (Some(_), Some(phone)) = (&turn.method, turn.door.phone.clone()) else {
            return see_other(&turn.door.path());
        };
        let now = state.clock.now();
        let (entity, address) = (turn.door.link.entity, turn.door.row.address.clone());
        let event = turn.scribe.number_refused(&phone, now)?;
        state
            .store
            .db()
            .write_as(async move |tx| {
                Person::refuse_phone(tx, entity, &address, &phone, now).await?;
                tx.append(vec![event]).await?;
                Ok::<_, Fault>(())
            })
            .await?;
        refused(&state, &ctx, &turn.door)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

fn refused(state: &WebState, ctx: &Ctx, door: &Door) -> Result<Response, Fault> {
    let l = ctx.language;
    let heading = l.pick("Ce numéro ne sera plus utilisé", "This number will not be used any more");
    html(&NoticePage {
        f: &Frame::new(state, ctx, heading, Some(door.site.clone())),
        kind: l.pick("Authentification", "Sign-in").to_owned(),
        reference: Some(door.deposit.reference.as_str().to_owned()),
        heading: heading.to_owned(),
        paragraphs: vec![
            l.pick(
                "Plus aucun code n’y sera envoyé. Demandez à l’expéditeur d’indiquer le bon numéro : il lui suffit de renvoyer le message avec celui-ci.",
                "No code will be sent there any more. Ask the sender to give the right number: sending the message again with it is enough.",
            )
            .to_owned(),
        ],
        contact: None,
        back: Some(Back {
            href: door.path(),
            label: l.pick("Revenir à l’avis de dépôt", "Back to the delivery notice").to_owned(),
        }),
    })
}

/// `+33 6 •• •• •• 78`: enough to recognise one's own number.
pub(crate) fn masked(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let (shown, hidden) = (3.min(digits.len()), digits.len().saturating_sub(5));
    let begin: String = digits.iter().take(shown).collect();
    let end: String = digits.iter().skip(digits.len().saturating_sub(2)).collect();
    format!("+{begin} {} {end}", "•".repeat(hidden))
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_masked() {
        assert_eq!(super::masked("+33612345678"), "+336 •••••• 78");
        assert_eq!(super::masked(""), "+  ");
    }
}
