//! Folders: LIST and its kin, STATUS, CREATE, DELETE, RENAME, SUBSCRIBE.

use crate::backend::{Backend, Folder, MailboxError, Mailboxes, Status};
use crate::command::done;
use crate::extras::Extras;
use crate::output::{Output, Reply};
use crate::session::{Answer, Session, Stop};
use crate::text;
use imap_types::mailbox::{ListMailbox, Mailbox};
use imap_types::status::StatusDataItemName;

/// Items of STATUS in the words of the protocol.
pub(crate) fn status_items(
    names: &[StatusDataItemName],
    more: &[&'static str],
) -> Result<Vec<&'static str>, Stop> {
    let mut items = Vec::with_capacity(names.len() + more.len());
    for name in names {
        items.push(match name {
            StatusDataItemName::Messages => "MESSAGES",
            StatusDataItemName::Recent => "RECENT",
            StatusDataItemName::UidNext => "UIDNEXT",
            StatusDataItemName::UidValidity => "UIDVALIDITY",
            StatusDataItemName::Unseen => "UNSEEN",
            StatusDataItemName::Deleted => "DELETED",
            StatusDataItemName::DeletedStorage => "DELETED-STORAGE",
            StatusDataItemName::HighestModSeq => "HIGHESTMODSEQ",
        });
    }
    items.extend(more);
    Ok(items)
}

fn status_value(item: &str, status: &Status) -> Option<u64> {
    Some(match item {
        "MESSAGES" => status.messages.into(),
        "RECENT" => 0,
        "UIDNEXT" => status.uid_next.into(),
        "UIDVALIDITY" => status.uid_validity.into(),
        "UNSEEN" => status.unseen.into(),
        "DELETED" => status.deleted.into(),
        "HIGHESTMODSEQ" => status.modseq.max(1),
        "SIZE" => status.size,
        // In the units of the quota (RFC 9208 §4.1.4).
        "DELETED-STORAGE" => crate::quota::units(status.deleted_size),
        _ => return None,
    })
}

/// Selection and return options of LIST (RFC 5258, RFC 6154; STATUS is taken out before).
const SELECTS: [&str; 4] = ["SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"];
const RETURNS: [&str; 3] = ["SUBSCRIBED", "CHILDREN", "SPECIAL-USE"];

/// The name in a command, UTF-8.
fn name(mailbox: &Mailbox<'_>, utf8: bool) -> Result<String, Stop> {
    match mailbox {
        Mailbox::Inbox => Ok("INBOX".to_owned()),
        Mailbox::Other(other) => text::folder_name(other.inner().as_ref(), utf8)
            .ok_or_else(|| Stop::No("[CANNOT] this is not a folder name".into())),
    }
}

/// Whether a name matches a pattern with `*` and `%` (RFC 3501 §6.3.8). Linear in the name for each wildcard.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    // Positions in the pattern that are reachable after the characters so far.
    let mut at = vec![false; pattern.len() + 1];
    at[0] = true;
    let close = |at: &mut Vec<bool>| {
        for n in 0..pattern.len() {
            if at[n] && matches!(pattern[n], '*' | '%') {
                at[n + 1] = true;
            }
        }
    };
    close(&mut at);
    for c in name.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for n in 0..pattern.len() {
            match pattern[n] {
                '*' if at[n] => next[n] = true,
                '%' if at[n] && c != '/' => next[n] = true,
                p if at[n] && p == c => next[n + 1] = true,
                _ => {}
            }
        }
        close(&mut next);
        at = next;
    }
    at[pattern.len()]
}

/// The start of names that LIST and LSUB give; `None` when it names nothing.
fn reference(mailbox: &Mailbox<'_>, utf8: bool) -> Option<String> {
    match mailbox {
        Mailbox::Inbox => Some("INBOX".to_owned()),
        Mailbox::Other(other) if AsRef::<[u8]>::as_ref(other.inner()).is_empty() => Some(String::new()),
        Mailbox::Other(other) => text::folder_name(other.inner().as_ref(), utf8),
    }
}

/// The pattern of LIST and LSUB, UTF-8; `None` when it names nothing.
fn pattern(mailbox: &Mailbox<'_>, wildcard: &ListMailbox<'_>, utf8: bool) -> Option<(String, String)> {
    let reference = reference(mailbox, utf8)?;
    let raw: &[u8] = match wildcard {
        ListMailbox::Token(token) => token.as_ref(),
        ListMailbox::String(string) => string.as_ref(),
    };
    if raw.is_empty() {
        return Some((reference, String::new()));
    }
    Some((reference, text::folder_name(raw, utf8)?))
}

