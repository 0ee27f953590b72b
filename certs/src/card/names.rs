//! Attributes of a distinguished name, by identifier, wherever they stand.
//!
//! RFC 5280 §4.1.2.4: a relative name may have several attributes, in no fixed order; a value is one of five
//! kinds of text.

use super::CardError;
use der::asn1::ObjectIdentifier;
use der::{Any, Tag, Tagged};
use x509_cert::name::Name;

/// Longest value that is kept (RFC 5280 appendix A.1 allows 64 for most, older cards exceed it).
const MAX: usize = 256;

/// The one value of an attribute. Twice the same attribute means that two readers may see two persons.
pub(super) fn one(name: &Name, id: ObjectIdentifier) -> Result<Option<String>, CardError> {
    let mut all = values(name, id)?;
    match all.len() {
        0 => Ok(None),
        1 => Ok(all.pop()),
        _ => Err(CardError::Twice(id)),
    }
}

/// The first value of an attribute that may stand there several times, as organizationalUnitName.
pub(super) fn first(name: &Name, id: ObjectIdentifier) -> Result<Option<String>, CardError> {
    Ok(values(name, id)?.into_iter().next())
}

fn values(name: &Name, id: ObjectIdentifier) -> Result<Vec<String>, CardError> {
    let attributes = name.as_ref().as_ref().iter().flat_map(|rdn| rdn.as_ref().iter());
    attributes.filter(|a| a.oid == id).map(|a| text(&a.value).ok_or(CardError::Text(id))).collect()
}

fn text(value: &Any) -> Option<String> {
    let octets = value.value();
    let read = match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            std::str::from_utf8(octets).ok()?.to_owned()
        }
        // What issuers in fact write into it is Latin-1.
        Tag::TeletexString => octets.iter().copied().map(char::from).collect(),
        Tag::BmpString => {
            let (pairs, rest) = octets.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|p| u16::from_be_bytes(*p)).collect();
            rest.is_empty().then(|| String::from_utf16(&units).ok()).flatten()?
        }
        _ => return None,
    };
    let read = read.trim().to_owned();
    let good = !read.is_empty() && read.chars().count() <= MAX && !read.chars().any(char::is_control);
    good.then_some(read)
}
