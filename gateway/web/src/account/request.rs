//! Where nothing proves who somebody is: they say what they can, and an administrator decides.
//!
//! **Exposure.** Strangers fill the queue with claims about other people's accounts: bounded per address and account,
//! answered alike whether the account exists, and worth nothing until an administrator of the organisation has
//! recognised the person in another way. The address of a person who is known hears of a decision.

use super::mail;
use super::recover::{Ask, Details};
use crate::app::frame::{AppFrame, Section};
use crate::app::typed::Typed;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::locale;
use crate::login::Staff;
use crate::login::journal::{self, Origin};
use crate::login::slow::{allowed, until_asked};
use crate::pages::{Back, Frame, NoticePage, html, html_status, see_other, show as respond};
use crate::state::WebState;
use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::EmailAddress;
use sealpost_evidence::Detail;
use sealpost_store::account::{
    Account, AccountError, AccountRequest, LinkPurpose, NewRequest, Profile, Role,
};
use sealpost_store::queue;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

const ACTION: &str = "/password/unknown";
/// Links after a decision hold for a day: the person does not wait in front of the screen.
const LIFE: Duration = Duration::from_secs(86_400);

fn form(
    state: &WebState,
    ctx: &Ctx,
    identifier: String,
    details: Details,
    stale: bool,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let title = l.pick("Adresse manquante ou changée", "Missing or changed address");
    let frame = Frame::new(state, ctx, title, state.only_entity());
    let bad = details.bad_address || details.bad_phone;
    let wrong = if stale {
        Some(l.pick("Cette page était restée ouverte trop longtemps.", "This page was open for too long."))
    } else if bad {
        Some(l.pick(
            "L’adresse et le numéro de mobile sont obligatoires.",
            "Address and mobile number are needed.",
        ))
    } else {
        None
    };
    let page = Ask {
        f: &frame,
        csrf: ctx.csrf(state, ACTION),
        action: ACTION,
        title,
        lead: l.pick(
            "Pour protéger vos données (RGPD), une adresse ne se change pas sur simple demande. Un administrateur de votre organisme vérifie la vôtre avec vous, puis un lien y est envoyé.",
            "To protect your data (GDPR), an address is not changed for the asking. An administrator of your organisation checks yours with you, then a link is sent there.",
        ),
        identifier,
        details: Some(details),
        wrong,
    };
    html_status(if wrong.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK }, &page)
}

/// `GET /password/unknown`
pub(super) async fn start(State(state): State<WebState>, ctx: Ctx) -> Response {
    let page = form(&state, &ctx, String::new(), Details::default(), false);
    respond(&state, &ctx, page)
}