impl<B: Backend> Session<B> {
    /// Whether names of folders are UTF-8 (RFC 9051 §5.1, RFC 6855 §3).
    pub(crate) fn utf8_names(&self) -> bool {
        self.rev2 || self.utf8
    }
    /// The folder that a command names.
    pub(crate) async fn folder(&self, mailbox: &Mailbox<'_>) -> Result<Folder, Stop> {
        let mailboxes = self.mailboxes()?;
        Ok(mailboxes.folder(&name(mailbox, self.utf8_names())?).await?)
    }
    /// The folder that COPY, MOVE and APPEND write to.
    pub(crate) async fn destination(&self, mailbox: &Mailbox<'_>) -> Result<Folder, Stop> {
        let mailboxes = self.mailboxes()?;
        match mailboxes.folder(&name(mailbox, self.utf8_names())?).await {
            Err(MailboxError::NotFound) => Err(Stop::No("[TRYCREATE] no such folder".into())),
            other => Ok(other?),
        }
    }

    pub(crate) async fn list<O: Output>(
        &mut self,
        reference: &Mailbox<'_>,
        wildcard: &ListMailbox<'_>,
        extras: &Extras,
        reply: &mut Reply<'_, O>,
    ) -> Answer {
        let folders = self.mailboxes()?.folders().await?;
        let asked = |list: &[String], word: &str| list.iter().any(|w| w == word);
        // RFC 5258 §3: an option that is not known is an error.
        if let Some(word) = extras.list_select.iter().find(|w| !SELECTS.contains(&w.as_str())) {
            return Err(Stop::Bad(format!("{word} is not offered")));
        }
        if let Some(word) = extras.list_return.iter().find(|w| !RETURNS.contains(&w.as_str())) {
            return Err(Stop::Bad(format!("{word} is not offered")));
        }
        let subscribed = asked(&extras.list_select, "SUBSCRIBED");
        let deep = asked(&extras.list_select, "RECURSIVEMATCH");
        if deep && !subscribed {
            // RFC 5258 §3.1: it cannot stand alone.
            return Err(Stop::Bad("RECURSIVEMATCH needs SUBSCRIBED".into()));
        }
        let Some((start, wanted)) = pattern(reference, wildcard, self.utf8_names()) else {
            return done("LIST");
        };
        if wanted.is_empty() && extras.list_patterns.is_empty() {
            // RFC 3501 §6.3.8: asks for the separator.
            reply.line("* LIST (\\Noselect) \"/\" \"\"").await?;
            return done("LIST");
        }
        let more = extras.list_patterns.iter().filter_map(|raw| text::folder_name(raw, self.utf8_names()));
        let wanted: Vec<String> =
            std::iter::once(wanted).chain(more).map(|w| format!("{start}{w}")).collect();
        for folder in folders.iter().filter(|f| wanted.iter().any(|w| list_matches(w, &f.name))) {
            if asked(&extras.list_select, "SPECIAL-USE") && folder.special.is_none() {
                continue;
            }
            // RFC 5258 §3.5: a folder stands for what is subscribed below it.
            let below = deep && folders.iter().any(|f| f.subscribed && is_below(&f.name, &folder.name));
            if subscribed && !folder.subscribed && !below {
                continue;
            }
            let show = subscribed || asked(&extras.list_return, "SUBSCRIBED");
            let attributes = attributes(folder, &folders, show);
            self.list_line(reply, "LIST", &attributes, &folder.name, below).await?;
            if let Some(items) = extras.list_status.as_deref() {
                let items: Vec<&str> = items.iter().map(String::as_str).collect();
                self.status(folder, &items, reply).await?;
            }
        }
        done("LIST")
    }

    pub(crate) async fn lsub<O: Output>(
        &mut self,
        reference: &Mailbox<'_>,
        wildcard: &ListMailbox<'_>,
        reply: &mut Reply<'_, O>,
    ) -> Answer {
        let folders = self.mailboxes()?.folders().await?;
        let Some((start, wanted)) = pattern(reference, wildcard, self.utf8_names()) else {
            return done("LSUB");
        };
        let wanted = start + &wanted;
        for folder in folders.iter().filter(|f| list_matches(&wanted, &f.name)) {
            if folder.subscribed {
                self.list_line(reply, "LSUB", "", &folder.name, false).await?;
            } else if wanted.ends_with('%')
                && folders.iter().any(|f| f.subscribed && is_below(&f.name, &folder.name))
            {
                // RFC 3501 §6.3.9: it stands for what is below it.
                self.list_line(reply, "LSUB", "\\Noselect", &folder.name, false).await?;
            }
        }
        done("LSUB")
    }

    pub(crate) async fn status<O: Output>(
        &self,
        folder: &Folder,
        items: &[&str],
        reply: &mut Reply<'_, O>,
    ) -> Result<(), Stop> {
        let status = self.mailboxes()?.status(folder.id).await?;
        let value = |item: &&str| match *item {
            "APPENDLIMIT" => Some(format!("APPENDLIMIT {}", self.append_limit())),
            item => Some(format!("{item} {}", status_value(item, &status)?)),
        };
        let values: Vec<String> = items.iter().filter_map(value).collect();
        let out = reply.buffer();
        out.extend_from_slice(b"* STATUS ");
        text::folder(out, &folder.name, self.utf8_names());
        Ok(reply.line(&format!(" ({})", values.join(" "))).await?)
    }

