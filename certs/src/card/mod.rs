//! Professional cards of the French health sector (CPS and its family), read from their certificates.
//!
//! **Job.** [`Card::read`] turns an authentication certificate into who holds the card; [`CardTrust::judge`]
//! says whether the card may be believed, or the one [`Refusal`] that a person can act upon. [`issue`] makes
//! cards of a demonstration or a test.
//!
//! **Exposure.** Certificates come from strangers during a TLS handshake: DER only, every text bounded, no
//! printed name is ever split, attributes are found by their identifier wherever they stand.
//!
//! **Standards.** IGC-Santé certification policies (subject forms, extensions under 1.2.250.1.71.1.2), national
//! identifier PS_IdNat (1.2.250.1.71.4.2.1), table G15 (professions), RFC 5280 §4.1.2.6, §4.2.1.3, §4.2.1.12, §5;
//! RFC 6960.
//!
//! **Absent on purpose.** No sockets, no files, no clock: lists, answers of responders and time are passed in. Speciality and place of
//! work are not taken from a certificate that lives for three years.
//!
//! **Failure.** Closed: a card whose revocation cannot be known is refused, and the reason says so.

mod id;
mod identity;
pub mod issue;
mod names;
mod profession;
mod refusal;
mod trust;

pub use id::{IdError, IdKind, NationalId};
pub use identity::{Card, CardError, CardKind, CardNumber, Category, Structure};
pub use profession::Profession;
pub use refusal::Refusal;
pub use trust::{CardTrust, Examined, Holder, Range, Revocation, Stage};

#[cfg(test)]
mod tests;
