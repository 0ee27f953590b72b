//! Time: renewals, and whether the chain of timestamps holds until now.
//!
//! **Rule** (EN 319 102-1 §5.6.3, past validation by proof of existence): whatever was signed or stamped is judged
//! at a time that a later timestamp proves, so that ends of certificates in between do no harm. The last timestamp
//! has nothing after it: its authority must still be in force.
//!
//! **Standards.** EN 319 162-1 (ASiCArchiveManifest with a timestamp token).

use super::Judge;
use super::contents::Contents;
use crate::manifest;
use crate::name::MemberName;
use sealpost_certs::VerifiedTimestamp;
use sealpost_envelope::Timestamp;
use std::io::{self, Read, Seek};

/// Clocks may differ by this much before a time is called impossible.
pub(super) const TOLERANCE: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

fn end(stamp: &VerifiedTimestamp) -> Timestamp {
    stamp.authority().not_after()
}

fn tolerant(at: Timestamp) -> Timestamp {
    at.saturating_add(TOLERANCE).unwrap_or(Timestamp::MAX)
}

impl Judge<'_> {
    /// Each renewal: its list of everything before it, and the timestamp over the list.
    pub(super) fn renewals<R: Read + Seek>(&mut self, contents: &mut Contents<R>) -> io::Result<()> {
        for name in contents.names() {
            let MemberName::Archive { number, token: false } = name else { continue };
            let stamp = MemberName::Archive { number, token: true };
            let Some(bytes) = contents.load(&name, self)? else { continue };
            let parsed = manifest::parse(&stamp, &bytes).ok_or("not in the form that Sealpost writes");
            if let Some(listed) = self.judge(&name, parsed, |l| format!("renews {} members", l.len())) {
                self.listed(contents, &name, &listed, |n| *n != MemberName::Mimetype && *n < name);
            }
            let (Some(token), Some(digest)) = (contents.load(&stamp, self)?, contents.digest_of(&name))
            else {
                continue;
            };
            if let Some(verified) = self.stamp(&stamp, &name, &token, &digest) {
                self.chain.push((stamp, verified));
            }
        }
        Ok(())
    }

    /// The chain of timestamps holds until now.
    pub(super) fn ageing(&mut self) {
        let chain = std::mem::take(&mut self.chain);
        let (Some((_, seal)), Some((name, last))) = (chain.first(), chain.last()) else { return };
        for pair in chain.windows(2) {
            let [(earlier, before), (later, after)] = pair else { continue };
            if end(before) < after.gen_time() {
                self.fail(
                    later,
                    format!(
                        "renewed too late: the authority of {earlier} ended on {}, before {}",
                        end(before),
                        after.gen_time()
                    ),
                );
            } else if tolerant(after.gen_time()) < before.gen_time() {
                self.fail(later, format!("its timestamp is earlier than the one of {earlier}"));
            }
        }
        if last.gen_time() > tolerant(self.now) {
            self.fail(name, format!("its timestamp {} lies in the future", last.gen_time()));
        } else if end(last) < self.now {
            self.aged = true;
            let words = format!(
                "aged: the last timestamp, of {}, is by {}, whose certificate ended on {}; the proof should have \
                 been renewed before",
                last.gen_time(),
                last.authority().subject(),
                end(last)
            );
            self.fail(name, words);
        } else {
            self.pass(name, format!("the last timestamp holds until {}", end(last)));
        }
        for (subject, stamp) in std::mem::take(&mut self.stamps) {
            if end(&stamp) < seal.gen_time() {
                self.fail(&subject, "its timestamp had aged before the proof was sealed");
            } else if stamp.gen_time() > tolerant(seal.gen_time()) {
                self.fail(&subject, "its timestamp is later than the seal over the proof");
            }
        }
    }
}
