//! FETCH: from the folder's rows, the headers and structures of a batch, and bodies that flow through.

use crate::backend::{Backend, Body, FlagChange, Header, MailboxError, Mailboxes, Row};
use crate::binary::{self, Wanted};
use crate::command::done;
use crate::flags::Flags;
use crate::output::{Output, Reply};
use crate::section::{self, MAX_NESTED_HEADER, Source};
use crate::session::{Answer, Session, SessionError, Stop};
use crate::set::Ranges;
use crate::structure::{Scanner, Structure};
use crate::{envelope, structure_text};
use imap_types::command::FetchModifier;
use imap_types::fetch::{MacroOrMessageDataItemNames, MessageDataItemName, Section};
use imap_types::sequence::SequenceSet;
use std::io::Write;
use std::num::NonZeroU32;

/// Messages whose headers are held at once.
const BATCH: usize = 128;

/// One thing to send of each message.
#[derive(Debug)]
enum Item<'i> {
    Flags,
    Uid,
    Date,
    Size,
    ModSeq,
    Envelope,
    Structure { extended: bool },
    Section { name: String, section: Option<Section<'i>>, partial: Option<(u64, u64)> },
    Binary { name: String, wanted: Wanted, size_only: bool },
}

/// What FETCH asks for.
#[derive(Debug)]
struct Plan<'i> {
    items: Vec<Item<'i>>,
    header: bool,
    structure: bool,
    sets_seen: bool,
}

impl<'i> Plan<'i> {
    fn new(names: Vec<MessageDataItemName<'i>>, uid: bool, condstore: bool) -> Result<Self, Stop> {
        let mut plan = Self { items: Vec::new(), header: false, structure: false, sets_seen: false };
        if uid {
            plan.items.push(Item::Uid);
        }
        let mut modseq = condstore;
        for name in names {
            match name {
                // RFC 3501 §6.4.8: UID is there already.
                MessageDataItemName::Uid if uid => {}
                MessageDataItemName::ModSeq => modseq = true,
                name => plan.add(name)?,
            }
        }
        if modseq {
            plan.items.push(Item::ModSeq);
        }
        if plan.sets_seen && !plan.items.iter().any(|i| matches!(i, Item::Flags)) {
            plan.items.push(Item::Flags);
        }
        Ok(plan)
    }

    fn add(&mut self, name: MessageDataItemName<'i>) -> Result<(), Stop> {
        use MessageDataItemName as N;
        let item = match name {
            N::Flags => Item::Flags,
            N::Uid => Item::Uid,
            N::InternalDate => Item::Date,
            N::Rfc822Size => Item::Size,
            N::Envelope => {
                self.header = true;
                Item::Envelope
            }
            N::Body => self.structured(false),
            N::BodyStructure => self.structured(true),
            N::BodyExt { section, partial, peek } => {
                self.sets_seen |= !peek;
                let origin = partial.map_or(String::new(), |(from, _)| format!("<{from}>"));
                let name = format!("BODY[{}]{origin}", section::label(&section));
                let partial = partial.map(|(from, len)| (u64::from(from), u64::from(len.get())));
                self.section(name, section, partial)
            }
            N::Rfc822 => {
                self.sets_seen = true;
                self.section("RFC822".into(), None, None)
            }
            N::Rfc822Header => self.section("RFC822.HEADER".into(), Some(Section::Header(None)), None),
            N::Rfc822Text => {
                self.sets_seen = true;
                self.section("RFC822.TEXT".into(), Some(Section::Text(None)), None)
            }
            N::Binary { section, partial, peek } => {
                self.sets_seen |= !peek;
                let partial = partial.map(|(from, len)| (u64::from(from), u64::from(len.get())));
                self.binary("BINARY", section, partial, false)
            }
            N::BinarySize { section } => self.binary("BINARY.SIZE", section, None, true),
            _ => return Err(Stop::Bad("this item is not offered".into())),
        };
        self.items.push(item);
        Ok(())
    }

