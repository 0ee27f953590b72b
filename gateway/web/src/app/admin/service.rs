//! Pages about the service itself: organisations, rules and what they would do, certificates, health,
//! configuration. All of them only show.

use crate::app::deposit::When;
use crate::app::frame::{AppFrame, Section};
use crate::app::operations::{CertificateUse, Health, Question, RuleShown, SettingsShown};
use crate::app::typed::Typed;
use crate::app::viewer::may;
use crate::app::words::{self, Badge};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::login::Staff;
use crate::pages::{html, see_other, show};
use crate::state::{EntitySite, WebState};
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use sealpost_envelope::{EmailAddress, Language, Timestamp};
use sealpost_store::{Observations, ObservedCount};
use std::sync::Arc;

/// A certificate that ends within so many days asks for attention …
const SOON: i64 = 30;
const DAY: i64 = 86_400;

/// `GET /admin` leads to the first page.
pub(super) async fn start(State(state): State<WebState>, ctx: Ctx, staff: Staff) -> Response {
    let health = Section::Health.is_for(staff.role(), staff.alone);
    let away = see_other(if health { "/admin/health" } else { "/admin/queue" });
    show(&state, &ctx, away)
}

#[derive(Template)]
#[template(path = "app/entities.html")]
struct EntitiesPage<'a> {
    f: &'a AppFrame,
    site: Arc<EntitySite>,
    domains: Vec<String>,
    zone: String,
    /// Others live in this installation; they never see one another.
    others: bool,
}

/// `GET /admin/entities`
pub(super) async fn entities(State(state): State<WebState>, ctx: Ctx, staff: Staff) -> Response {
    let page = || {
        may(&staff, Section::Entities)?;
        let title = ctx.language.pick("Organisme", "Organisation");
        let frame = AppFrame::new(&state, &ctx, &staff, Section::Entities, title);
        html(&EntitiesPage {
            site: staff.site.clone(),
            domains: state.hooks.operations.domains(staff.entity()),
            zone: staff.site.zone.iana_name().unwrap_or("UTC").to_owned(),
            others: state.only_entity().is_none(),
            f: &frame,
        })
    };
    show(&state, &ctx, page())
}

/// The answer to "what would happen".
#[derive(Debug)]
struct Answer {
    treatment: &'static str,
    rule: String,
    gate: Option<String>,
    expires: Option<When>,
    retention: When,
    held: Option<String>,
    explanation: Vec<String>,
}

/// What rules would have done, while they are only observed.
#[derive(Debug)]
struct Would {
    words: String,
    recipients: u64,
}

#[derive(Template)]
#[template(path = "app/rules.html")]
struct RulesPage<'a> {
    f: &'a AppFrame,
    rules: Vec<RuleShown>,
    from: &'a str,
    to: &'a str,
    subject: &'a str,
    size: &'a str,
    names: &'a str,
    wrong_from: Option<&'static str>,
    wrong_to: Option<&'static str>,
    wrong: Option<String>,
    answer: Option<Answer>,
    observed: Vec<Would>,
}

/// Days that the page of rules looks back.
const OBSERVED: u64 = 30;
/// Kinds of consequences that it shows.
const KINDS: u32 = 50;

/// What the rules would have done lately, strongest first; nothing where they are in force.
async fn observed(state: &WebState, staff: &Staff, l: Language) -> Result<Vec<Would>, Fault> {
    let now = state.clock.now();
    let since = now.saturating_sub(std::time::Duration::from_secs(OBSERVED * 86_400)).unwrap_or(now);
    let which = Observations::Since(Some(staff.entity()), since);
    let counts = state.store.observed_counts(which, KINDS).await?;
    let would = |c: ObservedCount| {
        let what = words::treatment(c.treatment, l);
        let held = if c.held { l.pick("retenu, puis ", "held, then ") } else { "" };
        let words = match l {
            Language::Fr => format!("{held}{what}, par « {} »", c.rule),
            Language::En => format!("{held}{what}, by “{}”", c.rule),
        };
        Would { words, recipients: c.recipients }
    };
    Ok(counts.into_iter().map(would).collect())
}

