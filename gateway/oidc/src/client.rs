//! A provider over the network: its description and keys, kept for a while; codes redeemed; userinfo; backchannel.
//!
//! **Exposure.** Everything read here comes from the provider: bounded in time and size, redirects not followed.
//!
//! **Failure.** While the provider does not answer, a description and keys that were fetched before stay in use; where
//! there are none, it is asked again after a pause ([`crate::kept`]).
//!
//! **Standards.** RFC 6749 §2.3.1, §4.1.3, §5.2; RFC 6750 §2.1; OpenID Connect Core 1.0 §3.1.3, §5.3, §10.1.1 (keys are
//! fetched again when one is unknown, no more often than every half minute).

use crate::ciba::{BackchannelRequest, Poll, pending};
use crate::jose::{KeySet, Verified};
use crate::kept::{Kept, PAUSE};
use crate::token::{Claims, Expect, IdToken, check_id_token};
use crate::{Answer, ClientAuth, Fresh, Metadata, OidcError, Person, Settings, SettingsError};
use reqwest::{Client, RequestBuilder, Response, StatusCode, header};
use sealpost_envelope::Secret;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Largest answer taken.
const LARGEST: usize = 256 << 10;
/// Longest wait for one.
const PATIENCE: Duration = Duration::from_secs(10);
/// A description, and keys, are fetched again after this many seconds.
const KEPT: i64 = 3600;

/// A person whose sign-in was verified.
#[derive(Debug)]
pub struct SignIn {
    /// Who.
    pub person: Person,
    /// The token, for logging out at the provider.
    pub id_token: Secret<String>,
}

/// One provider.
#[derive(Debug)]
pub struct Provider {
    settings: Settings,
    http: Client,
    metadata: Kept<Metadata>,
    keys: Kept<KeySet>,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    id_token: String,
}

#[derive(Deserialize)]
struct Failure {
    error: String,
}

