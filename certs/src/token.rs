//! Signing keys that never leave their token: PKCS#11.
//!
//! **Job.** [`TokenSigner`] signs with a key in a smart card, a hardware module or SoftHSM. The token is looked for
//! when the first signature is wanted and again after every failure, so that a token that was pulled out, a module
//! that was restarted or a network that was away heals without a restart of ours.
//!
//! **Exposure.** The module is a library of the administrator's choice that runs inside this process. The PIN is
//! held in [`Secret`].
//!
//! **Standards.** PKCS#11 2.40 (CKM_ECDSA, CKM_SHA256_RSA_PKCS), RFC 7512 (the address of a key).
//!
//! **Failure modes.** [`SignError::Device`] with what the module said. A key that is not the certificate's is found
//! at the first signature of a session, before anything relies on it.

use crate::asn1::{seq, unsigned};
use crate::signer::SignerError;
use crate::{Certificate, Identity, SignError, SignatureAlgorithm, Signer};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use sealpost_envelope::Secret;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Where a key lies: `pkcs11:token=LABEL;object=LABEL?module-path=FILE` (RFC 7512).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// The module, a shared library.
    pub module: PathBuf,
    /// Label of the token.
    pub token: String,
    /// Label of the key.
    pub object: String,
}

impl TokenKey {
    /// Reads the address; says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let usage = "write pkcs11:token=LABEL;object=LABEL?module-path=FILE";
        let rest = text.strip_prefix("pkcs11:").ok_or_else(|| usage.to_owned())?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut found = BTreeMap::new();
        for pair in path.split(';').chain(query.split('&')).filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| usage.to_owned())?;
            if !["token", "object", "type", "module-path"].contains(&name) {
                return Err(format!("{name:?} is not understood here; {usage}"));
            }
            found.insert(name, decoded(value).ok_or_else(|| format!("{value:?} is not percent-encoded"))?);
        }
        let mut take = |name: &str| found.remove(name).ok_or_else(|| format!("{name} is missing; {usage}"));
        Ok(Self { module: take("module-path")?.into(), token: take("token")?, object: take("object")? })
    }
}

/// Percent-decoding (RFC 3986 §2.1).
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let (hex, tail) = tail.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
            rest = tail;
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

/// A signer whose key lies in a token.
pub struct TokenSigner {
    key: TokenKey,
    pin: Option<Secret<String>>,
    identity: Identity,
    open: Mutex<Option<Open>>,
}

/// A logged-in session that has found the key.
struct Open {
    session: Session,
    key: ObjectHandle,
}

impl std::fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenSigner({:?})", self.key)
    }
}

impl TokenSigner {
    /// Reads the certificate, its own first in the file; the token itself is not touched yet.
    pub fn new(key: TokenKey, certificates: &Path, pin: Option<Secret<String>>) -> Result<Self, SignerError> {
        let mut chain = Certificate::load(certificates)?;
        let certificate = chain.remove(0);
        let algorithm = certificate.signature_algorithm();
        let algorithm = algorithm.ok_or_else(|| {
            SignerError::Token(format!(
                "the key of {} is neither P-256, P-384 nor RSA",
                certificate.subject()
            ))
        })?;
        Ok(Self { identity: Identity::new(certificate, chain, algorithm)?, key, pin, open: Mutex::default() })
    }

    /// One try in the session at hand, or in a new one. A session that failed is not kept.
    fn attempt(&self, open: &mut Option<Open>, message: &[u8]) -> Result<Vec<u8>, String> {
        let gate = gate(&self.key.module);
        let _running = gate.read().unwrap_or_else(PoisonError::into_inner);
        let current = match open.take() {
            Some(current) => current,
            None => self.connect()?,
        };
        let signature = self.sign_in(&current, message)?;
        *open = Some(current);
        Ok(signature)
    }

