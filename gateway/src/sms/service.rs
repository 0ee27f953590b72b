//! The services themselves: OVHcloud, Twilio, and any that takes one HTTP request a message.

use crate::config::{Sms as Settings, SmsProvider};
use anyhow::{Context, Result};
use aws_lc_rs::digest;
use sealpost_envelope::{Secret, Timestamp, hex};
use serde_json::{Value, json};
use uuid::Uuid;

/// Longest answer read.
const LARGEST: usize = 64 * 1024;

/// A text to be sent.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Number, E.164.
    pub to: &'a str,
    /// Text.
    pub text: &'a str,
    /// Our identifier.
    pub id: Uuid,
    /// Where the service may say what became of it.
    pub callback: &'a str,
    /// How long it is worth delivering.
    pub minutes: i64,
}

/// The service took it.
#[derive(Debug)]
pub struct Accepted {
    /// Its own identifier.
    pub id: Option<String>,
    /// What it said, for the page and the log.
    pub said: String,
}

/// The service did not take it.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It could not be reached, or is out of order: worth another try.
    #[error("{0}")]
    Unreachable(String),
    /// It refused.
    #[error("{0}")]
    Refused(String),
}

/// The configured service.
#[derive(Debug)]
pub struct Service {
    settings: Settings,
    provider: SmsProvider,
    secret: Option<Secret<String>>,
    consumer: Option<Secret<String>>,
    client: reqwest::Client,
}