impl Provider {
    /// Prepares; nothing is fetched yet.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let pem = |e: reqwest::Error| SettingsError::Pem(e.to_string());
        let mut builder = Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(Duration::from_secs(5))
            // A provider that moved is for the administrator to follow; a code is never carried elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("Sealpost");
        if let Some(ca) = &settings.ca {
            builder = builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(ca).map_err(pem)?);
        }
        if let Some(own) = &settings.certificate {
            builder = builder.identity(reqwest::Identity::from_pem(own.expose()).map_err(pem)?);
        }
        let http = builder.build().map_err(pem)?;
        Ok(Self { settings, http, metadata: Kept::default(), keys: Kept::default() })
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its description.
    pub async fn metadata(&self, now: i64) -> Result<Arc<Metadata>, OidcError> {
        let fetch = async || {
            let body = self.fetch(&self.settings.discovery_url()).await;
            let read = body.and_then(|body| Metadata::parse(&body, &self.settings));
            read.inspect_err(|cause| self.warn("its description cannot be fetched", cause))
        };
        self.metadata.get(now, KEPT, fetch).await
    }

    /// Its keys; with `unknown`, fetched again unless that was done a moment ago.
    async fn keys(&self, metadata: &Metadata, now: i64, unknown: bool) -> Result<Arc<KeySet>, OidcError> {
        let fetch = async || {
            let read = self.fetch(&metadata.jwks).await.and_then(|body| KeySet::parse(&body));
            read.inspect_err(|cause| self.warn("its keys cannot be fetched", cause))
        };
        self.keys.get(now, if unknown { PAUSE } else { KEPT }, fetch).await
    }

    fn warn(&self, what: &str, cause: &OidcError) {
        tracing::warn!(provider = self.settings.name, %cause, "{what}");
    }

    async fn verified(&self, metadata: &Metadata, token: &str, now: i64) -> Result<Verified, OidcError> {
        match self.keys(metadata, now, false).await?.verify(token) {
            Err(OidcError::Key) => self.keys(metadata, now, true).await?.verify(token),
            other => other,
        }
    }

    /// Redeems the code of a callback.
    pub async fn finish(&self, answer: &Answer, fresh: &Fresh, now: i64) -> Result<SignIn, OidcError> {
        let metadata = self.metadata(now).await?;
        let code = answer.code(&self.settings, &metadata)?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.settings.redirect_uri),
            ("code_verifier", fresh.verifier.expose()),
        ];
        let tokens = match self.post(&metadata.token, &fields).await? {
            Ok(body) => tokens(&body)?,
            Err(error) if error == "invalid_grant" => return Err(OidcError::Code),
            Err(error) => return Err(OidcError::from_code(&error)),
        };
        self.sign_in(&metadata, tokens, Some(fresh.nonce.expose()), now).await
    }

    /// Asks for a confirmation on the person's telephone.
    pub async fn ring(
        &self,
        login_hint: &str,
        binding_message: &str,
        now: i64,
    ) -> Result<BackchannelRequest, OidcError> {
        let metadata = self.metadata(now).await?;
        let missing = || OidcError::Discovery("it has no backchannel endpoint".to_owned());
        let endpoint = metadata.backchannel.as_ref().ok_or_else(missing)?;
        let (scope, acr) = (self.settings.scopes.join(" "), self.settings.acr.join(" "));
        let mut fields =
            vec![("scope", scope.as_str()), ("login_hint", login_hint), ("binding_message", binding_message)];
        if !acr.is_empty() {
            fields.push(("acr_values", &acr));
        }
        match self.post(endpoint, &fields).await? {
            Ok(body) => BackchannelRequest::parse(&body),
            Err(error) => Err(OidcError::from_code(&error)),
        }
    }

    /// Asks whether the person confirmed.
    pub async fn poll(&self, request: &Secret<String>, now: i64) -> Result<Poll, OidcError> {
        let metadata = self.metadata(now).await?;
        let fields =
            [("grant_type", "urn:openid:params:grant-type:ciba"), ("auth_req_id", request.expose().as_str())];
        let tokens = match self.post(&metadata.token, &fields).await? {
            Ok(body) => tokens(&body)?,
            Err(error) => match pending(&error) {
                Some(slower) => return Ok(Poll::Pending { slower }),
                None if error == "invalid_grant" => return Err(OidcError::Expired),
                None => return Err(OidcError::from_code(&error)),
            },
        };
        Ok(Poll::Done(Box::new(self.sign_in(&metadata, tokens, None, now).await?)))
    }

    /// Verifies the token, asks userinfo, and reads who it is.
    async fn sign_in(
        &self,
        metadata: &Metadata,
        tokens: Tokens,
        nonce: Option<&str>,
        now: i64,
    ) -> Result<SignIn, OidcError> {
        let (access, raw) = (Secret::new(tokens.access_token), Secret::new(tokens.id_token));
        let verified = self.verified(metadata, raw.expose(), now).await?;
        let settings = &self.settings;
        let token = check_id_token(
            &verified,
            &Expect {
                issuer: &settings.issuer,
                client_id: &settings.client_id,
                nonce,
                acr: &settings.acr,
                max_age: settings.max_age,
                access_token: access.expose(),
                now,
            },
        )?;
        let userinfo = match &metadata.userinfo {
            Some(endpoint) => Some(self.userinfo(metadata, endpoint, &access, &token, now).await?),
            None if settings.preset.needs_userinfo() => {
                return Err(OidcError::Discovery("it has no userinfo endpoint".to_owned()));
            }
            None => None,
        };
        let claim = settings.identity_claim.as_deref();
        let person = Person::read(settings.preset, claim, &token, userinfo.as_ref())?;
        Ok(SignIn { person, id_token: raw })
    }

    async fn userinfo(
        &self,
        metadata: &Metadata,
        endpoint: &str,
        access: &Secret<String>,
        token: &IdToken,
        now: i64,
    ) -> Result<Claims, OidcError> {
        let mut bearer = header::HeaderValue::from_str(&format!("Bearer {}", access.expose()))
            .map_err(|_| OidcError::Malformed("access_token"))?;
        bearer.set_sensitive(true);
        let request = self.http.get(endpoint).header(header::AUTHORIZATION, bearer);
        let (status, kind, body) = read(send(request).await?).await?;
        if status != StatusCode::OK {
            return Err(OidcError::Unreachable(format!("userinfo answers {status}")));
        }
        let signed = kind.starts_with("application/jwt");
        let body = if signed {
            let text = std::str::from_utf8(&body).map_err(|_| OidcError::Malformed("userinfo"))?;
            self.verified(metadata, text.trim(), now).await?.payload
        } else {
            body
        };
        let claims: Claims = serde_json::from_slice(&body).map_err(|_| OidcError::Malformed("userinfo"))?;
        if signed {
            self.check_signed(&claims)?;
        }
        // Core §5.3.2: otherwise it is about somebody else and must not be used.
        match claims.get("sub").and_then(Value::as_str) {
            Some(sub) if sub == token.sub => Ok(claims),
            _ => Err(OidcError::Subject),
        }
    }

    /// Core §5.3.2: a signed answer names its issuer and us.
    fn check_signed(&self, claims: &Claims) -> Result<(), OidcError> {
        if claims.get("iss").is_some_and(|iss| iss.as_str() != Some(&self.settings.issuer)) {
            return Err(OidcError::Issuer);
        }
        let ours = |aud: &Value| aud.as_str() == Some(&self.settings.client_id);
        match claims.get("aud") {
            Some(Value::Array(many)) if !many.iter().any(ours) => Err(OidcError::Audience),
            Some(one @ Value::String(_)) if !ours(one) => Err(OidcError::Audience),
            _ => Ok(()),
        }
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, OidcError> {
        match read(send(self.http.get(url).header(header::ACCEPT, "application/json")).await?).await? {
            (StatusCode::OK, _, body) => Ok(body),
            (status, ..) => Err(OidcError::Unreachable(format!("{url} answers {status}"))),
        }
    }

    /// Posts a form as ourselves: the body of a success, or the `error` of a refusal.
    async fn post(&self, url: &str, fields: &[(&str, &str)]) -> Result<Result<Vec<u8>, String>, OidcError> {
        let mut request = self
            .http
            .post(url)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let ClientAuth::Basic(secret) = &self.settings.auth {
            request = request.header(header::AUTHORIZATION, self.basic(secret)?);
        }
        let request = request.body(self.form(fields));
        let (status, _, body) = read(send(request).await?).await?;
        if status.is_success() {
            return Ok(Ok(body));
        }
        match serde_json::from_slice::<Failure>(&body) {
            Ok(failure) if status.is_client_error() => {
                if failure.error == "invalid_client" {
                    tracing::error!(
                        provider = self.settings.name,
                        "the provider refuses our client_id or its secret"
                    );
                }
                Ok(Err(failure.error))
            }
            _ => Err(OidcError::Unreachable(format!("{url} answers {status}"))),
        }
    }

    /// The fields, with what names and proves us where that is not a header or the connection itself.
    fn form(&self, fields: &[(&str, &str)]) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        match &self.settings.auth {
            ClientAuth::Basic(_) => {}
            ClientAuth::Post(secret) => {
                form.append_pair("client_id", &self.settings.client_id);
                form.append_pair("client_secret", secret.expose());
            }
            ClientAuth::Tls => {
                form.append_pair("client_id", &self.settings.client_id);
            }
        }
        form.finish()
    }

    /// RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
    fn basic(&self, secret: &Secret<String>) -> Result<header::HeaderValue, OidcError> {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = Secret::new(format!("{}:{}", encode(&self.settings.client_id), encode(secret.expose())));
        let value = format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair.expose().as_bytes()));
        let mut value =
            header::HeaderValue::from_str(&value).map_err(|_| OidcError::Malformed("client_secret"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn tokens(body: &[u8]) -> Result<Tokens, OidcError> {
    serde_json::from_slice(body).map_err(|_| OidcError::Malformed("the token answer"))
}

async fn send(request: RequestBuilder) -> Result<Response, OidcError> {
    request.send().await.map_err(unreachable)
}

/// Without the address: its query may hold what is nobody else's business.
fn unreachable(error: reqwest::Error) -> OidcError {
    let error = error.without_url();
    let cause = std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
    OidcError::Unreachable(format!("{error}{cause}"))
}

/// Status, media type and body, of no more than a bounded size.
async fn read(mut response: Response) -> Result<(StatusCode, String, Vec<u8>), OidcError> {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let (status, kind) = (response.status(), kind.unwrap_or_default().to_ascii_lowercase());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(OidcError::Unreachable("its answer is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, kind, body))
}
