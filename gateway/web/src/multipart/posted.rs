//! A posted form with files: fields in their order, files into uploads while they arrive.
//!
//! **Exposure.** Strangers and people who have logged in. A file is taken only after the field `csrf` has shown that
//! the form is one of ours, and only for an owner; everything is bounded.

use super::{Event, Multipart};
use crate::fault::Fault;
use crate::state::WebState;
use crate::uploads;
use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, header};
use sealpost_envelope::{EntityId, Secret};
use sealpost_store::upload::{Owner, UploadError, UploadMeta};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Longest silence of the browser.
const SILENCE: Duration = Duration::from_secs(60);
/// Longest field, and longest of all fields together.
const FIELD: usize = 1 << 20;
const FIELDS: usize = 3 << 20;
/// Most fields.
const MOST: usize = 5000;
/// Most files of a form.
const FILES: usize = 200;

/// What becomes of the files of a form.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Files {
    /// They become uploads of this owner, who has so much room.
    Uploads(EntityId, Owner),
    /// They are small texts, read as the field they stand in.
    Texts,
    /// They are not taken.
    Nothing,
}

/// What was posted.
#[derive(Debug)]
pub(crate) struct Posted {
    fields: Vec<(String, Secret<String>)>,
    /// Files that have arrived whole.
    pub(crate) uploads: Vec<Uuid>,
    /// The form is one of ours.
    pub(crate) ours: bool,
    /// A file did not arrive whole, or was not taken.
    pub(crate) broken: bool,
}

impl Posted {
    /// A value exactly as typed; `""` when it is not there.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.fields.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.expose())
    }
    /// A value of one line, without blanks around it.
    pub(crate) fn line(&self, name: &str) -> String {
        self.raw(name).trim().replace(['\r', '\n'], " ")
    }
    /// All fields, in order.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.expose().as_str()))
    }
    /// Identifiers given under a name.
    pub(crate) fn ids(&self, name: &str) -> Vec<Uuid> {
        self.pairs().filter(|(n, _)| *n == name).filter_map(|(_, v)| v.trim().parse().ok()).collect()
    }
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
    /// A file that is not taken, or a file's field in which nothing was chosen.
    Nothing,
}

/// A form being read.
struct Reading<'a> {
    state: &'a WebState,
    files: Files,
    length: Option<u64>,
    /// Octets of content that have come.
    seen: u64,
    size: usize,
    begun: Begun,
    posted: Posted,
}

/// Uploads that a form has begun: they end with a form that comes to nothing, since no page would ever name them and
/// they count for their owner. By drop, because a browser that goes away ends the reading at any `await`.
struct Begun {
    state: WebState,
    uploads: Vec<(Owner, Uuid)>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        let uploads = std::mem::take(&mut self.uploads);
        if uploads.is_empty() {
            return;
        }
        let store = self.state.store.clone();
        self.state.tasks.spawn(async move {
            for (owner, id) in uploads {
                if let Err(error) = store.end_upload(owner, id).await {
                    tracing::warn!(%error, "an upload of a form that broke off stays until it expires");
                }
            }
        });
    }
}

