//! The page "Sécurité": what protects the account, and what has access to it.

use crate::app::frame::{AppFrame, Section};
use crate::app::typed::Typed;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::locale;
use crate::login::Staff;
use crate::pages::{html_status, show as respond};
use crate::state::{MailAccess, WebState};
use crate::tiqr::page::Code as QrCode;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::{GateMethod, Language, Secret};
use sealpost_gate::strength::Weakness;
use sealpost_store::account::{Account, AppScope};
use sealpost_store::session::StaffSession;

/// Something shown on this answer and never again.
pub(super) enum Once {
    /// An app password, with what a mail program wants to know.
    Program { label: String, password: Secret<String>, scope: AppScope },
    /// Backup codes.
    Codes(Vec<Secret<String>>),
    /// An authenticator app to be associated.
    App { qr: QrCode, secret: Secret<String>, sealed: String },
}

/// What the page says about what was just done, with the section it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Done, as the address of the page says.
    Password,
    AppOn,
    AppOff,
    Revoked,
    Ended,
    /// Not done.
    WrongPassword,
    WrongCode,
    Differ,
    Weak(Weakness),
    Same,
    NoLabel,
    Throttled,
    Stale,
}

impl Word {
    fn of_query(text: &str) -> Option<Self> {
        match text {
            "password" => Some(Self::Password),
            "app" => Some(Self::AppOn),
            "app-removed" => Some(Self::AppOff),
            "revoked" => Some(Self::Revoked),
            "ended" => Some(Self::Ended),
            _ => None,
        }
    }
    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Password | Self::AppOn | Self::AppOff | Self::Revoked | Self::Ended)
    }
    /// In words, French and English.
    pub(crate) fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Password => (
                "Le mot de passe est changé. Les autres sessions sont fermées.",
                "The password is changed. Other sessions were ended.",
            ),
            Self::AppOn => ("L’application est associée à votre compte.", "The app is tied to your account."),
            Self::AppOff => {
                ("L’application est retirée de votre compte.", "The app was taken off your account.")
            }
            Self::Revoked => (
                "Le mot de passe d’application est révoqué ; ses connexions ouvertes se ferment.",
                "The app password is revoked; its open connections end.",
            ),
            Self::Ended => ("C’est fermé.", "Ended."),
            Self::WrongPassword => {
                ("Le mot de passe actuel n’est pas le bon.", "The current password is not right.")
            }
            Self::WrongCode => (
                "Ce code n’est pas le bon. Attendez le suivant et vérifiez l’heure du téléphone.",
                "This is not the right code. Wait for the next one and check the phone’s clock.",
            ),
            Self::Differ => (
                "Les deux saisies du nouveau mot de passe diffèrent.",
                "The new password was typed in two ways.",
            ),
            Self::Same => ("Le nouveau mot de passe est l’ancien.", "The new password is the old one."),
            Self::NoLabel => ("Donnez un nom au logiciel.", "Give the program a name."),
            Self::Throttled => {
                ("Trop d’essais pour le moment : patientez.", "Too many tries for now: please wait.")
            }
            Self::Stale => (
                "Cette page était restée ouverte trop longtemps. Recommencez.",
                "This page had been open for too long. Please start again.",
            ),
            Self::Weak(weakness) => weak(weakness),
        }
    }
}

/// Why a password is refused.
pub(super) fn weak(weakness: Weakness) -> (&'static str, &'static str) {
    match weakness {
        Weakness::Short => ("Il faut 12 caractères ou plus.", "12 characters or more are needed."),
        Weakness::Long => ("C’est plus long que 256 caractères.", "It is longer than 256 characters."),
        Weakness::Kinds => (
            "Il faut des majuscules, des minuscules, des chiffres et des symboles, ou une phrase de sept mots.",
            "Upper case, lower case, digits and symbols are needed, or a phrase of seven words.",
        ),
        Weakness::Common => (
            "C’est un mot de passe que tout le monde essaie en premier.",
            "Everybody tries this password first.",
        ),
        Weakness::Personal => {
            ("Il contient votre nom ou celui de l’organisme.", "It holds your name or the organisation’s.")
        }
    }
}

/// A mail program's row.
pub(crate) struct ProgramRow {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) scope: &'static str,
    pub(crate) created: String,
    pub(crate) used: Option<String>,
    pub(crate) network: Option<String>,
    pub(crate) expires: Option<String>,
    pub(crate) over: bool,
}

/// A session's row.
pub(crate) struct SessionRow {
    pub(crate) id: String,
    pub(crate) here: bool,
    pub(crate) began: String,
    pub(crate) seen: String,
    pub(crate) network: String,
    pub(crate) agent: String,
    pub(crate) methods: String,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Page<'a> {
    f: &'a AppFrame,
    word: Option<Word>,
    once: Option<Once>,
    contact: Option<String>,
    has_app: bool,
    codes_left: u32,
    programs: Vec<ProgramRow>,
    sessions: Vec<SessionRow>,
    /// What the person answers for: number, name, login, last use.
    services: Vec<(i64, String, String, Option<String>)>,
    mail: &'a MailAccess,
    /// Whether cards are read here.
    cards: bool,
    /// Whether codes are sent by SMS.
    texts: bool,
    /// Providers that can be bound: address and name.
    providers: Vec<(String, String)>,
}

