//! A recipient answers what they have opened: an invitation of their own, bound to the browser that opened it.

use super::fault;
use crate::content::Content;
use crate::ctx::Ctx;
use crate::door::gate::ask::may_ask;
use crate::door::posted;
use crate::fault::Fault;
use crate::pages::{see_other, show};
use crate::state::WebState;
use crate::view::Door;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use sealpost_envelope::{DepositId, RecipientNo};
use sealpost_store::account::{Account, Role};
use sealpost_store::invitation::{Kind, NewInvitation, Words, invitation_token};
use std::time::Duration;
use uuid::Uuid;

/// An answer that was begun can be finished for so long.
const OPEN: Duration = Duration::from_secs(7 * 86_400);

/// Whose files an answer to a deposit would be: the account that sent it, or whose address its author is.
pub(crate) async fn answered(state: &WebState, door: &Door) -> Result<Option<Account>, Fault> {
    let internal = |e| Fault::internal("account", e);
    let own = match door.deposit.account {
        Some(id) => state.accounts.by_id(id).await.map_err(internal)?,
        None => state.accounts.owner_of(&door.deposit.sender).await.map_err(internal)?,
    };
    Ok(own.filter(|a| a.disabled.is_none() && a.entity == door.deposit.entity && a.role != Role::Demo))
}

/// `POST /m/{token}/reply`
pub(super) async fn begin(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let (door, _) = posted(&state, &ctx, &token, body).await?;
        let grant = door.opened(&state, &ctx).await?;
        let account = answered(&state, &door).await?.ok_or(Fault::Unknown)?;
        let (deposit, recipient) = door.id();
        let browser = ctx.browser_hash();
        let id = match state.store.reply_begun(deposit, recipient, browser).await? {
            Some(id) => id,
            None => {
                may_ask(&state, &ctx).await?;
                let content = Content::load(&state, &door)?;
                let words = Words {
                    subject: subject(&content.subject),
                    answers: door.deposit.message_id.clone(),
                    passed: grant.passed.clone(),
                    proved: Some(grant.created),
                    host: Some(door.deposit.sender.clone()),
                    ..Words::default()
                };
                write(&state, &door, &account, (deposit, recipient), browser, words).await?
            }
        };
        let token = invitation_token(state.store.keys(), id)?;
        see_other(&format!("/g/{}", token.expose()))
    };
    let page = page.await;
    show(&state, &ctx, page)
}

async fn write(
    state: &WebState,
    door: &Door,
    account: &Account,
    about: (DepositId, RecipientNo),
    browser: [u8; 32],
    words: Words,
) -> Result<Uuid, Fault> {
    let id = Uuid::now_v7();
    let expires = state.clock.now().checked_add(OPEN).map_err(|e| Fault::internal("a day", e))?;
    let new = NewInvitation {
        id,
        entity: door.link.entity,
        account: account.id,
        kind: Kind::Reply,
        browser: Some(browser),
        address: door.row.address.clone(),
        about: Some(about),
        language: door.row.language,
        most: state.limits.guest,
        expires,
        content_until: Some(door.row.verdict.retention),
        words,
    };
    state.store.invite(new, None).await.map_err(fault)?;
    Ok(id)
}

/// `RE:` once. Brackets are the senders' tags: an answer asks for nothing.
fn subject(of: &str) -> String {
    let plain = of.replace('[', "(").replace(']', ")");
    let begins = plain.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
    if begins { plain } else { format!("RE: {plain}") }
}

#[cfg(test)]
mod tests {
    use super::subject;

    #[test]
    fn an_answer_names_what_it_answers() {
        for (of, answer) in
            [("Bilan", "RE: Bilan"), ("re: Bilan", "re: Bilan"), ("[secur x", "RE: (secur x"), ("é", "RE: é")]
        {
            assert_eq!(subject(of), answer);
        }
    }
}
