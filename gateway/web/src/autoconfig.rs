//! What mail programs ask to set themselves up: Thunderbird's autoconfig and Outlook's autodiscover.
//!
//! **Job.** Names the servers, ports and login name for an address of a domain of ours, the same for people who
//! exist and people who do not. Passwords are app passwords; nothing here is secret.
//!
//! **Exposure.** Strangers. Requests of autodiscover are at most [`LONGEST`] octets and are read without entities or
//! declarations: one that holds any is refused.
//!
//! **Standards.** Thunderbird's config-v1.1 file; MS-OXDISCO / MS-OXDSCLI (plain old XML, `outlook/responseschema/2006a`).
//!
//! **Failure.** A domain that is not ours gets `404`, or autodiscover's own error.

use crate::state::{MailAccess, WebState};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{StatusCode, header};
use sealpost_envelope::EmailAddress;
use serde::Deserialize;
use std::fmt::Write;

/// Longest request of autodiscover.
const LONGEST: usize = 16 << 10;
/// Namespace of autodiscover's answers.
const NAMESPACE: &str = "http://schemas.microsoft.com/exchange/autodiscover/";

pub(crate) fn routes() -> Router<WebState> {
    let discover = || post(autodiscover).layer(DefaultBodyLimit::max(LONGEST));
    Router::new()
        .route("/.well-known/autoconfig/mail/config-v1.1.xml", get(autoconfig))
        .route("/mail/config-v1.1.xml", get(autoconfig))
        .route("/autodiscover/autodiscover.xml", discover())
        // Outlook writes it in both ways.
        .route("/Autodiscover/Autodiscover.xml", discover())
}

/// What Thunderbird adds to the address.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    emailaddress: String,
}

async fn autoconfig(State(state): State<WebState>, Query(asked): Query<Asked>) -> Response {
    let mail = &state.mail;
    // Without an address the file is fetched for the first domain, as from a server of its own.
    let found = match asked.emailaddress.rsplit_once('@') {
        Some((_, domain)) => organisation(mail, domain),
        None if asked.emailaddress.is_empty() => mail.domains.first(),
        None => None,
    };
    match found {
        Some((domain, name)) => xml(client_config(mail, domain, name)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn organisation<'m>(mail: &'m MailAccess, domain: &str) -> Option<&'m (String, String)> {
    mail.domains.iter().find(|(d, _)| d.eq_ignore_ascii_case(domain))
}

fn xml(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/xml; charset=utf-8")], text).into_response()
}

/// Ports that are open, those with TLS from the first octet first (RFC 8314 §3).
fn ports(pair: (Option<u16>, Option<u16>)) -> impl Iterator<Item = (u16, bool)> {
    let (implicit, starttls) = pair;
    implicit.map(|p| (p, true)).into_iter().chain(starttls.map(|p| (p, false)))
}

fn client_config(mail: &MailAccess, domain: &str, name: &str) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n  <emailProvider id=\"{0}\">\n    \
         <domain>{0}</domain>\n    <displayName>{1}</displayName>\n    <displayShortName>{1}</displayShortName>\n",
        escape(domain),
        escape(name)
    );
    for (element, kind, pair) in
        [("incomingServer", "imap", mail.imap), ("outgoingServer", "smtp", mail.smtp)]
    {
        for (port, implicit) in ports(pair) {
            let socket = if implicit { "SSL" } else { "STARTTLS" };
            // Writing to a String cannot fail. The password travels under TLS only; SCRAM is what programs
            // call encrypted, and not all of them can.
            let _ = write!(
                out,
                "    <{element} type=\"{kind}\">\n      <hostname>{}</hostname>\n      <port>{port}</port>\n      \
                 <socketType>{socket}</socketType>\n      <username>%EMAILADDRESS%</username>\n      \
                 <authentication>password-cleartext</authentication>\n    </{element}>\n",
                escape(&mail.host)
            );
        }
    }
    out.push_str("  </emailProvider>\n</clientConfig>\n");
    out
}

async fn autodiscover(State(state): State<WebState>, body: Bytes) -> Response {
    let Some(address) = requested(&body) else { return xml(error(600, "Invalid Request")) };
    match organisation(&state.mail, address.domain()) {
        Some((_, name)) => xml(account(&state.mail, &address, name)),
        None => xml(error(500, "The email address can't be found.")),
    }
}

/// A tag's name, its prefix included.
fn name_of(tag: &str) -> &str {
    tag.split_ascii_whitespace().next().unwrap_or_default()
}

