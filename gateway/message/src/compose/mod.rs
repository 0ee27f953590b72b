//! Composition of outgoing mail.
//!
//! **Job.** From a deposit's skeleton, or from facts alone, make the *recipe* of one outgoing message:
//! its exact bytes, with stored parts referred to and not copied. A [`Recipe`] has the form of a skeleton,
//! so that [`crate::Rebuilder`] streams it as often as the relay tries.
//!
//! Order of work: rewrite (a [`Draft`]), then S/MIME ([`Draft::sealed`]), then DKIM
//! ([`Recipe::prepended`]), then nothing.
//!
//! | treatment | function |
//! |---|---|
//! | `pass` | [`pass`] |
//! | `trace` | [`trace`] |
//! | `seal` | [`prepare_seal`], hash [`Draft::inner`], sign, [`Draft::sealed`] |
//! | `link` | [`link`], then as `seal` |
//! | `notify` | [`notify`], then as `seal` |
//! | codes and receipts | [`code`], [`receipt`], then as `seal`, or [`Draft::plain`] |
//! | what recipient and sender say to one another from the door | [`saying`], [`granted`], as above |
//! | mail about an account, or in answer to a question | [`notice`], as above |
//! | notifications that a client asked for | [`dsn()`], [`mdn()`] |
//! | how TLS went, for another domain's programs | [`tls_report()`] |
//! | the evidence so far, for the Proofs folder | [`ProofMail`] |
//!
//! **Exposure.** Names, subjects, file names and remote replies are strangers': everything that goes into
//! a header is freed of control characters and encoded (RFC 2047, RFC 2231), everything that goes into
//! HTML is escaped; author's HTML is taken as [`crate::present::SafeHtml`] only.
//!
//! **Standards.** RFC 5322, RFC 2045 to 2047, RFC 2231, RFC 2387, RFC 8551 §3.5 (clear signing), RFC 3834
//! (automatic mail).
//!
//! **Absent on purpose.** No key, no clock, no policy, no I/O.

mod authored;
mod code;
mod draft;
mod dsn;
mod headers;
mod html;
mod html_text;
mod letter;
mod link;
mod manners;
mod markup;
mod mdn;
mod notice;
mod plan;
mod proofs;
mod question;
mod quoted;
mod receipt;
mod relay;
mod seal;
mod text;
mod tls_report;
mod words;

pub use authored::{AuthoredMail, FileEncoder, Named};
pub use code::{CodeMail, NotSixDigits, code};
pub use draft::Draft;
pub use dsn::{DsnAction, DsnMail, dsn};
pub use html_text::to_text as html_to_text;
pub use letter::{Brand, Letter};
pub use link::{Author, FileLine, LinkMail, NotifyMail, OriginalParts, link, notify};
pub use manners::{GrantedMail, Saying, SayingMail, granted, saying};
pub use markup::rich;
pub use mdn::{MdnMail, mdn};
pub use notice::{NoticeMail, Rows, notice};
pub use plan::Recipe;
pub use proofs::{ProofMail, ProofStep};
pub use question::{Choice, QuestionMail, question};
pub use receipt::{ReceiptKind, ReceiptLine, ReceiptMail, RecipientState, receipt};
pub use relay::{Stamp, pass, trace};
pub use seal::prepare_seal;
pub use tls_report::{TlsReportMail, tls_report};
