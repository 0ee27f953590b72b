//! Reading the facts back, namespaces respected, prefixes free.

use super::write::{DS, ERDS, MESSAGE_PART, OURS, SAML, SHA256};
use crate::{EventName, journal};
use quick_xml::events::{BytesRef, BytesStart, Event as Xml};
use quick_xml::name::{NamespaceResolver, ResolveResult};
use quick_xml::reader::NsReader;
use sealpost_envelope::{DepositId, EntryId, PartNo, RecipientNo, Reference, Sha256Digest, Timestamp};

/// Larger evidence is refused; ours has a few KiB, and a line for each recipient and part.
const MAX_XML: usize = 32 * 1024 * 1024;
/// Deeper nesting is refused; ours has eight levels.
const MAX_DEPTH: usize = 24;

/// A file that is no evidence of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Too large or nested too deep.
    #[error("the evidence is too large")]
    TooLarge,
    /// Not well-formed, or with a DTD or entities.
    #[error("the evidence is not well-formed XML: {0}")]
    Malformed(String),
    /// A fact that is needed is missing, given twice, or impossible.
    #[error("the evidence's {0} is missing or wrong")]
    Fact(&'static str),
}

/// An attachment named by an evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidencePart {
    /// Number within the deposit, from 1.
    pub number: PartNo,
    /// Media type.
    pub media_type: String,
    /// SHA-256 of the decoded bytes.
    pub sha256: Sha256Digest,
}

/// What an evidence says, as far as a verifier compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedEvidence {
    /// Journal entry and evidence identifier.
    pub id: EntryId,
    /// What.
    pub event: EventName,
    /// When.
    pub time: Timestamp,
    /// Legal name of the issuer.
    pub issuer: Option<String>,
    /// Host name of the service.
    pub service: Option<String>,
    /// Sender's address.
    pub sender: String,
    /// Who acted for the sender.
    pub delegate: Option<String>,
    /// Recipients' addresses: all, or the one concerned.
    pub recipients: Vec<String>,
    /// Number of the recipient concerned within the deposit.
    pub recipient: Option<RecipientNo>,
    /// When the message was accepted.
    pub submitted: Timestamp,
    /// Deposit.
    pub deposit: DepositId,
    /// Its reference for people.
    pub reference: Option<Reference>,
    /// The author's Message-ID.
    pub message_id: Option<String>,
    /// SHA-256 of the message as received.
    pub message_sha256: Sha256Digest,
    /// Attachments.
    pub parts: Vec<EvidencePart>,
    /// Host that took or refused the message.
    pub external_system: Option<String>,
    /// Codes and texts of the reasons.
    pub reasons: Vec<String>,
    /// When and how the recipient was authenticated.
    pub authentication: Option<(Timestamp, String)>,
}

/// Facts while they are gathered.
#[derive(Default)]
struct Gathered {
    one: std::collections::BTreeMap<&'static str, String>,
    recipients: Vec<String>,
    reasons: Vec<String>,
    parts: Vec<[Option<String>; 3]>,
    twice: Option<&'static str>,
}

/// Elements that hold one fact each, by their path below the root.
const SINGLE: [(&str, &str); 16] = [
    ("e:EvidenceIdentifier", "EvidenceIdentifier"),
    ("e:ERDSEventId", "ERDSEventId"),
    ("EventTime", "EventTime"),
    ("e:SenderDetails/Identifier", "SenderDetails"),
    ("e:SenderDelegateDetails/Identifier", "SenderDelegateDetails"),
    ("e:SubmissionTime", "SubmissionTime"),
    ("e:MessageIdentifier", "MessageIdentifier"),
    ("ForwardedToExternalSystem", "ForwardedToExternalSystem"),
    ("e:TransactionLogInformation/e:TransactionLog/p:Entry/p:Service", "Service"),
    ("e:TransactionLogInformation/e:TransactionLog/p:Entry/p:Reference", "Reference"),
    ("e:TransactionLogInformation/e:TransactionLog/p:Entry/p:Recipient", "Recipient"),
    ("e:TransactionLogInformation/e:TransactionLog/p:Entry/p:MessageId", "MessageId"),
    (
        "e:RecipientDetails/AssuranceLevelsDetails/e:AuthenticationDetails/AuthenticationTime",
        "AuthenticationTime",
    ),
    (
        "e:RecipientDetails/AssuranceLevelsDetails/e:AuthenticationDetails/AuthenticationMethod",
        "AuthenticationMethod",
    ),
    ("EvidenceRefersToRecipient", "EvidenceRefersToRecipient"),
    ("e:UserContentInfo/ComposingParts", "ComposingParts"),
];

