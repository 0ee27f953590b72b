//! APPEND: the message goes to the mailbox while it arrives.

use crate::backend::{Append, AppendInfo, Appended, Backend, MailboxError, Mailboxes};
use crate::output::{Output, Reply};
use crate::session::{Answer, Session, Stop};
use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use imap_types::command::CommandBody;
use std::fmt;

/// A message that is arriving.
pub(crate) struct Appending<M: Mailboxes> {
    tag: String,
    folder: crate::FolderId,
    /// The first error; the rest of the message is then only read over.
    state: Result<M::Append, MailboxError>,
}

impl<M: Mailboxes> fmt::Debug for Appending<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appending")
            .field("tag", &self.tag)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl<B: Backend> Session<B> {
    /// The message was announced: refuse it or be ready for it.
    pub(crate) async fn append_begin(&mut self, tag: &str, head: &[u8], size: u64) -> Result<(), Stop> {
        let unread = || Stop::Bad("this command is not understood".into());
        let (_, command) = CommandCodec::default().decode(head).map_err(|_| unread())?;
        let CommandBody::Append { mailbox, flags, date, .. } = command.body else { return Err(unread()) };
        if size == 0 {
            return Err(Stop::No("[CANNOT] an empty message is none".into()));
        }
        if self.limits.append > 0 && size > self.limits.append {
            // RFC 7889 §4.
            return Err(Stop::No(format!("[TOOBIG] messages have at most {} bytes", self.limits.append)));
        }
        let folder = self.destination(&mailbox).await?;
        let flags = crate::store::flags(&flags)?;
        let info = AppendInfo { flags, date: date.map(|d| d.as_ref().timestamp()), size };
        let append = self.mailboxes()?.append(folder.id, info).await?;
        self.appending = Some(Appending { tag: tag.to_owned(), folder: folder.id, state: Ok(append) });
        Ok(())
    }

    pub(crate) async fn append_data(&mut self, bytes: &[u8]) {
        let Some(appending) = &mut self.appending else { return };
        if let Ok(append) = &mut appending.state
            && let Err(e) = append.write(bytes).await
        {
            appending.state = Err(e);
        }
    }

    pub(crate) async fn append_end<O: Output>(&mut self, reply: &mut Reply<'_, O>) -> (String, Answer) {
        let Some(appending) = self.appending.take() else {
            return ("*".to_owned(), Err(Stop::Bad("no message was announced".into())));
        };
        let answer = match appending.state {
            Ok(append) => append.finish().await.map_err(Stop::from),
            Err(e) => Err(e.into()),
        };
        let answer = match answer {
            Ok(appended) => self.appended(appended, reply).await,
            Err(e) => Err(e),
        };
        (appending.tag, answer)
    }

    async fn appended<O: Output>(&mut self, appended: Appended, reply: &mut Reply<'_, O>) -> Answer {
        self.update(reply).await?;
        Ok(format!("[APPENDUID {} {}] APPEND done", appended.uid_validity, appended.uid))
    }
}
