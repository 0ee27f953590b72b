//! `sealpost entity merge FROM INTO`: two organisations become one.
//!
//! The gateway is stopped meanwhile. What must change in the configuration is said before and after: until it has, the
//! gateway does not start, since an organisation that was merged cannot act any more.

use super::{Answer, Unusable, clock, operated, store};
use crate::cli::EntityCommand;
use crate::config::{Config, Entity};
use anyhow::Result;
use sealpost_evidence::Detail;
use sealpost_store::entity::{MergeError, Prefer, Survey};
use std::path::Path;

/// Runs one of the commands.
pub async fn run(path: &Path, command: EntityCommand, json: bool) -> Result<Answer> {
    let EntityCommand::Merge { from, into, prefer, dry_run } = command;
    let (config, store) = store(path).await?;
    let prefer = prefer.map(|word| if word == "from" { Prefer::From } else { Prefer::Into });
    let survey = store.survey_merge(&from, &into, prefer).await.map_err(unusable)?;
    let mut obstacles: Vec<String> = survey.obstacles.iter().map(ToString::to_string).collect();
    obstacles.extend(of_configuration(&config, &survey));
    let todo = todo(&config, path, &survey);
    let done = !dry_run && obstacles.is_empty();
    if done {
        // The name and number of what ends stand in the entry, for whoever reads the former entries later.
        let detail = Detail::new()
            .text("change", "entity merged")
            .text("from", survey.from.name.as_str())
            .int("from_entity", survey.from.id.0)
            .maybe("from_identifier", survey.from.siren.clone())
            .text("into", survey.into.name.as_str());
        let events = operated(survey.into.id, detail)?;
        store.merge_entity(&from, &into, prefer, events).await.map_err(unusable)?;
    }
    report(&survey, &obstacles, &todo, done, json);
    Ok(if obstacles.is_empty() { Answer::Done } else { Answer::Negative })
}

fn unusable(error: MergeError) -> anyhow::Error {
    match error {
        MergeError::Store(error) => error.into(),
        error => Unusable(error.to_string()).into(),
    }
}

fn section<'a>(config: &'a Config, name: &str) -> Option<&'a Entity> {
    config.entity.iter().find(|e| e.name == name)
}

/// What the file says that keeps them from being one.
fn of_configuration(config: &Config, survey: &Survey) -> Option<String> {
    let Some(into) = section(config, &survey.into.name) else {
        return Some(format!("the configuration has no [[entity]] named {:?}", survey.into.name));
    };
    let from = section(config, &survey.from.name)?;
    let now = clock().now();
    (into.retention.evidence.after(now) < from.retention.evidence.after(now)).then(|| {
        format!(
            "{:?} keeps evidence for {}, {:?} for {} only: what was promised is kept, raise `retention.evidence` of {:?}",
            survey.from.name, from.retention.evidence, survey.into.name, into.retention.evidence, survey.into.name
        )
    })
}

/// What the administrator changes in the file, which no command rewrites.
fn todo(config: &Config, path: &Path, survey: &Survey) -> Vec<String> {
    let (file, into) = (path.display(), &survey.into.name);
    let Some(from) = section(config, &survey.from.name) else {
        return vec![format!(
            "{file}: see that [[entity]] {into:?} has the domains of {:?}",
            survey.from.name
        )];
    };
    let mut domains: Vec<String> = from.domains.iter().map(|d| format!("{:?}", d.as_str())).collect();
    domains.extend(from.returns.iter().map(|d| format!("{:?}", d.as_str())));
    let mut lines = vec![
        format!("{file}: add {} to `domains` of [[entity]] {into:?}", domains.join(", ")),
        format!("{file}: take [[entity]] {:?} out, with its sections", from.name),
    ];
    if !from.dkim.keys.is_empty() {
        lines.push(format!(
            "{file}: add the `dkim.keys` of {:?} to those of {into:?}, each as SELECTOR@DOMAIN:FILE",
            from.name
        ));
    }
    lines.push(format!(
        "seal, retention, branding, languages and support are those of {into:?} from then on; rules that name domains stay"
    ));
    lines
}

fn report(survey: &Survey, obstacles: &[String], todo: &[String], done: bool, json: bool) {
    let (from, into) = (&survey.from.name, &survey.into.name);
    if json {
        let moves: serde_json::Map<_, _> =
            survey.moves.iter().map(|(table, n)| ((*table).to_owned(), (*n).into())).collect();
        let line = serde_json::json!({
            "from": from, "into": into, "done": done, "moves": moves, "joined": survey.joined,
            "phones_dropped": survey.phones, "ended": survey.ended, "obstacles": obstacles, "configuration": todo,
        });
        say!("{line}");
        return;
    }
    let verb = if done { "moved" } else { "would move" };
    say!("{from} → {into}: {verb}");
    for (table, n) in &survey.moves {
        say!("{n:>10} {table}");
    }
    if survey.joined > 0 {
        say!("{} recipients are known to both: what is known of them becomes one", survey.joined);
    }
    if survey.phones > 0 {
        say!("{} recipients enrolled a telephone with both: the enrolment with {into} stays", survey.phones);
    }
    if survey.ended > 0 {
        say!("{} sessions and requests under way end: people log in again", survey.ended);
    }
    for obstacle in obstacles {
        eprintln!("in the way: {obstacle}");
    }
    for line in todo {
        say!("to do: {line}");
    }
}