    fn structured(&mut self, extended: bool) -> Item<'i> {
        self.header = true;
        self.structure = true;
        Item::Structure { extended }
    }

    fn binary(
        &mut self,
        kind: &str,
        section: Vec<NonZeroU32>,
        partial: Option<(u64, u64)>,
        size_only: bool,
    ) -> Item<'i> {
        let path: Vec<u32> = section.into_iter().map(NonZeroU32::get).collect();
        self.structure |= !path.is_empty();
        self.header |= !path.is_empty();
        let name = binary::label(kind, &path, partial.map(|(from, _)| from));
        Item::Binary { name, wanted: Wanted { path, partial }, size_only }
    }

    fn section(
        &mut self,
        name: String,
        section: Option<Section<'i>>,
        partial: Option<(u64, u64)>,
    ) -> Item<'i> {
        self.structure |= section::needs_structure(&section);
        self.header |= section.is_some();
        Item::Section { name, section, partial }
    }
}

impl<B: Backend> Session<B> {
    pub(crate) async fn fetch<O: Output>(
        &mut self,
        set: &SequenceSet,
        names: MacroOrMessageDataItemNames<'_>,
        uid: bool,
        modifiers: &[FetchModifier],
        reply: &mut Reply<'_, O>,
    ) -> Answer {
        let (mut since, mut vanished) = (None, false);
        for modifier in modifiers {
            match modifier {
                FetchModifier::ChangedSince(n) => since = Some(n.get()),
                FetchModifier::Vanished => vanished = true,
            }
        }
        if vanished && !(uid && self.qresync && since.is_some()) {
            // RFC 7162 §3.2.6.
            return Err(Stop::Bad("VANISHED needs UID FETCH, CHANGEDSINCE and QRESYNC enabled".into()));
        }
        let names = match &names {
            MacroOrMessageDataItemNames::Macro(m) => m.expand(),
            MacroOrMessageDataItemNames::MessageDataItemNames(names) => names.clone(),
        };
        if since.is_some() || names.contains(&MessageDataItemName::ModSeq) {
            self.enable_condstore(reply).await?;
        }
        let plan = Plan::new(names, uid, since.is_some())?;
        let selected = self.selected()?;
        let mut positions = selected.positions(set, uid)?;
        if let Some(since) = since {
            positions.retain(|n| selected.rows[*n].modseq > since);
            if vanished {
                let ranges = Ranges::new(set, u32::MAX);
                self.vanished_earlier(since, |uid| ranges.contains(uid), reply).await?;
            }
        }
        let mut gone = false;
        for batch in positions.chunks(BATCH) {
            self.mark_seen(&plan, batch).await?;
            gone |= self.fetch_batch(&plan, batch, reply).await?;
        }
        if uid {
            // RFC 3501 §6.4.8: UIDs that are not there are passed over; this tells that they are gone.
            self.update(reply).await?;
            return done("FETCH");
        }
        // RFC 2180 §4.1.2: what is still there was sent.
        if gone { Err(Stop::No("[EXPUNGEISSUED] some messages are gone".into())) } else { done("FETCH") }
    }

    /// Fetching a body without PEEK sets `\Seen`; the flags are then part of the answer.
    async fn mark_seen(&mut self, plan: &Plan<'_>, batch: &[usize]) -> Result<(), Stop> {
        let selected = self.selected()?;
        if !plan.sets_seen || selected.read_only {
            return Ok(());
        }
        let unseen: Vec<u32> = batch
            .iter()
            .map(|n| &selected.rows[*n])
            .filter(|r| !r.flags.has(Flags::SEEN))
            .map(|r| r.uid)
            .collect();
        if unseen.is_empty() {
            return Ok(());
        }
        let change = FlagChange::Add(Flags::system(Flags::SEEN));
        let rows = self.mailboxes()?.set_flags(selected.folder, &unseen, change, None).await?;
        let selected = self.selected_mut()?;
        for row in rows {
            if let Some(n) = selected.position(row.uid) {
                selected.rows[n] = row;
            }
        }
        Ok(())
    }

