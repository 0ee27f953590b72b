//! A message made of the form, and what is wrong with it, beside each field.

use super::draft::{self, Draft, Wish};
use crate::actions::{Addressee, NewMail, Personal, SHORTEST_PASSWORD};
use crate::login::Staff;
use crate::state::WebState;
use sealpost_certs::card::NationalId;
use sealpost_envelope::{EmailAddress, Gate, Language, Secret, Timestamp, Treatment};
use sealpost_message::compose::rich;
use sealpost_store::upload::Upload;

/// Most recipients of one form.
const RECIPIENTS: usize = 500;

/// What is wrong, beside which field.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    pub(super) to: Option<String>,
    pub(super) cc: Option<String>,
    pub(super) bcc: Option<String>,
    pub(super) password: Option<&'static str>,
    pub(super) until: Option<&'static str>,
    pub(super) files: Option<&'static str>,
    /// About one recipient: address, field, words.
    pub(super) people: Vec<(String, Field, String)>,
    /// About the whole.
    pub(super) all: Option<String>,
}

/// A field about one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Gate,
    Phone,
    Rpps,
    Until,
}

impl Wrong {
    pub(super) fn any(&self) -> bool {
        self.to.is_some()
            || self.cc.is_some()
            || self.bcc.is_some()
            || self.password.is_some()
            || self.until.is_some()
            || self.files.is_some()
            || self.all.is_some()
            || !self.people.is_empty()
    }
    fn person(&mut self, address: &str, field: Field, words: &str) {
        self.people.push((address.to_owned(), field, words.to_owned()));
    }
}

/// What was typed as the message's password, twice.
pub(super) struct Passwords<'a>(pub(super) &'a str, pub(super) &'a str);

/// The message, as far as it can be made of the form.
pub(super) fn mail(
    state: &WebState,
    staff: &Staff,
    draft: &Draft,
    passwords: &Passwords<'_>,
    attachments: Vec<Upload>,
    wrong: &mut Wrong,
    l: Language,
) -> Option<NewMail> {
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
    let password = password(passwords, wrong, l);
    let expires = until(state, staff, &draft.until, l).unwrap_or_else(|words| {
        wrong.until = Some(words);
        None
    });
    let everybody = to.iter().chain(&cc).chain(&bcc);
    let wishes = everybody.filter_map(|a| draft.wish(a.address.as_str()).map(|w| (&a.address, w)));
    let personal =
        wishes.filter_map(|(address, wish)| personal(state, staff, address, wish, wrong, l)).collect();
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
        html: rich(&draft.message),
        treatment: draft.secure.then_some(Treatment::Notify),
        gate: None,
        password,
        expires,
        personal,
        answers: None,
        attachments,
    })
}

/// The end of a day that is to come; `None` where none was given.
fn until(state: &WebState, staff: &Staff, day: &str, l: Language) -> Result<Option<Timestamp>, &'static str> {
    if day.is_empty() {
        return Ok(None);
    }
    let end = draft::end(day, &staff.site.zone).filter(|end| *end > state.clock.now());
    end.map(Some).ok_or(l.pick("Choisissez un jour à venir.", "Choose a day to come."))
}

/// What is asked for one recipient; `None` where nothing is.
fn personal(
    state: &WebState,
    staff: &Staff,
    address: &EmailAddress,
    wish: &Wish,
    wrong: &mut Wrong,
    l: Language,
) -> Option<Personal> {
    let gate = match wish.gate.as_str() {
        "" => None,
        // Only a form that is not ours names a way that is none.
        word => Gate::parse(&[word]).ok(),
    };
    let digits: String = wish.rpps.chars().filter(|c| !c.is_whitespace()).collect();
    let identity = Some(format!("rpps:{digits}")).filter(|_| !digits.is_empty());
    if identity.as_deref().is_some_and(|id| NationalId::parse_identity(id).is_err()) {
        let words = l.pick(
            "Ce n’est pas un numéro RPPS : il a onze chiffres.",
            "This is no RPPS number: those have eleven digits.",
        );
        wrong.person(address.as_str(), Field::Rpps, words);
    }
    let expires = until(state, staff, &wish.until, l).unwrap_or_else(|words| {
        wrong.person(address.as_str(), Field::Until, words);
        None
    });
    let phone = Some(wish.phone.clone()).filter(|p| !p.is_empty());
    if phone.as_deref().is_some_and(|p| p.contains([',', ';', '='])) {
        wrong.person(address.as_str(), Field::Phone, l.pick("Un seul numéro.", "One number only."));
    }
    let asked = gate.is_some() || phone.is_some() || identity.is_some() || expires.is_some();
    asked.then(|| Personal { address: address.clone(), gate, phone, identity, expires })
}

fn password(typed: &Passwords<'_>, wrong: &mut Wrong, l: Language) -> Option<Secret<String>> {
    let Passwords(typed, again) = typed;
    if typed.is_empty() && again.is_empty() {
        return None;
    }
    if typed != again {
        wrong.password = Some(l.pick(
            "Les deux saisies diffèrent. Tapez le mot de passe deux fois.",
            "The two entries differ. Type the password twice.",
        ));
    } else if typed.chars().count() < SHORTEST_PASSWORD {
        wrong.password = Some(l.pick("Huit caractères au moins.", "At least eight characters."));
    } else if typed.trim() != *typed || typed.chars().any(char::is_control) {
        wrong.password = Some(l.pick("Sans espace au début ni à la fin.", "No blanks at its ends."));
    }
    Some(Secret::new((*typed).to_owned()))
}

/// Addresses separated by commas, semicolons or line ends; each alone or behind a name.
pub(in crate::app) fn addressees(text: &str) -> Result<Vec<Addressee>, String> {
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
