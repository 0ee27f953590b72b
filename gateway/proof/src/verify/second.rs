//! The second opinion on every seal and timestamp, and whether somebody else vouches for the time.

use super::Judge;
use crate::name::MemberName;
use sealpost_certs::opinion::{self, Disagreement};
use sealpost_certs::{Bare, VerifiedSignature, VerifiedTimestamp};
use sealpost_envelope::Sha256Digest;

impl Judge<'_> {
    /// OpenSSL on a seal that ours found good. If it disagrees, the proof is INVALID: one of two judges must be
    /// wrong, and nobody can say which.
    pub(super) fn second_on_seal(
        &mut self,
        seal: &MemberName,
        verified: &VerifiedSignature,
        cms: &[u8],
        content: &[u8],
    ) {
        let said = opinion::of_seal(verified, cms, content, self.trust, self.now);
        self.second(seal, said);
    }

    /// OpenSSL on a signature in XML that ours found good.
    pub(super) fn second_on_bare(
        &mut self,
        subject: &MemberName,
        verified: &VerifiedSignature,
        bare: &Bare<'_>,
    ) {
        let said = opinion::of_bare(verified, bare, self.trust);
        self.second(subject, said);
    }

    /// OpenSSL on a bare timestamp that ours found good.
    pub(super) fn second_on_stamp(
        &mut self,
        subject: &MemberName,
        verified: &VerifiedTimestamp,
        imprint: &Sha256Digest,
    ) {
        let said = opinion::of_timestamp(verified, imprint, self.trust);
        self.second(subject, said);
    }

    fn second(&mut self, subject: &MemberName, said: Result<(), Disagreement>) {
        self.judge(subject, said, |()| "OpenSSL agrees".to_owned());
    }

    /// Says whether the log was dated by somebody else than the authority of the seal over the proof. Either is
    /// VALID; how much the time is worth is for the reader to judge.
    pub(super) fn witness(&mut self) {
        let name = MemberName::CheckpointToken;
        let log = self.stamps.iter().find(|(subject, _)| *subject == name.to_string());
        let (Some((_, log)), Some((_, seal))) = (log, self.chain.first()) else { return };
        let words = if log.anchor() == seal.anchor() {
            "external time pending, or none asked: the log is dated by the authority that dated the seal"
                .to_owned()
        } else {
            let end = log.authority().not_after();
            format!("external time: {} under {}, until {end}", log.gen_time(), log.anchor().subject())
        };
        self.pass(&name, words);
    }
}
