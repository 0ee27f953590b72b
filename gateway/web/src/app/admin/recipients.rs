//! `/admin/recipients`: what the organisation remembers of people who receive: number for codes, identity, language,
//! whether several read the mailbox, what they have enrolled.
//!
//! **Exposure.** Administrators, of their own organisation only. A mistake is said beside its field and what was typed
//! stays.

use crate::actions::actor;
use crate::app::act::stale;
use crate::app::deposit::Said;
use crate::app::frame::{AppFrame, Section};
use crate::app::typed::{Typed, encode};
use crate::app::viewer::may;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::login::Staff;
use crate::pages::{html_status, see_other, show};
use crate::state::WebState;
use askama::Template;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use sealpost_certs::card::NationalId;
use sealpost_envelope::{EmailAddress, GateMethod, Language};
use sealpost_evidence::{BuiltEvent, Detail, Event, EventName, render};
use sealpost_gate::tiqr;
use sealpost_store::person::{Person, Tokens};

/// People on a page.
const PAGE: u32 = 50;
/// Characters of a name.
const NAME: usize = 120;

/// What stands in the form.
#[derive(Debug, Default)]
struct Form {
    address: String,
    name: String,
    phone: String,
    identity: String,
    language: String,
    shared: bool,
    address_wrong: Option<&'static str>,
    phone_wrong: Option<&'static str>,
    identity_wrong: Option<&'static str>,
}

impl Form {
    fn of(person: &Person) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            address: person.address.to_string(),
            name: text(&person.name),
            phone: text(&person.phone),
            identity: text(&person.identity),
            language: person.language.map_or("", Language::tag).to_owned(),
            shared: person.shared,
            ..Self::default()
        }
    }
    fn typed(typed: &Typed) -> Self {
        let text = |name: &str| typed.get(name).to_owned();
        Self {
            address: text("address"),
            name: text("name"),
            phone: text("phone"),
            identity: text("identity"),
            language: text("language"),
            shared: typed.get("shared") == "yes",
            ..Self::default()
        }
    }
    fn any_wrong(&self) -> bool {
        self.address_wrong.is_some() || self.phone_wrong.is_some() || self.identity_wrong.is_some()
    }

    /// What it says, in place of what was known; what is wrong is noted.
    async fn read(&mut self, state: &WebState, staff: &Staff, l: Language) -> Result<Option<Person>, Fault> {
        let address = EmailAddress::parse(&self.address).ok();
        if address.is_none() {
            self.address_wrong = Some(l.pick(
                "Cette adresse n’a pas la forme nom@domaine.",
                "This is no address: it needs the form name@domain.",
            ));
        }
        let phone = number(state, &self.phone);
        if !self.phone.is_empty() && phone.is_none() {
            self.phone_wrong = Some(l.pick(
                "Ce n’est pas un numéro de mobile. Exemple : +33 6 12 34 56 78.",
                "This is no mobile number. Example: +33 6 12 34 56 78.",
            ));
        }
        if !self.identity.is_empty() && NationalId::parse_identity(&self.identity).is_err() {
            self.identity_wrong = Some(l.pick(
                "Ce n’est pas un identifiant national. Exemple : rpps:10001234567.",
                "This is no national identifier. Example: rpps:10001234567.",
            ));
        }
        let Some(address) = address.filter(|_| !self.any_wrong()) else { return Ok(None) };
        let now = state.clock.now();
        let known = Person::find(state.store.db(), staff.entity(), &address).await?;
        let mut person = known.unwrap_or_else(|| Person::new(staff.entity(), address, now));
        if person.phone != phone {
            person.phone_source = phone.as_ref().map(|_| "administrator".to_owned());
            person.phone_refused = None;
        }
        let name: String = self.name.chars().filter(|c| !c.is_control()).take(NAME).collect();
        Ok(Some(Person {
            name: Some(name).filter(|n| !n.is_empty()),
            phone,
            identity: Some(self.identity.clone()).filter(|i| !i.is_empty()),
            language: Language::negotiate(&self.language),
            shared: self.shared,
            changed: now,
            ..person
        }))
    }
}

