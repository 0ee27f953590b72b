//! Links, challenges, sessions and download progress of recipients.
//!
//! **Job.** What the recipient's door must remember between two requests, on any node: which link leads
//! to which consignment, which code is alive and how often it was tried, which browser passed which step
//! of the gate, which bytes of a file it was sent. Every change is written with its journal events.
//!
//! **Exposure.** Keys of look-ups come from strangers; they are hashed before they reach a statement, so
//! that neither the text nor the time taken says whether a neighbour exists.
//!
//! **Absent on purpose.** What a right answer is (the gate's business), and mail (the composer's).

mod card;
mod challenge;
mod delivery;
mod grant;
mod identity;
mod link;
mod progress;
mod rate;
mod secret;
mod sweep;
mod tiqr;

pub use card::{CardPurpose, CardReturn, CardTicket, TicketHash};
pub use challenge::{AnswerOutcome, AskOutcome, AskRule, Challenge, NewChallenge};
pub use delivery::CodeDelivery;
pub use grant::{Grant, GrantHash, GrantStep, Opening};
pub use identity::{
    AccountCard, account_of_card, bind_card, bind_identity, cards_of, known_identity, unbind_card,
};
pub use link::{Link, NewLink, TokenHash, insert_links, revoke_links};
pub use progress::{FileMark, Span, completed, record};
pub(crate) use secret::INSERT_VERIFIERS;
pub use secret::{set_verifier, verifier};
pub use sweep::sweep;
pub use tiqr::{
    EnrolmentRow, Judgement, Met, NewEnrolment, NewTiqrSession, Phone, TiqrSession, account_of_subject,
    account_subject, drop_phone,
};