/// The address that is asked about. Declarations, entities, comments and CDATA are not read but refused.
fn requested(body: &[u8]) -> Option<EmailAddress> {
    let text = std::str::from_utf8(body).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains("<!") || text.contains('&') {
        return None;
    }
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let tag = &rest[at + 1..];
        let end = tag.find('>')?;
        let (name, after) = (&tag[..end], &tag[end + 1..]);
        let local = name_of(name);
        if local.rsplit(':').next() == Some("EMailAddress") {
            let (inside, closing) = after.split_at(after.find('<')?);
            let closed = closing.strip_prefix("</").is_some_and(|t| t.strip_prefix(name_of(name)).is_some());
            return closed.then(|| EmailAddress::parse(inside.trim()).ok()).flatten();
        }
        rest = after;
    }
    None
}

fn account(mail: &MailAccess, address: &EmailAddress, name: &str) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns=\"{NAMESPACE}responseschema/2006\">\n  \
         <Response xmlns=\"{NAMESPACE}outlook/responseschema/2006a\">\n    <User>\n      <DisplayName>{}</DisplayName>\n    \
         </User>\n    <Account>\n      <AccountType>email</AccountType>\n      <Action>settings</Action>\n",
        escape(name)
    );
    for (kind, pair) in [("IMAP", mail.imap), ("SMTP", mail.smtp)] {
        // One of each: Outlook takes the first.
        let Some((port, implicit)) = ports(pair).next() else { continue };
        let encryption = if implicit { "SSL" } else { "TLS" };
        let _ = write!(
            out,
            "      <Protocol>\n        <Type>{kind}</Type>\n        <Server>{}</Server>\n        <Port>{port}</Port>\n        \
             <LoginName>{}</LoginName>\n        <DomainRequired>off</DomainRequired>\n        <SPA>off</SPA>\n        \
             <SSL>on</SSL>\n        <Encryption>{encryption}</Encryption>\n        <AuthRequired>on</AuthRequired>\n      \
             </Protocol>\n",
            escape(&mail.host),
            escape(address.as_str())
        );
    }
    out.push_str("    </Account>\n  </Response>\n</Autodiscover>\n");
    out
}

fn error(code: u16, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns=\"{NAMESPACE}responseschema/2006\">\n  <Response>\n    \
         <Error>\n      <ErrorCode>{code}</ErrorCode>\n      <Message>{}</Message>\n      <DebugData/>\n    </Error>\n  \
         </Response>\n</Autodiscover>\n",
        escape(message)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> MailAccess {
        MailAccess {
            host: "mail.cabinet.example".into(),
            smtp: (Some(465), Some(587)),
            imap: (None, Some(143)),
            domains: vec![("cabinet.example".into(), "Cabinet <Martin> & Cie".into())],
        }
    }

    #[test]
    fn requests() {
        let ask = |inside: &str| {
            format!(
                "<?xml version=\"1.0\"?><Autodiscover xmlns=\"x\"><Request>{inside}</Request></Autodiscover>"
            )
        };
        for (body, want) in [
            (ask("<EMailAddress>a@b.example</EMailAddress>"), Some("a@b.example")),
            (ask("<x:EMailAddress a=\"1\"> a@b.example </x:EMailAddress>"), Some("a@b.example")),
            (ask("<EMailAddress>no address</EMailAddress>"), None),
            (ask("<EMailAddress>a@b.example"), None),
            (ask(""), None),
            (
                format!(
                    "<!DOCTYPE x [<!ENTITY e \"a\">]>{}",
                    ask("<EMailAddress>a@b.example</EMailAddress>")
                ),
                None,
            ),
            (ask("<EMailAddress>&e;@b.example</EMailAddress>"), None),
            ("<".into(), None),
            (String::new(), None),
        ] {
            assert_eq!(requested(body.as_bytes()).map(|a| a.to_string()).as_deref(), want, "{body}");
        }
        assert_eq!(requested(b"\xff\xfe<"), None);
    }

    #[test]
    fn answers_are_xml() {
        let mail = access();
        let (domain, name) = &mail.domains[0];
        let text = client_config(&mail, domain, name);
        assert!(text.contains("<displayName>Cabinet &lt;Martin&gt; &amp; Cie</displayName>"), "{text}");
        let smtp: Vec<_> = text.match_indices("<outgoingServer").collect();
        assert!(smtp.len() == 2 && text.find("<port>465") < text.find("<port>587"), "{text}");
        assert!(text.contains("<port>143</port>\n      <socketType>STARTTLS</socketType>"), "{text}");
        let told = account(&mail, &"alice@cabinet.example".parse().unwrap(), name);
        assert!(told.contains("<Port>465</Port>") && !told.contains("587"), "{told}");
        assert!(
            organisation(&mail, "CABINET.example").is_some() && organisation(&mail, "b.example").is_none()
        );
    }
}