impl Gathered {
    fn set(&mut self, name: &'static str, text: &str) {
        if self.one.insert(name, text.to_owned()).is_some() {
            self.twice = Some(name);
        }
    }
    /// A leaf element ended.
    fn leaf(&mut self, path: &str, text: &str) {
        if let Some((_, name)) = SINGLE.iter().find(|(p, _)| *p == path) {
            return self.set(name, text);
        }
        match path {
            // The legal name is the first attribute that we write.
            "e:EvidenceIssuerDetails/e:Identity/s:Attribute/s:AttributeValue" => {
                self.one.entry("Issuer").or_insert_with(|| text.to_owned());
            }
            "e:RecipientDetails/Identifier" => self.recipients.push(text.to_owned()),
            "e:EventReasons/e:EventReason/Details" => self.reasons.push(text.to_owned()),
            _ => {
                if let Some(field) = path.strip_prefix("e:UserContentInfo/e:PartsInfo/e:PartInfo/") {
                    self.part_field(field, text);
                }
            }
        }
    }
    fn part_field(&mut self, field: &str, text: &str) {
        let slot = match field {
            "Identifier" => 0,
            "ContentType" => 1,
            "d:DigestValue" => 2,
            _ => return,
        };
        if let Some(part) = self.parts.last_mut()
            && part[slot].replace(text.to_owned()).is_some()
        {
            self.twice = Some("PartInfo");
        }
    }
    fn need(&mut self, name: &'static str) -> Result<String, XmlError> {
        self.one.remove(name).ok_or(XmlError::Fact(name))
    }
    fn time(&mut self, name: &'static str) -> Result<Timestamp, XmlError> {
        let text = self.need(name)?;
        journal::parse_time(&text).ok_or(XmlError::Fact(name))
    }
}

/// Reads an evidence.
pub fn parse(xml: &[u8]) -> Result<ParsedEvidence, XmlError> {
    if xml.len() > MAX_XML {
        return Err(XmlError::TooLarge);
    }
    let text = std::str::from_utf8(xml).map_err(|_| XmlError::Malformed("not UTF-8".to_owned()))?;
    let mut reader = NsReader::from_str(text);
    let mut gathered = Gathered::default();
    let mut path: Vec<String> = Vec::new();
    let mut value = String::new();
    let mut is_leaf = false;
    let mut roots = 0u8;
    loop {
        let event = reader.read_event().map_err(|e| XmlError::Malformed(e.to_string()))?;
        match event {
            Xml::Start(start) => {
                let name = known_name(reader.resolver(), &start)?;
                roots = roots.saturating_add(u8::from(path.is_empty()));
                path.push(name);
                if path.len() > MAX_DEPTH {
                    return Err(XmlError::TooLarge);
                }
                value.clear();
                is_leaf = true;
                if relative(&path) == "e:UserContentInfo/e:PartsInfo/e:PartInfo" {
                    gathered.parts.push(Default::default());
                }
            }
            Xml::Empty(start) => {
                is_leaf = false;
                roots = roots.saturating_add(u8::from(path.is_empty()));
                let name = known_name(reader.resolver(), &start)?;
                check_digest_method(&name, &start)?;
            }
            Xml::Text(t) if path.is_empty() && !t.trim().is_empty() => {
                return Err(XmlError::Malformed("it has text outside its root".to_owned()));
            }
            Xml::Text(t) => value.push_str(&t.xml10_content()),
            Xml::GeneralRef(reference) => value.push(character(&reference)?),
            Xml::End(_) => {
                if is_leaf {
                    gathered.leaf(&relative(&path), &value);
                }
                is_leaf = false;
                path.pop();
            }
            Xml::Decl(_) if path.is_empty() && roots == 0 => {}
            Xml::Eof => break,
            Xml::Decl(_) | Xml::CData(_) | Xml::Comment(_) | Xml::PI(_) | Xml::DocType(_) => {
                return Err(XmlError::Malformed("it holds what evidence never holds".to_owned()));
            }
        }
    }
    if roots != 1 || !path.is_empty() {
        return Err(XmlError::Malformed("it has not exactly one root".to_owned()));
    }
    assemble(gathered)
}

/// Path below the root, or what no table names when the root is another.
fn relative(path: &[String]) -> String {
    match path.split_first() {
        Some((root, rest)) if root == "e:Evidence" => rest.join("/"),
        _ => "?".to_owned(),
    }
}