/// `GET /account`
pub(super) async fn security(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        let typed = Typed::query(&query.unwrap_or_default()).await?;
        show(&state, &ctx, &staff, Word::of_query(typed.get("done")), None).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// The page, with a word and something to be seen once.
pub(super) async fn show(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    word: Option<Word>,
    once: Option<Once>,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let frame = AppFrame::new(state, ctx, staff, Section::Account, l.pick("Sécurité", "Security"));
    let account = state.accounts.by_id(staff.id()).await?.ok_or(Fault::Unknown)?;
    let profile = state.accounts.profile(&account).await?;
    let page = Page {
        f: &frame,
        word,
        once,
        contact: profile.contact.map(|c| c.masked()),
        has_app: account.has_totp,
        codes_left: state.accounts.backup_codes_left(account.id).await?,
        programs: programs(state, ctx, staff, &account).await?,
        services: services(state, ctx, staff).await?,
        sessions: sessions(state, ctx, staff).await?,
        mail: &state.mail,
        cards: state.card_url.is_some(),
        texts: state.texts.is_some(),
        providers: crate::oidc::bindable(state),
    };
    let status = if word.is_some_and(|w| !w.is_good()) { StatusCode::FORBIDDEN } else { StatusCode::OK };
    html_status(status, &page)
}

async fn services(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
) -> Result<Vec<(i64, String, String, Option<String>)>, Fault> {
    let owned = state.accounts.owned_by(&staff.account).await?;
    let used = |at| locale::moment(at, &staff.site.zone, ctx.language);
    Ok(owned.into_iter().map(|a| (a.id.0, a.name, a.login.to_string(), a.last_used.map(used))).collect())
}

/// The app passwords of an account.
pub(super) async fn programs(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    account: &Account,
) -> Result<Vec<ProgramRow>, Fault> {
    let (l, zone, now) = (ctx.language, &staff.site.zone, state.clock.now());
    let rows = state.accounts.app_passwords(account.id).await?;
    let moment = |t| locale::moment(t, zone, l);
    Ok(rows
        .into_iter()
        .map(|p| ProgramRow {
            id: p.id.to_string(),
            label: p.label,
            scope: match p.scope {
                AppScope::Smtp => l.pick("envoi", "sending"),
                AppScope::Imap => l.pick("lecture", "reading"),
                AppScope::Both => l.pick("envoi et lecture", "sending and reading"),
            },
            created: locale::day(p.created, zone, l),
            used: p.last_used.map(moment),
            network: p.last_network,
            expires: p.expires.map(|t| locale::day(t, zone, l)),
            over: p.expires.is_some_and(|t| t <= now),
        })
        .collect())
}

/// A method as people call it.
fn method(method: &GateMethod, l: Language) -> &'static str {
    match method {
        GateMethod::Link => l.pick("lien", "link"),
        GateMethod::OtpMail => l.pick("code par courriel", "code by mail"),
        GateMethod::OtpSms => l.pick("code par SMS", "code by SMS"),
        GateMethod::Totp => l.pick("application", "app"),
        GateMethod::Hotp => l.pick("calculette", "hardware token"),
        GateMethod::Tiqr => l.pick("téléphone (QR)", "phone (QR)"),
        GateMethod::Cps => l.pick("carte", "card"),
        GateMethod::Oidc(_) => l.pick("fournisseur d’identité", "identity provider"),
        GateMethod::Password => l.pick("mot de passe", "password"),
    }
}

/// A browser and its system as people call them, from what it says of itself.
fn browser(agent: &str) -> String {
    let find =
        |known: &[(&str, &'static str)]| known.iter().find(|(sign, _)| agent.contains(sign)).map(|k| k.1);
    let program = find(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox", "Firefox"),
        ("Chrom", "Chrome"),
        ("Safari", "Safari"),
        ("curl", "curl"),
    ]);
    let system = find(&[
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (program, system) {
        (Some(program), Some(system)) => format!("{program} · {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => agent.chars().take(60).collect(),
    }
}

async fn sessions(state: &WebState, ctx: &Ctx, staff: &Staff) -> Result<Vec<SessionRow>, Fault> {
    let (l, zone) = (ctx.language, &staff.site.zone);
    let (db, now, idle) = (state.store.db(), state.clock.now(), state.staff.idle);
    let rows = StaffSession::of_account(db, staff.id(), now, idle).await?;
    Ok(rows
        .into_iter()
        .map(|s| SessionRow {
            id: s.id.to_string(),
            here: s.id == staff.session.id,
            began: locale::moment(s.created, zone, l),
            seen: locale::moment(s.seen, zone, l),
            network: s.network.unwrap_or_default(),
            agent: browser(&s.agent.unwrap_or_default()),
            methods: s.passed.iter().map(|m| method(m, l)).collect::<Vec<_>>().join(" + "),
        })
        .collect())
}
