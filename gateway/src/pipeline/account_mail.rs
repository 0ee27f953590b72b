//! Mail about accounts: codes for logging in, links to set a password, word of what was changed.
//!
//! **Job.** Fills the letters. A row names the challenge or link; code and token are derived here and lie nowhere
//! else.
//!
//! **Exposure.** Names and civilities come from imports and administrators; the templates tame them.
//!
//! **Failure.** As composition; a link that is over by then is not sent any more.

use super::composition::ComposeError;
use super::spec::AccountNews;
use crate::gateway::{Gateway, Organisation};
use sealpost_envelope::{AccountId, Language, Timestamp};
use sealpost_gate::CodeKey;
use sealpost_message::compose::{self, CodeMail, Draft, Letter, NoticeMail};
use sealpost_store::account::{Account, AccountError, LinkPurpose, StaffChallenge};
use sealpost_store::queue::Outbound;
use uuid::Uuid;

impl From<AccountError> for ComposeError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => error.into(),
            error => Self::Row(error.to_string()),
        }
    }
}

/// In which language a person of ours is written to.
pub fn language(organisation: &Organisation, row: &Outbound) -> Language {
    organisation.language_for(&row.rcpt)
}

/// The code of a challenge.
pub async fn code(gateway: &Gateway, letter: Letter<'_>, challenge: Uuid) -> Result<Draft, ComposeError> {
    let challenge = StaffChallenge::get(gateway.store.db(), challenge)
        .await?
        .ok_or_else(|| ComposeError::Row("the challenge is gone".to_owned()))?;
    let codes = gateway.store.keys().purpose("codes").map_err(super::content::ContentError::from)?;
    let code = CodeKey::new(codes.expose()).derive_for_account(challenge.id, challenge.account);
    compose::code(&CodeMail { letter, code: code.expose(), valid_until: challenge.expires })
        .map_err(|_| ComposeError::Row("a code has six digits".to_owned()))
}

/// The link by which a person sets their password.
pub async fn link(gateway: &Gateway, letter: Letter<'_>, link: Uuid) -> Result<Draft, ComposeError> {
    let over = || ComposeError::Row("the link is over".to_owned());
    let link = gateway.accounts.link_by_id(link).await?.ok_or_else(over)?;
    if !link.is_live(gateway.clock.now()) {
        return Err(over());
    }
    let account = account(gateway, link.account).await?;
    let token = gateway.accounts.link_token(link.id);
    let base = gateway.config.web.url.as_str().trim_end_matches('/');
    let url = format!("{base}/password/set/{}", token.expose());
    let entity = letter.brand.entity;
    let until = until(&letter, link.expires);
    let fr = letter.language == Language::Fr;
    let (subject, title, why) = match (link.purpose, fr) {
        (LinkPurpose::Reset, true) => (
            format!("[{entity}] Choisir un nouveau mot de passe"),
            "Votre nouveau mot de passe",
            "Vous avez indiqué avoir oublié votre mot de passe. Le lien ci-dessous vous permet d'en choisir un nouveau.",
        ),
        (LinkPurpose::Reset, false) => (
            format!("[{entity}] Choose a new password"),
            "Your new password",
            "You said that you had forgotten your password. With the link below you choose a new one.",
        ),
        (LinkPurpose::First, true) => (
            format!("[{entity}] Votre première connexion"),
            "Votre première connexion",
            "Vous avez demandé à vous connecter pour la première fois. Le lien ci-dessous vous permet de choisir votre mot de passe.",
        ),
        (LinkPurpose::First, false) => (
            format!("[{entity}] Your first connection"),
            "Your first connection",
            "You asked to connect for the first time. With the link below you choose your password.",
        ),
        (LinkPurpose::Invite, true) => (
            format!("[{entity}] Votre compte est ouvert"),
            "Votre compte est ouvert",
            "Un compte a été ouvert à votre nom pour le courrier sécurisé. Le lien ci-dessous vous permet de choisir votre mot de passe.",
        ),
        (LinkPurpose::Invite, false) => (
            format!("[{entity}] Your account is open"),
            "Your account is open",
            "An account for secure mail was opened in your name. With the link below you choose your password.",
        ),
    };
    let hello = greeting(gateway, &account, letter.language).await?;
    let identifier = letter.say("Votre identifiant :", "Your identifier:");
    let text = [hello, why.to_owned(), format!("{identifier} {}", account.login)];
    let note = letter.language.pick(
        "Ce lien ne sert qu'une fois, jusqu'au {}. Si vous n'avez rien demandé, ignorez ce message : rien ne change.",
        "This link works once, until {}. If you did not ask for anything, ignore this message: nothing changes.",
    );
    let note = note.replace("{}", &until);
    Ok(compose::notice(&NoticeMail {
        letter,
        subject: &subject,
        title,
        text: &text,
        tables: &[],
        url: Some(&url),
        note: Some(&note),
        answers: None,
    }))
}

