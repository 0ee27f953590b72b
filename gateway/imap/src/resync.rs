//! QRESYNC: a client that was away hears in one answer what left and what changed (RFC 7162 §3.2).
//!
//! UIDs that were expunged are remembered for as long as their folder lives, so the client's own list of
//! what it knew (§3.2.5.2) is never needed: it may be sent, and is not looked at.

use crate::backend::{Backend, Mailboxes, Row};
use crate::output::{Output, Reply};
use crate::session::{Session, Stop};
use crate::set::{Ranges, compact};
use imap_types::command::SelectParameter;
use imap_types::sequence::SequenceSet;

/// What a client says that it knows of a folder.
pub(crate) struct Known<'k> {
    uid_validity: u32,
    modseq: u64,
    uids: Option<&'k SequenceSet>,
}

/// The QRESYNC parameter of SELECT, if it is there.
pub(crate) fn known(parameters: &[SelectParameter]) -> Option<Known<'_>> {
    parameters.iter().find_map(|p| match p {
        SelectParameter::QResync { uid_validity, mod_sequence_value, known_uids, .. } => Some(Known {
            uid_validity: uid_validity.get(),
            modseq: mod_sequence_value.get(),
            uids: known_uids.as_ref(),
        }),
        SelectParameter::CondStore => None,
    })
}

impl<B: Backend> Session<B> {
    /// From now on changes carry MODSEQ; a folder that is already open tells where it stands (RFC 7162 §3.1).
    pub(crate) async fn enable_condstore<O: Output>(&mut self, reply: &mut Reply<'_, O>) -> Result<(), Stop> {
        if !std::mem::replace(&mut self.condstore, true)
            && let Some(selected) = &self.selected
        {
            reply.line(&format!("* OK [HIGHESTMODSEQ {}] highest", selected.modseq.max(1))).await?;
        }
        Ok(())
    }

    /// What happened in the folder just opened since the client last saw it (RFC 7162 §3.2.5.1); nothing when
    /// its UIDs have lost their meaning.
    pub(crate) async fn resync<O: Output>(
        &mut self,
        known: &Known<'_>,
        uid_validity: u32,
        reply: &mut Reply<'_, O>,
    ) -> Result<(), Stop> {
        if known.uid_validity != uid_validity {
            return Ok(());
        }
        let ranges = known.uids.map(|set| Ranges::new(set, u32::MAX));
        let wanted = |uid: u32| ranges.as_ref().is_none_or(|r| r.contains(uid));
        self.vanished_earlier(known.modseq, wanted, reply).await?;
        let changed = |row: &&Row| row.modseq > known.modseq && wanted(row.uid);
        let rows: Vec<Row> = self.selected()?.rows.iter().filter(changed).cloned().collect();
        self.announce(rows, true, false, reply).await
    }

    /// `VANISHED (EARLIER)`: what left since `modseq`, apart from what this session still shows.
    pub(crate) async fn vanished_earlier<O: Output>(
        &self,
        modseq: u64,
        wanted: impl Fn(u32) -> bool,
        reply: &mut Reply<'_, O>,
    ) -> Result<(), Stop> {
        let selected = self.selected()?;
        let gone = self.mailboxes()?.expunged(selected.folder, modseq).await?;
        let set = compact(gone.into_iter().filter(|uid| wanted(*uid) && selected.position(*uid).is_none()));
        if !set.is_empty() {
            reply.line(&format!("* VANISHED (EARLIER) {set}")).await?;
        }
        Ok(())
    }

    /// The end of a command that expunged: with QRESYNC it says how far the client knows the folder now
    /// (RFC 7162 §3.2.7, §3.2.9).
    pub(crate) fn expunge_done(&self, command: &str, some: bool) -> Result<String, Stop> {
        let modseq = self.selected()?.modseq;
        Ok(match some && self.condstore {
            true => format!("[HIGHESTMODSEQ {modseq}] {command} done"),
            false => format!("{command} done"),
        })
    }
}
