//! `/contacts`: whom somebody writes to, in groups where they like; kept by hand, by a file, or by sending.
//!
//! **Exposure.** People who have logged in, each their own address book. Completion names people of the
//! organisation's memory too, by address and name.
//!
//! **Failure.** A mistake is said beside its field and what was typed stays. A file is shown before it is taken in.

mod csv;

use super::act::stale;
use super::compose::read::addressees;
use super::deposit::Said;
use super::frame::{AppFrame, Section};
use super::typed::{Typed, encode};
use super::viewer::may;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::login::Staff;
use crate::multipart::posted::{self, Files};
use crate::pages::{html_status, see_other, show};
use crate::state::WebState;
use askama::Template;
use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use csv::{Change, Plan};
use http::{HeaderMap, StatusCode};
use sealpost_certs::card::NationalId;
use sealpost_envelope::{EmailAddress, Language};
use sealpost_store::{Completion, Contact};
use serde_json::json;

/// Contacts on a page.
const PAGE: u32 = 50;
/// Proposals while somebody types.
const PROPOSALS: u32 = 8;
/// Characters of a name, and groups of one contact.
const NAME: usize = 120;
const GROUPS: usize = 20;

/// What stands in the form.
#[derive(Debug, Default)]
struct Form {
    address: String,
    name: String,
    phone: String,
    rpps: String,
    groups: String,
    address_wrong: Option<&'static str>,
    phone_wrong: Option<&'static str>,
    rpps_wrong: Option<&'static str>,
}

impl Form {
    fn of(contact: &Contact) -> Self {
        Self {
            address: contact.address.to_string(),
            name: contact.name.clone().unwrap_or_default(),
            phone: contact.phone.clone().unwrap_or_default(),
            rpps: contact
                .identity
                .as_deref()
                .and_then(|i| i.strip_prefix("rpps:"))
                .unwrap_or_default()
                .to_owned(),
            groups: contact.groups.join(", "),
            ..Self::default()
        }
    }
    fn typed(typed: &Typed) -> Self {
        let text = |name: &str| typed.get(name).to_owned();
        Self {
            address: text("address"),
            name: text("name"),
            phone: text("phone"),
            rpps: text("rpps"),
            groups: text("groups"),
            ..Self::default()
        }
    }
    fn any_wrong(&self) -> bool {
        self.address_wrong.is_some() || self.phone_wrong.is_some() || self.rpps_wrong.is_some()
    }
    /// A contact made of it; what is wrong is noted.
    fn read(&mut self, l: Language) -> Option<Contact> {
        let address = EmailAddress::parse(&self.address).ok();
        if address.is_none() {
            self.address_wrong = Some(l.pick(
                "Cette adresse n’a pas la forme nom@domaine.",
                "This is no address: it needs the form name@domain.",
            ));
        }
        // Kept as typed: which numbers codes may go to is policy's to say, when one is sent.
        let digits = self.phone.chars().filter(char::is_ascii_digit).count();
        let shaped = self.phone.chars().all(|c| c.is_ascii_digit() || " +.-()/".contains(c));
        if !self.phone.is_empty() && (!shaped || !(6..=17).contains(&digits)) {
            self.phone_wrong = Some(l.pick(
                "Ce n’est pas un numéro de téléphone. Exemple : 06 12 34 56 78.",
                "This is no telephone number. Example: +33 6 12 34 56 78.",
            ));
        }
        let digits: String = self.rpps.chars().filter(|c| !c.is_whitespace()).collect();
        let identity = (!digits.is_empty()).then(|| format!("rpps:{digits}"));
        if identity.as_deref().is_some_and(|i| NationalId::parse_identity(i).is_err()) {
            self.rpps_wrong = Some(l.pick(
                "Ce n’est pas un numéro RPPS : il a onze chiffres.",
                "This is no RPPS number: those have eleven digits.",
            ));
        }
        if self.any_wrong() {
            return None;
        }
        let tidy = |text: &str| {
            text.chars().filter(|c| !c.is_control()).take(NAME).collect::<String>().trim().to_owned()
        };
        let groups = self.groups.split([',', ';']).map(tidy).filter(|g| !g.is_empty()).take(GROUPS);
        Some(Contact {
            address: address?,
            name: Some(tidy(&self.name)).filter(|n| !n.is_empty()),
            phone: Some(self.phone.clone()).filter(|p| !p.is_empty()),
            identity,
            groups: groups.collect(),
        })
    }
}

