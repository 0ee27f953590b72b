//! The gate before a recipient's content: which methods are asked, in which order, and whether an
//! answer is right.
//!
//! **Job.** [`Ladder`] reads a rule's gate (alternatives, each a combination) and says which step comes
//! next. A [`Method`] says what it asks of a person and checks what they typed. [`CodeKey`] derives the
//! six digits of a code from its challenge, so that a code is never stored and can be sent again. [`oath`]
//! computes the codes of tokens and apps. [`Facts`] is what a passed method knows of the person.
//!
//! **Exposure.** [`Code::typed`] and [`Method::check`] read what strangers type; lengths are bounded,
//! comparisons take constant time. Counting tries, expiry and journaling are the caller's, in one
//! transaction of the store.
//!
//! **Standards.** RFC 2104 (HMAC), RFC 4226 and RFC 6238 (OATH tokens), RFC 9106 (Argon2id, message
//! passwords), NIST SP 800-63B §3.1.3.2 (six digits, ten minutes).
//!
//! **Absent on purpose.** No store, no clock, no network: a challenge's state is passed in. No silent
//! downgrade: a method that is not configured here never counts as passed.

mod assurance;
mod code;
mod declared;
mod facts;
mod ladder;
mod method;
pub mod oath;
pub mod ocra;
pub mod strength;
pub mod tiqr;
mod work;

pub use assurance::{Assurance, Factor};
pub use code::{CODE_DIGITS, Code, CodeKey};
pub use declared::{DECLARED, DeclaredName, declared_words};
pub use facts::{Facts, Identity, Level};
pub use ladder::{Ladder, Step};
pub use method::{
    Asks, Attempt, ElsewhereMethod, LinkMethod, Method, MethodLimits, Methods, Needs, OtpMail, OtpSms,
    PasswordError, PasswordMethod, TypedCodeMethod,
};
pub use oath::{hotp, totp};
pub use work::{Done, Question, WorkKey};
