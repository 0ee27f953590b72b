//! Codes by SMS for people of ours: at the login, and to make sure of a number (`account/number.rs`).
//!
//! **Exposure.** Texts cost money, and numbers belong to people: one goes to a number on file only, counted by number
//! and network as at the recipients' door. Whoever asks too often is sent nothing and told nothing, since the answer
//! would tell that the account exists.

use super::attempt::{answered, may_have};
use super::journal::{self, Origin};
use crate::ctx::Ctx;
use crate::door::gate::sms::allowed;
use crate::fault::Fault;
use crate::state::WebState;
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_gate::{Code, CodeKey};
use sealpost_store::account::{Account, CodePurpose, StaffChallenge};
use sealpost_store::person::{NewSms, Sms, SmsOwner};
use uuid::Uuid;

/// Sends a code for logging in, if the person may have one and a number is on file.
pub(super) async fn log_in(
    state: &WebState,
    ctx: &Ctx,
    account: &Account,
    now: Timestamp,
) -> Result<(), Fault> {
    let Some(texts) = state.texts.as_ref().filter(|t| may_have(t.login, account)) else { return Ok(()) };
    let phone = state.accounts.profile(account).await?.phone.and_then(|p| (texts.number)(&p));
    match phone {
        Some(phone) => send(state, ctx, account, CodePurpose::LoginSms, phone, now).await.map(drop),
        None => Ok(()),
    }
}

/// Queues the text with a code; `None` when one left a moment ago or too many did.
pub(crate) async fn send(
    state: &WebState,
    ctx: &Ctx,
    account: &Account,
    purpose: CodePurpose,
    phone: String,
    now: Timestamp,
) -> Result<Option<Uuid>, Fault> {
    let (Some(texts), Some(site)) = (&state.texts, state.entity(account.entity)) else { return Ok(None) };
    if !allowed(state, ctx, &phone).await? {
        return Ok(None);
    }
    let (rule, who, origin) = (texts.rule, account.clone(), Origin::of(ctx));
    let sent = state
        .store
        .db()
        .write_as(async move |tx| {
            if purpose == CodePurpose::Number {
                // A code confirms the number it went to, and no other.
                StaffChallenge::end_all(tx, who.id, purpose, now).await?;
            }
            let asked = StaffChallenge::ask(tx, (who.entity, who.id), purpose, rule, now).await?;
            let Some(challenge) = asked else { return Ok::<_, Fault>(None) };
            let to = (GateMethod::OtpSms, phone.as_str());
            let event = journal::code_sent(&site, &who, to, challenge.expires, &origin, now)?;
            let new = NewSms {
                entity: who.entity,
                challenge: challenge.id,
                owner: SmsOwner::Account(who.id),
                phone,
                language: site.language,
                now,
                expires: challenge.expires,
            };
            Sms::insert(tx, &new).await?;
            tx.append(vec![event]).await?;
            Ok(Some(challenge.id))
        })
        .await?;
    if sent.is_some() {
        (state.hooks.outbound)();
    }
    Ok(sent)
}

/// Whether this is the code of a living challenge, or of that one; it is used up, or the try is counted.
pub(crate) async fn judge(
    state: &WebState,
    account: &Account,
    purpose: CodePurpose,
    only: Option<Uuid>,
    typed: &Code,
    now: Timestamp,
) -> Result<bool, Fault> {
    let keys = CodeKey::new(state.store.keys().purpose("codes-sms")?.expose());
    let living = StaffChallenge::living(state.store.db(), account.id, purpose, now).await?;
    let mut passed = false;
    for challenge in living.into_iter().filter(|c| only.is_none_or(|id| c.id == id)) {
        let right = typed.matches(&keys.derive_for_account(challenge.id, account.id));
        passed |= answered(state, challenge.id, right, now).await?;
    }
    Ok(passed)
}
