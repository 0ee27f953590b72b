//! The selected folder: what the client knows of it, and how it hears of changes.

use crate::FolderId;
use crate::backend::{Backend, Mailboxes, Row};
use crate::command::done;
use crate::flags::Flags;
use crate::output::{Output, Reply};
use crate::session::{Answer, Session, Stop};
use crate::set::{Ranges, compact};
use imap_types::command::SelectParameter;
use imap_types::mailbox::Mailbox;
use imap_types::sequence::SequenceSet;
use std::collections::BTreeSet;

/// A folder as the client sees it: sequence numbers are positions in `rows`.
#[derive(Debug)]
pub(crate) struct Selected {
    pub folder: FolderId,
    pub read_only: bool,
    pub modseq: u64,
    pub rows: Vec<Row>,
    keywords: BTreeSet<String>,
}

impl Selected {
    /// Positions of the messages in a set of sequence numbers or UIDs, ascending.
    pub fn positions(&self, set: &SequenceSet, uid: bool) -> Result<Vec<usize>, Stop> {
        if uid {
            let ranges = Ranges::new(set, self.rows.last().map_or(0, |r| r.uid));
            let wanted = |(n, row): (usize, &Row)| ranges.contains(row.uid).then_some(n);
            return Ok(self.rows.iter().enumerate().filter_map(wanted).collect());
        }
        let count = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let ranges = Ranges::new(set, count);
        if ranges.highest() > count || count == 0 {
            return Err(Stop::Bad("there is no message of this number".into()));
        }
        Ok((0..self.rows.len()).filter(|n| ranges.contains(*n as u32 + 1)).collect())
    }
    /// UIDs at positions.
    pub fn uids(&self, positions: &[usize]) -> Vec<u32> {
        positions.iter().map(|n| self.rows[*n].uid).collect()
    }
    /// Position of a UID.
    pub fn position(&self, uid: u32) -> Option<usize> {
        self.rows.binary_search_by_key(&uid, |r| r.uid).ok()
    }
    /// Takes keywords over; true when the client has to hear of new ones.
    fn learn(&mut self, flags: &Flags) -> bool {
        let before = self.keywords.len();
        for keyword in flags.keywords() {
            if !self.keywords.contains(keyword) {
                self.keywords.insert(keyword.to_owned());
            }
        }
        self.keywords.len() > before
    }
    /// `FLAGS (…)`.
    fn flags_line(&self) -> String {
        let keywords: String = self.keywords.iter().map(|k| format!(" {k}")).collect();
        format!("(\\Answered \\Flagged \\Deleted \\Seen \\Draft{keywords})")
    }
}

impl<B: Backend> Session<B> {
    pub(crate) fn selected(&self) -> Result<&Selected, Stop> {
        self.selected.as_ref().ok_or_else(|| Stop::Bad("select a folder first".into()))
    }
    pub(crate) fn selected_mut(&mut self) -> Result<&mut Selected, Stop> {
        self.selected.as_mut().ok_or_else(|| Stop::Bad("select a folder first".into()))
    }
    /// The selected folder, when it may be changed.
    pub(crate) fn writable(&self) -> Result<&Selected, Stop> {
        let selected = self.selected()?;
        if selected.read_only {
            return Err(Stop::No("[READ-ONLY] this folder is open for reading only".into()));
        }
        Ok(selected)
    }

    pub(crate) async fn select<O: Output>(
        &mut self,
        mailbox: &Mailbox<'_>,
        parameters: &[SelectParameter],
        examine: bool,
        reply: &mut Reply<'_, O>,
    ) -> Answer {
        let known = crate::resync::known(parameters);
        if known.is_some() && !self.qresync {
            // RFC 7162 §3.2.5.
            return Err(Stop::Bad("enable QRESYNC first".into()));
        }
        self.condstore |= !parameters.is_empty();
        // RFC 3501 §6.3.1: a failed SELECT leaves nothing selected.
        self.saved.clear();
        if self.selected.take().is_some() && (self.condstore || self.rev2) {
            reply.line("* OK [CLOSED] the former folder is closed").await?;
        }
        let folder = self.folder(mailbox).await?;
        let opened = self.mailboxes()?.open(folder.id).await?;
        let mut selected = Selected {
            folder: folder.id,
            read_only: opened.read_only || examine,
            modseq: opened.modseq,
            rows: opened.rows,
            keywords: BTreeSet::new(),
        };
        for n in 0..selected.rows.len() {
            let flags = selected.rows[n].flags.clone();
            selected.learn(&flags);
        }
        let list = selected.flags_line();
        reply.line(&format!("* FLAGS {list}")).await?;
        let permanent =
            if selected.read_only { "()".to_owned() } else { format!("{} \\*)", list.trim_end_matches(')')) };
        reply.line(&format!("* OK [PERMANENTFLAGS {permanent}] these are kept")).await?;
        reply.line(&format!("* {} EXISTS", selected.rows.len())).await?;
        if self.rev2 {
            // RFC 9051 §6.3.2: the name in its own spelling; RECENT and UNSEEN are gone.
            let special = folder.special.map_or("", crate::Special::attribute);
            self.list_line(reply, "LIST", special, &folder.name, false).await?;
        } else {
            reply.line("* 0 RECENT").await?;
            if let Some(n) = selected.rows.iter().position(|r| !r.flags.has(Flags::SEEN)) {
                reply.line(&format!("* OK [UNSEEN {}] first unread", n + 1)).await?;
            }
        }
        reply.line(&format!("* OK [UIDVALIDITY {}] UIDs hold", opened.uid_validity)).await?;
        reply.line(&format!("* OK [UIDNEXT {}] next UID", opened.uid_next)).await?;
        reply.line(&format!("* OK [HIGHESTMODSEQ {}] highest", opened.modseq.max(1))).await?;
        let mode = if selected.read_only { "READ-ONLY" } else { "READ-WRITE" };
        self.selected = Some(selected);
        if let Some(known) = known {
            self.resync(&known, opened.uid_validity, reply).await?;
        }
        done(&format!("[{mode}] {}", if examine { "EXAMINE" } else { "SELECT" }))
    }