/// A row of the list.
struct Row {
    contact: Contact,
    /// Its page.
    edit: String,
    write: String,
}

/// A group to narrow the list to, or to write to.
struct Group {
    name: String,
    count: u64,
    show: String,
    write: String,
    here: bool,
}

#[derive(Template)]
#[template(path = "app/contacts.html")]
struct Page<'a> {
    f: &'a AppFrame,
    said: Option<Said>,
    rows: Vec<Row>,
    groups: Vec<Group>,
    form: Form,
    editing: bool,
    q: String,
    filtered: bool,
    next: Option<String>,
}

/// The list.
pub(super) async fn list(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        may(&staff, Section::Contacts)?;
        let typed = Typed::query(&query.unwrap_or_default()).await?;
        let form = match EmailAddress::parse(typed.get("edit")) {
            Ok(address) => {
                let found = state.store.contact(staff.id(), &address).await?;
                found.as_ref().map(Form::of).ok_or(Fault::Unknown)?
            }
            Err(_) => Form::default(),
        };
        page(&state, &ctx, &staff, &typed, form).await
    };
    let page = page.await;
    show(&state, &ctx, page)
}

async fn page(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    typed: &Typed,
    form: Form,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let said = match typed.get("done") {
        "saved" => Some(l.pick("Contact enregistré.", "Contact saved.")),
        "gone" => Some(l.pick("Contact supprimé.", "Contact deleted.")),
        "imported" => {
            Some(l.pick("Fichier repris dans le carnet.", "The file was taken into the address book."))
        }
        _ => None,
    };
    let group = Some(typed.get("group")).filter(|g| !g.is_empty());
    let q = typed.get("q").chars().take(200).collect::<String>();
    let mut found = state.store.contacts(staff.id(), &q, group, typed.get("after"), PAGE + 1).await?;
    let more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let rest = typed.query_without(&["after", "lang", "done", "edit"]);
    let next = found.last().filter(|_| more).map(|c| format!("?{rest}after={}", encode(&c.address.key())));
    let rows = found.into_iter().map(|contact| Row {
        edit: format!("?edit={}#contact", encode(contact.address.as_str())),
        write: format!("/compose?to={}", encode(contact.address.as_str())),
        contact,
    });
    let groups = state.store.contact_groups(staff.id()).await?.into_iter().map(|(name, count)| Group {
        show: format!("?group={}", encode(&name)),
        write: format!("/compose?group={}", encode(&name)),
        here: group.is_some_and(|g| g.to_lowercase() == name.to_lowercase()),
        name,
        count,
    });
    let frame =
        AppFrame::new(state, ctx, staff, Section::Contacts, l.pick("Carnet d’adresses", "Address book"));
    let status = if form.any_wrong() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    html_status(
        status,
        &Page {
            said: said.map(|words| Said { tone: "", words: words.to_owned() }),
            rows: rows.collect(),
            groups: groups.collect(),
            editing: !typed.get("edit").is_empty(),
            filtered: !q.is_empty() || group.is_some(),
            form,
            q,
            next,
            f: &frame,
        },
    )
}

/// Saves or deletes a contact.
pub(super) async fn change(State(state): State<WebState>, ctx: Ctx, staff: Staff, body: Body) -> Response {
    let done = async {
        may(&staff, Section::Contacts)?;
        let typed = Typed::posted(&state, body).await?;
        let mut form = Form::typed(&typed);
        if !staff.is_ours(Some(typed.get("csrf"))) {
            form.address_wrong = Some(stale(ctx.language));
            return page(&state, &ctx, &staff, &Typed::default(), form).await;
        }
        if typed.get("do") == "delete" {
            let address = EmailAddress::parse(&form.address).map_err(|_| Fault::Unknown)?;
            state.store.drop_contact(staff.id(), &address).await?;
            return see_other("/contacts?done=gone");
        }
        let Some(contact) = form.read(ctx.language) else {
            return page(&state, &ctx, &staff, &Typed::default(), form).await;
        };
        match state.store.write_contacts(staff.entity(), staff.id(), vec![contact]).await? {
            true => see_other("/contacts?done=saved"),
            false => Err(Fault::TooLarge),
        }
    };
    let done = done.await;
    show(&state, &ctx, done)
}

