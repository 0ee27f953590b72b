//! From a parsed command to what it does.

use crate::backend::{Backend, Mailboxes};
use crate::extras::Extras;
use crate::output::{Output, Reply};
use crate::session::{Answer, Session, Stop};
use imap_types::command::CommandBody;
use imap_types::extensions::enable::CapabilityEnable;
use std::borrow::Cow;

impl<B: Backend> Session<B> {
    /// What the client may use now, and after the login: many clients ask once and never again.
    pub(crate) fn capabilities(&self) -> Cow<'static, str> {
        if self.mailboxes.is_none() && !self.tls {
            return "IMAP4rev1 IMAP4rev2 LITERAL- ENABLE ID LOGINDISABLED STARTTLS".into();
        }
        // RFC 7889 §2: without a number it is asked by STATUS.
        let limit = match self.limits.append {
            0 => String::new(),
            most => format!("={most}"),
        };
        let all = format!(
            "IMAP4rev1 IMAP4rev2 LITERAL- APPENDLIMIT{limit} CHILDREN CONDSTORE ENABLE ESEARCH ID IDLE \
             LIST-EXTENDED LIST-STATUS MOVE NAMESPACE QRESYNC QUOTA QUOTA=RES-STORAGE SASL-IR SEARCHRES \
             SPECIAL-USE STATUS=SIZE UIDPLUS UNSELECT UTF8=ACCEPT"
        );
        match self.mailboxes {
            Some(_) => all.into(),
            None => format!("{all} {}", self.mechanisms()).into(),
        }
    }

    /// Who is logged in, or why the command has no place here.
    pub(crate) fn mailboxes(&self) -> Result<&B::Mailboxes, Stop> {
        self.mailboxes.as_ref().ok_or_else(|| Stop::Bad("log in first".into()))
    }

    pub(crate) async fn dispatch<O: Output>(
        &mut self,
        body: CommandBody<'_>,
        extras: Extras,
        tag: &str,
        reply: &mut Reply<'_, O>,
    ) -> Answer {
        use CommandBody as C;
        match body {
            C::Capability => {
                reply.line(&format!("* CAPABILITY {}", self.capabilities())).await?;
                done("CAPABILITY")
            }
            C::Noop => self.update(reply).await.map(|()| "NOOP done".to_owned()),
            C::Check => {
                self.selected()?;
                self.update(reply).await.map(|()| "CHECK done".to_owned())
            }
            C::Id { .. } => {
                reply.line("* ID (\"name\" \"Sealpost\")").await?;
                done("ID")
            }
            C::Login { username, password } => {
                if self.mailboxes.is_some() {
                    return Err(Stop::Bad("already logged in".into()));
                }
                if !self.tls {
                    return Err(Stop::No("[PRIVACYREQUIRED] start TLS first".into()));
                }
                self.log_in(username.as_ref(), password.declassify().as_ref()).await
            }
            C::Enable { capabilities } => self.enable(capabilities.as_ref(), reply).await,
            C::Namespace => {
                self.mailboxes()?;
                reply.line("* NAMESPACE ((\"\" \"/\")) NIL NIL").await?;
                done("NAMESPACE")
            }
            C::Idle => Err(Stop::Bad("log in first".into())),
            C::List { reference, mailbox_wildcard } => {
                self.list(&reference, &mailbox_wildcard, &extras, reply).await
            }
            C::Lsub { reference, mailbox_wildcard } => self.lsub(&reference, &mailbox_wildcard, reply).await,
            C::Status { mailbox, item_names } => {
                let folder = self.folder(&mailbox).await?;
                let items = crate::folders::status_items(&item_names, &extras.status_more)?;
                self.status(&folder, &items, reply).await?;
                done("STATUS")
            }
            C::Select { mailbox, parameters } => self.select(&mailbox, &parameters, false, reply).await,
            C::Examine { mailbox, parameters } => self.select(&mailbox, &parameters, true, reply).await,
            C::Create { mailbox } => self.create(&mailbox).await,
            C::Delete { mailbox } => self.delete(&mailbox).await,
            C::Rename { from, to } => self.rename(&from, &to).await,
            C::Subscribe { mailbox } => self.subscribe(&mailbox, true).await,
            C::Unsubscribe { mailbox } => self.subscribe(&mailbox, false).await,
            C::Close => {
                let selected = self.selected()?;
                let (folder, read_only) = (selected.folder, selected.read_only);
                if !read_only {
                    self.mailboxes()?.expunge(folder, None).await?;
                }
                self.selected = None;
                // No HIGHESTMODSEQ: changes by others were not told (RFC 7162 §3.2.8).
                done("CLOSE")
            }
            C::Unselect => {
                self.selected()?;
                self.selected = None;
                done("UNSELECT")
            }
            C::Fetch { sequence_set, macro_or_item_names, uid, modifiers } => {
                self.fetch(&sequence_set, macro_or_item_names, uid, &modifiers, reply).await
            }
            C::Store { sequence_set, kind, response, flags, uid, modifiers } => {
                let request =
                    crate::store::StoreRequest { kind, response, flags: &flags, modifiers: &modifiers };
                self.store(&sequence_set, request, uid, reply).await
            }
            C::Expunge => self.expunge(None, reply).await,
            C::ExpungeUid { sequence_set } => self.expunge(Some(&sequence_set), reply).await,
            C::Copy { sequence_set, mailbox, uid } => self.copy(&sequence_set, &mailbox, uid, reply).await,
            C::Move { sequence_set, mailbox, uid } => self.move_to(&sequence_set, &mailbox, uid, reply).await,
            C::Search { charset, criteria, uid } => {
                let request = crate::search::Request { charset, criteria: criteria.as_ref(), uid, tag };
                self.search(request, &extras, reply).await
            }
            C::GetQuotaRoot { mailbox } => self.quota_root(&mailbox, reply).await,
            C::GetQuota { root } => self.quota(root.as_ref(), reply).await,
            C::SetQuota { .. } => Err(Stop::No("[NOPERM] the administration sets the quota".into())),
            _ => Err(Stop::Bad("this command is not offered".into())),
        }
    }

    async fn enable<O: Output>(
        &mut self,
        wanted: &[CapabilityEnable<'_>],
        reply: &mut Reply<'_, O>,
    ) -> Answer {
        self.mailboxes()?;
        let mut enabled = String::new();
        if wanted.iter().any(|c| matches!(c, CapabilityEnable::CondStore)) {
            self.enable_condstore(reply).await?;
            enabled.push_str(" CONDSTORE");
        }
        let asked = |word: &str| wanted.iter().any(|c| c.to_string().eq_ignore_ascii_case(word));
        if asked("IMAP4rev2") {
            self.rev2 = true;
            enabled.push_str(" IMAP4rev2");
        }
        if asked("QRESYNC") {
            // RFC 7162 §3.2.3: it brings CONDSTORE with it.
            self.qresync = true;
            self.enable_condstore(reply).await?;
            enabled.push_str(" QRESYNC");
        }
        if asked("UTF8=ACCEPT") {
            self.utf8 = true;
            enabled.push_str(" UTF8=ACCEPT");
        }
        // RFC 5161 §3.1: what is not known is left out without an error.
        reply.line(&format!("* ENABLED{enabled}")).await?;
        done("ENABLE")
    }
}

pub(crate) fn done(command: &str) -> Answer {
    Ok(format!("{command} done"))
}