    /// Finds the token, logs in, finds the key, and makes sure that it is the certificate's.
    fn connect(&self) -> Result<Open, String> {
        let module = module(&self.key.module)?;
        let slots = module.get_slots_with_token().map_err(|e| e.to_string())?;
        let named = |slot: &cryptoki::slot::Slot| {
            module.get_token_info(*slot).is_ok_and(|token| token.label() == self.key.token)
        };
        let slot = slots.into_iter().find(named).ok_or_else(|| format!("no token {:?}", self.key.token))?;
        let session = module.open_ro_session(slot).map_err(|e| e.to_string())?;
        let pin = self.pin.as_ref().map(|p| AuthPin::new(p.expose().clone().into()));
        match session.login(UserType::User, pin.as_ref()) {
            // Logins are per token, not per session.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => return Err(format!("login: {error}")),
        }
        let wanted =
            [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(self.key.object.clone().into())];
        let found = session.find_objects(&wanted).map_err(|e| e.to_string())?;
        let [key] = found[..] else {
            return Err(format!(
                "{} private keys are called {:?} instead of one",
                found.len(),
                self.key.object
            ));
        };
        let open = Open { session, key };
        let trial = self.sign_in(&open, b"Sealpost")?;
        if !self.certificate().verifies(self.algorithm(), b"Sealpost", &trial) {
            return Err(format!("the key {:?} is not the certificate's", self.key.object));
        }
        Ok(open)
    }

    fn sign_in(&self, open: &Open, message: &[u8]) -> Result<Vec<u8>, String> {
        let said = |e: Error| e.to_string();
        match self.algorithm() {
            SignatureAlgorithm::RsaPkcs1Sha256 => {
                open.session.sign(&Mechanism::Sha256RsaPkcs, open.key, message).map_err(said)
            }
            SignatureAlgorithm::EcdsaP256Sha256 | SignatureAlgorithm::EcdsaP384Sha256 => {
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, message);
                let raw = open.session.sign(&Mechanism::Ecdsa, open.key, digest.as_ref()).map_err(said)?;
                // PKCS#11 2.40 §2.3.1: r and s, each of the length of the order.
                let (r, s) = raw.split_at(raw.len() / 2);
                Ok(seq(&[&unsigned(r), &unsigned(s)]))
            }
        }
    }
}

impl Signer for TokenSigner {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // A stale session is the usual case and costs one more try; a module that missed the token's return
        // needs a fresh start.
        let again = match self.attempt(&mut open, message) {
            Ok(signature) => return Ok(signature),
            Err(_) => self.attempt(&mut open, message),
        };
        again
            .or_else(|_| {
                restart(&self.key.module)?;
                self.attempt(&mut open, message)
            })
            .map_err(SignError::Device)
    }
}

/// Modules are initialised once for the whole process (PKCS#11 2.40 §5.4).
static MODULES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

/// Held while a module is used, and alone while it is ended and begun again: other keys may lie in it.
static GATES: Mutex<BTreeMap<PathBuf, Arc<RwLock<()>>>> = Mutex::new(BTreeMap::new());

fn gate(path: &Path) -> Arc<RwLock<()>> {
    let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
    gates.entry(path.to_owned()).or_default().clone()
}

fn module(path: &Path) -> Result<Pkcs11, String> {
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(path) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(path).map_err(|e| format!("{}: {e}", path.display()))?;
    initialise(&module)?;
    modules.insert(path.to_owned(), module.clone());
    Ok(module)
}

fn initialise(module: &Pkcs11) -> Result<(), String> {
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Some modules look for tokens only while they start. Sessions of other keys end too and are opened again.
fn restart(path: &Path) -> Result<(), String> {
    let gate = gate(path);
    let _alone = gate.write().unwrap_or_else(PoisonError::into_inner);
    let module = module(path)?;
    // A module that was not running any more is as good as one that ended now.
    let _ = module.clone().finalize();
    initialise(&module)
}
