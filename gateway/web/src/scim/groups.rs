//! Groups: named lists of accounts, of which some give a role.

use super::caller::Provisioner;
use super::error::ScimError;
use super::list::{Asked, body, is_current, member, resource, text, with_meta};
use super::{BASE, GROUP, filter, patch as patching};
use crate::state::WebState;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use sealpost_envelope::AccountId;
use sealpost_store::account::{GroupPut, Role, ScimFilter, ScimGroup};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Finest step of stored times.
const TICK: std::time::Duration = std::time::Duration::from_micros(1);

/// Most members of a group.
const MEMBERS: usize = 10_000;

/// What a request says of a group.
struct Said {
    name: String,
    external_id: Option<String>,
    members: Vec<AccountId>,
}

impl Said {
    fn read(map: &Map<String, Value>) -> Result<Self, ScimError> {
        let name = member(map, "displayName").and_then(text);
        let list = match member(map, "members") {
            None => &[][..],
            Some(Value::Array(list)) if list.len() <= MEMBERS => list,
            Some(_) => return Err(ScimError::value("members: a list of at most 10000")),
        };
        let id =
            |v: &Value| v.get("value").and_then(Value::as_str).and_then(|v| v.parse().ok()).map(AccountId);
        let members = list
            .iter()
            .map(|v| id(v).ok_or_else(|| ScimError::value("members: each has a user's id as value")));
        Ok(Self {
            name: name.ok_or_else(|| ScimError::value("displayName is needed"))?,
            external_id: member(map, "externalId").and_then(text),
            members: members.collect::<Result<_, _>>()?,
        })
    }
}

async fn json_of(state: &WebState, group: &ScimGroup) -> Result<Value, ScimError> {
    let base = format!("{}{BASE}", state.url);
    let members = state.accounts.scim_members(group.id).await?;
    let one = |(id, name): &(AccountId, String)| json!({"value": id.0.to_string(), "display": name, "type": "User", "$ref": format!("{base}/Users/{}", id.0)});
    let mut shown = json!({
        "schemas": [GROUP], "id": group.id, "displayName": group.name,
        "members": members.iter().map(one).collect::<Vec<_>>(),
    });
    if let Some(id) = &group.external_id {
        shown["externalId"] = id.as_str().into();
    }
    let times = (group.created.to_string(), group.changed.to_string());
    Ok(with_meta(shown, "Group", &format!("{base}/Groups/{}", group.id), times))
}

async fn by_id(state: &WebState, by: &Provisioner, id: &str) -> Result<ScimGroup, ScimError> {
    let filter = ScimFilter { id: Some(id.to_owned()), ..ScimFilter::default() };
    let (_, found) = state.accounts.scim_groups(by.entity(), &filter, 0, 1).await?;
    found.into_iter().next().ok_or(ScimError::NotFound)
}

pub(super) async fn list(
    State(state): State<WebState>,
    by: Provisioner,
    RawQuery(query): RawQuery,
) -> Result<Response, ScimError> {
    let asked = Asked::read(query.as_deref())?;
    let filter = filter::read(asked.filter.as_deref(), "displayName")?;
    let (skip, most) = asked.window();
    let (total, groups) = state.accounts.scim_groups(by.entity(), &filter, skip, most).await?;
    let mut all = Vec::with_capacity(groups.len());
    for group in &groups {
        all.push(json_of(&state, group).await?);
    }
    Ok(asked.page(total, all))
}

