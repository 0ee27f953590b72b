//! Logging in to the application: identifier, password and code, or one of the ways that lead elsewhere.
//!
//! **Job.** [`page`] shows the form, [`attempt`] judges what was typed and sends codes by mail, [`text`] by SMS,
//! [`session`] begins,
//! finds and ends sessions. Cards, providers and phones come in by [`session::complete`] once they have found the
//! account.
//!
//! **Exposure.** Strangers guess here. Known and unknown accounts get the same page after the same time; failures
//! are counted for the login and for the address, across all ways in; nobody can lock anybody else out for good.
//!
//! **Standards.** OWASP ASVS 5.0 6.1 to 6.5 and 7.2 to 7.5; RFC 6238 §5.2 (a code counts once).
//!
//! **Failure.** A store that does not answer lets nobody in.

mod attempt;
pub(crate) mod guess;
pub(crate) mod journal;
pub(crate) mod outside;
mod page;
mod pending;
pub(crate) mod session;
pub(crate) mod slow;
pub(crate) mod text;

pub(crate) use page::Word;
pub(crate) use session::{Staff, complete, renew};

use crate::state::WebState;
use axum::Router;
use axum::routing::get;

/// The pages of logging in and out.
pub(crate) fn routes() -> Router<WebState> {
    Router::new()
        .route("/", get(page::start))
        .route("/login", get(page::start).post(attempt::login))
        // Reached by GET when the language is changed on the page that a POST showed.
        .route("/login/code", get(page::start).post(attempt::send_code))
        .route("/login/sms", get(page::start).post(attempt::send_text))
        .route("/logout", get(page::left).post(session::logout))
}

/// Where the application begins.
pub(crate) const START: &str = "/deposits";

/// A path of ours to go on to, as a form or query names it: never another site's.
pub(crate) fn local_path(text: &str) -> Option<&str> {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'"' && b != b'<');
    (plain && text.len() <= 300 && text.starts_with('/') && !text.starts_with("//")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::local_path;

    #[test]
    fn only_paths_of_ours_are_gone_on_to() {
        for good in ["/", "/deposits", "/deposits?state=sent&page=2", "/account/sessions"] {
            assert_eq!(local_path(good), Some(good));
        }
        for bad in
            ["", "//evil.example", "https://evil.example", "/\\evil.example", "deposits", "/a b", "/é", "/\n"]
        {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }
}
