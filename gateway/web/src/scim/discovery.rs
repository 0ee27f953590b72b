//! What is spoken here: configuration, kinds of resources and their schemas (RFC 7643 §5 to §7).

use super::caller::Provisioner;
use super::error::ScimError;
use super::list::{MOST, json_of};
use super::{BASE, GROUP, USER};
use crate::state::WebState;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

fn page(resources: &[Value]) -> Response {
    json_of(
        StatusCode::OK,
        &json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": resources.len(), "startIndex": 1, "itemsPerPage": resources.len(), "Resources": resources,
        }),
    )
}

pub(super) async fn config(State(state): State<WebState>, _by: Provisioner) -> Response {
    let no = json!({"supported": false});
    json_of(
        StatusCode::OK,
        &json!({
            "schemas": [CONFIG], "patch": {"supported": true}, "etag": {"supported": true},
            "filter": {"supported": true, "maxResults": MOST},
            "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
            "changePassword": no, "sort": no,
            "authenticationSchemes": [{
                "type": "oauthbearertoken", "name": "Bearer token", "specUri": "https://www.rfc-editor.org/info/rfc6750",
                "description": "A token of `sealpost user token create` with the scope `scim`", "primary": true,
            }],
            "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{}{BASE}/ServiceProviderConfig", state.url)},
        }),
    )
}

fn kinds(state: &WebState) -> Vec<Value> {
    [("User", "/Users", USER), ("Group", "/Groups", GROUP)]
        .map(|(id, endpoint, schema)| {
            json!({
                "schemas": [TYPE], "id": id, "name": id, "endpoint": endpoint, "schema": schema,
                "meta": {"resourceType": "ResourceType", "location": format!("{}{BASE}/ResourceTypes/{id}", state.url)},
            })
        })
        .to_vec()
}

pub(super) async fn types(State(state): State<WebState>, _by: Provisioner) -> Response {
    page(&kinds(&state))
}

pub(super) async fn one_type(
    State(state): State<WebState>,
    _by: Provisioner,
    Path(id): Path<String>,
) -> Result<Response, ScimError> {
    let found = kinds(&state).into_iter().find(|k| k["id"] == id.as_str());
    Ok(json_of(StatusCode::OK, &found.ok_or(ScimError::NotFound)?))
}

/// An attribute: name, type, whether it is a list, and whether it can be written.
fn attribute(name: &str, kind: &str, many: bool, mutability: &str) -> Value {
    json!({
        "name": name, "type": kind, "multiValued": many, "required": matches!(name, "userName"), "caseExact": name == "externalId",
        "mutability": mutability, "returned": "default", "uniqueness": if name == "userName" { "server" } else { "none" },
        "description": name,
    })
}

fn with(mut attribute: Value, subs: &[(&str, &str)]) -> Value {
    let mutability = attribute["mutability"].as_str().unwrap_or_default().to_owned();
    attribute["subAttributes"] =
        subs.iter().map(|(n, k)| self::attribute(n, k, false, &mutability)).collect();
    attribute
}

fn both(state: &WebState) -> Vec<Value> {
    let user = json!([
        attribute("userName", "string", false, "immutable"),
        attribute("externalId", "string", false, "readWrite"),
        attribute("displayName", "string", false, "readWrite"),
        with(
            attribute("name", "complex", false, "readWrite"),
            &[("formatted", "string"), ("givenName", "string"), ("familyName", "string")]
        ),
        attribute("active", "boolean", false, "readWrite"),
        with(
            attribute("emails", "complex", true, "readOnly"),
            &[("value", "string"), ("type", "string"), ("primary", "boolean")]
        ),
        with(attribute("roles", "complex", true, "readOnly"), &[("value", "string"), ("primary", "boolean")]),
        with(
            attribute("groups", "complex", true, "readOnly"),
            &[("value", "string"), ("display", "string"), ("$ref", "reference")]
        ),
    ]);
    let group = json!([
        attribute("displayName", "string", false, "readWrite"),
        attribute("externalId", "string", false, "readWrite"),
        with(
            attribute("members", "complex", true, "readWrite"),
            &[("value", "string"), ("display", "string"), ("$ref", "reference")]
        ),
    ]);
    [(USER, "User", user), (GROUP, "Group", group)]
        .map(|(id, name, attributes)| {
            json!({
                "schemas": [SCHEMA], "id": id, "name": name, "description": name, "attributes": attributes,
                "meta": {"resourceType": "Schema", "location": format!("{}{BASE}/Schemas/{id}", state.url)},
            })
        })
        .to_vec()
}

pub(super) async fn schemas(State(state): State<WebState>, _by: Provisioner) -> Response {
    page(&both(&state))
}

pub(super) async fn schema(
    State(state): State<WebState>,
    _by: Provisioner,
    Path(id): Path<String>,
) -> Result<Response, ScimError> {
    let found = both(&state).into_iter().find(|s| s["id"] == id.as_str());
    Ok(json_of(StatusCode::OK, &found.ok_or(ScimError::NotFound)?))
}
