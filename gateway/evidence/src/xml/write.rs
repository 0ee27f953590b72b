//! Writing evidence.

use crate::{
    Actor, AuthBasis, Authentication, DepositFacts, Event, EventError, EventName, Issuer, Party, Reason,
    journal,
};
use sealpost_envelope::{GateMethod, Sha256Digest};
use std::borrow::Cow;

/// Namespace of EN 319 522-3.
pub(super) const ERDS: &str = "http://uri.etsi.org/19522/v1#";
/// Namespace of XML signature, for digests.
pub(super) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Namespace of SAML assertions, for identity attributes.
pub(super) const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// Namespace of our own words in `TransactionLog`.
pub(super) const OURS: &str = "urn:sealpost:evidence:1";
/// SHA-256 in XML encryption and signature.
pub(super) const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
/// How REM names the original message among the parts (EN 319 532-3 annex C).
pub(super) const MESSAGE_PART: &str = "urn:oid:1.3.6.1.7";
/// Scheme of mailbox identifiers.
pub(super) const MAILTO: &str = "mailto";

const LEGAL_NAME: &str = "http://eidas.europa.eu/attributes/legalperson/LegalName";
const LEGAL_ID: &str = "http://eidas.europa.eu/attributes/legalperson/LegalPersonIdentifier";
const PERSON_ID: &str = "http://eidas.europa.eu/attributes/naturalperson/PersonIdentifier";
/// displayName (RFC 2798 §2.3) as a URI.
const DISPLAY_NAME: &str = "urn:oid:2.16.840.1.113730.3.1.241";

/// Text with markup escaped, and what XML 1.0 §2.2 cannot hold replaced.
fn escape(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| c >= ' ' && !matches!(c, '&' | '<' | '>' | '"' | '\'' | '\u{fffe}' | '\u{ffff}');
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push_str(&format!("&#{};", c as u32)),
            c if harmless(c) => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
    Cow::Owned(out)
}

/// Grows the document line by line: indentation is fixed, so equal facts give equal bytes.
struct Doc {
    out: String,
    depth: usize,
}

impl Doc {
    fn line(&mut self, text: &str) {
        for _ in 0..self.depth {
            self.out.push_str("  ");
        }
        self.out.push_str(text);
        self.out.push('\n');
    }
    /// `<name attributes>value</name>`; `tag` may carry attributes that are already escaped.
    fn leaf(&mut self, tag: &str, value: &str) {
        let name = tag.split(' ').next().unwrap_or(tag);
        self.line(&format!("<{tag}>{}</{name}>", escape(value)));
    }
    fn within(&mut self, tag: &str, body: impl FnOnce(&mut Self)) {
        let name = tag.split(' ').next().unwrap_or(tag);
        self.line(&format!("<{tag}>"));
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line(&format!("</{name}>"));
    }
    fn attribute(&mut self, name: &str, value: &str) {
        let tag = format!(
            "saml:Attribute Name=\"{name}\" NameFormat=\"urn:oasis:names:tc:SAML:2.0:attrname-format:uri\""
        );
        self.within(&tag, |d| d.leaf("saml:AttributeValue", value));
    }
}

/// The evidence of an ETSI-named event. The caller has checked that ETSI names it.
pub(crate) fn write(issuer: &Issuer, event: &Event, facts: &DepositFacts) -> Result<Vec<u8>, EventError> {
    let recipients = recipients(event, facts)?;
    let reasons = reasons(event)?;
    if event.deposit.is_some_and(|id| id != facts.id) {
        return Err(EventError::OtherDeposit);
    }
    let external = match (&event.external_system, event.name.is_relay()) {
        (Some(host), true) => Some(host),
        (None, true) => return Err(EventError::ExternalSystem(event.name)),
        _ => None,
    };
    let mut d = Doc { out: String::with_capacity(4096), depth: 0 };
    d.line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let root = format!(
        "erds:Evidence xmlns:erds=\"{ERDS}\" xmlns:ds=\"{DS}\" xmlns:saml=\"{SAML}\" version=\"{}\" Id=\"evidence-{}\"",
        version(event.name),
        event.id
    );
    d.within(&root, |d| {
        d.leaf("erds:EvidenceIdentifier", &format!("urn:uuid:{}", event.id));
        d.leaf("erds:ERDSEventId", &event.name.etsi_uri().unwrap_or_default());
        write_reasons(d, &reasons);
        d.leaf("EventTime", &journal::format_time(event.time));
        write_issuer(d, issuer);
        let sender = &facts.sender;
        write_party(d, "erds:SenderDetails", sender, sender.authentication.as_ref(), Known::default());
        if let Some(delegate) = &facts.delegate {
            let auth = delegate.authentication.as_ref();
            write_party(d, "erds:SenderDelegateDetails", delegate, auth, Known::default());
        }
        let passed = passed(event);
        for party in &recipients {
            write_party(
                d,
                "erds:RecipientDetails",
                party,
                passed.as_ref(),
                passed.as_ref().map(|_| Known::of(event)).unwrap_or_default(),
            );
        }
        d.leaf("erds:SubmissionTime", &journal::format_time(facts.submitted));
        if event.name.refers_to_recipient() {
            // I09 counts within this evidence, which names nobody else: other recipients, blind copies
            // among them, are not this one's business.
            d.leaf("EvidenceRefersToRecipient", "1");
        }
        d.leaf("erds:MessageIdentifier", &format!("urn:uuid:{}", facts.id));
        write_content(d, facts);
        if let Some(host) = external {
            d.leaf("ForwardedToExternalSystem", host);
        }
        write_log(d, issuer, event, facts);
    });
    Ok(d.out.into_bytes())
}