    /// Sends a batch; true when some messages were gone.
    async fn fetch_batch<O: Output>(
        &self,
        plan: &Plan<'_>,
        batch: &[usize],
        reply: &mut Reply<'_, O>,
    ) -> Result<bool, Stop> {
        let (selected, mailboxes) = (self.selected()?, self.mailboxes()?);
        let mut headers = Vec::new();
        if plan.header {
            headers = mailboxes.headers(selected.folder, &selected.uids(batch)).await?;
            headers.sort_unstable_by_key(|h| h.uid);
        }
        let mut gone = false;
        for n in batch {
            let row = &selected.rows[*n];
            let header = headers.binary_search_by_key(&row.uid, |h| h.uid).ok().map(|at| &headers[at]);
            if plan.header && header.is_none() {
                gone = true;
                continue;
            }
            match self.fetch_one(plan, *n, row, header, reply).await {
                Err(Stop::No(_)) => gone = true,
                other => other?,
            }
        }
        Ok(gone)
    }

    async fn fetch_one<O: Output>(
        &self,
        plan: &Plan<'_>,
        position: usize,
        row: &Row,
        header: Option<&Header>,
        reply: &mut Reply<'_, O>,
    ) -> Result<(), Stop> {
        let structure = match header {
            Some(header) if plan.structure => Some(self.structure(row, header).await?),
            _ => None,
        };
        // Everything that can fail is opened before the first byte of the answer.
        let (mut bodies, mut binaries) = (Vec::new(), Vec::new());
        for item in &plan.items {
            match item {
                Item::Section { section, partial, .. } => {
                    bodies.push(self.open_section(row, header, structure.as_ref(), section, *partial).await?);
                }
                Item::Binary { wanted, .. } => {
                    binaries.push(self.find_binary(row, structure.as_ref(), &wanted.path).await?);
                }
                _ => {}
            }
        }
        let (mut bodies, mut binaries) = (bodies.into_iter(), binaries.into_iter());
        // Writing to a Vec cannot fail.
        let _ = write!(reply.buffer(), "* {} FETCH (", position + 1);
        for (n, item) in plan.items.iter().enumerate() {
            if n > 0 {
                reply.write(b" ").await?;
            }
            if let Item::Section { name, .. } = item {
                reply.write(name.as_bytes()).await?;
                match bodies.next().flatten() {
                    None => reply.write(b" NIL").await?,
                    Some(opened) => send(opened, row.uid, reply).await?,
                }
                continue;
            }
            if let Item::Binary { name, wanted, size_only } = item {
                reply.write(name.as_bytes()).await?;
                match binaries.next().flatten() {
                    None if *size_only => reply.write(b" 0").await?,
                    None => reply.write(b" NIL").await?,
                    Some(found) if *size_only => reply.write(format!(" {}", found.size).as_bytes()).await?,
                    Some(found) => self.send_binary(row, &found, wanted.partial, reply).await?,
                }
                continue;
            }
            simple(reply.buffer(), item, row, header, structure.as_ref());
        }
        Ok(reply.line(")").await?)
    }

    /// The structure that was kept, or a new one from reading the message once.
    async fn structure(&self, row: &Row, header: &Header) -> Result<Structure, Stop> {
        if let Some(kept) = header.structure.as_deref().and_then(Structure::from_bytes) {
            return Ok(kept);
        }
        let (selected, mailboxes) = (self.selected()?, self.mailboxes()?);
        let mut scanner = Scanner::new();
        let mut body = mailboxes.body(selected.folder, row.uid, 0, row.size).await?;
        while let Some(bytes) = body.next().await? {
            scanner.push(&bytes);
        }
        let structure = scanner.finish();
        mailboxes.remember_structure(selected.folder, row.uid, structure.to_bytes()).await?;
        Ok(structure)
    }

