//! Paths that were found before.
//!
//! **Job.** A log or a proof holds thousands of signatures under a handful of certificates. Whether one
//! certificate signed another does not change with the time that is asked about; only the validity periods
//! do, and those are compared anew at each use. **Exposure.** Keys are digests over whole certificates, so
//! that no stranger can make one path pass for another. **Bounds.** [`MOST`] paths; then it begins anew.

use super::{Found, Purpose};
use crate::certificate::Certificate;
use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Mutex;

/// Paths kept.
const MOST: usize = 64;

/// What a path was asked for: purpose, leaf, and what was offered to build with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Question([u8; 32]);

impl Question {
    pub(super) fn new(leaf: &Certificate, others: &[Certificate], purpose: Purpose) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&[match purpose {
            Purpose::Seal => 0,
            Purpose::Mail => 1,
            Purpose::TimeStamp => 2,
        }]);
        for certificate in std::iter::once(leaf).chain(others) {
            // DER tells its own length.
            context.update(certificate.der());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self(digest)
    }
}

/// Found paths; those of one set of anchors only.
#[derive(Debug, Default)]
pub(super) struct Memo(Mutex<HashMap<Question, Found>>);

impl Memo {
    /// The path found before, if each certificate of it is valid at that time.
    pub(super) fn get(&self, question: Question, at: Timestamp) -> Option<Found> {
        let known = self.0.lock().ok()?;
        let found = known.get(&question)?;
        found.path.iter().all(|c| c.not_before() <= at && at <= c.not_after()).then(|| found.clone())
    }
    pub(super) fn keep(&self, question: Question, found: &Found) {
        // A poisoned lock costs speed, nothing else.
        let Ok(mut known) = self.0.lock() else { return };
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(question, found.clone());
    }
}