impl Service {
    /// The service of the settings; `None` without one.
    pub fn open(settings: &Settings) -> Result<Option<Self>> {
        let Some(provider) = settings.provider else { return Ok(None) };
        let read = |key: &str, source: &Option<crate::config::SecretSource>| {
            source.as_ref().map(|s| s.read()).transpose().with_context(|| format!("`gate.sms.{key}`"))
        };
        let mut builder = reqwest::Client::builder()
            .timeout(settings.timeout.duration())
            // The request holds a code: it goes nowhere but where it was sent.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &settings.ca {
            let pem = std::fs::read(path).with_context(|| format!("`gate.sms.ca`: {}", path.display()))?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem).context("`gate.sms.ca`")?;
            builder = builder.tls_certs_only(roots);
        }
        Ok(Some(Self {
            provider,
            secret: read("secret", &settings.secret)?,
            consumer: read("consumer", &settings.consumer)?,
            client: builder.build().context("`gate.sms`: the HTTP client")?,
            settings: settings.clone(),
        }))
    }

    /// Hands one text over.
    pub async fn send(&self, m: &Outgoing<'_>, now: Timestamp) -> Result<Accepted, SendError> {
        let request = match self.provider {
            SmsProvider::Ovh => self.ovh(m, now),
            SmsProvider::Twilio => self.twilio(m),
            SmsProvider::Http => self.http(m),
        };
        // Without the address, which may hold the account's name.
        let unreachable = |e: reqwest::Error| SendError::Unreachable(e.without_url().to_string());
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > LARGEST {
                return Err(SendError::Refused("the answer is too long to be one".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        let answer: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if status.is_server_error() || status.as_u16() == 429 {
            return Err(SendError::Unreachable(format!("HTTP {status}")));
        }
        if !status.is_success() {
            return Err(SendError::Refused(format!("HTTP {status}: {}", reason(&answer))));
        }
        self.judge(&answer)
    }

    /// POST /sms/{service}/jobs, signed as OVHcloud's API asks.
    fn ovh(&self, m: &Outgoing<'_>, now: Timestamp) -> reqwest::RequestBuilder {
        let s = &self.settings;
        let base = s.url.as_ref().map_or("https://eu.api.ovh.com/1.0", |u| u.as_str().trim_end_matches('/'));
        let url = format!("{base}/sms/{}/jobs", s.account.as_deref().unwrap_or_default());
        let body = json!({
            "message": m.text, "receivers": [m.to], "sender": s.from, "noStopClause": true, "priority": "high",
            "validityPeriod": m.minutes.max(1), "charset": "UTF-8", "tag": m.id.to_string(),
        })
        .to_string();
        let time = now.as_second().to_string();
        let [secret, consumer] =
            [&self.secret, &self.consumer].map(|s| s.as_ref().map_or("", |s| s.expose().as_str()));
        let signed = Secret::new(format!("{secret}+{consumer}+POST+{url}+{body}+{time}"));
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, signed.expose().as_bytes());
        self.client
            .post(url)
            .header("content-type", "application/json")
            .header("x-ovh-application", s.user.as_deref().unwrap_or_default())
            .header("x-ovh-consumer", consumer)
            .header("x-ovh-timestamp", time)
            .header("x-ovh-signature", format!("$1${}", hex::encode(digest.as_ref())))
            .body(body)
    }

    /// POST /2010-04-01/Accounts/{sid}/Messages.json.
    fn twilio(&self, m: &Outgoing<'_>) -> reqwest::RequestBuilder {
        let s = &self.settings;
        let base = s.url.as_ref().map_or("https://api.twilio.com", |u| u.as_str().trim_end_matches('/'));
        let account = s.account.as_deref().unwrap_or_default();
        let from = s.from.as_deref().unwrap_or_default();
        // A messaging service chooses the number itself.
        let from_key = if from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
        let form = [
            ("To", m.to),
            (from_key, from),
            ("Body", m.text),
            ("ValidityPeriod", &(m.minutes.max(1) * 60).to_string()),
            ("StatusCallback", m.callback),
        ];
        let body: Vec<String> = form.iter().map(|(k, v)| format!("{k}={}", form_value(v))).collect();
        self.client
            .post(format!("{base}/2010-04-01/Accounts/{account}/Messages.json"))
            .basic_auth(account, self.secret.as_ref().map(Secret::expose))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"))
    }

    /// The request that the settings describe.
    fn http(&self, m: &Outgoing<'_>) -> reqwest::RequestBuilder {
        let s = &self.settings;
        let method = match s.method.as_str() {
            "PUT" => reqwest::Method::PUT,
            "GET" => reqwest::Method::GET,
            _ => reqwest::Method::POST,
        };
        let url = s.url.as_ref().map_or("", |u| u.as_str());
        let mut request = self.client.request(method.clone(), url);
        let secret = self.secret.as_ref().map_or("", |s| s.expose().as_str());
        for header in &s.headers {
            let Some((name, value)) = header.split_once(':') else { continue };
            request = request.header(name.trim(), value.trim().replace("{secret}", secret));
        }
        if let Some(user) = &s.user {
            request = request.basic_auth(user, self.secret.as_ref().map(Secret::expose));
        }
        let id = m.id.to_string();
        let values = [
            ("{to}", m.to),
            ("{from}", s.from.as_deref().unwrap_or_default()),
            ("{text}", m.text),
            ("{id}", &id),
            ("{account}", s.account.as_deref().unwrap_or_default()),
            ("{callback}", m.callback),
        ];
        let body = fill(&s.body, &values, |v| {
            if s.content_type.ends_with("json") { json_value(v) } else { form_value(v) }
        });
        request.header("content-type", s.content_type.as_str()).body(body)
    }

    fn judge(&self, answer: &Value) -> Result<Accepted, SendError> {
        let id = match self.provider {
            SmsProvider::Ovh => {
                let valid = answer["validReceivers"].as_array().is_none_or(|v| !v.is_empty());
                if !valid {
                    return Err(SendError::Refused("the number is not valid there".to_owned()));
                }
                text_at(answer, "ids.0")
            }
            SmsProvider::Twilio => text_at(answer, "sid"),
            SmsProvider::Http => {
                if let Some((path, wanted)) = self.settings.success.as_deref().and_then(|s| s.split_once('='))
                    && text_at(answer, path).as_deref() != Some(wanted)
                {
                    return Err(SendError::Refused(reason(answer)));
                }
                self.settings.id.as_deref().and_then(|path| text_at(answer, path))
            }
        };
        Ok(Accepted { id, said: self.provider.to_string() })
    }
}

/// What an answer says of its refusal, in the fields that the services use.
fn reason(answer: &Value) -> String {
    let known = ["message", "error", "detail", "description"];
    let said = known.iter().find_map(|k| answer[k].as_str());
    said.unwrap_or("refused without a reason").chars().take(200).collect()
}

/// The text or number at a path such as `messages.0.id`.
fn text_at(value: &Value, path: &str) -> Option<String> {
    let found = path.split('.').try_fold(value, |v, step| match step.parse::<usize>() {
        Ok(n) if v.is_array() => v.get(n),
        _ => v.get(step),
    })?;
    match found {
        Value::String(text) => Some(text.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    }
}

/// Fills a template in one pass, so that nothing within a value is read as a place.
fn fill(template: &str, values: &[(&str, &str)], escape: impl Fn(&str) -> String) -> String {
    let (mut out, mut rest) = (String::with_capacity(template.len() + 200), template);
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        match values.iter().find(|(place, _)| from.starts_with(place)) {
            Some((place, value)) => {
                out.push_str(&escape(value));
                rest = &from[place.len()..];
            }
            None => {
                out.push('{');
                rest = &from[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Within the quotes of a JSON string (RFC 8259 §7).
fn json_value(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Percent-encoded for a form (WHATWG URL §5.2).
fn form_value(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_once() {
        let values = [("{to}", "+33612345678"), ("{text}", "a \"{to}\"\n{x}")];
        let filled = fill("{\"to\":\"{to}\",\"text\":\"{text}\",\"x\":{}}", &values, json_value);
        let json: Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(json, json!({"to": "+33612345678", "text": "a \"{to}\"\n{x}", "x": {}}));
        assert_eq!(
            fill("To={to}&B={text}", &values, form_value),
            "To=%2B33612345678&B=a+%22%7Bto%7D%22%0A%7Bx%7D"
        );
    }

    #[test]
    fn paths_find_texts_and_numbers() {
        let answer = json!({"messages": [{"status": 0, "id": "x1"}], "ok": true});
        for (path, expected) in [
            ("messages.0.status", Some("0")),
            ("messages.0.id", Some("x1")),
            ("messages.1.id", None),
            ("ok", Some("true")),
            ("messages", None),
            ("", None),
        ] {
            assert_eq!(text_at(&answer, path).as_deref(), expected, "{path}");
        }
    }
}
