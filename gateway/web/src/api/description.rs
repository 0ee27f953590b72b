//! `/api/openapi.json`, and a page of our own that shows it to people.
//!
//! The description is a file written by hand (`assets/openapi.json`); tests compare it with the routes, the problems and
//! the answers of a running server.

use super::problem::Kind;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::pages::{Frame, html, show};
use crate::state::WebState;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::Value;
use std::sync::LazyLock;

/// The description as it is served.
pub(super) const TEXT: &str = include_str!("../../assets/openapi.json");

static READ: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(TEXT).expect("the compiled-in description is JSON, as a test shows")
});

/// `GET /api/openapi.json`
pub(super) async fn json() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], TEXT).into_response()
}

#[derive(Debug)]
struct Group {
    name: &'static str,
    about: &'static str,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    id: &'static str,
    method: String,
    path: &'static str,
    summary: &'static str,
    description: &'static str,
    scopes: String,
    /// Name, where it stands, what it is, what it means.
    parameters: Vec<[String; 4]>,
    /// Media type, members with type and meaning.
    bodies: Vec<(String, Vec<[String; 3]>)>,
    /// Status and meaning.
    answers: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "api_docs.html")]
struct Page<'a> {
    f: &'a Frame,
    groups: Vec<Group>,
    scopes: Vec<(&'static str, &'static str)>,
    problems: Vec<(&'static str, u16, &'static str, &'static str)>,
    host: &'a str,
}

/// `GET /api/docs`
pub(super) async fn page(State(state): State<WebState>, ctx: Ctx) -> Response {
    let done = render(&state, &ctx);
    show(&state, &ctx, done)
}

fn render(state: &WebState, ctx: &Ctx) -> Result<Response, Fault> {
    let title = ctx.language.pick("Interface de programmation", "Programming interface");
    let mut frame = Frame::new(state, ctx, title, state.only_entity());
    frame.wide = true;
    html(&Page { groups: groups(), scopes: scopes(), problems: problems(), host: &state.url, f: &frame })
}

fn text(value: &'static Value) -> &'static str {
    value.as_str().unwrap_or_default()
}

fn scopes() -> Vec<(&'static str, &'static str)> {
    READ["x-scopes"].as_object().into_iter().flatten().map(|(k, v)| (k.as_str(), text(v))).collect()
}

fn problems() -> Vec<(&'static str, u16, &'static str, &'static str)> {
    let about = |name: &str| text(&READ["x-problems"][name]["description"]);
    Kind::ALL
        .iter()
        .map(|kind| {
            let (name, status, title) = kind.words();
            (name, status, title, about(name))
        })
        .collect()
}

fn groups() -> Vec<Group> {
    let tags = READ["tags"].as_array().into_iter().flatten();
    tags.map(|tag| Group {
        name: text(&tag["name"]),
        about: text(&tag["description"]),
        operations: operations(text(&tag["name"])),
    })
    .collect()
}

fn operations(tag: &str) -> Vec<Operation> {
    let paths = READ["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(move |(method, about)| (path.as_str(), method, about))
    });
    all.filter(|(_, _, about)| about["tags"][0] == tag)
        .map(|(path, method, about)| Operation {
            id: text(&about["operationId"]),
            method: method.to_uppercase(),
            path,
            summary: text(&about["summary"]),
            description: text(&about["description"]),
            scopes: list(&about["security"][0]["token"]),
            parameters: about["parameters"].as_array().into_iter().flatten().map(parameter).collect(),
            bodies: bodies(&about["requestBody"]["content"]),
            answers: answers(&about["responses"]),
        })
        .collect()
}

