//! `/compose`: writing a message, with files of any size, and sending it as a deposit (F23, F25).
//!
//! **Job.** One form does everything without scripts: files chosen in it are sealed as uploads while they arrive;
//! with scripts they come before, by the resumable protocol, and the form names them. What was written is kept as a
//! draft whenever it does not leave: after a mistake, when files are joined, when it is put aside.
//!
//! **Exposure.** People who have logged in. The session's `csrf` is the form's first field: before it was seen no
//! file is taken. Fields are bounded; files go through in pieces.
//!
//! **Failure.** A mistake is said beside its field and everything typed stays, but passwords, which no page repeats.
//! Sending the same form twice makes one deposit.

mod draft;
mod multipart;
mod receive;

pub(super) use draft::Draft;

use super::act::stale;
use super::frame::{AppFrame, Section};
use super::typed::Typed;
use super::viewer::may;
use crate::actions::{Addressee, MailSource, NewMail, Submit, SubmitError};
use crate::ctx::{Ctx, random};
use crate::fault::Fault;
use crate::locale;
use crate::login::Staff;
use crate::pages::{html_status, see_other, show};
use crate::state::WebState;
use askama::Template;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use receive::Posted;
use sealpost_envelope::{EmailAddress, Language, Secret, Sha256Digest, Treatment};
use sealpost_store::account::AccountError;
use sealpost_store::upload::{Upload, UploadError};
use uuid::Uuid;

/// How the person proved who they are, in the evidence.
const MECHANISM: &str = "web session";
/// Shortest password of a message.
const PASSWORD: usize = 8;
/// Most recipients of one form.
const RECIPIENTS: usize = 500;

/// What is wrong, beside which field.
#[derive(Debug, Default)]
struct Wrong {
    to: Option<String>,
    cc: Option<String>,
    bcc: Option<String>,
    password: Option<&'static str>,
    until: Option<&'static str>,
    files: Option<&'static str>,
    /// About the whole.
    all: Option<String>,
}

impl Wrong {
    fn any(&self) -> bool {
        self.to.is_some()
            || self.cc.is_some()
            || self.bcc.is_some()
            || self.password.is_some()
            || self.until.is_some()
            || self.files.is_some()
            || self.all.is_some()
    }
}

/// A file that is there, or on its way.
#[derive(Debug)]
struct Attached {
    id: Uuid,
    name: String,
    size: String,
    complete: bool,
}

#[derive(Template)]
#[template(path = "app/compose.html")]
struct Page<'a> {
    f: &'a AppFrame,
    d: &'a Draft,
    wrong: Wrong,
    any_wrong: bool,
    senders: Vec<(String, bool)>,
    files: Vec<Attached>,
    saved: Option<String>,
    once: String,
    today: String,
}

/// The form, with the draft if there is one.
pub(super) async fn form(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        may(&staff, Section::Compose)?;
        let typed = Typed::query(&query.unwrap_or_default()).await?;
        let (draft, saved) = match draft::load(&state, &staff).await? {
            Some((at, draft)) => (draft, Some(at)),
            None => (Draft::default(), None),
        };
        let saved = saved.filter(|_| typed.get("done") == "saved" || !draft.is_empty());
        let saved = saved.map(|t| locale::moment(t, &staff.site.zone, ctx.language));
        page(&state, &ctx, &staff, &draft, Wrong::default(), saved).await
    };
    let page = page.await;
    show(&state, &ctx, page)
}

async fn page(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    draft: &Draft,
    wrong: Wrong,
    saved: Option<String>,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let addresses = state.accounts.addresses(staff.id()).await.map_err(account_fault)?;
    let senders = addresses.into_iter().map(|a| {
        let address = a.address.to_string();
        let chosen = address == draft.from;
        (address, chosen)
    });
    let files = uploads(state, staff, &draft.uploads).await?.into_iter().map(|u| Attached {
        id: u.id,
        complete: u.is_complete(),
        size: locale::size(u.length, l),
        name: u.meta.name.unwrap_or_else(|| l.pick("fichier", "file").to_owned()),
    });
    let frame = AppFrame::new(state, ctx, staff, Section::Compose, l.pick("Nouveau message", "New message"));
    let status = if wrong.any() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let today = state.clock.now().to_zoned(staff.site.zone.clone()).date().to_string();
    let page = Page {
        senders: senders.collect(),
        files: files.collect(),
        any_wrong: wrong.any(),
        wrong,
        d: draft,
        saved,
        once: random(),
        today,
        f: &frame,
    };
    html_status(status, &page)
}

