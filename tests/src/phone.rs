//! A telephone with a tiqr app, written from the protocol's facts and sharing no code with the gateway: it fetches
//! metadata, makes a secret under a PIN, and answers challenges, online in either version or as a code to be typed.

use crate::Demo;
use crate::tools::run;
use anyhow::{Context, Result, ensure};
use aws_lc_rs::{hmac, rand};
use serde_json::Value;

/// A phone with one identity.
pub struct Phone {
    secret: Vec<u8>,
    pin: String,
    /// The userId it was given.
    pub user: String,
    auth: String,
    suite: String,
    ca: String,
    /// Protocol version that it says it speaks; none is version 1.
    pub version: Option<u32>,
}

/// What a QR code asks.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `userId@`, where the code names one.
    pub user: Option<String>,
    /// Session key, hexadecimal.
    pub session: String,
    /// Challenge, hexadecimal.
    pub challenge: String,
}

impl Asked {
    /// Reads `tiqrauth://[user@]identifier/session/challenge/name/version`.
    pub fn read(uri: &str) -> Result<Self> {
        let rest = uri.strip_prefix("tiqrauth://").context("no tiqrauth address")?;
        let parts: Vec<&str> = rest.split('/').collect();
        let [host, session, challenge, _, "2"] = parts[..] else { anyhow::bail!("{uri}") };
        let user = host.split_once('@').map(|(user, _)| user.to_owned());
        Ok(Self { user, session: session.to_owned(), challenge: challenge.to_owned() })
    }
}

/// The address of that scheme in a page.
pub fn address_in(page: &str, scheme: &str) -> Result<String> {
    let at =
        page.find(&format!("href=\"{scheme}://")).with_context(|| format!("no {scheme} in:\n{page}"))? + 6;
    Ok(page[at..].split('"').next().unwrap_or_default().replace("&amp;", "&").replace("&#38;", "&"))
}

fn curl(ca: &str, args: &[&str]) -> Result<(u16, String)> {
    let mut all = vec!["-sS", "--noproxy", "*", "--cacert", ca, "-w", "\n%{http_code}"];
    all.extend(args);
    let output = run("curl", &all)?;
    ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (body, status) = text.rsplit_once('\n').context("no status")?;
    Ok((status.parse()?, body.to_owned()))
}

fn hex(text: &str) -> Result<Vec<u8>> {
    (0..text.len())
        .step_by(2)
        .map(|i| Ok(u8::from_str_radix(text.get(i..i + 2).context("odd")?, 16)?))
        .collect()
}

impl Phone {
    /// Fetches what an enrolment's QR code points to; a status other than 200 is none.
    pub fn metadata(demo: &Demo, uri: &str) -> Result<(u16, Option<Value>)> {
        let url = uri.strip_prefix("tiqrenroll://").context("no tiqrenroll address")?;
        let (status, body) =
            curl(&demo.about.ca.to_string_lossy(), &["-H", "Accept: application/json", url])?;
        Ok((status, (status == 200).then(|| serde_json::from_str(&body)).transpose()?))
    }

    /// Enrols with what was fetched; the answer of the server with its status.
    pub fn enrol(
        demo: &Demo,
        metadata: &Value,
        pin: &str,
        version: Option<u32>,
    ) -> Result<(Self, u16, String)> {
        let service = &metadata["service"];
        let field = |name: &str| -> Result<String> {
            Ok(service[name].as_str().with_context(|| format!("service.{name}"))?.to_owned())
        };
        for name in ["displayName", "identifier", "logoUrl", "infoUrl"] {
            field(name)?;
        }
        let mut secret = vec![0u8; 32];
        rand::fill(&mut secret).expect("random octets");
        let phone = Self {
            secret,
            pin: pin.to_owned(),
            user: metadata["identity"]["identifier"].as_str().context("identity.identifier")?.to_owned(),
            auth: field("authenticationUrl")?,
            suite: field("ocraSuite")?,
            ca: demo.about.ca.to_string_lossy().into_owned(),
            version,
        };
        ensure!(metadata["identity"]["displayName"].is_string(), "identity.displayName");
        let url = field("enrollmentUrl")?;
        let text: String = phone.secret.iter().map(|b| format!("{b:02X}")).collect();
        let (status, body) = phone.post(
            &url,
            &[
                ("secret", &text),
                ("language", "fr"),
                ("operation", "register"),
                ("notificationType", "(null)"),
                ("notificationAddress", "(null)"),
                ("version", "(null)"),
            ],
        )?;
        Ok((phone, status, body))
    }

    fn post(&self, url: &str, fields: &[(&str, &str)]) -> Result<(u16, String)> {
        let mut args: Vec<String> = vec!["-H".into(), "Accept: application/json".into()];
        args.extend(["-A".into(), "tiqr/4.1 (test)".into()]);
        if let Some(version) = self.version {
            args.extend(["-H".into(), format!("X-TIQR-Protocol-Version: {version}")]);
        }
        for (name, value) in fields {
            args.extend(["--data-urlencode".into(), format!("{name}={value}")]);
        }
        args.push(url.to_owned());
        curl(&self.ca, &args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The response under a PIN: a wrong one decrypts another secret.
    pub fn response(&self, asked: &Asked, pin: &str) -> Result<String> {
        let key: Vec<u8> = match pin == self.pin {
            true => self.secret.clone(),
            false => self.secret.iter().map(|b| b ^ 0x5a).collect(),
        };
        let mut message = self.suite.as_bytes().to_vec();
        message.push(0);
        let mut question = hex(&asked.challenge)?;
        question.resize(128, 0);
        message.extend_from_slice(&question);
        let session = hex(&asked.session)?;
        message.resize(message.len() + 64 - session.len(), 0);
        message.extend_from_slice(&session);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key), &message);
        let tag = tag.as_ref();
        let at = usize::from(tag[19] & 15);
        let number = u32::from_be_bytes([tag[at] & 0x7f, tag[at + 1], tag[at + 2], tag[at + 3]]);
        Ok(format!("{:06}", number % 1_000_000))
    }

    /// Answers a challenge over the network: status and body.
    pub fn answer(&self, asked: &Asked, pin: &str) -> Result<(u16, String)> {
        let response = self.response(asked, pin)?;
        self.send(&asked.session, &self.user, &response)
    }

    /// Sends any answer.
    pub fn send(&self, session: &str, user: &str, response: &str) -> Result<(u16, String)> {
        let fields = [
            ("sessionKey", session),
            ("userId", user),
            ("response", response),
            ("language", "fr"),
            ("operation", "login"),
            ("notificationType", ""),
            ("notificationAddress", ""),
        ];
        self.post(&self.auth, &fields)
    }
}