/// A number to which a code can go: as the SMS service reads it, or written with its country where there is none.
fn number(state: &WebState, typed: &str) -> Option<String> {
    if let Some(texts) = &state.texts {
        return (texts.number)(typed);
    }
    let plain: String = typed.chars().filter(|c| !" .-()/".contains(*c)).collect();
    let digits = plain.strip_prefix('+')?;
    let fits = (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then_some(plain)
}

/// A row of the list.
struct Row {
    person: Person,
    devices: Vec<&'static str>,
    edit: String,
}

#[derive(Template)]
#[template(path = "app/recipients.html")]
struct Page<'a> {
    f: &'a AppFrame,
    said: Option<Said>,
    rows: Vec<Row>,
    form: Form,
    editing: bool,
    q: String,
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
        may(&staff, Section::Recipients)?;
        let typed = Typed::query(&query.unwrap_or_default()).await?;
        let form = match EmailAddress::parse(typed.get("edit")) {
            Ok(address) => {
                let found = Person::find(state.store.db(), staff.entity(), &address).await?;
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
        "saved" => Some(l.pick("Destinataire enregistré.", "Recipient saved.")),
        "gone" => Some(l.pick(
            "Destinataire oublié, avec ses applications et son téléphone.",
            "Recipient forgotten, with their apps and telephone.",
        )),
        _ => None,
    };
    let q = typed.get("q").chars().take(200).collect::<String>();
    let (db, entity) = (state.store.db(), staff.entity());
    let mut found = Person::list(db, entity, &q, typed.get("after"), PAGE + 1).await?;
    let more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let rest = typed.query_without(&["after", "lang", "done", "edit"]);
    let next = found.last().filter(|_| more).map(|p| format!("?{rest}after={}", encode(&p.address.key())));
    let mut rows = Vec::with_capacity(found.len());
    for person in found {
        rows.push(Row {
            devices: devices(state, &person, l).await?,
            edit: format!("?edit={}#recipient", encode(person.address.as_str())),
            person,
        });
    }
    let frame = AppFrame::new(state, ctx, staff, Section::Recipients, l.pick("Destinataires", "Recipients"));
    let status = if form.any_wrong() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    html_status(
        status,
        &Page {
            said: said.map(|words| Said { tone: "good", words: words.to_owned() }),
            rows,
            editing: !typed.get("edit").is_empty(),
            form,
            q,
            next,
            f: &frame,
        },
    )
}

/// What somebody holds.
async fn devices(state: &WebState, person: &Person, l: Language) -> Result<Vec<&'static str>, Fault> {
    let enrolled = Tokens::new(&state.store)?.enrolled(person.entity, &person.address).await?;
    let mut words: Vec<_> = enrolled
        .iter()
        .map(|m| match m {
            GateMethod::Hotp => l.pick("jeton", "token"),
            _ => l.pick("application à codes", "code app"),
        })
        .collect();
    if state.store.phone_of(person.entity, &tiqr::owner(&person.address)).await?.is_some() {
        words.push(l.pick("téléphone (QR code)", "telephone (QR code)"));
    }
    Ok(words)
}

/// Remembers or forgets.
pub(super) async fn change(State(state): State<WebState>, ctx: Ctx, staff: Staff, body: Body) -> Response {
    let done = async {
        may(&staff, Section::Recipients)?;
        let typed = Typed::posted(&state, body).await?;
        let mut form = Form::typed(&typed);
        if !staff.is_ours(Some(typed.get("csrf"))) {
            form.address_wrong = Some(stale(ctx.language));
            return page(&state, &ctx, &staff, &Typed::default(), form).await;
        }
        if typed.get("do") == "forget" {
            let address = EmailAddress::parse(&form.address).map_err(|_| Fault::Unknown)?;
            return forget(&state, &staff, address).await;
        }
        let Some(person) = form.read(&state, &staff, ctx.language).await? else {
            return page(&state, &ctx, &staff, &Typed::default(), form).await;
        };
        let event = journaled(&state, &staff, &person.address, "recipient remembered")?;
        let write = async move |tx: &mut sealpost_store::Tx| {
            person.write(tx).await?;
            tx.append(vec![event]).await
        };
        state.store.db().write(write).await?;
        see_other("/admin/recipients?done=saved")
    };
    let done = done.await;
    show(&state, &ctx, done)
}

async fn forget(state: &WebState, staff: &Staff, address: EmailAddress) -> Result<Response, Fault> {
    let event = journaled(state, staff, &address, "recipient forgotten")?;
    let entity = staff.entity();
    let known = state
        .store
        .db()
        .write(async move |tx| {
            let known = Person::forget(tx, entity, &address, &tiqr::owner(&address)).await?;
            if known {
                tx.append(vec![event]).await?;
            }
            Ok::<_, sealpost_store::StoreError>(known)
        })
        .await?;
    if known { see_other("/admin/recipients?done=gone") } else { Err(Fault::Unknown) }
}

/// The same event as the commands write.
fn journaled(
    state: &WebState,
    staff: &Staff,
    address: &EmailAddress,
    what: &str,
) -> Result<BuiltEvent, Fault> {
    let detail = Detail::new().text("change", what).personal("login", address.as_str());
    let event = Event::new(EventName::AccountChanged, staff.entity(), state.clock.now())
        .actor(actor(&staff.account))
        .detail(detail);
    Ok(render(&staff.site.issuer, event, None)?)
}
