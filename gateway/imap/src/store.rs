//! STORE, EXPUNGE, COPY and MOVE.

use crate::backend::{Backend, Copied, FlagChange, Mailboxes};
use crate::command::done;
use crate::flags::Flags;
use crate::output::{Output, Reply};
use crate::session::{Answer, Session, Stop};
use crate::set::compact;
use imap_types::command::StoreModifier;
use imap_types::flag::{Flag, StoreResponse, StoreType};
use imap_types::mailbox::Mailbox;
use imap_types::sequence::SequenceSet;

/// What STORE asks for.
pub(crate) struct StoreRequest<'r> {
    pub kind: StoreType,
    pub response: StoreResponse,
    pub flags: &'r [Flag<'r>],
    pub modifiers: &'r [StoreModifier],
}

/// Flags of a command; what cannot be set is an error.
pub(crate) fn flags(names: &[Flag<'_>]) -> Result<Flags, Stop> {
    let mut flags = Flags::default();
    names.iter().try_for_each(|n| flags.insert(&n.to_string())).map_err(|e| Stop::Bad(e.to_string()))?;
    Ok(flags)
}

impl<B: Backend> Session<B> {
    pub(crate) async fn store<O: Output>(
        &mut self,
        set: &SequenceSet,
        request: StoreRequest<'_>,
        uid: bool,
        reply: &mut Reply<'_, O>,
    ) -> Answer {
        let selected = self.writable()?;
        let uids = selected.uids(&selected.positions(set, uid)?);
        let folder = selected.folder;
        let flags = flags(request.flags)?;
        let change = match request.kind {
            StoreType::Add => FlagChange::Add(flags),
            StoreType::Remove => FlagChange::Remove(flags),
            StoreType::Replace => FlagChange::Replace(flags),
        };
        let unchanged_since = request.modifiers.first().map(|StoreModifier::UnchangedSince(n)| *n);
        if unchanged_since.is_some() {
            self.enable_condstore(reply).await?;
        }
        let rows = if uids.is_empty() {
            Vec::new()
        } else {
            self.mailboxes()?.set_flags(folder, &uids, change, unchanged_since).await?
        };
        let refused: Vec<u32> = match unchanged_since {
            Some(_) => uids.iter().copied().filter(|u| !rows.iter().any(|r| r.uid == *u)).collect(),
            None => Vec::new(),
        };
        let silent = request.response == StoreResponse::Silent;
        self.announce(rows, uid, silent, reply).await?;
        let named = self.named(&refused, uid)?;
        if uid {
            self.update(reply).await?;
        }
        if named.is_empty() { done("STORE") } else { Ok(format!("[MODIFIED {named}] some had changed")) }
    }

    /// UIDs as the command counts: as UIDs or as sequence numbers.
    fn named(&self, uids: &[u32], uid: bool) -> Result<String, Stop> {
        let selected = self.selected()?;
        let number = |u: &u32| if uid { Some(*u) } else { selected.position(*u).map(|n| n as u32 + 1) };
        Ok(compact(uids.iter().filter_map(number)))
    }

    pub(crate) async fn expunge<O: Output>(
        &mut self,
        set: Option<&SequenceSet>,
        reply: &mut Reply<'_, O>,
    ) -> Answer {
        let selected = self.writable()?;
        let uids = set.map(|set| selected.positions(set, true)).transpose()?.map(|p| selected.uids(&p));
        let mut some = false;
        if uids.as_ref().is_none_or(|u| !u.is_empty()) {
            let folder = selected.folder;
            let gone = self.mailboxes()?.expunge(folder, uids.as_deref()).await?;
            some = !gone.is_empty();
            self.forget(&gone, reply).await?;
        }
        self.update(reply).await?;
        self.expunge_done("EXPUNGE", some)
    }

    pub(crate) async fn copy<O: Output>(
        &mut self,
        set: &SequenceSet,
        mailbox: &Mailbox<'_>,
        uid: bool,
        reply: &mut Reply<'_, O>,
    ) -> Answer {
        let selected = self.selected()?;
        let uids = selected.uids(&selected.positions(set, uid)?);
        let folder = selected.folder;
        let to = self.destination(mailbox).await?;
        if uids.is_empty() {
            return done("COPY");
        }
        let copied = self.mailboxes()?.copy(folder, &uids, to.id).await?;
        self.update(reply).await?;
        Ok(format!("{}COPY done", copy_uid(&copied)))
    }

    pub(crate) async fn move_to<O: Output>(
        &mut self,
        set: &SequenceSet,
        mailbox: &Mailbox<'_>,
        uid: bool,
        reply: &mut Reply<'_, O>,
    ) -> Answer {
        let selected = self.writable()?;
        let uids = selected.uids(&selected.positions(set, uid)?);
        let folder = selected.folder;
        let to = self.destination(mailbox).await?;
        if uids.is_empty() {
            return done("MOVE");
        }
        let moved = self.mailboxes()?.move_to(folder, &uids, to.id).await?;
        // RFC 6851 §4.3: the code comes before the EXPUNGEs.
        reply.line(&format!("* OK {}moved", copy_uid(&moved))).await?;
        let gone: Vec<u32> = moved.pairs.iter().map(|(old, _)| *old).collect();
        self.forget(&gone, reply).await?;
        self.update(reply).await?;
        self.expunge_done("MOVE", !gone.is_empty())
    }
}

/// `[COPYUID …] `, or nothing when nothing was copied (RFC 4315 §3).
fn copy_uid(copied: &Copied) -> String {
    if copied.pairs.is_empty() {
        return String::new();
    }
    let old = compact(copied.pairs.iter().map(|(old, _)| *old));
    let new = compact(copied.pairs.iter().map(|(_, new)| *new));
    format!("[COPYUID {} {old} {new}] ", copied.uid_validity)
}
