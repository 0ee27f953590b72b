//! The sender's own folders: Sent and Proofs follow what happens to each deposit.
//!
//! **Job.** An account that reads mail here gets a copy of each of its deposits in Sent, the deposit's own
//! bytes and not a second set of them, and one message per deposit in Proofs with the evidence so far. One
//! background task follows the log, in its order, and brings copies, keywords and proofs up to date; whoever
//! opens a folder finds new deposits there at once ([`catch_up`]).
//!
//! Accounts that never read mail here cost nothing: their folders do not exist, and are filled at the first login.
//!
//! **Failure.** The log is followed again from where the last step was noted; every step may be repeated. A
//! deposit whose copy cannot be made is logged and passed over; the next event of its own tries again.

use super::content::{ContentError, OpenDeposit};
use crate::config::Receipts;
use crate::gateway::{Gateway, Organisation, zone};
use futures_util::StreamExt;
use sealpost_envelope::{AccountId, DepositId, EntityId};
use sealpost_evidence::EventName;
use sealpost_message::compose::{Brand, Letter, ProofMail, ProofStep};
use sealpost_policy::strip_tags;
use sealpost_store::account::{Account, Role};
use sealpost_store::mailbox::{Flags, Followed, HeaderCollector, MailboxError, NewMail};
use sealpost_store::{ConsignmentRow, DepositRow, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Folder of copies.
pub const SENT: &str = "Sent";
/// Folder of evidence.
pub const PROOFS: &str = "Proofs";
/// What marks Proofs as ours; not a special use of RFC 6154, so no client is told.
const OURS: &str = "\\Proofs";
/// Name of the job.
const JOB: &str = "folders";
/// A node that does not come back in this time is taken for dead.
const LEASE: Duration = Duration::from_secs(60);
/// Without a bell the task looks by itself.
const LOOK: Duration = Duration::from_secs(2);
/// What happens shortly after one another makes one message in Proofs.
const GATHER: Duration = Duration::from_millis(200);
/// Entries read in one go.
const BATCH: u32 = 500;
/// So many entries may be looked at again after a restart.
const NOTE: u64 = 5000;
/// Deposits copied in one go.
const COPIES: u32 = 100;

/// Why a folder could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder.
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The deposit's content.
    #[error(transparent)]
    Content(#[from] ContentError),
}

/// Makes the folders that every account has; a demonstration's outside mailboxes send nothing through us.
pub async fn prepare(gateway: &Gateway, account: &Account) -> Result<(), FolderError> {
    let mailboxes = &gateway.mailboxes;
    mailboxes.ensure_folder(account.id, "INBOX", None).await?;
    if account.role != Role::Demo {
        mailboxes.ensure_folder(account.id, SENT, Some("\\Sent")).await?;
        mailboxes.ensure_folder(account.id, PROOFS, Some(OURS)).await?;
    }
    Ok(())
}

/// Puts copies of the account's deposits that have none into its Sent folder.
pub async fn catch_up(gateway: &Gateway, entity: EntityId, account: AccountId) -> Result<(), FolderError> {
    let mailboxes = &gateway.mailboxes;
    loop {
        let begun = gateway.clock.now();
        let found = mailboxes.uncopied(entity, account, COPIES).await?;
        let mut copied = 0;
        for deposit in &found {
            match update(gateway, *deposit, account).await {
                Ok(()) => copied += 1,
                Err(error) => tracing::error!(%error, %deposit, "its copy could not be made"),
            }
        }
        // What fails again and again must not keep the rest from being found.
        if found.len() < COPIES as usize || copied == 0 {
            return Ok(mailboxes.looked(entity, account, begun).await?);
        }
    }
}

/// Runs until `shutdown`.
pub async fn run(gateway: Arc<Gateway>, holder: String, shutdown: CancellationToken) {
    let holder = format!("{holder}/{JOB}");
    let rounds = async {
        let mut seen = 0;
        loop {
            if let Err(error) = round(&gateway, &holder, &mut seen).await {
                tracing::error!(%error, "the senders' folders could not be brought up to date");
                tokio::time::sleep(LOOK).await;
            }
            tokio::select! {
                () = gateway.bells.folders.notified() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    };
    // Dropped anywhere, a round leaves nothing half done.
    let _: Option<()> = shutdown.run_until_cancelled(rounds).await;
}

/// Deals with what the log has got since the last round; `seen` is how far this node has looked. Entries that concern
/// nobody's folders are passed over without a word to the store, except now and then.
pub async fn round(gateway: &Gateway, holder: &str, seen: &mut u64) -> Result<(), FolderError> {
    let mailboxes = &gateway.mailboxes;
    let Some(noted) = mailboxes.followed_to().await? else {
        // Before there were folders to keep, there is nothing to catch up with.
        return Ok(mailboxes.follow_from(gateway.store.log_head().await?.size).await?);
    };
    *seen = noted.max(*seen);
    loop {
        let entries = mailboxes.follow(*seen, BATCH).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        let next = last.index.saturating_add(1);
        let concerned = concerned(&entries);
        if concerned.is_empty() && next < noted.saturating_add(NOTE) {
            *seen = next;
            continue;
        }
        if gateway.store.claim(JOB, holder, LEASE).await?.is_none() {
            return Ok(());
        }
        for (deposit, account) in concerned {
            if let Err(error) = update(gateway, deposit, account).await {
                tracing::error!(%error, %deposit, "what its sender's folders show is not up to date");
            }
        }
        mailboxes.follow_from(next).await?;
        *seen = next;
    }
}

fn concerned(entries: &[Followed]) -> BTreeSet<(DepositId, AccountId)> {
    entries.iter().filter_map(|e| e.concerns).collect()
}

/// Brings the copy, its keywords and the proof of one deposit up to date.
async fn update(gateway: &Gateway, id: DepositId, account: AccountId) -> Result<(), FolderError> {
    let row = gateway.store.read_deposit(id).await?.row;
    let Some(organisation) = gateway.organisation(row.entity) else { return Ok(()) };
    let consignments = gateway.store.consignments(id).await?;
    let evidence = gateway.store.evidence_of_deposit(id).await?;
    let sealed = evidence.iter().any(|e| e.event == EventName::SubmissionAcceptance && e.p7s.is_some());
    let shown = gateway.config.accounts.receipts != Receipts::Mail;
    let keywords = if shown { keywords(&consignments, sealed)? } else { Flags::default() };
    if gateway.mailboxes.sent_copy(id).await?.is_none() {
        copy(gateway, &row, account, &keywords).await?;
    }
    gateway.mailboxes.announce(account, id, &keywords).await?;
    let proof = Proof { gateway, organisation, row: &row, account, consignments: &consignments };
    proof.replace(&evidence).await
}

/// What a copy is marked with: a thing that is true of one recipient at least.
fn keywords(consignments: &[ConsignmentRow], sealed: bool) -> Result<Flags, MailboxError> {
    let any = |test: fn(&ConsignmentRow) -> bool| consignments.iter().any(test);
    let notified = |c: &ConsignmentRow| c.verdict.treatment.has_link() && c.first_sent.is_some();
    let marks = [
        ("$Sealed", sealed),
        ("$Notified", any(notified)),
        ("$Read", any(|c| c.opened.is_some())),
        ("$Downloaded", any(|c| c.downloaded.is_some())),
        ("$Failed", any(|c| c.failed.is_some())),
        ("$Expired", any(|c| c.expired.is_some())),
    ];
    Flags::new(marks.iter().filter(|(_, holds)| *holds).map(|(word, _)| *word))
}

/// Puts the copy into Sent: the header block for listings, and the deposit's own parts.
async fn copy(
    gateway: &Gateway,
    row: &DepositRow,
    account: AccountId,
    keywords: &Flags,
) -> Result<(), FolderError> {
    let open = match OpenDeposit::open(&gateway.store, row.id).await {
        Ok(open) => open,
        // Destroyed before it could be shown: there is nothing to show.
        Err(ContentError::Destroyed) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut header = HeaderCollector::default();
    let mut bytes = open.original();
    while !header.is_done()
        && let Some(piece) = bytes.next().await
    {
        header.push(&piece?);
    }
    let mailboxes = &gateway.mailboxes;
    let sent = mailboxes.ensure_folder(account, SENT, Some("\\Sent")).await?;
    let body = mailboxes.reference(header, row.size, &open.deposit.row.key_week)?;
    let mail = NewMail {
        flags: Flags::new(["\\Seen"].into_iter().chain(keywords.iter()))?,
        deposit: Some(row.id),
        ..NewMail::plain(sent.id, body, row.created)
    };
    mailboxes.deliver_copy(mail, row.id, row.message_id.clone()).await?;
    Ok(())
}

/// What the message of a deposit in Proofs is made from.
struct Proof<'a> {
    gateway: &'a Gateway,
    organisation: &'a Organisation,
    row: &'a DepositRow,
    account: AccountId,
    consignments: &'a [ConsignmentRow],
}

impl Proof<'_> {
    /// Replaces the message by one that tells all that is known now.
    async fn replace(&self, evidence: &[sealpost_store::StoredEvidence]) -> Result<(), FolderError> {
        let (gateway, row) = (self.gateway, self.row);
        let mailboxes = &gateway.mailboxes;
        let Some(copy) = mailboxes.sent_copy(row.id).await? else { return Ok(()) };
        let entries = gateway.store.entries_of_deposit(row.id).await?;
        let told: Vec<_> = entries.iter().filter(|e| e.event != EventName::ProofExported).collect();
        let sealed = evidence.iter().filter(|e| e.p7s.is_some()).count();
        let origin = format!("proof/{}/{}.{sealed}", row.id, told.len());
        // Mail that leaves no evidence has no proof to show.
        if evidence.is_empty() || copy.proof.as_ref() == Some(&origin) {
            return Ok(());
        }
        let language = self.organisation.language();
        let address = |n: u32| self.consignments.iter().find(|c| c.n == n).map(|c| c.address.as_str());
        let steps: Vec<ProofStep<'_>> = told
            .iter()
            .filter_map(|e| {
                let (fr, en) = sealpost_evidence::words(e.event)?;
                let recipient = e.recipient.and_then(address);
                Some(ProofStep { time: e.time, words: language.pick(fr, en), recipient })
            })
            .collect();
        let subject = self.subject().await?;
        let (zone, now) = (zone(), gateway.clock.now());
        let settings = &self.organisation.settings;
        let unique = format!("{}-{}-{sealed}", row.id, told.len());
        let message_id = format!("{}.proofs.{}.{sealed}@{}", row.id, told.len(), settings.hostname);
        let sha256 = row.digests.sha256.to_hex();
        let url = format!("{}/deposits/{}", gateway.config.web.url.as_str().trim_end_matches('/'), row.id);
        let mail = ProofMail {
            letter: Letter {
                brand: Brand {
                    entity: &settings.name,
                    support: None,
                    address: &self.organisation.seal_address,
                    zone: &zone,
                },
                to: &row.sender,
                message_id: &message_id,
                date: now,
                language,
                reference: Some(&row.reference),
                deposit: Some(row.id),
                unique: &unique,
            },
            subject: subject.as_deref(),
            message_id: row.message_id.as_deref(),
            sha256: &sha256,
            steps: &steps,
            unsealed: evidence.len() - sealed,
            url: &url,
        };
        let mut writer = mailboxes.writer(settings.retention.evidence.after(now))?;
        writer.write(&mail.head()).await?;
        for (n, kept) in (1..).zip(evidence) {
            let name = format!("{n:02}-{}.xml", kept.event);
            writer.write(&mail.file(&name, "xml", &kept.xml)).await?;
            if let Some(p7s) = &kept.p7s {
                writer.write(&mail.file(&format!("{name}.p7s"), "pkcs7-signature", p7s)).await?;
            }
        }
        writer.write(&mail.end()).await?;
        let folder = mailboxes.ensure_folder(self.account, PROOFS, Some(OURS)).await?;
        let fresh =
            NewMail { origin: Some(origin), ..NewMail::plain(folder.id, writer.finish().await?, now) };
        mailboxes.replace_proof(fresh, row.id).await?;
        Ok(())
    }

    /// The message's subject, as long as its content lives.
    async fn subject(&self) -> Result<Option<String>, FolderError> {
        match OpenDeposit::open(&self.gateway.store, self.row.id).await {
            Ok(open) => Ok(Some(strip_tags(&open.meta.structure.top.subject))),
            Err(ContentError::Destroyed) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
