//! Actions on deposits, for the API and the pages alike: who may do what, and the same events as the commands.
//!
//! **Job.** [`find`] and [`act`] put the rules of roles and ownership before the [`DepositDesk`], which the gateway
//! implements: there the commands' own code runs. Nothing here writes by itself.
//!
//! **Exposure.** Accounts that have proved who they are, each within its organisation. What somebody may not see
//! does not exist for them; what they may see but not do is refused.
//!
//! **Who may what.** Senders: everything about what they submitted, or what was submitted in their name or by the
//! applications they answer for.
//! Auditors: see the whole organisation, take proofs, place and lift legal holds. Administrators have no part in
//! others' mail; what an installation needs of that kind is done by command and journaled as such.

mod desk;

pub(crate) use desk::SHORTEST_PASSWORD;
pub use desk::{
    Act, ActionError, Addressee, DepositDesk, Foreseen, Guest, MailSource, Need, NewMail, NoDesk, Personal,
    Preview, ProofFile, ProofWanted, Refusal, Submit, SubmitError,
};

use crate::state::WebState;
use sealpost_envelope::DepositId;
use sealpost_evidence::Actor;
use sealpost_message::{Mailbox, Structure};
use sealpost_store::account::{Account, AccountError, Role};
use sealpost_store::content::Place;
use sealpost_store::deposit::{DepositRow, Followed, Sight};
use sealpost_store::keys::KeyError;
use serde::Deserialize;

/// Whose deposits an account sees.
pub(crate) fn sight(account: &Account) -> Sight {
    match account.role {
        Role::Auditor => Sight::Entity(account.entity),
        Role::Sender | Role::Admin | Role::Operator | Role::Demo => Sight::Own(account.entity, account.id),
    }
}

/// A deposit by its id or reference, if the account may see it.
pub(crate) async fn find(
    state: &WebState,
    account: &Account,
    text: &str,
) -> Result<Option<Followed>, ActionError> {
    Ok(state.store.follow_one(sight(account), text).await?)
}

/// Whether the account submitted it, or it was submitted in its name or that of an account it answers for.
pub(crate) async fn is_own(
    state: &WebState,
    account: &Account,
    row: &DepositRow,
) -> Result<bool, AccountError> {
    if row.entity != account.entity {
        return Ok(false);
    }
    if row.account == Some(account.id) {
        return Ok(true);
    }
    state.accounts.speaks_for(account, &row.sender).await
}

/// Whether an account with this role may do that, to its own deposits or to others'.
pub(crate) fn may(role: Role, own: bool, act: &Act) -> bool {
    match act {
        Act::Hold { .. } | Act::Release => role == Role::Auditor,
        _ => own && role != Role::Demo,
    }
}

/// Acts; answers how many recipients (or deposits) it concerned.
pub(crate) async fn act(
    state: &WebState,
    account: &Account,
    deposit: &Followed,
    act: Act,
) -> Result<u64, ActionError> {
    let own = is_own(state, account, &deposit.row).await?;
    if !may(account.role, own, &act) {
        return Err(Refusal::Forbidden.into());
    }
    state.hooks.desk.act(deposit.row.id, act, actor(account), own).await
}

/// A proof as a stream; journaled before its first octet leaves.
pub(crate) async fn proof(
    state: &WebState,
    account: &Account,
    deposit: DepositId,
    wanted: ProofWanted,
) -> Result<ProofFile, ActionError> {
    state.hooks.desk.proof(deposit, wanted, actor(account)).await
}

/// As the journal names the account.
pub(crate) fn actor(account: &Account) -> Actor {
    Actor::Account { id: account.id, login: account.login.to_string() }
}

/// `deposits.meta`, as far as lists need it.
#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    shown_subject: Option<String>,
    #[serde(flatten)]
    structure: Structure,
}

/// What the message itself says; gone with its key.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) subject: String,
    structure: Structure,
}

/// What the header calls a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    To,
    Cc,
    Bcc,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::To => "to",
            Self::Cc => "cc",
            Self::Bcc => "bcc",
        }
    }
}

impl Said {
    /// Opens it; `None` once the content was destroyed.
    pub(crate) fn open(state: &WebState, row: &DepositRow) -> Result<Option<Self>, ActionError> {
        let key = match state.store.deposit_key(row) {
            Ok(key) => key,
            Err(KeyError::Destroyed(_)) => return Ok(None),
            Err(error) => return Err(ActionError::fault(error)),
        };
        let json = Place::meta(row.id).open(&key, &row.meta).map_err(ActionError::fault)?;
        let meta: Meta = serde_json::from_slice(&json).map_err(ActionError::fault)?;
        let subject = meta.shown_subject.unwrap_or_else(|| meta.structure.top.subject.clone());
        Ok(Some(Self { subject, structure: meta.structure }))
    }

    /// Whether somebody is addressed, copied, or neither to be seen.
    pub(crate) fn kind(&self, address: &str) -> Kind {
        let among = |all: &[Mailbox]| all.iter().any(|m| m.address.eq_ignore_ascii_case(address));
        if among(&self.structure.top.to) {
            Kind::To
        } else if among(&self.structure.top.cc) {
            Kind::Cc
        } else {
            Kind::Bcc
        }
    }

    /// Name, media type, size and digest of each attachment.
    pub(crate) fn attachments(&self) -> impl Iterator<Item = (Option<&str>, &str, u64, String)> {
        self.structure.attachments().map(|(node, stored)| {
            let info = &node.info;
            (info.filename.as_deref(), info.media_type.as_str(), stored.size, stored.digests.sha256.to_hex())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_holds_are_the_auditors_and_mail_is_its_senders() {
        let hold = Act::Hold { reason: "case 7".into() };
        let resend = Act::Resend { n: None };
        for (role, own, act, allowed) in [
            (Role::Sender, true, &resend, true),
            (Role::Sender, false, &resend, false),
            (Role::Sender, true, &hold, false),
            (Role::Auditor, false, &hold, true),
            (Role::Auditor, false, &resend, false),
            (Role::Auditor, true, &resend, true),
            (Role::Admin, false, &resend, false),
            (Role::Admin, true, &Act::Release, false),
            (Role::Demo, true, &resend, false),
        ] {
            assert_eq!(may(role, own, act), allowed, "{role} {own} {act:?}");
        }
    }
}
