//! `GET /journal/export`: the journal as CSV (RFC 4180) or JSON lines, with the page's filters.
//!
//! A cell that a spreadsheet would compute begins with an apostrophe.

use super::{Line, filter, lines};
use crate::app::frame::Section;
use crate::app::typed::Typed;
use crate::app::viewer::may;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::login::Staff;
use crate::pages::show;
use crate::state::WebState;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header;
use jiff::tz::TimeZone;
use sealpost_envelope::Language;
use sealpost_store::{FollowJournal, JournalEntry};
use serde_json::Value;

/// Entries read at a time.
const PIECE: u32 = 500;
const HEAD: &str =
    "number,date,type,event,entity,siren,user,document,deposit,recipient,state,message,timestamp,leaf\r\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Csv,
    Lines,
}

/// What is still to be written.
struct Rest {
    state: WebState,
    staff: Staff,
    filter: FollowJournal,
    form: Form,
    language: Language,
    begun: bool,
    done: bool,
}

/// The file.
pub(in crate::app) async fn export(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let begun = async {
        may(&staff, Section::Journal)?;
        let typed = Typed::query(&query.unwrap_or_default()).await?;
        let filter = filter(&state, &staff, &typed, PIECE).await?.ok_or(Fault::Unknown)?;
        let form = if typed.get("format") == "csv" { Form::Csv } else { Form::Lines };
        let (media_type, name) = match form {
            Form::Csv => ("text/csv; charset=utf-8", "journal.csv"),
            Form::Lines => ("application/jsonl; charset=utf-8", "journal.jsonl"),
        };
        let (state, language) = (state.clone(), ctx.language);
        let rest = Rest { state, staff: staff.clone(), filter, form, language, begun: false, done: false };
        let pieces = stream::try_unfold(rest, |mut rest| async move {
            if rest.done {
                return Ok::<_, std::io::Error>(None);
            }
            let piece = rest.piece().await.map_err(|fault| std::io::Error::other(format!("{fault:?}")))?;
            Ok(Some((piece, rest)))
        });
        let headers = [
            (header::CONTENT_TYPE, media_type.to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        ];
        Ok((headers, Body::from_stream(pieces)).into_response())
    };
    let begun = begun.await;
    show(&state, &ctx, begun)
}

impl Rest {
    async fn piece(&mut self) -> Result<Bytes, Fault> {
        let entries = self.state.store.follow_journal(&self.filter).await?;
        self.filter.after = entries.last().map(|e| (e.time, e.id));
        self.done = entries.len() < PIECE as usize;
        let mut out = String::new();
        if self.form == Form::Csv {
            if !self.begun {
                // Spreadsheets take a file without this mark for an old code page.
                out.push('\u{feff}');
                out.push_str(HEAD);
            }
            // Times of an export are in UTC.
            let lines = lines(&self.state, &self.staff, &entries, self.language, &TimeZone::UTC).await?;
            for (entry, line) in entries.iter().zip(&lines) {
                csv(entry, line, &mut out);
            }
        } else {
            for entry in &entries {
                json(entry, &mut out);
            }
        }
        self.begun = true;
        Ok(out.into())
    }
}

fn csv(entry: &JournalEntry, line: &Line, out: &mut String) {
    let message = match &line.more {
        Some(more) => format!("{} ({more})", line.message),
        None => line.message.clone(),
    };
    let cells = [
        line.number.clone(),
        entry.time.to_string(),
        line.kind.to_owned(),
        entry.event.to_string(),
        line.entity.clone(),
        line.siren.clone(),
        line.user.clone(),
        line.document.as_ref().map(|(_, r)| r.clone()).unwrap_or_default(),
        entry.deposit.map(|d| d.to_string()).unwrap_or_default(),
        entry.recipient.map(|n| n.to_string()).unwrap_or_default(),
        line.state.to_owned(),
        message,
        line.stamped_machine.clone().unwrap_or_default(),
        sealpost_envelope::hex::encode(&entry.leaf),
    ];
    for (n, cell) in cells.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        self::cell(cell, out);
    }
    out.push_str("\r\n");
}

/// One cell, quoted where it must be (RFC 4180 §2).
fn cell(text: &str, out: &mut String) {
    let computed = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !computed && !text.contains([',', '"', '\r', '\n']) {
        return out.push_str(text);
    }
    out.push('"');
    if computed {
        out.push('\'');
    }
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

/// As `sealpost journal export` writes it.
fn json(entry: &JournalEntry, out: &mut String) {
    let read = |bytes: &Option<Vec<u8>>| -> Value {
        bytes.as_ref().and_then(|b| serde_json::from_slice(b).ok()).unwrap_or_default()
    };
    let line = serde_json::json!({
        "index": entry.index, "entry": read(&entry.bytes), "openings": read(&entry.openings),
    });
    out.push_str(&line.to_string());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    #[test]
    fn cells_are_quoted_and_never_computed() {
        for (text, written) in [
            ("", ""),
            ("plain", "plain"),
            ("a, b", "\"a, b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            let mut out = String::new();
            super::cell(text, &mut out);
            assert_eq!(out, written);
        }
    }
}
