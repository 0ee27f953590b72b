//! `sealpost clock`: whether the clock is trusted with what ends for good, and the word of somebody who knows.

use super::{Answer, Unusable, clock, store};
use crate::pipeline::housekeeping::clock::glance;
use anyhow::{Context, Result};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sealpost_envelope::EntityId;
use sealpost_evidence::{Actor, Detail, Event, EventName, Issuer, render};
use std::path::Path;

/// Says how the clock stands; with a date that is today's, trusts it from now on.
pub async fn run(path: &Path, confirm: Option<Date>, json: bool) -> Result<Answer> {
    let (config, store) = store(path).await?;
    let now = clock().now();
    let doubt = glance(&store, &config.timestamp, now).await?;
    if let Some(date) = confirm {
        let today = now.to_zoned(TimeZone::UTC).date();
        if date != today {
            let why = format!("the clock says {today} (UTC), not {date}: set it right, then ask again");
            return Err(Unusable(why).into());
        }
        let before = doubt.map(|d| d.believed);
        let name = config.entity.first().map(|e| e.name.clone()).unwrap_or_default();
        // It concerns the installation; the first organisation stands for it.
        let issuer = Issuer {
            entity: EntityId(1),
            name,
            identifier: None,
            hostname: String::new(),
            policies: Vec::new(),
            certificate: None,
        };
        let mut detail = Detail::new().text("cause", "clock confirmed");
        if let Some(before) = before {
            detail = detail.time("believed_before", before);
        }
        let event = Event::new(EventName::PolicyLoaded, issuer.entity, now)
            .actor(Actor::Operator { user: std::env::var("SUDO_USER").or(std::env::var("USER")).ok() })
            .detail(detail);
        let event = render(&issuer, event, None).context("the confirmation cannot be journaled")?;
        store.believe_at_once(now, vec![event]).await?;
        match json {
            true => say!("{}", serde_json::json!({ "trusted": true, "now": now })),
            false => say!("the clock is trusted: what is over ends within a minute"),
        }
        return Ok(Answer::Done);
    }
    match (json, doubt) {
        (true, None) => say!("{}", serde_json::json!({ "trusted": true, "now": now })),
        (true, Some(d)) => {
            say!("{}", serde_json::json!({ "trusted": false, "now": now, "believed": d.believed }));
        }
        (false, None) => say!("the clock is trusted: it says {now}"),
        (false, Some(doubt)) => say!("{doubt}"),
    }
    Ok(if doubt.is_none() { Answer::Done } else { Answer::Negative })
}
