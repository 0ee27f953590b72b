//! Settings of professional cards.

use super::kinds::{CardRevocation, CardStage, CardTls, CardWord};
use super::places::WebUrl;
use super::reader::Context;
use super::section::section;
use super::sections::Settings;
use sealpost_certs::card::NationalId;
use sealpost_policy::Period;
use std::path::PathBuf;

section! {
    /// Professional cards (CPS and its family), read by `listen.card`.
    pub struct CardSettings {
        /// Roots that cards must chain to, PEM or DER: `AC RACINE IGC-SANTE FORT`, and `… STANDARD` where CPE or CPA
        /// are accepted.
        roots: Vec<PathBuf> = default(Vec::new());
        /// Authorities below them that issue the accepted cards, PEM or DER: `AC IGC-SANTE FORT PERSONNES` and so on.
        /// No card of another authority is accepted, whatever its root.
        authorities: Vec<PathBuf> = default(Vec::new());
        /// Members of the family that are accepted: `CPS`, `CPF`, `CPE`, `CPA`, and the service cards `CDE`, `CDA`, which
        /// stand for several people.
        kinds: Vec<CardWord> = default(vec![CardWord::Cps, CardWord::Cpf, CardWord::Cpe, CardWord::Cpa]);
        /// `production` refuses test cards, `test` refuses real ones.
        stage: CardStage = default(CardStage::Production);
        /// `required` refuses all cards of an authority without a valid revocation list or a responder's answer;
        /// `optional` lets them in and evidence says that nothing was checked.
        revocation: CardRevocation = default(CardRevocation::Required);
        /// Revocation lists as files, PEM or DER, that something else keeps fresh.
        crl_files: Vec<PathBuf> = default(Vec::new());
        /// Revocation lists to fetch, delta lists among them; they are signed, so that plain `http` is as good.
        crl_urls: Vec<WebUrl> = default(Vec::new());
        /// Responders (OCSP) to ask about each card besides the lists, one after the other until one gives an answer
        /// that can be believed. They learn which card is shown here, and when: with valid lists nobody needs them.
        ocsp_urls: Vec<WebUrl> = default(Vec::new());
        /// Pause between two looks at files and addresses. The last good list is kept as long as it is valid.
        refresh: Period = default(Period::hours(1));
        /// Newest version of TLS on `listen.card`: `1.3`, or `1.2` for old card software that cannot sign as 1.3 asks.
        tls: CardTls = default(CardTls::New);
    }
}

/// What no single key can know of cards and identities.
pub(super) fn check(settings: &Settings, context: &mut Context) {
    let card = &settings.gate.card;
    if settings.listen.card.is_some() {
        for (key, missing) in [("roots", card.roots.is_empty()), ("authorities", card.authorities.is_empty())]
        {
            if missing {
                context.wrong_at(
                    &format!("gate.card.{key}"),
                    "listen.card needs it: whom are cards believed from?",
                );
            }
        }
        if card.kinds.is_empty() {
            context.wrong_at("gate.card.kinds", "at least one is needed");
        }
        let sources = card.crl_files.len() + card.crl_urls.len() + card.ocsp_urls.len();
        if sources == 0 && card.revocation == CardRevocation::Required {
            let message = "every card would be refused without revocation lists: name `crl_files`, `crl_urls` or \
                           `ocsp_urls`";
            context.wrong_at("gate.card.crl_urls", message);
        }
    }
    if !(60..=86_400).contains(&card.refresh.as_seconds()) {
        let message = format!("{} is not from 1 minute to 1 day", card.refresh);
        context.wrong_at("gate.card.refresh", message);
    }
    for (n, rule) in settings.rule.iter().enumerate() {
        let Some(identity) = &rule.identity else { continue };
        if let Err(error) = NationalId::parse_identity(identity) {
            context.wrong_at(&format!("rule[{n}].identity"), error.to_string());
        }
        let gate = rule.gate.as_ref().unwrap_or(&settings.gate.default);
        if gate.establishing().as_ref() != Some(gate) {
            let message =
                "only `cps` and `oidc:NAME` establish it: every way of the rule's gate needs one of them";
            context.wrong_at(&format!("rule[{n}].identity"), message);
        }
    }
}