/// `POST /password/unknown`
pub(super) async fn ask(State(state): State<WebState>, ctx: Ctx, body: Body) -> Response {
    let page = async {
        let typed = Typed::posted(&state, body).await?;
        let identifier: String = typed.get("identifier").chars().take(320).collect();
        // What was typed stays in the form.
        let mut details = Details {
            address: typed.get("address").chars().take(254).collect(),
            phone: typed.get("phone").chars().take(24).collect(),
            ..Details::default()
        };
        if !ctx.is_ours(&state, ACTION, Some(typed.get("csrf"))) {
            return form(&state, &ctx, identifier, details, true);
        }
        let phone: String = details.phone.chars().filter(|c| !c.is_whitespace()).take(20).collect();
        let contact = EmailAddress::parse(details.address.trim());
        (details.bad_address, details.bad_phone) = (contact.is_err(), !is_phone(&phone));
        let (Ok(contact), false) = (contact, details.bad_phone) else {
            return form(&state, &ctx, identifier, details, false);
        };
        let started = Instant::now();
        if !allowed(&state, &ctx).await? {
            return Err(Fault::TooMany);
        }
        if let Some(account) = state.accounts.identify(&identifier).await?.filter(|a| a.role != Role::Demo) {
            keep(&state, &ctx, &account, contact, phone).await?;
        }
        until_asked(started).await;
        passed_on(&state, &ctx)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (8..=15).contains(&digits) && text.bytes().all(|b| b.is_ascii_digit() || b"+.-()".contains(&b))
}

async fn keep(
    state: &WebState,
    ctx: &Ctx,
    account: &Account,
    contact: EmailAddress,
    phone: String,
) -> Result<(), Fault> {
    let Some(site) = state.entity(account.entity) else { return Ok(()) };
    let now = state.clock.now();
    let detail = Detail::new().text("identity", "not verified").personal("address", contact.as_str());
    let who = Origin::of(ctx).anonymous();
    let event = journal::changed(&site, account, who, "address asked for", detail, now)?;
    let new = NewRequest { account: account.clone(), contact, phone, now };
    state
        .store
        .db()
        .write(async move |tx| {
            if AccountRequest::add(tx, new).await? {
                tx.append(vec![event]).await?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}

fn passed_on(state: &WebState, ctx: &Ctx) -> Result<Response, Fault> {
    let l = ctx.language;
    let title = l.pick("Demande transmise", "Request passed on");
    let frame = Frame::new(state, ctx, title, state.only_entity());
    html(&NoticePage {
        f: &frame,
        kind: title.to_owned(),
        reference: None,
        heading: l.pick("Votre demande est transmise", "Your request is passed on").to_owned(),
        paragraphs: vec![
            l.pick(
                "Si un compte correspond à cet identifiant, un administrateur de votre organisme vous contactera pour vérifier que c’est bien vous. Il n’y a rien d’autre à faire ici.",
                "If an account has this identifier, an administrator of your organisation will contact you to make sure that it is you. There is nothing else to do here.",
            )
            .to_owned(),
        ],
        contact: None,
        back: Some(Back { href: "/login".to_owned(), label: l.pick("Fermer", "Close").to_owned() }),
    })
}

/// A request as an administrator sees it.
struct Row {
    id: String,
    name: String,
    login: String,
    asked: String,
    contact: String,
    phone: String,
    known_contact: Option<String>,
    known_phone: Option<String>,
    /// The number is the one on file: a hint, no proof.
    phone_matches: bool,
    /// Why it is not this person who decides.
    barred: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "approvals.html")]
struct Page<'a> {
    f: &'a AppFrame,
    rows: Vec<Row>,
}

/// `GET /admin/approvals`
pub(super) async fn list(State(state): State<WebState>, ctx: Ctx, staff: Staff) -> Response {
    let page = async {
        staff.require(&[Role::Admin, Role::Operator])?;
        let l = ctx.language;
        let frame = AppFrame::new(
            &state,
            &ctx,
            &staff,
            Section::Approvals,
            l.pick("Demandes à décider", "Requests to decide"),
        );
        let mut rows = Vec::new();
        for request in state.accounts.open_requests(staff.entity()).await? {
            let Some(account) = state.accounts.by_id(request.account).await? else { continue };
            let profile = state.accounts.profile(&account).await?;
            rows.push(Row {
                barred: staff.barred_from(&account).map(|why| why.words(l)),
                id: request.id.to_string(),
                name: account.name,
                login: account.login.to_string(),
                asked: locale::moment(request.created, &staff.site.zone, l),
                phone_matches: profile.phone.as_deref().is_some_and(|p| same_phone(p, &request.phone)),
                contact: request.contact.to_string(),
                phone: request.phone,
                known_contact: profile.contact.map(|c| c.to_string()),
                known_phone: profile.phone,
            });
        }
        html(&Page { f: &frame, rows })
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// Whether two numbers end alike: national and international forms of one number do.
fn same_phone(a: &str, b: &str) -> bool {
    let tail = |t: &str| {
        let digits: Vec<u8> = t.bytes().filter(u8::is_ascii_digit).collect();
        digits.len().checked_sub(9).map(|from| digits[from..].to_vec())
    };
    tail(a).is_some() && tail(a) == tail(b)
}

/// `POST /admin/approvals`
pub(super) async fn decide(State(state): State<WebState>, ctx: Ctx, staff: Staff, body: Body) -> Response {
    let page = async {
        staff.require(&[Role::Admin, Role::Operator])?;
        let typed = Typed::posted(&state, body).await?;
        if !staff.is_ours(Some(typed.get("csrf"))) {
            return see_other("/admin/approvals");
        }
        let id = typed.parsed::<Uuid>("id").ok_or(Fault::BadForm)?;
        let request = state.accounts.request(staff.entity(), id).await?.ok_or(Fault::Unknown)?;
        let account = state.accounts.by_id(request.account).await?.ok_or(Fault::Unknown)?;
        // Anybody files requests: whoever approved one for such an account would be handed its link.
        if staff.barred_from(&account).is_some() {
            return see_other("/admin/approvals");
        }
        settle(&state, &staff, request, account, typed.get("decision") == "approve").await?;
        see_other("/admin/approvals")
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

async fn settle(
    state: &WebState,
    staff: &Staff,
    request: AccountRequest,
    account: Account,
    approved: bool,
) -> Result<(), Fault> {
    let now = state.clock.now();
    let former = state.accounts.profile(&account).await?;
    let what = if approved { "address approved" } else { "address refused" };
    let detail = Detail::new().personal("address", request.contact.as_str());
    let event = journal::changed(&staff.site, &account, journal::actor(&staff.account), what, detail, now)?;
    // Who is known under the former address hears of it there.
    let word = if approved { "contact" } else { "refused" };
    let news: Vec<_> =
        former.contact.clone().map(|to| mail::news_to(&account, to, word, now)).into_iter().collect();
    let fresh = Profile { contact: Some(request.contact.clone()), ..former };
    let (accounts, decider) = (state.accounts.clone(), staff.id());
    state
        .store
        .db()
        .write_as(async move |tx| {
            if !request.decide(tx, approved, decider, now).await? {
                return Ok::<_, AccountError>(());
            }
            if approved {
                accounts.write_profile(tx, &account, &fresh).await?;
                let purpose = if account.has_password { LinkPurpose::Reset } else { LinkPurpose::First };
                let link = accounts.issue_link(tx, &account, purpose, &request.contact, (now, LIFE)).await?;
                queue::insert(tx, &mail::link(&account, &link, now)).await?;
            }
            queue::insert_all(tx, &news).await?;
            Ok(tx.append(vec![event]).await?)
        })
        .await?;
    (state.hooks.outbound)();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{is_phone, same_phone};

    #[test]
    fn numbers_are_compared_by_their_end() {
        assert!(same_phone("+33612345678", "06.12.34.56.78"));
        assert!(!same_phone("+33612345678", "0612345679"));
        assert!(!same_phone("123", "123"));
        assert!(is_phone("+33612345678") && is_phone("06.12.34.56.78"));
        assert!(!is_phone("") && !is_phone("12") && !is_phone("<script>0612345678"));
    }
}