/// The version whose event list has the name: three events came with V1.2.1.
fn version(name: EventName) -> &'static str {
    match name {
        EventName::NotificationDelivered
        | EventName::NotificationAccessTracking
        | EventName::ContentAccessTracking => "EN319522v1.2.1",
        _ => "EN319522v1.1.1",
    }
}

/// The event's one recipient, or all where it has none and speaks of all.
fn recipients<'a>(event: &Event, facts: &'a DepositFacts) -> Result<Vec<&'a Party>, EventError> {
    let missing = EventError::Recipient { event: event.name, count: facts.recipients.len() };
    match event.recipient {
        Some(number) => {
            let index = (number as usize).checked_sub(1).ok_or_else(|| missing.clone())?;
            Ok(vec![facts.recipients.get(index).ok_or(missing)?])
        }
        None if event.name.refers_to_recipient() || facts.recipients.is_empty() => Err(missing),
        None => Ok(facts.recipients.iter().collect()),
    }
}

fn reasons(event: &Event) -> Result<Vec<(Reason, Option<&str>)>, EventError> {
    let given: Vec<_> = event.reasons.iter().map(|(r, text)| (*r, text.as_deref())).collect();
    match (given.is_empty(), Reason::implied(event.name)) {
        (false, _) => Ok(given),
        (true, Some(implied)) => Ok(vec![(implied, None)]),
        (true, None) if event.name.is_negative() => Err(EventError::Reason(event.name)),
        (true, None) => Ok(given),
    }
}

fn write_reasons(d: &mut Doc, reasons: &[(Reason, Option<&str>)]) {
    if reasons.is_empty() {
        return;
    }
    d.within("erds:EventReasons", |d| {
        for (reason, text) in reasons {
            d.within("erds:EventReason", |d| {
                d.leaf("Code", &reason.uri());
                d.leaf("Details", reason.code());
                if let Some(text) = text {
                    d.leaf("Details", text);
                }
            });
        }
    });
}

fn write_issuer(d: &mut Doc, issuer: &Issuer) {
    if !issuer.policies.is_empty() {
        d.within("erds:EvidenceIssuerPolicyID", |d| {
            for policy in &issuer.policies {
                d.leaf("PolicyID", policy);
            }
        });
    }
    d.within("erds:EvidenceIssuerDetails", |d| {
        d.within("erds:Identity", |d| {
            d.attribute(LEGAL_NAME, &issuer.name);
            if let Some(id) = &issuer.identifier {
                d.attribute(LEGAL_ID, id);
            }
        });
        if let Some(der) = &issuer.certificate {
            d.within("erds:CertificateDetails", |d| {
                d.leaf("X509Certificate", &base64_simd::STANDARD.encode_to_string(der));
            });
        }
    });
}

/// What a recipient's authentication said of the person.
#[derive(Default)]
struct Known<'e> {
    identity: Option<&'e str>,
    more: &'e [(String, String)],
}

impl<'e> Known<'e> {
    fn of(event: &'e Event) -> Self {
        match &event.actor {
            Actor::Recipient { identity, known, .. } => Self { identity: identity.as_deref(), more: known },
            _ => Self::default(),
        }
    }
}

fn write_party(d: &mut Doc, tag: &str, party: &Party, auth: Option<&Authentication>, known: Known<'_>) {
    d.within(tag, |d| {
        if party.name.is_some() || known.identity.is_some() || !known.more.is_empty() {
            d.within("erds:Identity", |d| {
                if let Some(name) = &party.name {
                    d.attribute(DISPLAY_NAME, name);
                }
                if let Some(identity) = known.identity {
                    d.attribute(PERSON_ID, identity);
                }
                for (key, value) in known.more {
                    d.attribute(&format!("urn:sealpost:attribute:{}", uri_safe(key)), value);
                }
            });
        }
        d.leaf(&format!("Identifier IdentifierSchemeName=\"{MAILTO}\""), party.address.as_str());
        if let Some(auth) = auth {
            d.within("AssuranceLevelsDetails", |d| {
                d.within("GlobalAssuranceLevel", |d| d.leaf("AssuranceLevel", &assurance(&auth.basis)));
                d.within("erds:AuthenticationDetails", |d| {
                    d.leaf("AuthenticationTime", &journal::format_time(auth.time));
                    d.leaf("AuthenticationMethod", &method(&auth.basis));
                });
            });
        }
    });
}

