//! What stands around every page of the application: who is logged in, where they may go, where they are.

use super::icons;
use crate::assets;
use crate::ctx::Ctx;
use crate::locale;
use crate::pages::Frame;
use crate::state::WebState;
use sealpost_envelope::{EntityId, Language};
use sealpost_store::account::Role;

/// Who is logged in, as pages show them.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) entity: EntityId,
    pub(crate) login: String,
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Theirs is the only organisation here.
    pub(crate) alone: bool,
    /// The session's value for the field `csrf`.
    pub(crate) csrf: String,
}

/// A place in the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Compose,
    Contacts,
    Invitations,
    Deposits,
    Statistics,
    Journal,
    Accounts,
    Recipients,
    Approvals,
    Entities,
    Queue,
    Held,
    Rules,
    Certificates,
    Health,
    Settings,
    Account,
}

impl Section {
    fn href(self) -> &'static str {
        match self {
            Self::Compose => "/compose",
            Self::Contacts => "/contacts",
            Self::Invitations => "/invitations",
            Self::Deposits => "/deposits",
            Self::Statistics => "/statistics",
            Self::Journal => "/journal",
            Self::Accounts => "/admin/accounts",
            Self::Recipients => "/admin/recipients",
            Self::Approvals => "/admin/approvals",
            Self::Entities => "/admin/entities",
            Self::Queue => "/admin/queue",
            Self::Held => "/admin/held",
            Self::Rules => "/admin/rules",
            Self::Certificates => "/admin/certificates",
            Self::Health => "/admin/health",
            Self::Settings => "/admin/settings",
            Self::Account => "/account",
        }
    }
    fn label(self, l: Language) -> &'static str {
        match self {
            Self::Compose => l.pick("Nouveau message", "New message"),
            Self::Contacts => l.pick("Carnet d’adresses", "Address book"),
            Self::Invitations => l.pick("Recevoir des fichiers", "Receive files"),
            Self::Deposits => l.pick("Dépôts", "Deposits"),
            Self::Statistics => l.pick("Statistiques", "Statistics"),
            Self::Journal => l.pick("Journal", "Journal"),
            Self::Accounts => l.pick("Comptes", "Accounts"),
            Self::Recipients => l.pick("Destinataires", "Recipients"),
            Self::Approvals => l.pick("Demandes", "Requests"),
            Self::Entities => l.pick("Organismes", "Organisations"),
            Self::Queue => l.pick("File d’envoi", "Queue"),
            Self::Held => l.pick("Messages retenus", "Held messages"),
            Self::Rules => l.pick("Règles", "Rules"),
            Self::Certificates => l.pick("Certificats", "Certificates"),
            Self::Health => l.pick("État du service", "Service health"),
            Self::Settings => l.pick("Configuration", "Configuration"),
            Self::Account => l.pick("Mon compte", "My account"),
        }
    }
    /// Which roles find it in their menu, and may open it. What is about the whole installation is the operators',
    /// unless the organisation is `alone` in it.
    pub(crate) fn is_for(self, role: Role, alone: bool) -> bool {
        match self {
            Self::Compose | Self::Contacts | Self::Invitations => role == Role::Sender || role.administers(),
            Self::Deposits | Self::Statistics | Self::Journal => role != Role::Demo,
            Self::Account => true,
            Self::Health | Self::Settings => role == Role::Operator || role == Role::Admin && alone,
            _ => role.administers(),
        }
    }
}

/// A title in French and English, and what stands under it.
type Menu = (Option<(&'static str, &'static str)>, &'static [Section]);

/// Places with a page today, in the menu's groups.
const MENU: [Menu; 3] = [
    (
        None,
        &[
            Section::Compose,
            Section::Deposits,
            Section::Invitations,
            Section::Contacts,
            Section::Journal,
            Section::Statistics,
        ],
    ),
    (
        Some(("Administration", "Administration")),
        &[
            Section::Health,
            Section::Queue,
            Section::Held,
            Section::Accounts,
            Section::Recipients,
            Section::Approvals,
            Section::Entities,
            Section::Rules,
            Section::Certificates,
            Section::Settings,
        ],
    ),
    (Some(("Compte", "Account")), &[Section::Account]),
];

/// An entry of the menu.
#[derive(Debug)]
pub(crate) struct NavLink {
    pub(crate) href: &'static str,
    pub(crate) label: &'static str,
    pub(crate) icon: &'static str,
    pub(crate) here: bool,
    /// A number that asks for attention.
    pub(crate) count: Option<u64>,
}

/// Entries under a common title.
#[derive(Debug)]
pub(crate) struct NavGroup {
    pub(crate) title: Option<&'static str>,
    pub(crate) links: Vec<NavLink>,
}

/// [`Frame`] with the menu and the person.
#[derive(Debug)]
pub(crate) struct AppFrame {
    frame: Frame,
    pub(crate) who: Person,
    pub(crate) app_style: String,
    pub(crate) app_script: String,
    pub(crate) groups: Vec<NavGroup>,
    pub(crate) start: &'static str,
    /// This page in the other language.
    pub(crate) other: String,
    /// In which zone times of tables are, where there is no room to say it with each.
    pub(crate) hours: String,
    here: Section,
}

impl std::ops::Deref for AppFrame {
    type Target = Frame;
    fn deref(&self) -> &Frame {
        &self.frame
    }
}

impl AppFrame {
    /// Around a page of `here` for `who`.
    pub(crate) fn new(
        state: &WebState,
        ctx: &Ctx,
        who: impl Into<Person>,
        here: Section,
        title: &str,
    ) -> Self {
        let (who, l) = (who.into(), ctx.language);
        let link = |section: Section| NavLink {
            href: section.href(),
            label: section.label(l),
            icon: icons::of(section),
            here: section == here,
            count: None,
        };
        let groups = MENU.iter().filter_map(|(title, sections)| {
            let links: Vec<NavLink> =
                sections.iter().filter(|s| s.is_for(who.role, who.alone)).map(|s| link(*s)).collect();
            let title = title.map(|(fr, en)| l.pick(fr, en));
            (!links.is_empty()).then_some(NavGroup { title, links })
        });
        let other = if l == Language::Fr { "en" } else { "fr" };
        let offset = locale::offset(state.clock.now(), &state.zone(who.entity));
        Self {
            hours: format!("{} {offset}", l.pick("Heures :", "Times:")),
            groups: groups.collect(),
            frame: Frame::new(state, ctx, title, state.entity(who.entity)),
            app_style: assets::app_style(),
            app_script: assets::app_script(),
            start: Section::Deposits.href(),
            other: ctx.with_query("lang", other),
            who,
            here,
        }
    }
    /// Whether the person deposits messages.
    pub(crate) fn writes(&self) -> bool {
        Section::Compose.is_for(self.who.role, self.who.alone)
    }
    /// What the person is here.
    pub(crate) fn role(&self) -> &'static str {
        role(self.who.role, self.language)
    }
    /// Where the page is in the menu.
    pub(crate) fn place(&self) -> &'static str {
        self.here.label(self.language)
    }
}

/// A role as people call it.
pub(crate) fn role(role: Role, l: Language) -> &'static str {
    match role {
        Role::Sender => l.pick("éditeur", "sender"),
        Role::Auditor => l.pick("auditeur", "auditor"),
        Role::Admin => l.pick("administrateur", "administrator"),
        Role::Operator => l.pick("exploitant", "operator"),
        Role::Demo => l.pick("boîte de démonstration", "demonstration mailbox"),
    }
}
