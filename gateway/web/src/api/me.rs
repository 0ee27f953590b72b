//! Who the token speaks for, and numbers about deposits.

use super::caller::Caller;
use super::problem::{Kind, Problem};
use super::request::{self, Answer};
use crate::actions;
use crate::state::WebState;
use axum::extract::{RawQuery, State};
use jiff::SignedDuration;
use sealpost_envelope::Timestamp;
use sealpost_store::account::TokenScope;
use sealpost_store::deposit::DayCount;
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest period of statistics, and what is meant where nothing is said.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);
const USUAL: SignedDuration = SignedDuration::from_hours(24 * 30);

/// `GET /api/v1/me`
pub(super) async fn me(State(state): State<WebState>, caller: Caller) -> Result<Answer, Problem> {
    let (account, token) = (&caller.account, &caller.token);
    let addresses = state.accounts.addresses(account.id).await?;
    let site = state.entity(account.entity);
    Ok(Answer::ok(json!({
        "account": {
            "id": account.id, "login": account.login, "name": account.name, "role": account.role.as_str(),
            "addresses": addresses.iter().map(|a| json!({
                "address": a.address, "standing": a.standing.as_str(),
            })).collect::<Vec<_>>(),
        },
        "entity": {
            "id": account.entity, "name": site.as_ref().map(|s| s.name.as_str()),
            "siren": site.as_ref().and_then(|s| s.siren.as_deref()),
        },
        "token": {
            "id": token.id, "label": token.label, "created": token.created, "expires": token.expires,
            "scopes": token.scopes.iter().map(|s| s.as_str()).collect::<Vec<_>>(),
        },
    })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Period {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

fn numbers(day: &DayCount) -> Value {
    json!({
        "deposits": day.deposits, "size": day.bytes, "recipients": day.recipients, "tracked": day.tracked,
        "opened": day.opened, "failed": day.failed,
    })
}

/// `GET /api/v1/statistics`
pub(super) async fn statistics(
    State(state): State<WebState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    caller.needs(TokenScope::Statistics)?;
    let period: Period = request::query(query.as_deref())?;
    let bad = |what: &str| Problem::detailed(Kind::InvalidRequest, what);
    let until = period.until.unwrap_or_else(|| state.clock.now());
    let since = match period.since {
        Some(since) => since,
        None => until.checked_sub(USUAL).map_err(|_| bad("until: too early"))?,
    };
    if since >= until || until.duration_since(since) > LONGEST {
        return Err(bad("since lies before until, by 366 days at most"));
    }
    let days = state.store.statistics(actions::sight(&caller.account), since, until).await?;
    let mut total = DayCount::default();
    let mut list = Vec::with_capacity(days.len());
    for (day, count) in &days {
        total.add(*count);
        let mut value = numbers(count);
        let date = Timestamp::from_second(day.saturating_mul(86_400))
            .map_err(|e| Problem::internal("a day of the statistics", e))?;
        value["day"] = date.strftime("%Y-%m-%d").to_string().into();
        list.push(value);
    }
    Ok(Answer::ok(json!({ "since": since, "until": until, "total": numbers(&total), "days": list })))
}
