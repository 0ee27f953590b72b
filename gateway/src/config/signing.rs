//! Kinds of values about signing keys: where one lies, and what kind the built-in authority makes.

use super::kinds::quoted;
use super::reader::{Context, Spot};
use super::section::{Setting, Shown};
use sealpost_certs::{KeyKind, TokenKey};
use std::path::PathBuf;
use toml::Spanned;
use toml::de::DeValue;

/// Where a signing key lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// PEM or PKCS#12.
    File(PathBuf),
    /// PKCS#11.
    Token(TokenKey),
}

impl Setting for KeySource {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        match value.get_ref().as_str() {
            Some("") | None => {
                context.expected("a file or a pkcs11: address in quotes", value, spot);
                None
            }
            Some(text) if text.starts_with("pkcs11:") => {
                TokenKey::parse(text).map(Self::Token).map_err(|e| context.wrong(spot, e)).ok()
            }
            Some(path) => Some(Self::File(context.resolve(path))),
        }
    }
}

impl Setting for KeyKind {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        let Some(text) = value.get_ref().as_str() else {
            context.expected("a kind of key in quotes", value, spot);
            return None;
        };
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        if found.is_none() {
            let known = Self::ALL.map(Self::name).join(", ");
            context.wrong(spot, format!("unknown value {text:?}; one of {known}"));
        }
        found
    }
}

impl Shown for KeyKind {
    fn shown(&self) -> String {
        quoted(self.name())
    }
}
