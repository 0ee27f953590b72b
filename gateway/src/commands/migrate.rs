//! `sealpost migrate --from URL --to URL`: the database to another engine, in one transaction. Blobs, keys
//! and the log stay what they are; the gateway is stopped meanwhile.

use super::{Answer, Unusable, clock};
use crate::cli::MigrateArgs;
use anyhow::Result;
use sealpost_store::backup::{self, BackupError};

/// Runs the command.
pub async fn run(args: MigrateArgs, json: bool) -> Result<Answer> {
    let copied = match backup::migrate(&args.from, &args.to, clock().now()).await {
        Err(error @ (BackupError::NotEmpty(_) | BackupError::Running(_) | BackupError::Damaged { .. })) => {
            return Err(Unusable(error.to_string()).into());
        }
        other => other?,
    };
    let rows: u64 = copied.iter().map(|(_, rows)| rows).sum();
    if json {
        let tables: serde_json::Map<_, _> = copied.into_iter().map(|(t, n)| (t, n.into())).collect();
        say!("{}", serde_json::json!({ "rows": rows, "tables": tables }));
        return Ok(Answer::Done);
    }
    for (table, rows) in copied.iter().filter(|(_, rows)| *rows > 0) {
        say!("{table:<24} {rows:>12}");
    }
    say!("{rows} rows copied. Set `store.database` to the new place before you start the gateway, and never");
    say!("start it on the old one again: the log would fork.");
    Ok(Answer::Done)
}
