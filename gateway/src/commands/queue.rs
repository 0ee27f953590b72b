//! `sealpost queue …`: what has not left, and moving it by hand. What a person decides about somebody's mail is
//! journaled, and its sender is told.

use super::{Answer, Unusable, clock, load, store};
use crate::cli::QueueCommand;
use crate::gateway::Gateway;
use crate::hand::Hand;
use anyhow::Result;
use futures_util::StreamExt;
use sealpost_evidence::Actor;
use sealpost_store::queue::{Filter, Outbound, OutboundId, Queue, State};
use std::path::Path;

/// Runs one of the commands.
pub async fn run(config: &Path, command: QueueCommand, json: bool) -> Result<Answer> {
    let (_, store) = store(config).await?;
    let queue = Queue::new(store.db().clone());
    let (id, what) = match command {
        QueueCommand::List { state } => {
            let state =
                state.map(|s| s.parse()).transpose().map_err(|e| Unusable(format!("--state: {e}")))?;
            let mut rows = queue.list(&Filter { state, ..Filter::default() });
            while let Some(row) = rows.next().await {
                let row = row?;
                // What has left is listed when it is asked for.
                if state.is_some() || !matches!(row.state, State::Sent | State::Dropped) {
                    print(&row, json);
                }
            }
            return Ok(Answer::Done);
        }
        QueueCommand::Retry { id } => (id, Move::Retry),
        QueueCommand::Hold { id } => (id, Move::Hold),
        QueueCommand::Drop { id } => (id, Move::Drop),
    };
    let done = moved(config, &id, what).await?;
    if !done {
        eprintln!("nothing was changed: there is no such row, or it has been sent or given up");
    }
    if json {
        let what = match what {
            Move::Retry => "retry",
            Move::Hold => "hold",
            Move::Drop => "drop",
        };
        say!("{}", serde_json::json!({ "id": id, "action": what, "changed": done }));
    }
    Ok(if done { Answer::Done } else { Answer::Negative })
}

#[derive(Clone, Copy)]
enum Move {
    Retry,
    Hold,
    Drop,
}

async fn moved(config: &Path, id: &str, what: Move) -> Result<bool> {
    let id = parse(id)?;
    let gateway = Gateway::open(load(config)?, clock()).await?;
    let by = Actor::Operator { user: std::env::var("SUDO_USER").or(std::env::var("USER")).ok() };
    let Some(hand) = Hand::of(&gateway, id, by).await? else { return Ok(false) };
    match what {
        Move::Retry => hand.retry().await,
        Move::Hold => hand.hold().await,
        Move::Drop => hand.take_out().await,
    }
}

fn parse(id: &str) -> Result<OutboundId, Unusable> {
    id.parse().map_err(|_| Unusable(format!("{id} is no queue id; see `sealpost queue list`")))
}

fn print(row: &Outbound, json: bool) {
    let reply = row.last_reply.as_deref().unwrap_or("");
    if json {
        let deposit = row.deposit.map(|d| d.to_string());
        say!(
            "{}",
            serde_json::json!({
                "id": row.id.to_string(), "state": row.state.as_str(), "rcpt": row.rcpt, "deposit": deposit,
                "recipient": row.recipient, "attempts": row.attempts, "next_at": row.next_at, "created": row.created,
                "size": row.size, "last_reply": reply,
            })
        );
        return;
    }
    say!(
        "{}  {:<8} {:<40} attempts {:<3} next {}  {reply}",
        row.id,
        row.state.as_str(),
        row.rcpt.as_str(),
        row.attempts,
        row.next_at
    );
}