/// `GET /admin/rules`: the rules, and what they would do to a message. Asking changes nothing.
pub(super) async fn rules(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = rules_page(&state, &ctx, &staff, &query.unwrap_or_default()).await;
    show(&state, &ctx, page)
}

async fn rules_page(state: &WebState, ctx: &Ctx, staff: &Staff, query: &str) -> Result<Response, Fault> {
    may(staff, Section::Rules)?;
    let typed = Typed::query(query).await?;
    let l = ctx.language;
    let (from, to) = (typed.get("from"), typed.get("to"));
    let asked = !from.is_empty() || !to.is_empty();
    let shape = || l.pick("Une adresse a la forme nom@domaine.", "An address has the form name@domain.");
    let (sender, recipient) = (EmailAddress::parse(from), EmailAddress::parse(to));
    let (wrong_from, wrong_to) =
        ((asked && sender.is_err()).then(shape), (asked && recipient.is_err()).then(shape));
    let (mut wrong, mut answer) = (None, None);
    if let (true, Ok(sender), Ok(recipient)) = (asked, sender, recipient) {
        let question = Question {
            sender,
            recipient,
            subject: typed.get("subject").to_owned(),
            size: typed.parsed::<u64>("size").unwrap_or(0).saturating_mul(1000),
            attachments: typed
                .get("names")
                .split(',')
                .map(|n| n.trim().to_owned())
                .filter(|n| !n.is_empty())
                .collect(),
            language: l,
        };
        match state.hooks.operations.would_be(staff.entity(), &question) {
            Ok(would) => {
                let tracked = would.verdict.treatment.has_link();
                let when = |t| When::new(t, &staff.site.zone, l);
                answer = Some(Answer {
                    treatment: words::treatment(would.verdict.treatment, l),
                    rule: would.verdict.rule,
                    gate: tracked.then(|| words::gate(&would.verdict.gate.words(), l)),
                    expires: tracked.then(|| when(would.verdict.expires)),
                    retention: when(would.verdict.retention),
                    held: would.held,
                    explanation: would.explanation,
                });
            }
            Err(why) => wrong = Some(why),
        }
    }
    let frame = AppFrame::new(state, ctx, staff, Section::Rules, l.pick("Règles", "Rules"));
    html(&RulesPage {
        rules: state.hooks.operations.rules(),
        from,
        to,
        subject: typed.get("subject"),
        size: typed.get("size"),
        names: typed.get("names"),
        wrong_from,
        wrong_to,
        wrong,
        answer,
        observed: observed(state, staff, l).await?,
        f: &frame,
    })
}

#[derive(Debug)]
struct Certificate {
    usage: &'static str,
    about: &'static str,
    subject: String,
    issuer: String,
    fingerprint: String,
    ends: When,
    state: Badge,
}

#[derive(Template)]
#[template(path = "app/certificates.html")]
struct CertificatesPage<'a> {
    f: &'a AppFrame,
    all: Vec<Certificate>,
}

/// `GET /admin/certificates`
pub(super) async fn certificates(State(state): State<WebState>, ctx: Ctx, staff: Staff) -> Response {
    let page = || {
        may(&staff, Section::Certificates)?;
        let (l, now) = (ctx.language, state.clock.now());
        let title = l.pick("Certificats", "Certificates");
        let frame = AppFrame::new(&state, &ctx, &staff, Section::Certificates, title);
        let shown = state.hooks.operations.certificates(staff.entity()).into_iter().map(|c| {
            let (usage, about) = usage(c.usage, l);
            Certificate {
                usage,
                about,
                subject: c.subject,
                issuer: c.issuer,
                fingerprint: c.fingerprint,
                ends: When::new(c.not_after, &staff.site.zone, l),
                state: remaining(c.not_after, now, l),
            }
        });
        html(&CertificatesPage { all: shown.collect(), f: &frame })
    };
    show(&state, &ctx, page())
}

