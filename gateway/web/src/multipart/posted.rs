//! The posted form: fields into the draft, files into uploads while they arrive.

use super::draft::Draft;
use super::multipart::{Event, Multipart};
use crate::fault::Fault;
use crate::login::Staff;
use crate::state::WebState;
use crate::uploads;
use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, header};
use sealpost_envelope::Secret;
use sealpost_store::upload::UploadMeta;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Longest silence of the browser.
const SILENCE: Duration = Duration::from_secs(60);
/// Longest message, and longest of any other field.
const MESSAGE: usize = 1 << 20;
const FIELD: usize = 64 * 1024;
/// Most files of a form.
const FILES: usize = 200;

/// What was posted.
pub(super) struct Posted {
    pub(super) draft: Draft,
    pub(super) action: String,
    pub(super) once: String,
    pub(super) password: Secret<String>,
    pub(super) again: Secret<String>,
    /// The form is one of this session's.
    pub(super) ours: bool,
    /// A file did not arrive whole.
    pub(super) broken: bool,
}

/// A file on its way into the store.
struct Incoming {
    id: Uuid,
    pieces: mpsc::Sender<Result<Bytes, std::io::Error>>,
    work: JoinHandle<bool>,
}

/// A part of the form on its way.
enum Part {
    Field(String, Vec<u8>),
    File(Incoming),
    /// A file's field in which nothing was chosen.
    Nothing,
}

/// Reads the form to its end.
pub(super) async fn form(
    state: &WebState,
    staff: &Staff,
    headers: &HeaderMap,
    body: Body,
) -> Result<Posted, Fault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let mut reader = Multipart::new(kind).map_err(|_| Fault::BadForm)?;
    let mut posted = Posted {
        draft: Draft::default(),
        action: String::new(),
        once: String::new(),
        password: Secret::new(String::new()),
        again: Secret::new(String::new()),
        ours: false,
        broken: false,
    };
    let (mut removed, mut part) = (Vec::new(), None);
    let mut stream = body.into_data_stream();
    loop {
        let next = tokio::time::timeout(SILENCE, stream.next()).await.map_err(|_| Fault::BadForm)?;
        let Some(chunk) = next.transpose().map_err(|_| Fault::BadForm)? else { break };
        for event in reader.push(&chunk).map_err(|_| Fault::BadForm)? {
            match event {
                Event::Part { name, filename, media_type } => {
                    part = Some(match filename {
                        None => Part::Field(name, Vec::new()),
                        // A file of nobody's form is not taken.
                        Some(file) if file.is_empty() || !posted.ours => Part::Nothing,
                        Some(_) if posted.draft.uploads.len() >= FILES => return Err(Fault::TooLarge),
                        Some(file) => {
                            let most = length.ok_or(Fault::BadForm)?;
                            Part::File(begin(state, staff, most, file, media_type).await?)
                        }
                    });
                }
                Event::Content(bytes) => match &mut part {
                    Some(Part::Field(name, value)) => {
                        let most = if name == "message" { MESSAGE } else { FIELD };
                        if value.len() + bytes.len() > most {
                            return Err(Fault::TooLarge);
                        }
                        value.extend_from_slice(&bytes);
                    }
                    // Whoever takes them in says at the end what became of them.
                    Some(Part::File(incoming)) => drop(incoming.pieces.send(Ok(bytes)).await),
                    Some(Part::Nothing) | None => {}
                },
                Event::End => match part.take() {
                    Some(Part::Field(name, value)) => {
                        field(staff, &mut posted, &mut removed, &name, value)?;
                    }
                    Some(Part::File(incoming)) => finish(state, staff, &mut posted, incoming).await?,
                    Some(Part::Nothing) | None => {}
                },
            }
        }
    }
    if !reader.is_done() {
        return Err(Fault::BadForm);
    }
    for id in removed {
        posted.draft.uploads.retain(|u| *u != id);
        state.store.end_upload(staff.id(), id).await.map_err(super::upload_fault)?;
    }
    Ok(posted)
}

fn field(
    staff: &Staff,
    posted: &mut Posted,
    removed: &mut Vec<Uuid>,
    name: &str,
    value: Vec<u8>,
) -> Result<(), Fault> {
    let text = String::from_utf8(value).map_err(|_| Fault::BadForm)?;
    let line = || text.trim().replace(['\r', '\n'], " ");
    let draft = &mut posted.draft;
    match name {
        "csrf" => posted.ours = staff.is_ours(Some(text.trim())),
        "action" => posted.action = line(),
        "once" => posted.once = line(),
        "from" => draft.from = line(),
        "to" => draft.to = text.trim().to_owned(),
        "cc" => draft.cc = text.trim().to_owned(),
        "bcc" => draft.bcc = text.trim().to_owned(),
        "subject" => draft.subject = line().chars().take(900).collect(),
        "message" => draft.message = text.replace("\r\n", "\n"),
        "secure" => draft.secure = text.trim() == "yes",
        "until" => draft.until = line(),
        "password" => posted.password = Secret::new(text),
        "password2" => posted.again = Secret::new(text),
        "upload" => draft.uploads.extend(text.trim().parse::<Uuid>().ok()),
        "remove" => removed.extend(text.trim().parse::<Uuid>().ok()),
        _ => {}
    }
    Ok(())
}

/// Begins an upload of at most `most` octets: a part of a form does not say how many it has.
async fn begin(
    state: &WebState,
    staff: &Staff,
    most: u64,
    file: String,
    media_type: Option<String>,
) -> Result<Incoming, Fault> {
    if !state.hooks.desk.has_room(most) {
        return Err(Fault::Busy);
    }
    let expires = state.clock.now().checked_add(state.limits.upload_kept);
    let expires = expires.map_err(|e| Fault::internal("the end of an upload", e))?;
    // Some browsers send a whole path.
    let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(255).collect::<String>();
    let name = Some(plain(name)).filter(|n| !n.trim().is_empty());
    let meta = UploadMeta { name, media_type: media_type.as_deref().map(plain) };
    let upload = state
        .store
        .create_upload(staff.entity(), staff.id(), most, meta, expires)
        .await
        .map_err(super::upload_fault)?;
    let (pieces, mut taken) = mpsc::channel(4);
    let id = upload.id;
    let stream = futures_util::stream::poll_fn(move |cx| taken.poll_recv(cx));
    let state = state.clone();
    let work =
        tokio::spawn(
            async move { uploads::receive(&state, &upload, Body::from_stream(stream)).await.is_ok() },
        );
    Ok(Incoming { id, pieces, work })
}

async fn finish(
    state: &WebState,
    staff: &Staff,
    posted: &mut Posted,
    incoming: Incoming,
) -> Result<(), Fault> {
    let Incoming { id, pieces, work } = incoming;
    drop(pieces);
    let whole = work.await.unwrap_or(false)
        && state.store.close_upload(staff.id(), id).await.map_err(super::upload_fault)?;
    match whole {
        true => posted.draft.uploads.push(id),
        false => {
            posted.broken = true;
            state.store.end_upload(staff.id(), id).await.map_err(super::upload_fault)?;
        }
    }
    Ok(())
}