    pub(crate) async fn create(&mut self, mailbox: &Mailbox<'_>) -> Answer {
        let name = name(mailbox, self.utf8_names())?;
        // RFC 3501 §6.3.3: a final separator only declares that folders will follow.
        let name = name.strip_suffix('/').unwrap_or(&name);
        if !is_shaped(name) {
            return Err(Stop::No("[CANNOT] this is not a folder name".into()));
        }
        let mailboxes = self.mailboxes()?;
        // RFC 3501 §6.3.3: what is above it comes to be as well.
        for (at, _) in name.match_indices('/') {
            match mailboxes.create(&name[..at]).await {
                Ok(()) | Err(MailboxError::Exists) => {}
                Err(error) => return Err(error.into()),
            }
        }
        mailboxes.create(name).await?;
        done("CREATE")
    }

    pub(crate) async fn delete(&mut self, mailbox: &Mailbox<'_>) -> Answer {
        if *mailbox == Mailbox::Inbox {
            return Err(Stop::No("[CANNOT] INBOX stays".into()));
        }
        let folder = self.folder(mailbox).await?;
        if self.mailboxes()?.folders().await?.iter().any(|f| is_below(&f.name, &folder.name)) {
            return Err(Stop::No("[HASCHILDREN] delete what is below it first".into()));
        }
        self.mailboxes()?.delete(folder.id).await?;
        if self.selected.as_ref().is_some_and(|s| s.folder == folder.id) {
            self.selected = None;
        }
        done("DELETE")
    }

    pub(crate) async fn rename(&mut self, from: &Mailbox<'_>, to: &Mailbox<'_>) -> Answer {
        let to = name(to, self.utf8_names())?;
        if *from == Mailbox::Inbox || to == "INBOX" {
            return Err(Stop::No("[CANNOT] INBOX keeps its name".into()));
        }
        if !is_shaped(&to) {
            return Err(Stop::No("[CANNOT] this is not a folder name".into()));
        }
        let folder = self.folder(from).await?;
        if to.strip_prefix(&folder.name).is_some_and(|rest| rest.starts_with('/')) {
            return Err(Stop::No("[CANNOT] a folder cannot move into itself".into()));
        }
        self.mailboxes()?.rename(folder.id, &to).await?;
        done("RENAME")
    }

    /// One folder; `below` says that a subscribed one is below it (RFC 5258 §6).
    pub(crate) async fn list_line<O: Output>(
        &self,
        reply: &mut Reply<'_, O>,
        kind: &str,
        attributes: &str,
        name: &str,
        below: bool,
    ) -> std::io::Result<()> {
        let out = reply.buffer();
        out.extend_from_slice(format!("* {kind} ({attributes}) \"/\" ").as_bytes());
        text::folder(out, name, self.utf8_names());
        reply.line(if below { " (\"CHILDINFO\" (\"SUBSCRIBED\"))" } else { "" }).await
    }

    pub(crate) async fn subscribe(&mut self, mailbox: &Mailbox<'_>, subscribed: bool) -> Answer {
        let folder = self.folder(mailbox).await?;
        self.mailboxes()?.subscribe(folder.id, subscribed).await?;
        done(if subscribed { "SUBSCRIBE" } else { "UNSUBSCRIBE" })
    }
}

fn list_matches(pattern: &str, name: &str) -> bool {
    // INBOX has no case (RFC 3501 §5.1).
    matches(pattern, name) || name == "INBOX" && matches(&pattern.to_ascii_uppercase(), name)
}

/// Whether a new folder may have this name. Programs make directories of them: no level is `.` or `..`.
fn is_shaped(name: &str) -> bool {
    name.split('/').all(|level| !matches!(level, "" | "." | "..")) && !name.contains(['*', '%'])
}

fn is_below(name: &str, above: &str) -> bool {
    name.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

fn attributes(folder: &Folder, all: &[Folder], subscribed: bool) -> String {
    let mut words = vec![if all.iter().any(|f| is_below(&f.name, &folder.name)) {
        "\\HasChildren"
    } else {
        "\\HasNoChildren"
    }];
    words.extend(folder.special.map(crate::Special::attribute));
    words.extend((subscribed && folder.subscribed).then_some("\\Subscribed"));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*", "a/b", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("a/%", "a/b", true),
            ("a*", "a", true),
            ("*b", "a/b", true),
            ("%/%", "a/b", true),
            ("a", "ab", false),
            ("", "a", false),
            ("***********************a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
