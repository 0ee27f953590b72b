//! `POST /api/v1/deposits`: a message in pieces, or one that is written already.
//!
//! **Exposure.** Addresses, texts and names that a program chose. Nothing is taken that an SMTP session would not
//! take: the same intake, the same policy, the same author's check.

use super::caller::Caller;
use super::problem::{Kind, Problem};
use super::request::{self, Answer, json, media_type, once};
use crate::actions::{Addressee, MailSource, NewMail, Personal, SHORTEST_PASSWORD, Submit};
use crate::state::WebState;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, StatusCode};
use sealpost_certs::card::NationalId;
use sealpost_envelope::{EmailAddress, Gate, Secret, Sha256Digest, Timestamp, Treatment};
use sealpost_store::account::TokenScope;
use sealpost_store::upload::{Upload, UploadError};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// Silence after which a body counts as broken off.
const SILENCE: Duration = Duration::from_secs(60);
/// How the caller proved who it is, in the evidence.
const MECHANISM: &str = "api token";
/// Longest password of a message.
const LONGEST_PASSWORD: usize = 256;
/// Attachments of a message.
const FILES: usize = 500;

/// An address alone, or with a name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Person {
    Address(String),
    Named(Named),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    address: String,
    #[serde(default)]
    name: Option<String>,
    gate: Option<Vec<String>>,
    phone: Option<String>,
    identity: Option<String>,
    expires: Option<Timestamp>,
}

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    from: Option<Person>,
    #[serde(default)]
    to: Vec<Person>,
    #[serde(default)]
    cc: Vec<Person>,
    #[serde(default)]
    bcc: Vec<Person>,
    subject: String,
    text: Option<String>,
    html: Option<String>,
    treatment: Option<String>,
    gate: Option<Vec<String>>,
    password: Option<String>,
    expires: Option<Timestamp>,
    #[serde(default)]
    attachments: Vec<Uuid>,
}

fn bad(what: impl std::fmt::Display) -> Problem {
    Problem::detailed(Kind::InvalidMessage, what)
}

/// Everybody whom a message names, with what is asked for some of them.
struct People {
    now: Timestamp,
    personal: Vec<Personal>,
}

impl People {
    fn all(&mut self, all: Vec<Person>) -> Result<Vec<Addressee>, Problem> {
        all.into_iter().map(|person| self.one(person)).collect()
    }

    fn one(&mut self, person: Person) -> Result<Addressee, Problem> {
        let named = match person {
            Person::Address(address) => {
                return Ok(Addressee { address: mailbox(&address)?, name: None });
            }
            Person::Named(named) => named,
        };
        let address = mailbox(&named.address)?;
        let of = |what: &str| format!("{} of {}", what, named.address);
        let gate = gate(named.gate, &of("gate"))?;
        if named.expires.is_some_and(|end| end <= self.now) {
            return Err(bad(format!("{}: this time has passed", of("expires"))));
        }
        // What separates the fields of a header that all of it travels in; the number itself is judged by the rules.
        let plain = |c: char| c.is_ascii_digit() || "+ .-()/".contains(c);
        if named.phone.as_ref().is_some_and(|p| p.trim().is_empty() || p.len() > 32 || !p.chars().all(plain))
        {
            return Err(bad(format!("{}: this is no number", of("phone"))));
        }
        if let Some(identity) = &named.identity {
            NationalId::parse_identity(identity).map_err(|e| bad(format!("{}: {e}", of("identity"))))?;
        }
        if gate.is_some() || named.phone.is_some() || named.identity.is_some() || named.expires.is_some() {
            if self.personal.iter().any(|p| p.address.key() == address.key()) {
                return Err(bad(format!("{} is given wishes twice", named.address)));
            }
            self.personal.push(Personal {
                address: address.clone(),
                gate,
                phone: named.phone,
                identity: named.identity,
                expires: named.expires,
            });
        }
        Ok(Addressee { address, name: named.name.filter(|n| !n.trim().is_empty()) })
    }
}