fn list(value: &Value) -> String {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn parameter(p: &Value) -> [String; 4] {
    let word = |key: &str| p[key].as_str().unwrap_or_default().to_owned();
    let about = if p["description"].is_string() { &p["description"] } else { &p["schema"]["description"] };
    let required = if p["required"] == true && p["in"] != "path" { ", required" } else { "" };
    let place = format!("{}{required}", word("in"));
    [word("name"), place, kind(&p["schema"]), about.as_str().unwrap_or_default().to_owned()]
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
        return name.to_owned();
    }
    if let Some(choices) = schema["enum"].as_array() {
        let words = choices.iter().filter_map(Value::as_str);
        return words.collect::<Vec<_>>().join(" | ");
    }
    if let Some(one) = schema["const"].as_str() {
        return one.to_owned();
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let words: Vec<String> = choices.iter().map(kind).filter(|w| w != "null").collect();
        return words.join(" | ");
    }
    let name = match &schema["type"] {
        Value::Array(names) => names.iter().find_map(|n| n.as_str().filter(|n| *n != "null")),
        name => name.as_str(),
    };
    match (name.unwrap_or("any"), schema["format"].as_str()) {
        ("array", _) => format!("list of {}", kind(&schema["items"])),
        (_, Some(format)) => format.to_owned(),
        (name, None) => name.to_owned(),
    }
}

fn bodies(content: &'static Value) -> Vec<(String, Vec<[String; 3]>)> {
    let all = content.as_object().into_iter().flatten();
    all.map(|(media_type, about)| (media_type.clone(), members(resolved(&about["schema"])))).collect()
}

fn resolved(schema: &'static Value) -> &'static Value {
    match schema["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
        Some(pointer) => READ.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

fn members(schema: &Value) -> Vec<[String; 3]> {
    let required = |name: &str| {
        schema["required"].as_array().is_some_and(|all| all.iter().any(|n| n.as_str() == Some(name)))
    };
    let all = schema["properties"].as_object().into_iter().flatten();
    all.map(|(name, about)| {
        let must = if required(name) { ", required" } else { "" };
        let words = about["description"].as_str().unwrap_or_default().to_owned();
        [name.clone(), format!("{}{must}", kind(about)), words]
    })
    .collect()
}

fn answers(responses: &'static Value) -> Vec<(String, String)> {
    let all = responses.as_object().into_iter().flatten();
    all.map(|(status, about)| (status.clone(), text(&resolved(about)["description"]).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealpost_store::account::TokenScope;
    use std::collections::BTreeSet;

    #[test]
    fn problems_and_scopes_are_those_of_the_code() {
        let described: BTreeSet<_> = READ["x-problems"].as_object().unwrap().keys().cloned().collect();
        let written: BTreeSet<_> = Kind::ALL.iter().map(|k| k.words().0.to_owned()).collect();
        assert_eq!(described, written);
        for kind in Kind::ALL {
            let (name, status, title) = kind.words();
            let about = &READ["x-problems"][name];
            assert_eq!(
                (about["status"].as_u64(), about["title"].as_str()),
                (Some(status.into()), Some(title))
            );
            assert!(READ["components"]["responses"][format!("Problem{status}")].is_object(), "{status}");
        }
        let scopes: BTreeSet<_> = scopes().iter().map(|s| s.0).collect();
        assert_eq!(scopes, TokenScope::ALL.iter().map(|s| s.as_str()).collect());
    }

    #[test]
    fn references_lead_somewhere_and_the_page_shows_all() {
        fn walk(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    members.values().for_each(|v| walk(v, found));
                }
                Value::Array(all) => all.iter().for_each(|v| walk(v, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        walk(&READ, &mut found);
        assert!(found.len() > 50);
        for reference in found {
            assert!(READ.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
        }
        let shown: usize = groups().iter().map(|g| g.operations.len()).sum();
        let written = READ["paths"].as_object().unwrap().values().map(|m| m.as_object().unwrap().len());
        assert_eq!(shown, written.sum::<usize>());
        assert!(
            groups().iter().flat_map(|g| &g.operations).all(|o| !o.answers.is_empty() && !o.id.is_empty())
        );
    }
}
