//! Keys, certificates, seals and timestamps.
//!
//! **Job.** Make and check everything in Sealpost that is a signature over evidence or mail: private keys
//! ([`keys`]), a built-in certificate authority ([`authority`]), detached CAdES and S/MIME signatures
//! ([`cms`]), the domain's signature on mail ([`dkim`]), RFC 3161 timestamps both as client and as authority
//! ([`tsp`]), what issuers say of the end of certificates ([`revocation`]: [`crl`], [`ocsp`]), strict verification
//! ([`verify`]) and OpenSSL's second opinion on it ([`opinion`]), professional cards ([`card`]). Keys come from files,
//! other programs' files ([`import`]) or tokens ([`token`]).
//!
//! **Exposure.** [`verify`], [`tsp`], [`revocation`] and [`certificate`] read bytes of strangers (proofs from anywhere,
//! answers and requests over HTTP). They accept one encoding only, DER, and refuse what they do not know.
//!
//! **Standards.** RFC 5652 (CMS), RFC 5035 (ESS), RFC 6211, RFC 3161 and 5816, RFC 5280, RFC 6960, RFC 8550,
//! RFC 6376, ETSI EN 319 122-1 (CAdES B-B, B-T and B-LT), EN 319 422.
//!
//! **Absent on purpose.** No sockets and no clock of its own; files only in [`keys`], [`import`] and [`files`].

pub(crate) mod asn1;
pub mod authority;
mod bare;
pub mod card;
pub mod certificate;
pub mod cms;
pub mod crl;
pub mod dkim;
pub mod files;
pub mod import;
pub mod keys;
pub mod ocsp;
pub mod opinion;
pub mod pem;
pub mod revocation;
pub mod signer;
pub mod token;
pub mod tsp;
pub mod verify;

pub use authority::{Authority, IssueError, Profile, Subject};
pub use bare::{Bare, sign_bare};
pub use certificate::{Certificate, CertificateError};
pub use crl::{RevocationList, Revoked};
pub use dkim::{DkimAlgorithm, DkimKey};
pub use keys::{KeyError, KeyKind, PrivateKey};
pub use ocsp::{OcspError, OcspRequest};
pub use revocation::RevocationValue;
pub use signer::{FileSigner, Identity, SignError, SignatureAlgorithm, Signer, SignerError};
pub use token::{TokenKey, TokenSigner};
pub use tsp::{TimeAuthority, TimeStampRequest, TspError};
pub use verify::{
    Level, Purpose, TrustAnchors, Use, VerifiedSignature, VerifiedTimestamp, VerifyError, complete_seal,
    enclose, verify_bare, verify_detached, verify_timestamp,
};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