fn mailbox(text: &str) -> Result<EmailAddress, Problem> {
    EmailAddress::parse(text).map_err(|e| bad(format!("{text:?}: {e}")))
}

fn gate(words: Option<Vec<String>>, what: &str) -> Result<Option<Gate>, Problem> {
    words.map(|words| Gate::parse(&words).map_err(|e| bad(format!("{what}: {e}")))).transpose()
}

fn password(text: Option<String>) -> Result<Option<Secret<String>>, Problem> {
    let Some(text) = text.map(Secret::new) else { return Ok(None) };
    let word = text.expose();
    if word.chars().count() < SHORTEST_PASSWORD || word.len() > LONGEST_PASSWORD {
        return Err(bad(format!(
            "password: at least {SHORTEST_PASSWORD} characters, at most {LONGEST_PASSWORD} octets"
        )));
    }
    if word.trim() != word || word.chars().any(char::is_control) {
        return Err(bad("password: no blanks at its ends, no control characters"));
    }
    Ok(Some(text))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    recipients: Option<String>,
}

/// `POST /api/v1/deposits`
pub(super) async fn create(
    State(state): State<WebState>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(TokenScope::DepositsWrite)?;
    let envelope: Envelope = request::query(query.as_deref())?;
    match media_type(&headers).as_deref() {
        Some("message/rfc822") => written(&state, &caller, &headers, envelope, body).await,
        Some("application/json") => {
            if envelope.recipients.is_some() {
                let words = "recipients: for message/rfc822 only; here they stand in the body";
                return Err(Problem::detailed(Kind::InvalidRequest, words));
            }
            let bytes = request::body(&state, &headers, body).await?;
            composed(&state, &caller, &headers, &bytes).await
        }
        _ => Err(Problem::detailed(
            Kind::UnsupportedMediaType,
            "the body must be application/json or message/rfc822",
        )),
    }
}