/// The uploads that are still there.
async fn uploads(state: &WebState, staff: &Staff, ids: &[Uuid]) -> Result<Vec<Upload>, Fault> {
    let mut found = Vec::new();
    for id in ids {
        match state.store.upload(staff.id(), *id).await {
            Ok(upload) => found.push(upload),
            Err(UploadError::Unknown) => {}
            Err(other) => return Err(Fault::internal("an upload", other)),
        }
    }
    Ok(found)
}

/// Takes the form: sends, joins files, or puts the draft aside.
pub(super) async fn post(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let done = async {
        may(&staff, Section::Compose)?;
        let posted = receive::form(&state, &staff, &headers, body).await?;
        match posted.action.as_str() {
            _ if !posted.ours => {
                let wrong = Wrong { all: Some(stale(ctx.language).to_owned()), ..Wrong::default() };
                page(&state, &ctx, &staff, &posted.draft, wrong, None).await
            }
            "drop" => {
                for id in &posted.draft.uploads {
                    state.store.end_upload(staff.id(), *id).await.map_err(upload_fault)?;
                }
                draft::forget(&state, &staff).await?;
                see_other("/compose")
            }
            "send" => send(&state, &ctx, &staff, posted).await,
            _ => {
                draft::keep(&state, &staff, &posted.draft).await?;
                see_other("/compose?done=saved")
            }
        }
    };
    let done = done.await;
    show(&state, &ctx, done)
}

async fn send(state: &WebState, ctx: &Ctx, staff: &Staff, posted: Posted) -> Result<Response, Fault> {
    let l = ctx.language;
    let files = uploads(state, staff, &posted.draft.uploads).await?;
    let mut wrong = Wrong::default();
    if posted.broken || files.iter().any(|u| !u.is_complete()) {
        wrong.files = Some(l.pick(
            "Un fichier n’est pas arrivé en entier. Retirez-le ou joignez-le de nouveau.",
            "A file did not arrive whole. Remove it or attach it again.",
        ));
    }
    let mail = read(state, staff, &posted, files, &mut wrong, l);
    let (Some(mail), false) = (mail, wrong.any()) else {
        draft::keep(state, staff, &posted.draft).await?;
        return page(state, ctx, staff, &posted.draft, wrong, None).await;
    };
    let once = format!("{}\0{}", staff.id(), posted.once);
    let by = Submit {
        account: staff.account.clone(),
        mechanism: MECHANISM,
        authenticated: staff.session.proved,
        network: staff.network.clone(),
        once: Some(Sha256Digest::of(once.as_bytes())),
    };
    match state.hooks.desk.submit(by, MailSource::Composed(Box::new(mail))).await {
        Ok(id) => {
            for upload in &posted.draft.uploads {
                // The deposit has its own copy; what stays behind expires by itself.
                if let Err(error) = state.store.end_upload(staff.id(), *upload).await {
                    tracing::warn!(%error, "an upload that was taken stays behind");
                }
            }
            draft::forget(state, staff).await?;
            see_other(&format!("/deposits/{id}?done=sent"))
        }
        Err(error) => {
            draft::keep(state, staff, &posted.draft).await?;
            let wrong = Wrong { all: Some(not_sent(&error, l)), ..Wrong::default() };
            page(state, ctx, staff, &posted.draft, wrong, None).await
        }
    }
}

/// The message, as far as it can be made of the form.
fn read(
    state: &WebState,
    staff: &Staff,
    posted: &Posted,
    attachments: Vec<Upload>,
    wrong: &mut Wrong,
    l: Language,
) -> Option<NewMail> {
    let draft = &posted.draft;
    let mut people = |text: &str, place: fn(&mut Wrong) -> &mut Option<String>| match addressees(text) {
        Ok(all) => all,
        Err(what) => {
            *place(wrong) = Some(format!(
                "{} « {what} »",
                l.pick("Cette adresse n’a pas la forme nom@domaine :", "This is no address:")
            ));
            Vec::new()
        }
    };
    let to = people(&draft.to, |w| &mut w.to);
    let cc = people(&draft.cc, |w| &mut w.cc);
    let bcc = people(&draft.bcc, |w| &mut w.bcc);
    let all = to.len() + cc.len() + bcc.len();
    if all == 0 && wrong.to.is_none() && wrong.cc.is_none() && wrong.bcc.is_none() {
        wrong.to =
            Some(l.pick("Indiquez au moins un destinataire.", "Give at least one recipient.").to_owned());
    }
    if all > RECIPIENTS {
        wrong.to = Some(l.pick("500 destinataires au plus.", "500 recipients at most.").to_owned());
    }
    let password = password(posted, wrong, l);
    let expires = match draft.until.as_str() {
        "" => None,
        _ => {
            let end = draft.end(&staff.site.zone).filter(|end| *end > state.clock.now());
            if end.is_none() {
                wrong.until = Some(l.pick("Choisissez un jour à venir.", "Choose a day to come."));
            }
            end
        }
    };
    let from = match draft.from.as_str() {
        "" => staff.account.login.clone(),
        text => EmailAddress::parse(text).ok()?,
    };
    Some(NewMail {
        from: Addressee { name: Some(staff.account.name.clone()).filter(|n| !n.is_empty()), address: from },
        to,
        cc,
        bcc,
        subject: draft.subject.clone(),
        text: draft.message.clone(),
        html: None,
        treatment: draft.secure.then_some(Treatment::Notify),
        gate: None,
        password,
        expires,
        attachments,
    })
}