    /// Tells the client what changed in the selected folder, expunged messages included.
    pub(crate) async fn update<O: Output>(&mut self, reply: &mut Reply<'_, O>) -> Result<(), Stop> {
        let Some(selected) = &self.selected else { return Ok(()) };
        let mailboxes = self.mailboxes()?;
        let changes = mailboxes.changes(selected.folder, selected.modseq).await?;
        self.forget(&changes.expunged, reply).await?;
        let selected = self.selected_mut()?;
        selected.modseq = selected.modseq.max(changes.modseq);
        let (mut changed, mut grown) = (Vec::new(), false);
        // One that left while the changes were read must not come back as a new one.
        let left = |row: &Row| changes.expunged.binary_search(&row.uid).is_ok();
        for row in changes.rows.into_iter().filter(|row| !left(row)) {
            match selected.position(row.uid) {
                Some(n) if selected.rows[n] == row => {}
                Some(_) => changed.push(row),
                None if selected.rows.last().is_none_or(|last| last.uid < row.uid) => {
                    selected.rows.push(row);
                    grown = true;
                }
                None => {}
            }
        }
        if grown {
            let count = selected.rows.len();
            reply.line(&format!("* {count} EXISTS")).await?;
        }
        self.announce(changed, true, false, reply).await
    }

    /// Removes messages, named in any order, from the client's view, the last first.
    pub(crate) async fn forget<O: Output>(
        &mut self,
        uids: &[u32],
        reply: &mut Reply<'_, O>,
    ) -> Result<(), Stop> {
        let Some(selected) = &mut self.selected else { return Ok(()) };
        if uids.is_empty() {
            return Ok(());
        }
        // RFC 5182 §2.1: what is gone is in no saved result.
        self.saved.retain(|uid| !uids.contains(uid));
        let mut positions: Vec<usize> = uids.iter().filter_map(|uid| selected.position(*uid)).collect();
        positions.sort_unstable();
        positions.dedup();
        let gone = selected.uids(&positions);
        let mut next = 0;
        let mut n = 0;
        selected.rows.retain(|_| {
            let gone = positions.get(next) == Some(&n);
            next += usize::from(gone);
            n += 1;
            !gone
        });
        if self.qresync {
            // RFC 7162 §3.2.10: by UID, in one answer.
            if !gone.is_empty() {
                reply.line(&format!("* VANISHED {}", compact(gone))).await?;
            }
            return Ok(());
        }
        for position in positions.iter().rev() {
            reply.line(&format!("* {} EXPUNGE", position + 1)).await?;
        }
        Ok(())
    }

    /// Takes changed rows over and, unless `silent`, sends their flags.
    pub(crate) async fn announce<O: Output>(
        &mut self,
        rows: Vec<Row>,
        uid: bool,
        silent: bool,
        reply: &mut Reply<'_, O>,
    ) -> Result<(), Stop> {
        let condstore = self.condstore;
        // RFC 7162 §3.2.4: then each FETCH names its UID.
        let uid = uid || self.qresync;
        let Some(selected) = &mut self.selected else { return Ok(()) };
        for row in rows {
            let Some(n) = selected.position(row.uid) else { continue };
            if selected.learn(&row.flags) {
                let list = selected.flags_line();
                reply.line(&format!("* FLAGS {list}")).await?;
            }
            let mut items = Vec::new();
            if uid {
                items.push(format!("UID {}", row.uid));
            }
            if !silent {
                items.push(format!("FLAGS ({})", row.flags));
            }
            if condstore {
                items.push(format!("MODSEQ ({})", row.modseq));
            }
            // Silence is about flags only (RFC 7162 §3.1.3).
            if !silent || condstore {
                reply.line(&format!("* {} FETCH ({})", n + 1, items.join(" "))).await?;
            }
            selected.rows[n] = row;
        }
        Ok(())
    }
}