pub(super) async fn show(
    State(state): State<WebState>,
    by: Provisioner,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ScimError> {
    let asked = Asked::read(query.as_deref())?;
    let group = by_id(&state, &by, &id).await?;
    Ok(resource(StatusCode::OK, &asked.shown(json_of(&state, &group).await?)))
}

pub(super) async fn create(
    State(state): State<WebState>,
    by: Provisioner,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, ScimError> {
    let said = Said::read(&body(&state, &headers, sent).await?)?;
    let now = state.clock.now();
    let group =
        ScimGroup { id: Uuid::now_v7(), name: String::new(), external_id: None, created: now, changed: now };
    put(&state, &by, group, said, StatusCode::CREATED).await
}

pub(super) async fn replace(
    State(state): State<WebState>,
    by: Provisioner,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, ScimError> {
    let said = Said::read(&body(&state, &headers, sent).await?)?;
    let group = by_id(&state, &by, &id).await?;
    is_current(&headers, &json_of(&state, &group).await?)?;
    put(&state, &by, group, said, StatusCode::OK).await
}

pub(super) async fn patch(
    State(state): State<WebState>,
    by: Provisioner,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, ScimError> {
    let request = body(&state, &headers, sent).await?;
    let group = by_id(&state, &by, &id).await?;
    let now = json_of(&state, &group).await?;
    is_current(&headers, &now)?;
    let mut map = now.as_object().cloned().unwrap_or_default();
    patching::apply(&mut map, &request)?;
    put(&state, &by, group, Said::read(&map)?, StatusCode::OK).await
}

/// Writes a group as a request says, and gives the roles that follow.
async fn put(
    state: &WebState,
    by: &Provisioner,
    group: ScimGroup,
    said: Said,
    status: StatusCode,
) -> Result<Response, ScimError> {
    let mut touched: BTreeSet<AccountId> = said.members.iter().copied().collect();
    for id in &touched {
        let known =
            state.accounts.by_id(*id).await?.filter(|a| a.entity == by.entity() && a.role != Role::Demo);
        known.ok_or_else(|| ScimError::value("members: a user who is not here"))?;
    }
    touched.extend(state.accounts.scim_members(group.id).await?.into_iter().map(|(id, _)| id));
    let event = by.event(state, "group", |d| d.text("group", said.name.as_str()))?;
    let (id, seen) = (group.id, (status == StatusCode::OK).then_some(group.changed));
    // Later than before, whatever the clock: it tells states apart.
    let changed = state.clock.now().max(group.changed.saturating_add(TICK).unwrap_or(group.changed));
    let fresh = ScimGroup { name: said.name, external_id: said.external_id, changed, ..group };
    match state.accounts.scim_put_group(by.entity(), fresh, said.members, seen, vec![event]).await? {
        GroupPut::Done => {}
        GroupPut::Taken => return Err(ScimError::Taken),
        GroupPut::Changed => return Err(ScimError::Changed),
    }
    give_roles(state, by, touched).await?;
    let group = by_id(state, by, &id.to_string()).await?;
    Ok(resource(status, &json_of(state, &group).await?))
}

pub(super) async fn remove(
    State(state): State<WebState>,
    by: Provisioner,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ScimError> {
    let group = by_id(&state, &by, &id).await?;
    is_current(&headers, &json_of(&state, &group).await?)?;
    let touched = state.accounts.scim_members(group.id).await?.into_iter().map(|(id, _)| id).collect();
    let event = by.event(&state, "group removed", |d| d.text("group", group.name.as_str()))?;
    if !state.accounts.scim_delete_group(by.entity(), group.id, vec![event]).await? {
        return Err(ScimError::NotFound);
    }
    give_roles(&state, &by, touched).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Roles of accounts whose groups have changed. Whom SCIM may not change keeps theirs.
async fn give_roles(
    state: &WebState,
    by: &Provisioner,
    touched: BTreeSet<AccountId>,
) -> Result<(), ScimError> {
    for id in touched {
        let Some(account) = state.accounts.by_id(id).await?.filter(|a| a.entity == by.entity()) else {
            continue;
        };
        if by.may_change(&account).is_err() {
            continue;
        }
        let groups = state.accounts.scim_groups_of(id).await?;
        let is_in = |name: &str| groups.iter().any(|g| g.name.eq_ignore_ascii_case(name));
        let Some(role) = state.elsewhere.role_of(is_in).filter(|r| *r != account.role) else { continue };
        let event =
            by.event(state, &format!("role {role}"), |d| d.personal("login", account.login.as_str()))?;
        state.accounts.set_role(id, role, vec![event]).await?;
    }
    Ok(())
}