async fn composed(
    state: &WebState,
    caller: &Caller,
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<Response, Problem> {
    let message: Message = json(bytes)?;
    once(state, caller, headers, &[b"create", bytes], async |key| {
        let files = message.attachments.clone();
        let new = read(state, caller, message).await?;
        let by = submit(state, caller, key);
        let answer = submitted(state, caller, by, MailSource::Composed(Box::new(new))).await?;
        for file in files {
            // The deposit has its own copy; what stays behind expires by itself.
            if let Err(error) = state.store.end_upload(caller.account.id, file).await {
                tracing::warn!(%error, "an upload that was taken stays behind");
            }
        }
        Ok(answer)
    })
    .await
}

async fn read(state: &WebState, caller: &Caller, message: Message) -> Result<NewMail, Problem> {
    if message.text.is_none() && message.html.is_none() {
        return Err(bad("a message needs text, html or both"));
    }
    let mut people = People { now: state.clock.now(), personal: Vec::new() };
    let from = match message.from {
        Some(person) => {
            let from = people.one(person)?;
            if !people.personal.is_empty() {
                return Err(bad("from: wishes are for recipients"));
            }
            from
        }
        None => Addressee {
            address: caller.account.login.clone(),
            name: Some(caller.account.name.clone()).filter(|n| !n.trim().is_empty()),
        },
    };
    let treatment = message.treatment.as_deref().map(|word| {
        let read = word.parse::<Treatment>().ok().filter(|t| *t != Treatment::Refuse);
        read.ok_or_else(|| bad("treatment: pass, trace, seal, link or notify"))
    });
    let (gate, password) = (gate(message.gate, "gate")?, password(message.password)?);
    if message.expires.is_some_and(|end| end <= state.clock.now()) {
        return Err(bad("expires: this time has passed"));
    }
    let new = NewMail {
        from,
        to: people.all(message.to)?,
        cc: people.all(message.cc)?,
        bcc: people.all(message.bcc)?,
        subject: message.subject,
        text: match (&message.text, &message.html) {
            (Some(text), _) => text.clone(),
            // Who reads plain text only is told that there is more.
            (None, _) => "This message is written in HTML.\n".to_owned(),
        },
        html: message.html,
        treatment: treatment.transpose()?,
        gate,
        password,
        expires: message.expires,
        personal: people.personal,
        answers: None,
        attachments: attachments(state, caller, &message.attachments).await?,
    };
    if new.to.is_empty() && new.cc.is_empty() && new.bcc.is_empty() {
        return Err(bad("a message needs a recipient"));
    }
    Ok(new)
}

async fn attachments(state: &WebState, caller: &Caller, ids: &[Uuid]) -> Result<Vec<Upload>, Problem> {
    if ids.len() > FILES {
        return Err(bad(format!("attachments: at most {FILES}")));
    }
    let mut found: Vec<Upload> = Vec::with_capacity(ids.len());
    for id in ids {
        if found.iter().any(|u| u.id == *id) {
            return Err(bad(format!("attachments: {id} is named twice")));
        }
        let upload = match state.store.upload(caller.account.id, *id).await {
            Err(UploadError::Unknown) => return Err(bad(format!("attachments: there is no upload {id}"))),
            other => other?,
        };
        if !upload.is_complete() {
            return Err(bad(format!("attachments: {id} is not complete")));
        }
        found.push(upload);
    }
    Ok(found)
}

fn submit(state: &WebState, caller: &Caller, once: Option<Sha256Digest>) -> Submit {
    Submit {
        account: caller.account.clone(),
        mechanism: MECHANISM,
        authenticated: state.clock.now(),
        network: caller.network.clone(),
        once,
        guest: None,
    }
}

async fn submitted(
    state: &WebState,
    caller: &Caller,
    by: Submit,
    mail: MailSource,
) -> Result<Answer, Problem> {
    let id = state.hooks.desk.submit(by, mail).await?;
    let row = state.store.read_deposit(id).await?.row;
    tracing::info!(deposit = %id, account = %caller.account.id, "deposited by the API");
    Ok(Answer {
        status: StatusCode::CREATED,
        body: json!({
            "id": id, "reference": row.reference, "created": row.created, "size": row.size,
            "sha256": row.digests.sha256, "url": format!("{}/api/v1/deposits/{id}", state.url),
        }),
    })
}

/// A message written already: its bytes are never changed, and go through as they come. The digest of a body of any
/// size is known too late to compare it, so that here the key alone says that it is the same request.
async fn written(
    state: &WebState,
    caller: &Caller,
    headers: &HeaderMap,
    envelope: Envelope,
    body: Body,
) -> Result<Response, Problem> {
    let named = envelope.recipients.unwrap_or_default();
    let recipients = named
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| EmailAddress::parse(text).map_err(|e| bad(format!("{text:?}: {e}"))))
        .collect::<Result<Vec<_>, _>>()?;
    if recipients.is_empty() {
        return Err(bad("recipients: name them in the query, separated by commas"));
    }
    let body = body.into_data_stream().map_err(std::io::Error::other);
    let body = patient(body.boxed());
    once(state, caller, headers, &[b"written", named.as_bytes()], async |key| {
        let by = submit(state, caller, key);
        submitted(state, caller, by, MailSource::Written { recipients, body }).await
    })
    .await
}

type Chunks = futures_util::stream::BoxStream<'static, Result<bytes::Bytes, std::io::Error>>;

/// Ends a body whose client has fallen silent.
fn patient(body: Chunks) -> Chunks {
    futures_util::stream::unfold(Some(body), async |body| {
        let mut body = body?;
        match tokio::time::timeout(SILENCE, body.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some(body))),
            Ok(Some(Err(error))) => Some((Err(error), None)),
            Err(_) => Some((Err(std::io::ErrorKind::TimedOut.into()), None)),
        }
    })
    .boxed()
}