fn remaining(end: Timestamp, now: Timestamp, l: Language) -> Badge {
    match (end.as_second() - now.as_second()) / DAY {
        _ if end <= now => Badge { word: l.pick("expiré", "expired"), tone: "bad" },
        days if days < SOON => Badge { word: l.pick("à renouveler", "to be renewed"), tone: "warn" },
        _ => Badge { word: l.pick("valable", "valid"), tone: "good" },
    }
}

fn usage(usage: CertificateUse, l: Language) -> (&'static str, &'static str) {
    match usage {
        CertificateUse::Root => (
            l.pick("Racine", "Root"),
            l.pick(
                "À donner à qui vérifie une preuve hors ligne.",
                "To be given to whoever verifies a proof offline.",
            ),
        ),
        CertificateUse::Evidence => (
            l.pick("Sceau des preuves", "Seal of evidence"),
            l.pick("Scelle chaque événement attesté.", "Seals each attested event."),
        ),
        CertificateUse::Time => (
            l.pick("Horodatage interne", "Built-in timestamps"),
            l.pick("Date chaque sceau et chaque point de contrôle.", "Dates each seal and each checkpoint."),
        ),
        CertificateUse::Journal => (
            l.pick("Journal", "Journal"),
            l.pick("Signe les points de contrôle du journal.", "Signs the journal’s checkpoints."),
        ),
        CertificateUse::Mail => (
            l.pick("Signature des courriels", "Signature of mail"),
            l.pick(
                "Signe (S/MIME) ce que l’organisme écrit.",
                "Signs (S/MIME) what the organisation writes.",
            ),
        ),
        CertificateUse::Tls => (
            "TLS",
            l.pick(
                "Protège les pages et les connexions de courriel.",
                "Protects pages and mail connections.",
            ),
        ),
    }
}

#[derive(Debug)]
struct Check {
    name: &'static str,
    words: String,
    state: Badge,
}

#[derive(Template)]
#[template(path = "app/health.html")]
struct HealthPage<'a> {
    f: &'a AppFrame,
    checks: Vec<Check>,
    all_good: bool,
}

/// `GET /admin/health`
pub(super) async fn health(State(state): State<WebState>, ctx: Ctx, staff: Staff) -> Response {
    let page = async {
        may(&staff, Section::Health)?;
        let l = ctx.language;
        let lines = state.hooks.operations.health().await;
        let all_good = lines.iter().all(|line| line.state == Health::Good);
        let checks = lines.into_iter().map(|line| {
            let (word, tone) = match line.state {
                Health::Good => (l.pick("en ordre", "in order"), "good"),
                Health::Warn => (l.pick("à regarder", "needs a look"), "warn"),
                Health::Bad => (l.pick("en panne", "broken"), "bad"),
            };
            let (fr, en) = line.words;
            Check {
                name: l.pick(line.name.0, line.name.1),
                words: if l == Language::Fr { fr } else { en },
                state: Badge { word, tone },
            }
        });
        let title = l.pick("État du service", "Service health");
        let frame = AppFrame::new(&state, &ctx, &staff, Section::Health, title);
        html(&HealthPage { checks: checks.collect(), all_good, f: &frame })
    };
    let page = page.await;
    show(&state, &ctx, page)
}

#[derive(Template)]
#[template(path = "app/settings.html")]
struct SettingsPage<'a> {
    f: &'a AppFrame,
    sections: Vec<SettingsShown>,
}

/// `GET /admin/settings`
pub(super) async fn settings(State(state): State<WebState>, ctx: Ctx, staff: Staff) -> Response {
    let page = || {
        may(&staff, Section::Settings)?;
        let title = ctx.language.pick("Configuration", "Configuration");
        let frame = AppFrame::new(&state, &ctx, &staff, Section::Settings, title);
        html(&SettingsPage { sections: state.hooks.operations.settings(), f: &frame })
    };
    show(&state, &ctx, page())
}
