//! What is asked of single recipients: the ways through the gate that the rules offer each of them, and what is
//! missing for one of these to be passed.

use super::draft::{Draft, Wish};
use super::read::{self, Field, Passwords, Wrong};
use crate::actions::{Foreseen, Need, NewMail, SubmitError};
use crate::fault::Fault;
use crate::login::Staff;
use crate::state::WebState;
use sealpost_envelope::{EmailAddress, GateMethod, Language};

/// Most recipients that are asked about one by one.
const MOST: usize = 50;

/// One recipient.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) wish: Wish,
    /// Value, words, whether it is chosen.
    pub(super) ways: Vec<(String, String, bool)>,
    /// A card or a sign-in elsewhere may say who they are.
    pub(super) identified: bool,
    /// Nothing is behind a link: nothing can be asked.
    pub(super) open: bool,
    pub(super) gate_wrong: Option<String>,
    pub(super) phone_wrong: Option<String>,
    pub(super) rpps_wrong: Option<String>,
    pub(super) until_wrong: Option<String>,
}

/// Rows for those about whom something was said, where the rules need not be asked.
pub(super) fn kept(draft: &Draft, l: Language) -> Vec<Row> {
    let row = |wish: &Wish| Row {
        ways: match wish.gate.as_str() {
            "" => Vec::new(),
            gate => vec![(gate.to_owned(), way(gate, l), true)],
        },
        wish: wish.clone(),
        identified: true,
        ..Row::default()
    };
    draft.people.iter().map(row).collect()
}

/// A row for every recipient, with what the rules offer them.
pub(super) async fn rows(state: &WebState, staff: &Staff, draft: &Draft, l: Language) -> Vec<Row> {
    let plain = Draft { people: Vec::new(), ..draft.clone() };
    let mail = read::mail(state, staff, &plain, &Passwords("", ""), Vec::new(), &mut Wrong::default(), l);
    let Some(mail) = mail else { return kept(draft, l) };
    match state.hooks.desk.foresee(&staff.account, &mail, l).await {
        Ok(all) => everybody(&mail)
            .zip(all)
            .take(MOST)
            .map(|(address, seen)| row(draft, address, &seen, l))
            .collect(),
        Err(_) => kept(draft, l),
    }
}

fn everybody(mail: &NewMail) -> impl Iterator<Item = &str> {
    mail.to.iter().chain(&mail.cc).chain(&mail.bcc).map(|a| a.address.as_str())
}

fn row(draft: &Draft, address: &str, seen: &Foreseen, l: Language) -> Row {
    let wish = draft.wish(address).cloned().unwrap_or_default();
    let ways = seen.offered.words().into_iter().map(|value| {
        let words = way(&value, l);
        let chosen = wish.gate == value;
        (value, words, chosen)
    });
    let proves = |m: &GateMethod| matches!(m, GateMethod::Cps | GateMethod::Oidc(_));
    Row {
        ways: ways.collect(),
        identified: seen.offered.alternatives().iter().flatten().any(proves),
        open: !seen.verdict.treatment.has_link(),
        wish: Wish { address: address.to_owned(), ..wish },
        ..Row::default()
    }
}

/// With what the address book knows of what is missing. A number that nobody needs would ask for more than the rule.
async fn known(state: &WebState, staff: &Staff, mut row: Row, seen: &Foreseen) -> Row {
    let wanted = seen.needs.contains(&Need::Phone) && row.wish.phone.is_empty();
    let identified = row.identified && row.wish.rpps.is_empty();
    let Ok(address) = EmailAddress::parse(&row.wish.address) else { return row };
    if !wanted && !identified {
        return row;
    }
    // Without the book the fields are empty: the page asks.
    if let Ok(Some(contact)) = state.store.contact(staff.id(), &address).await {
        if wanted {
            row.wish.phone = contact.phone.unwrap_or_default();
        }
        let rpps = contact.identity.as_deref().and_then(|i| i.strip_prefix("rpps:")).filter(|_| identified);
        row.wish.rpps = rpps.map_or(row.wish.rpps, str::to_owned);
    }
    row
}

/// Asks what would become of the message; what somebody lacks is asked for before it leaves.
pub(super) async fn judged(
    state: &WebState,
    staff: &Staff,
    draft: &Draft,
    mail: &NewMail,
    wrong: &mut Wrong,
    l: Language,
) -> Result<Vec<Row>, Fault> {
    let all = match state.hooks.desk.foresee(&staff.account, mail, l).await {
        Ok(all) => all,
        // What the submission itself says is said in its words.
        Err(SubmitError::Fault) => return Err(Fault::Internal),
        Err(_) => return Ok(kept(draft, l)),
    };
    let mut rows = Vec::new();
    for (address, seen) in everybody(mail).zip(&all) {
        missing(address, seen, wrong, l);
        let asked = draft.wish(address).is_some() || !seen.needs.is_empty();
        if asked && rows.len() < MOST {
            rows.push(known(state, staff, row(draft, address, seen, l), seen).await);
        }
    }
    Ok(rows)
}

fn missing(address: &str, seen: &Foreseen, wrong: &mut Wrong, l: Language) {
    for need in &seen.needs {
        let words = match need {
            Need::Password => {
                wrong.password = Some(l.pick(
                    "La règle demande un mot de passe pour ce message.",
                    "The rule asks for a password for this message.",
                ));
                continue;
            }
            Need::Phone => l.pick(
                "Indiquez un numéro de mobile auquel le code peut être envoyé.",
                "Give a mobile number that the code can be sent to.",
            ),
            Need::Other => {
                let why = seen.held.clone().unwrap_or_default();
                wrong.people.push((address.to_owned(), Field::Gate, why));
                continue;
            }
        };
        wrong.people.push((address.to_owned(), Field::Phone, words.to_owned()));
    }
}

/// Puts what is wrong beside the fields of the rows; who has none yet gets one.
pub(super) fn mark(rows: &mut Vec<Row>, wrong: &Wrong) {
    for (address, field, words) in &wrong.people {
        let at =
            rows.iter().position(|r| r.wish.address.eq_ignore_ascii_case(address)).unwrap_or_else(|| {
                rows.push(Row {
                    wish: Wish { address: address.clone(), ..Wish::default() },
                    ..Row::default()
                });
                rows.len() - 1
            });
        let place = match field {
            Field::Gate => &mut rows[at].gate_wrong,
            Field::Phone => &mut rows[at].phone_wrong,
            Field::Rpps => &mut rows[at].rpps_wrong,
            Field::Until => &mut rows[at].until_wrong,
        };
        *place = Some(words.clone());
    }
}

/// A way through the gate as senders know it.
pub(super) fn way(words: &str, l: Language) -> String {
    words.split('+').map(|w| word(w, l)).collect::<Vec<_>>().join(" + ")
}

/// A method as senders know it.
fn word(method: &str, l: Language) -> String {
    match method {
        "link" => l.pick("le lien seul", "the link alone"),
        "otp-mail" => l.pick("code par courriel", "code by mail"),
        "otp-sms" => l.pick("code par SMS", "code by SMS"),
        "totp" => l.pick("application d’authentification", "authenticator app"),
        "hotp" => l.pick("jeton", "token"),
        "tiqr" => l.pick("QR code", "QR code"),
        "cps" => l.pick("carte professionnelle", "professional card"),
        "password" => l.pick("mot de passe du message", "message password"),
        "oidc:psc" => "Pro Santé Connect",
        other => other,
    }
    .to_owned()
}
