//! Mail about an account: a row for each change, to where its person reads.

use crate::fault::Fault;
use crate::state::WebState;
use sealpost_envelope::{EmailAddress, Timestamp};
use sealpost_store::account::{Account, AccountLink};
use sealpost_store::queue::{NewOutbound, OutboundId, Priority};

/// Word of a change (`news` is the word of the queue's row), unless no address is on file.
pub(crate) async fn news(
    state: &WebState,
    account: &Account,
    news: &'static str,
    now: Timestamp,
) -> Result<Option<NewOutbound>, Fault> {
    let contact = state.accounts.profile(account).await?.contact;
    Ok(contact.map(|to| news_to(account, to, news, now)))
}

/// Word of a change to that address.
pub(super) fn news_to(
    account: &Account,
    to: EmailAddress,
    news: &'static str,
    now: Timestamp,
) -> NewOutbound {
    let spec = serde_json::json!({"kind": "account-news", "account": account.id.0, "news": news, "at": now});
    row(account, to, spec.to_string(), now)
}

/// The mail that carries a link.
pub(super) fn link(account: &Account, link: &AccountLink, now: Timestamp) -> NewOutbound {
    let spec = serde_json::json!({"kind": "account-link", "link": link.id});
    row(account, link.address.clone(), spec.to_string(), now)
}

fn row(account: &Account, rcpt: EmailAddress, spec: String, now: Timestamp) -> NewOutbound {
    NewOutbound {
        id: OutboundId::generate(),
        entity: account.entity,
        deposit: None,
        recipient: None,
        // A person may be waiting for it.
        priority: Priority::Code,
        spec,
        envelope_from: None,
        rcpt,
        next_at: now,
        created: now,
        hold: None,
    }
}