/// What was done, in words of our own: an eIDAS level would claim an assessment that nobody made.
fn assurance(basis: &AuthBasis) -> String {
    match basis {
        AuthBasis::Login(_) => "urn:sealpost:assurance:account".to_owned(),
        AuthBasis::Asserted(_) => "urn:sealpost:assurance:asserted-by-server".to_owned(),
        AuthBasis::Gate { methods, level } => {
            let level = level.as_deref().map(|l| format!("{}:", uri_safe(l))).unwrap_or_default();
            format!("urn:sealpost:assurance:{level}{}", kind(methods))
        }
    }
}

/// What the methods are together. A password and a code by mail are two steps, not two factors: the mailbox had
/// the link already (CNIL deliberation 2025-019).
fn kind(methods: &[GateMethod]) -> &'static str {
    let beyond = |m: &&GateMethod| !matches!(m, GateMethod::Link | GateMethod::OtpMail);
    match methods {
        _ if methods.iter().any(|m| matches!(m, GateMethod::Cps | GateMethod::Oidc(_))) => "identity",
        _ if methods.contains(&GateMethod::Tiqr) => "two-factor",
        _ if methods.contains(&GateMethod::Password) && methods.iter().filter(beyond).count() > 1 => {
            "two-factor"
        }
        [_, _, ..] => "two-step",
        _ => "one-factor",
    }
}

/// A URI holds no blanks or quotes; names come from the configuration, which may hold any.
fn uri_safe(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii_alphanumeric() && !"-._".contains(c), "_")
}

fn method(basis: &AuthBasis) -> String {
    match basis {
        AuthBasis::Login(mechanism) => format!("urn:sealpost:auth:login:{}", uri_safe(mechanism)),
        AuthBasis::Asserted(server) => format!("urn:sealpost:auth:asserted:{}", uri_safe(server)),
        AuthBasis::Gate { methods, .. } => {
            let words: Vec<String> = methods.iter().map(ToString::to_string).collect();
            format!("urn:sealpost:auth:gate:{}", words.join("+"))
        }
    }
}

/// The gate that the event's recipient passed, where table 13 has a place for it (I12: C.3, C.4, E.1; and the
/// access tracking of V1.2.1).
fn passed(event: &Event) -> Option<Authentication> {
    let has_place = matches!(
        event.name,
        EventName::ConsignmentAcceptance
            | EventName::ConsignmentRejection
            | EventName::ContentHandover
            | EventName::ContentAccessTracking
    );
    match &event.actor {
        Actor::Recipient { methods, passed: Some(time), level, .. } if has_place && !methods.is_empty() => {
            let basis = AuthBasis::Gate { methods: methods.clone(), level: level.clone() };
            Some(Authentication { time: *time, basis })
        }
        _ => None,
    }
}

fn write_content(d: &mut Doc, facts: &DepositFacts) {
    d.within("erds:UserContentInfo", |d| {
        d.leaf("ComposingParts", &(facts.parts.len() + 1).to_string());
        d.within("erds:PartsInfo", |d| {
            write_part(d, MESSAGE_PART, "message/rfc822", facts.digests.sha256);
            for part in &facts.parts {
                // No name: evidence outlives the content, and a file's name is content.
                write_part(d, &format!("part-{}", part.number), &part.media_type, part.digests.sha256);
            }
        });
    });
}

fn write_part(d: &mut Doc, identifier: &str, media_type: &str, digest: Sha256Digest) {
    d.within("erds:PartInfo", |d| {
        d.leaf("Identifier", identifier);
        d.leaf("ContentType", media_type);
        d.line(&format!("<ds:DigestMethod Algorithm=\"{SHA256}\"/>"));
        d.leaf("ds:DigestValue", &base64_simd::STANDARD.encode_to_string(digest.as_bytes()));
    });
}

/// What ties the evidence to the journal and to what people see.
fn write_log(d: &mut Doc, issuer: &Issuer, event: &Event, facts: &DepositFacts) {
    d.within("erds:TransactionLogInformation", |d| {
        d.within("erds:TransactionLog", |d| {
            d.within(&format!("sp:Entry xmlns:sp=\"{OURS}\""), |d| {
                d.leaf("sp:Service", &issuer.hostname);
                d.leaf("sp:Reference", facts.reference.as_str());
                if let Some(number) = event.recipient {
                    d.leaf("sp:Recipient", &number.to_string());
                }
                if let Some(id) = &facts.message_id {
                    d.leaf("sp:MessageId", id);
                }
                d.leaf("sp:Size", &facts.size.to_string());
                d.leaf("sp:SHA512", &facts.digests.sha512.to_hex());
            });
        });
    });
}
