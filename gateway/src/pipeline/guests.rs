//! Mail to somebody outside who deposits files for one of our people: the link, and word that the files are there.
//!
//! **Job.** Fills the letters. A row names the invitation; the link is derived here and lies nowhere else.
//!
//! **Exposure.** Names and words that accounts and guests typed; the templates tame them.
//!
//! **Failure.** As composition; an invitation that is over by then is not sent any more.

use super::composition::ComposeError;
use super::content::ContentError;
use super::notices::Heading;
use crate::gateway::Gateway;
use sealpost_envelope::Language;
use sealpost_message::compose::{self, Draft, Letter, NoticeMail, Rows};
use sealpost_store::account::Account;
use sealpost_store::invitation::{Invitation, InvitationError, invitation_token};
use uuid::Uuid;

impl From<InvitationError> for ComposeError {
    fn from(error: InvitationError) -> Self {
        match error {
            InvitationError::Store(error) => error.into(),
            error => Self::Row(error.to_string()),
        }
    }
}

async fn found(gateway: &Gateway, id: Uuid) -> Result<(Invitation, Account), ComposeError> {
    let gone = || ComposeError::Row("the invitation is gone".to_owned());
    let invitation = gateway.store.invitation(id).await?.ok_or_else(gone)?;
    let account = gateway.accounts.by_id(invitation.account).await?.ok_or_else(gone)?;
    Ok((invitation, account))
}

/// A row of a table.
fn line(letter: &Letter<'_>, fr: &str, en: &str, value: String) -> (String, String) {
    (letter.language.pick(fr, en).to_owned(), value)
}

/// The link, once.
pub async fn invitation(gateway: &Gateway, heading: &Heading<'_>, id: Uuid) -> Result<Draft, ComposeError> {
    let (invitation, account) = found(gateway, id).await?;
    if !invitation.is_live(gateway.clock.now()) {
        return Err(ComposeError::Row("the invitation is over".to_owned()));
    }
    let letter = heading.letter(gateway, invitation.language);
    let token = invitation_token(gateway.store.keys(), id).map_err(ContentError::from)?;
    let url = format!("{}/g/{}", gateway.config.web.url.as_str().trim_end_matches('/'), token.expose());
    let words = invitation.words.unwrap_or_default();
    let (entity, host) = (letter.brand.entity, account.name.as_str());
    let fr = letter.language == Language::Fr;
    let subject = match fr {
        true => format!("[{entity}] {host} vous invite à déposer des fichiers"),
        false => format!("[{entity}] {host} invites you to deposit files"),
    };
    let mut text = vec![match fr {
        true => format!(
            "{host} ({}) vous demande de lui transmettre des fichiers par une page protégée. Il ne faut aucun compte.",
            account.login
        ),
        false => format!(
            "{host} ({}) asks you for files by a protected page. No account is needed.",
            account.login
        ),
    }];
    text.extend((!words.words.is_empty()).then(|| match fr {
        true => format!("Son message : « {} »", words.words),
        false => format!("Their words: “{}”", words.words),
    }));
    let rows: Rows = vec![
        line(&letter, "Taille en tout", "Size in all", letter.size(invitation.most)),
        line(&letter, "Jusqu’au", "Until", letter.moment(invitation.expires)),
    ];
    let title = letter.language.pick("Vos fichiers sont attendus", "Your files are awaited");
    let note = letter.language.pick(
        "Ce lien est personnel et sert à un seul dépôt. Si vous n’attendiez pas cette demande, ignorez-la ou demandez à la personne par un autre moyen.",
        "This link is yours and serves for one deposit. If you did not expect this request, ignore it, or ask the person in another way.",
    );
    Ok(compose::notice(&NoticeMail {
        subject: &subject,
        title,
        text: &text,
        tables: &[rows],
        url: Some(&url),
        note: Some(note),
        answers: None,
        letter,
    }))
}

/// The files are there.
pub async fn receipt(gateway: &Gateway, heading: &Heading<'_>, id: Uuid) -> Result<Draft, ComposeError> {
    let (invitation, account) = found(gateway, id).await?;
    let made = invitation.made.ok_or_else(|| ComposeError::Row("nothing was deposited".to_owned()))?;
    let row = gateway.store.read_deposit(made).await?.row;
    let letter = heading.letter(gateway, invitation.language);
    let (entity, reference) = (letter.brand.entity, row.reference.as_str());
    let fr = letter.language == Language::Fr;
    let subject = match fr {
        true => format!("[{entity}] Votre dépôt {reference} est enregistré"),
        false => format!("[{entity}] Your deposit {reference} is recorded"),
    };
    let text = [match fr {
        true => format!(
            "Ce que vous avez déposé pour {} a été scellé, horodaté et lui est transmis.",
            account.name
        ),
        false => {
            format!("What you deposited for {} was sealed and timestamped, and is on its way.", account.name)
        }
    }];
    let rows: Rows = vec![
        line(&letter, "Référence", "Reference", reference.to_owned()),
        line(&letter, "Déposé le", "Deposited on", letter.moment(row.created)),
        line(&letter, "Taille du message", "Size of the message", letter.size(row.size)),
    ];
    let title = letter.language.pick("Votre dépôt est enregistré", "Your deposit is recorded");
    let note = letter.language.pick(
        "Gardez cette référence : elle désigne votre dépôt et n’ouvre rien.",
        "Keep this reference: it names your deposit and opens nothing.",
    );
    Ok(compose::notice(&NoticeMail {
        subject: &subject,
        title,
        text: &text,
        tables: &[rows],
        url: None,
        note: Some(note),
        answers: None,
        letter,
    }))
}