/// `GET /contacts/find?q=`: proposals for what somebody types into a field of recipients.
pub(super) async fn find(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let found = async {
        may(&staff, Section::Contacts)?;
        let typed = Typed::query(&query.unwrap_or_default()).await?;
        let text: String = typed.get("q").chars().take(200).collect();
        let mut all = Vec::new();
        if text.chars().count() >= 2 {
            for one in state.store.complete(staff.entity(), staff.id(), &text, PROPOSALS).await? {
                all.push(proposal(&state, &staff, one, ctx.language).await?);
            }
        }
        Ok(Json(all).into_response())
    };
    let found = found.await;
    show(&state, &ctx, found)
}

async fn proposal(
    state: &WebState,
    staff: &Staff,
    one: Completion,
    l: Language,
) -> Result<serde_json::Value, Fault> {
    Ok(match one {
        Completion::Person(address, name) => {
            // A name that would not be read back as one is left out of what is put into the field.
            let named = name.as_ref().map(|n| format!("{n} <{address}>"));
            let value = named.filter(|v| addressees(v).is_ok_and(|all| all.len() == 1));
            let label = name.unwrap_or_else(|| address.to_string());
            let more = (label != address.as_str()).then(|| address.to_string());
            json!({ "value": value.unwrap_or_else(|| address.to_string()), "label": label, "more": more })
        }
        Completion::Group(name, count) => {
            let members = state.store.contact_group(staff.id(), &name).await?;
            let value = members.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let words = l.pick("groupe", "group");
            json!({ "value": value, "label": name, "more": format!("{words} · {count}") })
        }
    })
}

#[derive(Template)]
#[template(path = "app/contacts_import.html")]
struct ImportPage<'a> {
    f: &'a AppFrame,
    plan: Option<Plan>,
    text: String,
    wrong: Option<&'static str>,
}

fn import_form(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    (plan, text, wrong): (Option<Plan>, String, Option<&'static str>),
) -> Result<Response, Fault> {
    let title = ctx.language.pick("Reprendre un carnet d’adresses", "Take in an address book");
    let frame = AppFrame::new(state, ctx, staff, Section::Contacts, title);
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    html_status(status, &ImportPage { f: &frame, plan, text, wrong })
}

/// The form for a file.
pub(super) async fn import_page(State(state): State<WebState>, ctx: Ctx, staff: Staff) -> Response {
    let page = may(&staff, Section::Contacts)
        .and_then(|()| import_form(&state, &ctx, &staff, (None, String::new(), None)));
    show(&state, &ctx, page)
}

/// Shows what a file would change; takes it in when that was confirmed.
pub(super) async fn import(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let done = async {
        may(&staff, Section::Contacts)?;
        let l = ctx.language;
        let posted = posted::read(&state, &headers, body, Files::Texts, |c| staff.is_ours(Some(c))).await?;
        let text = match posted.raw("file") {
            "" => posted.raw("text").to_owned(),
            file => file.to_owned(),
        };
        if !posted.ours {
            return import_form(&state, &ctx, &staff, (None, text, Some(stale(l))));
        }
        let Some(mut plan) = csv::plan(&text, l) else {
            let words = l.pick(
                "Aucune colonne d’adresses : la première ligne doit nommer une colonne « adresse » ou « courriel ».",
                "No column of addresses: the first line must name a column “address” or “email”.",
            );
            return import_form(&state, &ctx, &staff, (None, text, Some(words)));
        };
        for line in &mut plan.lines {
            let Some(contact) = &line.contact else { continue };
            line.change = match state.store.contact(staff.id(), &contact.address).await? {
                None => Change::New,
                Some(known) if known == *contact => Change::Same,
                Some(_) => Change::Changed,
            };
        }
        if posted.line("action") != "take" {
            return import_form(&state, &ctx, &staff, (Some(plan), text, None));
        }
        let all =
            plan.lines.into_iter().filter(|l| l.change != Change::Same).filter_map(|l| l.contact).collect();
        match state.store.write_contacts(staff.entity(), staff.id(), all).await? {
            true => see_other("/contacts?done=imported"),
            false => Err(Fault::TooLarge),
        }
    };
    let done = done.await;
    show(&state, &ctx, done)
}