/// Reads a form to its end. `ours` judges the value of `csrf`, the form's first field.
pub(crate) async fn read(
    state: &WebState,
    headers: &HeaderMap,
    body: Body,
    files: Files,
    ours: impl Fn(&str) -> bool + Send + Sync,
) -> Result<Posted, Fault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let mut reader = Multipart::new(kind).map_err(|_| Fault::BadForm)?;
    let posted = Posted { fields: Vec::new(), uploads: Vec::new(), ours: false, broken: false };
    let begun = Begun { state: state.clone(), uploads: Vec::new() };
    let mut reading = Reading { state, files, length, seen: 0, size: 0, begun, posted };
    let (mut part, mut stream) = (None, body.into_data_stream());
    loop {
        let next = tokio::time::timeout(SILENCE, stream.next()).await.map_err(|_| Fault::BadForm)?;
        let Some(chunk) = next.transpose().map_err(|_| Fault::BadForm)? else { break };
        for event in reader.push(&chunk).map_err(|_| Fault::BadForm)? {
            if let Event::Content(bytes) = &event {
                reading.seen += bytes.len() as u64;
            }
            match event {
                Event::Part { name, filename, media_type } => {
                    part = Some(reading.part(name, filename, media_type).await?);
                }
                Event::Content(bytes) => match &mut part {
                    Some(Part::Field(_, value)) => {
                        reading.size += bytes.len();
                        if value.len() + bytes.len() > FIELD || reading.size > FIELDS {
                            return Err(Fault::TooLarge);
                        }
                        value.extend_from_slice(&bytes);
                    }
                    // Whoever takes them in says at the end what became of them.
                    Some(Part::File(incoming)) => drop(incoming.pieces.send(Ok(bytes)).await),
                    Some(Part::Nothing) | None => {}
                },
                Event::End => match part.take() {
                    Some(Part::Field(name, value)) => reading.field(name, value, &ours)?,
                    Some(Part::File(incoming)) => reading.finish(incoming).await?,
                    Some(Part::Nothing) | None => {}
                },
            }
        }
    }
    if !reader.is_done() {
        return Err(Fault::BadForm);
    }
    reading.begun.uploads.clear();
    Ok(reading.posted)
}

impl Reading<'_> {
    async fn part(
        &mut self,
        name: String,
        filename: Option<String>,
        media_type: Option<String>,
    ) -> Result<Part, Fault> {
        let Some(file) = filename else { return Ok(Part::Field(name, Vec::new())) };
        if file.is_empty() {
            return Ok(Part::Nothing);
        }
        match self.files {
            Files::Texts if self.posted.ours => Ok(Part::Field(name, Vec::new())),
            Files::Uploads(entity, owner) if self.posted.ours => {
                if self.posted.uploads.len() >= FILES {
                    return Err(Fault::TooLarge);
                }
                // A part of a form does not say how many octets it has: no more than are still to come.
                let most = self.length.ok_or(Fault::BadForm)?.saturating_sub(self.seen);
                self.begin(entity, owner, most, &file, media_type).await.map(Part::File)
            }
            _ => {
                self.posted.broken = true;
                Ok(Part::Nothing)
            }
        }
    }

    fn field(&mut self, name: String, value: Vec<u8>, ours: impl Fn(&str) -> bool) -> Result<(), Fault> {
        let text = String::from_utf8(value).map_err(|_| Fault::BadForm)?;
        if name == "csrf" {
            self.posted.ours = ours(text.trim());
        }
        if self.posted.fields.len() >= MOST {
            return Err(Fault::TooLarge);
        }
        self.posted.fields.push((name, Secret::new(text)));
        Ok(())
    }

    async fn begin(
        &mut self,
        entity: EntityId,
        owner: Owner,
        most: u64,
        file: &str,
        media_type: Option<String>,
    ) -> Result<Incoming, Fault> {
        let state = self.state;
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
        let upload = state.store.create_upload(entity, owner, most, meta, expires).await.map_err(fault)?;
        self.begun.uploads.push((owner, upload.id));
        let (pieces, mut taken) = mpsc::channel(4);
        let id = upload.id;
        let stream = futures_util::stream::poll_fn(move |cx| taken.poll_recv(cx));
        let state = state.clone();
        let work = tokio::spawn(async move {
            uploads::receive(&state, &upload, Body::from_stream(stream)).await.is_ok()
        });
        Ok(Incoming { id, pieces, work })
    }

    async fn finish(&mut self, incoming: Incoming) -> Result<(), Fault> {
        let Incoming { id, pieces, work } = incoming;
        drop(pieces);
        let Files::Uploads(_, owner) = self.files else { return Ok(()) };
        let whole =
            work.await.unwrap_or(false) && self.state.store.close_upload(owner, id).await.map_err(fault)?;
        if whole {
            self.posted.uploads.push(id);
        } else {
            self.posted.broken = true;
            self.state.store.end_upload(owner, id).await.map_err(fault)?;
        }
        Ok(())
    }
}

/// What an upload's failure is to a page.
pub(crate) fn fault(error: UploadError) -> Fault {
    match error {
        UploadError::Store(e) => e.into(),
        UploadError::TooMany | UploadError::TooLarge(_) => Fault::TooLarge,
        other => Fault::internal("an upload", other),
    }
}