/// Word of a change, so that a person notices what was not theirs.
pub async fn news(
    gateway: &Gateway,
    letter: Letter<'_>,
    id: i64,
    news: AccountNews,
    at: Timestamp,
) -> Result<Draft, ComposeError> {
    let account = account(gateway, AccountId(id)).await?;
    let (fr, en) = match news {
        AccountNews::Password => ("Votre mot de passe a été changé.", "Your password was changed."),
        AccountNews::Totp => (
            "Une application d'authentification a été associée à votre compte.",
            "An authenticator app was tied to your account.",
        ),
        AccountNews::TotpOff => (
            "L'application d'authentification a été retirée de votre compte.",
            "The authenticator app was taken off your account.",
        ),
        AccountNews::BackupCodes => {
            ("De nouveaux codes de secours ont été créés.", "New backup codes were made.")
        }
        AccountNews::BackupCodeUsed => {
            ("Un code de secours a servi à se connecter.", "A backup code was used to log in.")
        }
        AccountNews::AppPassword => (
            "Un mot de passe d'application (logiciel de messagerie) a été créé.",
            "An app password (mail client) was made.",
        ),
        AccountNews::AppPasswordGone => (
            "Un mot de passe d'application (logiciel de messagerie) a été révoqué.",
            "An app password (mail client) was revoked.",
        ),
        AccountNews::Phone => (
            "Un téléphone (QR code) a été associé à votre compte.",
            "A phone (QR code) was enrolled for your account.",
        ),
        AccountNews::PhoneOff => (
            "Le téléphone (QR code) a été retiré de votre compte.",
            "The phone (QR code) was taken off your account.",
        ),
        AccountNews::Number => (
            "Le numéro de téléphone pour les codes par SMS a été changé.",
            "The telephone number for codes by SMS was changed.",
        ),
        AccountNews::NumberOff => (
            "Le numéro de téléphone pour les codes par SMS a été retiré.",
            "The telephone number for codes by SMS was taken off.",
        ),
        AccountNews::Contact => (
            "L'adresse à laquelle nous vous écrivons a été changée.",
            "The address to which we write to you was changed.",
        ),
        AccountNews::Refused => (
            "Votre demande n'a pas pu être acceptée : adressez-vous à votre organisme.",
            "Your request could not be accepted: please turn to your organisation.",
        ),
    };
    let what = letter.language.pick(fr, en).to_owned();
    let when = until(&letter, at);
    let subject = letter.say("Votre compte a été modifié", "Your account was changed");
    let subject = format!("[{}] {subject}", letter.brand.entity);
    let hello = greeting(gateway, &account, letter.language).await?;
    let label = |fr: &str, en: &str| letter.language.pick(fr, en).to_owned();
    let tables =
        [vec![(label("Compte", "Account"), account.login.to_string()), (label("Date", "Date"), when)]];
    let note = letter.say(
        "Ce n'est pas vous ? Prévenez tout de suite l'assistance, et changez votre mot de passe sur la page de connexion.",
        "This was not you? Tell support at once, and change your password from the login page.",
    );
    let title = letter.say("Votre compte a été modifié", "Your account was changed");
    Ok(compose::notice(&NoticeMail {
        subject: &subject,
        title,
        text: &[hello, what],
        tables: &tables,
        url: None,
        note: Some(note),
        answers: None,
        letter: letter.clone(),
    }))
}

async fn account(gateway: &Gateway, id: AccountId) -> Result<Account, ComposeError> {
    let found = gateway.accounts.by_id(id).await?;
    found.ok_or_else(|| ComposeError::Row("the account is gone".to_owned()))
}

/// "Bonjour Docteur Anne Martin," as far as it is known (F49).
async fn greeting(gateway: &Gateway, account: &Account, language: Language) -> Result<String, ComposeError> {
    // Of an application, its owner reads.
    let owner = match account.owner {
        Some(owner) => gateway.accounts.by_id(owner).await?,
        None => None,
    };
    let account = owner.as_ref().unwrap_or(account);
    let civility = gateway.accounts.profile(account).await?.civility;
    let name = civility.map_or_else(|| account.name.clone(), |c| format!("{c} {}", account.name));
    Ok(format!("{} {name},", language.pick("Bonjour", "Hello")))
}

/// A time as people read it, with its offset.
fn until(letter: &Letter<'_>, at: Timestamp) -> String {
    let zoned = at.to_zoned(letter.brand.zone.clone());
    let pattern = letter.language.pick("%d/%m/%Y à %H:%M (UTC%:z)", "%d/%m/%Y at %H:%M (UTC%:z)");
    zoned.strftime(pattern).to_string()
}