fn password(posted: &Posted, wrong: &mut Wrong, l: Language) -> Option<Secret<String>> {
    let typed = posted.password.expose();
    if typed.is_empty() && posted.again.expose().is_empty() {
        return None;
    }
    if typed != posted.again.expose() {
        wrong.password = Some(l.pick(
            "Les deux saisies diffèrent. Tapez le mot de passe deux fois.",
            "The two entries differ. Type the password twice.",
        ));
    } else if typed.chars().count() < PASSWORD {
        wrong.password = Some(l.pick("Huit caractères au moins.", "At least eight characters."));
    } else if typed.trim() != typed || typed.chars().any(char::is_control) {
        wrong.password = Some(l.pick("Sans espace au début ni à la fin.", "No blanks at its ends."));
    }
    Some(Secret::new(typed.clone()))
}

/// Addresses separated by commas, semicolons or line ends; each alone or behind a name.
fn addressees(text: &str) -> Result<Vec<Addressee>, String> {
    let mut all = Vec::new();
    for one in text.split([',', ';', '\n']).map(str::trim).filter(|t| !t.is_empty()) {
        let (name, address) = match one.rsplit_once('<') {
            Some((name, rest)) => (name.trim().trim_matches('"'), rest.trim_end_matches('>').trim()),
            None => ("", one),
        };
        let address = EmailAddress::parse(address).map_err(|_| one.chars().take(80).collect::<String>())?;
        all.push(Addressee { name: (!name.is_empty()).then(|| name.to_owned()), address });
    }
    Ok(all)
}

fn not_sent(error: &SubmitError, l: Language) -> String {
    match error {
        SubmitError::Invalid(why) | SubmitError::Refused(why) => {
            format!("{} {why}", l.pick("Le message n’est pas parti :", "The message was not sent:"))
        }
        SubmitError::Full => l
            .pick(
                "Le service manque de place pour l’instant. Le brouillon est gardé : réessayez plus tard.",
                "Storage is short at the moment. The draft is kept: try again later.",
            )
            .to_owned(),
        SubmitError::Broken | SubmitError::Fault => l
            .pick(
                "Une panne passagère de notre côté. Le brouillon est gardé : réessayez dans un instant.",
                "A temporary fault on our side. The draft is kept: try again in a moment.",
            )
            .to_owned(),
    }
}

fn account_fault(error: AccountError) -> Fault {
    match error {
        AccountError::Store(e) => e.into(),
        other => Fault::internal("account", other),
    }
}

fn upload_fault(error: UploadError) -> Fault {
    match error {
        UploadError::Store(e) => e.into(),
        other => Fault::internal("an upload", other),
    }
}

#[cfg(test)]
mod tests {
    use super::addressees;

    #[test]
    fn recipients_are_read_as_people_write_them() {
        let read = |text: &str| {
            addressees(text).map(|all| {
                all.into_iter()
                    .map(|a| (a.name.unwrap_or_default(), a.address.to_string()))
                    .collect::<Vec<_>>()
            })
        };
        let pair = |n: &str, a: &str| (n.to_owned(), a.to_owned());
        assert_eq!(read(" ,; \n"), Ok(vec![]));
        assert_eq!(
            read("bob@example.test; \"Dora Petit\" <dora@example.test>,\nEve <eve@example.test>"),
            Ok(vec![
                pair("", "bob@example.test"),
                pair("Dora Petit", "dora@example.test"),
                pair("Eve", "eve@example.test")
            ])
        );
        assert_eq!(read("bob@example.test, bob"), Err("bob".into()));
        assert_eq!(read("Eve <eve"), Err("Eve <eve".into()));
    }
}
