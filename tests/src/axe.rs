//! Pages judged by axe-core in Chromium, with a screenshot of each in `target/screenshots`.
//!
//! To add a page: give its path to a [`Visit`] in a scenario of your own (or in `tests/app.rs`), as in
//!
//! ```ignore
//! let visits = [Visit::by(&demo, "alice", &[("account", "/account"), ("account-sessions", "/account/sessions")])];
//! judge(&demo, &visits)?;
//! ```
//!
//! [`Visit::stranger`] is for pages without a login. Each page is fetched by GET in French and English and judged at
//! 360 and 1280 pixels, light and dark (each pair of these once). A page that only a form's answer shows needs a
//! script of its own in `tests/browser`, which judges by `judge.py` and is run by [`judged`]. A fault names the page,
//! the rule and the elements.

use crate::Demo;
use crate::browser::script;
use crate::staff::Staff;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;

/// Pages that one person, or a stranger, looks at.
pub struct Visit(Value);

impl Visit {
    /// Somebody of the demonstration, logged in; pages as name and path.
    pub fn by(demo: &Demo, name: &str, pages: &[(&str, &str)]) -> Self {
        let account = demo.account(name);
        Self(json!({
            "login": account.login, "password": account.password, "secret": account.totp_secret,
            "pages": listed(pages),
        }))
    }
    /// Somebody who has logged in already: a code serves once.
    pub fn as_staff(staff: &Staff, pages: &[(&str, &str)]) -> Result<Self> {
        Ok(Self(json!({ "session": staff.cookies()?, "pages": listed(pages) })))
    }
    /// Nobody in particular.
    pub fn stranger(pages: &[(&str, &str)]) -> Self {
        Self(json!({ "pages": listed(pages) }))
    }
}

fn listed(pages: &[(&str, &str)]) -> Vec<Value> {
    pages.iter().map(|(name, path)| json!({ "name": name, "path": path })).collect()
}

/// Visits; fails with everything that was found.
pub fn judge(demo: &Demo, visits: &[Visit]) -> Result<()> {
    let visits: Vec<&Value> = visits.iter().map(|v| &v.0).collect();
    judged(demo, "axe.py", json!({ "visits": visits })).map(drop)
}

/// What a script needs to judge pages: the rules, and where screenshots go.
pub fn task() -> Result<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let axe = root.join("tools/axe/node_modules/axe-core/axe.min.js");
    ensure!(axe.exists(), "axe-core is missing: contrib/dev/install-deps.sh test");
    Ok(json!({ "axe": axe, "folder": root.join("../target/screenshots") }))
}

/// Runs a script that judges the pages it comes by; fails with everything that was found.
pub fn judged(demo: &Demo, name: &str, more: Value) -> Result<Value> {
    let mut all = task()?;
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    let seen = script(demo, name, all)?;
    let faults = seen["faults"].as_array().context("no answer")?;
    let lines: Vec<&str> = faults.iter().filter_map(Value::as_str).collect();
    ensure!(lines.is_empty(), "{} faults:\n{}", lines.len(), lines.join("\n"));
    ensure!(seen["shots"].as_u64().is_some_and(|n| n > 0), "nothing was looked at");
    Ok(seen)
}
