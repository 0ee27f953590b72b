//! Rules → a verdict per recipient: treatment, gate, when access ends, how long content is kept.
//!
//! **Job.** [`Policy::compile`] turns the configured rules into a [`Policy`] or says everything that is
//! wrong with them; [`Policy::decide`] answers for one message and one recipient, with an explanation a
//! person can follow. The order is fixed: what passes before all rules, then rules (first match wins),
//! then the defaults, then what the sender asked for, which may only strengthen.
//!
//! **Exposure.** Subjects, header values and attachment names come from strangers. They are data for the
//! conditions, never expressions; sizes are bounded by the caller's limits.
//!
//! **Standards.** CEL for conditions; RFC 3834 §5 (`Auto-Submitted`), RFC 2156 (`Sensitivity`), ITU-T
//! E.164 for telephone numbers.
//!
//! **Failure.** A condition that cannot be evaluated, a hint that cannot be read and a wish that cannot be
//! met make the message wait for its sender; nothing is ever sent weaker than asked for without a word.
//!
//! **Absent on purpose.** No I/O, no clock, no database: facts in, decision out.

mod blocked;
mod condition;
mod decide;
mod facts;
mod hints;
mod hold;
mod near;
mod period;
mod phone;
mod question;
mod reasons;
mod rule;
mod served;
mod strengthen;
mod suggest;
mod tags;
mod wishes;

pub use decide::{Decision, Policy};
pub use facts::{Defaults, Known, MessageFacts, RecipientFacts};
pub use hints::{HINT_HEADERS, Hints, PASSWORD_HEADER};
pub use hold::{Hold, Missing};
pub use near::{candidates, slip};
pub use period::{ParsePeriodError, Period};
pub use phone::{PhoneError, to_e164};
pub use question::{Answer, Ask};
pub use reasons::reason;
pub use rule::{RuleConfig, RuleError};
pub use suggest::closest;
pub use tags::{TagReading, read_tags, strip_tags};
pub use wishes::PhoneHint;
