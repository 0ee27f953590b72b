//! What a deposit's own people see of its content: subject and files, as long as it exists.

use crate::content::Content;
use crate::fault::Fault;
use crate::state::WebState;
use sealpost_envelope::Language;
use sealpost_store::DepositRow;

/// The subject as recipients read it, or what stands in its place.
pub(super) fn subject(state: &WebState, row: &DepositRow, l: Language) -> Result<String, Fault> {
    Ok(shown(Content::of(state, row)?.as_ref(), l))
}

/// [`subject`] of what was opened before; `None` for content that is no more.
pub(super) fn shown(content: Option<&Content>, l: Language) -> String {
    match content {
        Some(content) if !content.subject.trim().is_empty() => content.subject.clone(),
        Some(_) => l.pick("(sans objet)", "(no subject)").to_owned(),
        None => l.pick("(contenu détruit au terme prévu)", "(content destroyed as planned)").to_owned(),
    }
}
