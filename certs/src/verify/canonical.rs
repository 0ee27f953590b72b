//! Tokens of other authorities, brought into the one form that verification accepts.
//!
//! Authorities send BER, unsorted sets, superfluous certificates and NULL parameters. Nothing of that is
//! signed, so that it can be normalised once, on arrival, without touching what the authority vouched for.
//! From then on the token is as rigid as our own.

use super::path::{self, Purpose, TrustAnchors};
use super::signed_data::{Content, Opened};
use super::{VerifyError, signed_data};
use crate::asn1::{ContentInfo, oid};
use crate::tsp::types::TstInfo;
use der::asn1::SetOfVec;
use der::{Any, Decode, Encode};

/// The token in DER, with the signer's certificate and needed intermediates only.
pub(crate) fn canonical_token(token: &[u8], trust: &TrustAnchors) -> Result<Vec<u8>, VerifyError> {
    let not_der = |e: der::Error| VerifyError::NotDer(e.to_string());
    let mut info = ContentInfo::from_ber(token).map_err(not_der)?;
    let data = &mut info.content;
    let count = data.signer_infos.len();
    let mut signer = match (count, data.signer_infos.get(0)) {
        (1, Some(signer)) => signer.clone(),
        _ => return Err(VerifyError::Signers(count)),
    };
    data.crls = None;
    signer.unsigned_attrs = None;
    let protected = signer
        .signed_attrs
        .as_ref()
        .is_some_and(|attributes| attributes.iter().any(|a| a.oid == oid::ALGORITHM_PROTECTION));
    if !protected {
        signer.digest_alg.parameters = None;
        if [oid::RSA_SHA256, oid::RSA_SHA384, oid::RSA_SHA512].contains(&signer.signature_algorithm.oid) {
            signer.signature_algorithm.oid = oid::RSA;
            signer.signature_algorithm.parameters = Some(Any::null());
        }
    }
    data.digest_algorithms = set(signer.digest_alg.clone())?;
    data.signer_infos = set(signer)?;
    let all = sorted(&info)?;
    // What the path needs is known once it has been built; the rest is left out.
    let opened = Opened::parse(&all, &oid::TST_INFO)?;
    let signed_data::Checked { signer, others, .. } = opened.check(Content::Enclosed)?;
    let content = opened.content().ok_or(VerifyError::NoContent)?;
    let tst = TstInfo::from_der(content).map_err(|e| VerifyError::TstInfo(e.to_string()))?;
    let found = path::build(&signer, &others, trust, tst.gen_time.at(), Purpose::TimeStamp)?;
    let needed = found.path.iter().map(|c| Any::from_der(c.der())).collect::<Result<Vec<_>, _>>();
    let needed = SetOfVec::try_from(needed.map_err(not_der)?).map_err(not_der)?;
    info.content.certificates = Some(needed);
    sorted(&info)
}

fn set<T: der::DerOrd>(one: T) -> Result<SetOfVec<T>, VerifyError> {
    SetOfVec::try_from(vec![one]).map_err(|e| VerifyError::NotDer(e.to_string()))
}

/// DER with every set in order: decoding as DER sorts, BER keeps the order received.
fn sorted(info: &ContentInfo) -> Result<Vec<u8>, VerifyError> {
    let not_der = |e: der::Error| VerifyError::NotDer(e.to_string());
    let once = info.to_der().map_err(not_der)?;
    ContentInfo::from_der(&once).and_then(|i| i.to_der()).map_err(not_der)
}