/// Name with one letter for the namespace.
fn known_name(resolver: &NamespaceResolver, start: &BytesStart<'_>) -> Result<String, XmlError> {
    let (namespace, local) = resolver.resolve_element(start.name());
    let local = AsRef::<str>::as_ref(&local);
    Ok(match namespace {
        ResolveResult::Unbound => local.to_owned(),
        ResolveResult::Bound(ns) if ns.0 == ERDS => format!("e:{local}"),
        ResolveResult::Bound(ns) if ns.0 == DS => format!("d:{local}"),
        ResolveResult::Bound(ns) if ns.0 == SAML => format!("s:{local}"),
        ResolveResult::Bound(ns) if ns.0 == OURS => format!("p:{local}"),
        ResolveResult::Bound(_) => format!("?:{local}"),
        ResolveResult::Unknown(_) => {
            return Err(XmlError::Malformed("it uses an undeclared prefix".to_owned()));
        }
    })
}

/// Only SHA-256 digests are compared, so no other may pass for one.
fn check_digest_method(name: &str, start: &BytesStart<'_>) -> Result<(), XmlError> {
    if name != "d:DigestMethod" {
        return Ok(());
    }
    match start.try_get_attribute("Algorithm") {
        Ok(Some(attribute)) if &*attribute.value == SHA256 => Ok(()),
        _ => Err(XmlError::Fact("DigestMethod")),
    }
}

/// A character reference or one of XML's five entities.
fn character(reference: &BytesRef<'_>) -> Result<char, XmlError> {
    let malformed = || XmlError::Malformed("it uses an entity of its own".to_owned());
    if let Some(c) = reference.resolve_char_ref().map_err(|_| malformed())? {
        return Ok(c);
    }
    match &*reference.xml10_content() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(malformed()),
    }
}

fn assemble(mut g: Gathered) -> Result<ParsedEvidence, XmlError> {
    if let Some(name) = g.twice {
        return Err(XmlError::Fact(name));
    }
    let id = urn(&g.need("EvidenceIdentifier")?).ok_or(XmlError::Fact("EvidenceIdentifier"))?;
    let event = g
        .need("ERDSEventId")?
        .strip_prefix("http://uri.etsi.org/19522/Event/")
        .and_then(EventName::parse)
        .filter(|name| name.is_etsi())
        .ok_or(XmlError::Fact("ERDSEventId"))?;
    let deposit = urn(&g.need("MessageIdentifier")?).ok_or(XmlError::Fact("MessageIdentifier"))?;
    let mut parts = std::mem::take(&mut g.parts).into_iter();
    let message_sha256 = message(parts.next())?;
    let authentication = match g.one.remove("AuthenticationMethod") {
        Some(method) => Some((g.time("AuthenticationTime")?, method)),
        None => None,
    };
    Ok(ParsedEvidence {
        id: EntryId(id),
        event,
        time: g.time("EventTime")?,
        issuer: g.one.remove("Issuer"),
        service: g.one.remove("Service"),
        sender: g.need("SenderDetails")?,
        delegate: g.one.remove("SenderDelegateDetails"),
        recipient: match g.one.remove("Recipient") {
            Some(number) => Some(number.parse().map_err(|_| XmlError::Fact("Recipient"))?),
            None => None,
        },
        submitted: g.time("SubmissionTime")?,
        deposit: DepositId(deposit),
        reference: g.one.remove("Reference").and_then(|r| Reference::parse(&r)),
        message_id: g.one.remove("MessageId"),
        message_sha256,
        parts: parts.map(part).collect::<Option<_>>().ok_or(XmlError::Fact("PartInfo"))?,
        external_system: g.one.remove("ForwardedToExternalSystem"),
        recipients: g.recipients,
        reasons: g.reasons,
        authentication,
    })
}

fn urn(text: &str) -> Option<uuid::Uuid> {
    uuid::Uuid::try_parse(text.strip_prefix("urn:uuid:")?).ok()
}

fn digest(text: &str) -> Option<Sha256Digest> {
    Sha256Digest::from_slice(&base64_simd::STANDARD.decode_to_vec(text).ok()?)
}

fn message(first: Option<[Option<String>; 3]>) -> Result<Sha256Digest, XmlError> {
    match first {
        Some([Some(identifier), _, Some(value)]) if identifier == MESSAGE_PART => digest(&value),
        _ => None,
    }
    .ok_or(XmlError::Fact("message digest"))
}

fn part(fields: [Option<String>; 3]) -> Option<EvidencePart> {
    let [Some(identifier), Some(media_type), Some(value)] = fields else { return None };
    // The first evidence had the file's name after a blank.
    let number = identifier.split_once(' ').map_or(identifier.as_str(), |(number, _)| number);
    Some(EvidencePart {
        number: number.strip_prefix("part-")?.parse().ok()?,
        media_type,
        sha256: digest(&value)?,
    })
}