    /// Finds a section's bytes; `None` when there is no such part.
    async fn open_section(
        &self,
        row: &Row,
        header: Option<&Header>,
        structure: Option<&Structure>,
        section: &Option<Section<'_>>,
        partial: Option<(u64, u64)>,
    ) -> Result<Option<Opened<<B::Mailboxes as Mailboxes>::Body>>, Stop> {
        let block = header.map_or(&[][..], |h| &h.header[..]);
        let block_len = block.len() as u64;
        let cut = |len: u64| match partial {
            None => (0, len),
            Some((from, most)) => (from.min(len), most.min(len.saturating_sub(from))),
        };
        let (selected, mailboxes) = (self.selected()?, self.mailboxes()?);
        let whole = match section::resolve(section, block_len, row.size, structure) {
            Source::Nothing => return Ok(None),
            // The header block is at hand.
            Source::Range(from, len) if header.is_some() && from + len <= block_len => {
                block[from as usize..(from + len) as usize].to_vec()
            }
            Source::Range(from, len) => {
                let (skip, len) = cut(len);
                let body = match len {
                    0 => None,
                    _ => Some(mailboxes.body(selected.folder, row.uid, from + skip, len).await?),
                };
                return Ok(Some(Opened::Stream { len, body }));
            }
            Source::Fields { range: (from, len), names, except } => {
                if from + len <= block_len {
                    section::choose(&block[from as usize..(from + len) as usize], &names, except)
                } else {
                    let len = len.min(MAX_NESTED_HEADER);
                    let bytes =
                        collect(mailboxes.body(selected.folder, row.uid, from, len).await?, len).await?;
                    section::choose(&bytes, &names, except)
                }
            }
        };
        let (skip, len) = cut(whole.len() as u64);
        Ok(Some(Opened::Bytes(whole[skip as usize..(skip + len) as usize].to_vec())))
    }
}

/// A section ready to be sent.
enum Opened<D> {
    Bytes(Vec<u8>),
    Stream { len: u64, body: Option<D> },
}

/// Reads a bounded range whole.
pub(crate) async fn collect<D: Body>(mut body: D, most: u64) -> Result<Vec<u8>, MailboxError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await? {
        let room = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(bytes.len());
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if bytes.len() as u64 >= most {
            break;
        }
    }
    Ok(bytes)
}

/// Sends a section as a literal; bodies pass through without being collected.
async fn send<D: Body, O: Output>(opened: Opened<D>, uid: u32, reply: &mut Reply<'_, O>) -> Result<(), Stop> {
    let (mut missing, body) = match opened {
        Opened::Bytes(bytes) => {
            reply.write(format!(" {{{}}}\r\n", bytes.len()).as_bytes()).await?;
            return Ok(reply.write(&bytes).await?);
        }
        Opened::Stream { len, body } => (len, body),
    };
    reply.write(format!(" {{{missing}}}\r\n").as_bytes()).await?;
    if let Some(mut body) = body {
        // An error here cannot be told any more: the length stands.
        while missing > 0 {
            match body.next().await {
                Ok(Some(bytes)) if !bytes.is_empty() => {
                    let take = bytes.len().min(usize::try_from(missing).unwrap_or(usize::MAX));
                    reply.write(&bytes[..take]).await?;
                    missing -= take as u64;
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }
    if missing > 0 {
        return Err(SessionError::ShortBody { uid, missing }.into());
    }
    Ok(())
}

/// Writes what needs no body.
fn simple(
    out: &mut Vec<u8>,
    item: &Item<'_>,
    row: &Row,
    header: Option<&Header>,
    structure: Option<&Structure>,
) {
    // Writing to a Vec cannot fail.
    let _ = match item {
        Item::Flags => write!(out, "FLAGS ({})", row.flags),
        Item::Uid => write!(out, "UID {}", row.uid),
        Item::Date => write!(out, "INTERNALDATE \"{}\"", date_time(row.date)),
        Item::Size => write!(out, "RFC822.SIZE {}", row.size),
        Item::ModSeq => write!(out, "MODSEQ ({})", row.modseq),
        Item::Envelope => {
            out.extend_from_slice(b"ENVELOPE ");
            return envelope::write(out, header.map_or(&[], |h| &h.header));
        }
        Item::Structure { extended } => {
            out.extend_from_slice(if *extended { b"BODYSTRUCTURE ".as_slice() } else { b"BODY " });
            if let Some(structure) = structure {
                structure_text::write(out, structure, *extended);
            }
            return;
        }
        Item::Section { .. } | Item::Binary { .. } => return,
    };
}

/// RFC 3501 §9 `date-time`, in UTC.
fn date_time(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%e-%b-%Y %H:%M:%S +0000").to_string()
}
