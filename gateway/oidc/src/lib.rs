//! OpenID Connect, as relying party: Pro Santé Connect (and its backchannel flow for the e-CPS app),
//! FranceConnect, ProConnect, or any provider that keeps to the standard.
//!
//! **Job.** [`Provider`] finds its provider's endpoints, words the request that a browser takes there, redeems the
//! code that comes back, and gives a [`SignIn`]: a person whose token was verified. Everything that decides is pure
//! and apart from the network: [`jose`] (signatures), [`check_id_token`] (claims), [`Person`] (what the claims mean).
//!
//! **Exposure.** The browser brings the callback's fields; the provider's answers come from the network. Answers are
//! bounded in time and size, redirects are not followed, addresses must be `https` (loopback only where a setting
//! for trials says so), the issuer is compared exactly, and `none` and HMAC algorithms do not exist here.
//!
//! **Standards.** OpenID Connect Core 1.0, Discovery 1.0, RP-Initiated Logout 1.0, CIBA Core 1.0 (poll); RFC 6749,
//! RFC 6750, RFC 7515 to RFC 7519 (signed tokens), RFC 7636 (PKCE), RFC 8705 (mutual TLS), RFC 9207 (`iss` in the
//! answer), RFC 9700 (security of OAuth).
//!
//! **Absent on purpose.** No session, no store, no pages: whoever calls keeps the state of a request, once, and bound
//! to the browser. No encrypted tokens (FranceConnect+ at eidas2 and above needs them): such an answer is refused as
//! unreadable. Access tokens are used for one userinfo request and dropped.
//!
//! **Failure.** [`OidcError`], by who is at fault; [`OidcError::reason`] is the word that the journal keeps.

mod ciba;
mod client;
mod error;
pub mod jose;
mod kept;
mod metadata;
mod person;
mod request;
mod settings;
mod token;

pub use ciba::{BackchannelRequest, Poll, binding_message, is_login_hint};
pub use client::{Provider, SignIn};
pub use error::OidcError;
pub use metadata::Metadata;
pub use person::Person;
pub use request::{Answer, Fresh, authorization_url, logout_url};
pub use settings::{ClientAuth, Preset, Settings, SettingsError};
pub use token::{Claims, Expect, IdToken, acr_satisfies, check_id_token};
