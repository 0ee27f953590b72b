//! Users: accounts of the organisation.

use super::caller::Provisioner;
use super::error::ScimError;
use super::list::{Asked, body, is_current, member, resource, text, with_meta};
use super::{BASE, USER, filter, patch as patching};
use crate::state::WebState;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use sealpost_envelope::EmailAddress;
use sealpost_store::account::{NewAccount, Role, SCIM, ScimChange, ScimFilter, ScimGroup, ScimUser};
use serde_json::{Map, Value, json};

/// What a request says of a user.
#[derive(Debug)]
struct Said {
    login: EmailAddress,
    name: String,
    external_id: Option<String>,
    active: bool,
}

impl Said {
    fn read(map: &Map<String, Value>) -> Result<Self, ScimError> {
        let get = |name| member(map, name);
        let login = get("userName").and_then(Value::as_str).unwrap_or_default();
        let login = EmailAddress::parse(login.trim())
            .map_err(|_| ScimError::value("userName: the person's mail address is needed"))?;
        let name = get("name").and_then(Value::as_object);
        let part = |key| name.and_then(|n| member(n, key)).and_then(text);
        let whole =
            [part("givenName"), part("familyName")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let shown = get("displayName").and_then(text).or_else(|| part("formatted"));
        let shown = shown.or(Some(whole).filter(|w| !w.is_empty()));
        let active = match get("active") {
            None => true,
            Some(Value::Bool(active)) => *active,
            // Entra ID writes it so.
            Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => true,
            Some(Value::String(word)) if word.eq_ignore_ascii_case("false") => false,
            Some(_) => return Err(ScimError::value("active: true or false")),
        };
        Ok(Self {
            name: shown.unwrap_or_else(|| login.local().to_owned()),
            external_id: get("externalId").and_then(text),
            active,
            login,
        })
    }
    fn change(self) -> ScimChange {
        ScimChange { name: self.name, external_id: self.external_id, active: self.active, deleted: false }
    }
}

/// A user as JSON.
fn shown(state: &WebState, user: &ScimUser, groups: &[ScimGroup]) -> Value {
    let (account, base) = (&user.account, format!("{}{BASE}", state.url));
    let mut shown = json!({
        "schemas": [USER], "id": account.id.0.to_string(), "userName": account.login, "displayName": account.name,
        "name": {"formatted": account.name}, "active": account.disabled.is_none(),
        "emails": [{"value": account.login, "type": "work", "primary": true}],
        "roles": [{"value": account.role.as_str(), "primary": true}],
    });
    if let Some(id) = &user.external_id {
        shown["externalId"] = id.as_str().into();
    }
    if !groups.is_empty() {
        let one = |g: &ScimGroup| json!({"value": g.id, "display": g.name, "type": "direct", "$ref": format!("{base}/Groups/{}", g.id)});
        shown["groups"] = groups.iter().map(one).collect();
    }
    let changed = account.disabled.unwrap_or(account.created);
    let times = (account.created.to_string(), changed.to_string());
    with_meta(shown, "User", &format!("{base}/Users/{}", account.id.0), times)
}

async fn find(state: &WebState, by: &Provisioner, filter: &ScimFilter) -> Result<ScimUser, ScimError> {
    let (_, found) = state.accounts.scim_users(by.entity(), filter, 0, 1).await?;
    found.into_iter().next().ok_or(ScimError::NotFound)
}

async fn by_id(state: &WebState, by: &Provisioner, id: &str) -> Result<ScimUser, ScimError> {
    find(state, by, &ScimFilter { id: Some(id.to_owned()), ..ScimFilter::default() }).await
}

async fn json_of(state: &WebState, user: &ScimUser) -> Result<Value, ScimError> {
    Ok(shown(state, user, &state.accounts.scim_groups_of(user.account.id).await?))
}

pub(super) async fn list(
    State(state): State<WebState>,
    by: Provisioner,
    RawQuery(query): RawQuery,
) -> Result<Response, ScimError> {
    let asked = Asked::read(query.as_deref())?;
    let filter = filter::read(asked.filter.as_deref(), "userName")?;
    let (skip, most) = asked.window();
    let (total, users) = state.accounts.scim_users(by.entity(), &filter, skip, most).await?;
    let mut all = Vec::with_capacity(users.len());
    for user in &users {
        all.push(json_of(&state, user).await?);
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
    let user = by_id(&state, &by, &id).await?;
    Ok(resource(StatusCode::OK, &asked.shown(json_of(&state, &user).await?)))
}

pub(super) async fn create(
    State(state): State<WebState>,
    by: Provisioner,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, ScimError> {
    let said = Said::read(&body(&state, &headers, sent).await?)?;
    let (login, accounts) = (said.login.clone(), &state.accounts);
    let ours = state
        .mail
        .domains
        .iter()
        .any(|(domain, entity)| domain.eq_ignore_ascii_case(login.domain()) && *entity == by.site.name);
    if !ours {
        return Err(ScimError::value("userName: its domain is not the organisation's"));
    }
    let account = match accounts.by_login(&login).await? {
        None => {
            let new = NewAccount {
                entity: by.entity(),
                name: said.name.clone(),
                role: Role::Sender,
                password: None,
                login: login.clone(),
            };
            let event = by.event(&state, "created", |d| d.personal("login", login.as_str()))?;
            accounts.create_from(new, SCIM, vec![event]).await?
        }
        // Deleted there once, and now back.
        Some(account) if account.entity == by.entity() && account.disabled.is_some() => {
            let filter = ScimFilter { id: Some(account.id.0.to_string()), ..ScimFilter::default() };
            match find(&state, &by, &filter).await {
                Ok(_) => return Err(ScimError::Taken),
                Err(ScimError::NotFound) => by.may_change(&account)?,
                Err(error) => return Err(error),
            }
            account
        }
        Some(_) => return Err(ScimError::Taken),
    };
    let event = by.event(&state, "provisioned", |d| {
        d.personal("login", login.as_str()).text("active", said.active.to_string())
    })?;
    accounts.scim_change(&account, said.change(), vec![event]).await?;
    let user = by_id(&state, &by, &account.id.0.to_string()).await?;
    Ok(resource(StatusCode::CREATED, &json_of(&state, &user).await?))
}

/// Makes a user what a request says, if that changes anything.
async fn settle(
    state: &WebState,
    by: &Provisioner,
    user: &ScimUser,
    said: Said,
) -> Result<Response, ScimError> {
    let account = &user.account;
    if said.login.key() != account.login.key() {
        return Err(ScimError::Fixed("userName does not change: it names who acted. Make another user"));
    }
    let was = (&account.name, &user.external_id, account.disabled.is_none());
    if !user.ruled || was != (&said.name, &said.external_id, said.active) {
        by.may_change(account)?;
        let what = match (was.2, said.active) {
            (true, false) => "disabled",
            (false, true) => "enabled",
            _ => "profile",
        };
        let event = by.event(state, what, |d| d.personal("login", account.login.as_str()))?;
        state.accounts.scim_change(account, said.change(), vec![event]).await?;
    }
    let user = by_id(state, by, &account.id.0.to_string()).await?;
    Ok(resource(StatusCode::OK, &json_of(state, &user).await?))
}

pub(super) async fn replace(
    State(state): State<WebState>,
    by: Provisioner,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, ScimError> {
    let said = Said::read(&body(&state, &headers, sent).await?)?;
    let user = by_id(&state, &by, &id).await?;
    is_current(&headers, &json_of(&state, &user).await?)?;
    settle(&state, &by, &user, said).await
}

pub(super) async fn patch(
    State(state): State<WebState>,
    by: Provisioner,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, ScimError> {
    let request = body(&state, &headers, sent).await?;
    let user = by_id(&state, &by, &id).await?;
    let now = json_of(&state, &user).await?;
    is_current(&headers, &now)?;
    let mut map = now.as_object().cloned().unwrap_or_default();
    // Names have three places: whichever the program changes counts.
    let (former, formatted) = (map.get("displayName").cloned(), map["name"]["formatted"].clone());
    patching::apply(&mut map, &request)?;
    if map.get("displayName") == former.as_ref() {
        map.remove("displayName");
        let name = map.get_mut("name").and_then(Value::as_object_mut);
        if let Some(name) = name.filter(|n| n.len() > 1 && n.get("formatted") == Some(&formatted)) {
            name.remove("formatted");
        }
    }
    settle(&state, &by, &user, Said::read(&map)?).await
}

pub(super) async fn remove(
    State(state): State<WebState>,
    by: Provisioner,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ScimError> {
    let user = by_id(&state, &by, &id).await?;
    is_current(&headers, &json_of(&state, &user).await?)?;
    by.may_change(&user.account)?;
    let event = by.event(&state, "disabled", |d| d.personal("login", user.account.login.as_str()))?;
    let change = ScimChange {
        name: user.account.name.clone(),
        external_id: user.external_id.clone(),
        active: false,
        deleted: true,
    };
    state.accounts.scim_change(&user.account, change, vec![event]).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
