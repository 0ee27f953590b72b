//! An OpenID Connect provider that lies on request: what a relying party must notice, one lie at a time.
//!
//! It signs everybody in at once, without a page. Its answers are those of a good provider until [`Lie`] says otherwise.
//! HTTP/1.1 without keep-alive, on a loopback port, one thread for each connection.

use crate::Door;
use crate::door::Page;
use crate::tools::must;
use anyhow::{Context, Result, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Lie {
    #[default]
    None,
    /// In the token.
    Issuer,
    Audience,
    Party,
    Nonce,
    NoNonce,
    Expired,
    Future,
    Level,
    AccessTokenHash,
    NoIdentity,
    /// About its signature.
    AlgNone,
    Hs256,
    UnknownKey,
    SwappedKeys,
    BadSignature,
    /// At userinfo: somebody else.
    Subject,
    /// In the browser's way back.
    State,
    IssuerInAnswer,
    NoIssuerInAnswer,
    AccessDenied,
    /// The code was used before.
    Code,
}

struct Key(EcdsaKeyPair);

impl Key {
    fn new() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .expect("a key can be made");
        Self(
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref())
                .expect("the key just made is one"),
        )
    }
    fn published(&self, kid: &str) -> Value {
        let point = self.0.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
               "x": base64url(&point[1..33]), "y": base64url(&point[33..])})
    }
    fn sign(&self, input: &str) -> Vec<u8> {
        let signed: signature::Signature =
            self.0.sign(&SystemRandom::new(), input.as_bytes()).expect("signing works");
        signed.as_ref().to_vec()
    }
}

struct Shared {
    issuer: String,
    keys: [Key; 2],
    lie: Mutex<Lie>,
    /// Nonce by code.
    codes: Mutex<HashMap<String, String>>,
    claims: Mutex<Value>,
}

/// A running provider; it ends with the process.
pub struct Provider {
    shared: Arc<Shared>,
}

/// Its clients' secret.
pub const SECRET: &str = "un secret: avec des signes %+";

impl Provider {
    /// Starts one whose people are all this one.
    pub fn start(claims: Value) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let issuer = format!("http://127.0.0.1:{}/realm", listener.local_addr()?.port());
        let shared = Arc::new(Shared {
            issuer,
            keys: [Key::new(), Key::new()],
            lie: Mutex::default(),
            codes: Mutex::default(),
            claims: Mutex::new(claims),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                std::thread::spawn(move || serve(&shared, stream));
            }
        });
        Ok(Self { shared })
    }
    /// Its issuer.
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }
    /// Everybody is this one from now on.
    pub fn is(&self, claims: Value) {
        *lock(&self.shared.claims) = claims;
    }
    /// Lies from now on.
    pub fn lie(&self, lie: Lie) {
        *lock(&self.shared.lie) = lie;
    }
    /// `[[gate.oidc]]` for it.
    pub fn section(&self, name: &str, preset: &str, more: &str) -> String {
        format!(
            "\n[[gate.oidc]]\nname = \"{name}\"\npreset = \"{preset}\"\nissuer = \"{}\"\n\
             discovery = \"/.well-known/openid-configuration\"\nclient_id = \"sealpost\"\n\
             client_secret = \"{SECRET}\"\ninsecure_loopback = true\n{more}\n",
            self.issuer()
        )
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn base64url(bytes: &[u8]) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

struct Request {
    method: String,
    path: String,
    fields: HashMap<String, String>,
    authorization: String,
}

fn read(stream: &TcpStream) -> Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, target) =
        (words.next().context("method")?.to_owned(), words.next().context("target")?.to_owned());
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "authorization" => authorization = value.trim().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let form = if body.is_empty() { query.to_owned() } else { String::from_utf8(body)? };
    let fields = form
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), unescape(value)))
        .collect();
    Ok(Request { method, path: path.to_owned(), fields, authorization })
}

fn unescape(text: &str) -> String {
    let (mut out, bytes) = (Vec::new(), text.as_bytes());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn serve(shared: &Shared, mut stream: TcpStream) {
    let Ok(request) = read(&stream) else { return };
    let (status, header, body) = answer(shared, &request);
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

fn answer(shared: &Shared, request: &Request) -> (&'static str, String, String) {
    let json =
        |status, value: Value| (status, "Content-Type: application/json".to_owned(), value.to_string());
    let below = request.path.strip_prefix("/realm").unwrap_or_default();
    match (request.method.as_str(), below) {
        ("GET", "/.well-known/openid-configuration") => json("200 OK", description(&shared.issuer)),
        ("GET", "/keys") => json("200 OK", keys(shared)),
        ("GET", "/authorize") => {
            ("302 Found", format!("Location: {}", authorize(shared, request)), String::new())
        }
        ("POST", "/token") => match token(shared, request) {
            Ok(tokens) => json("200 OK", tokens),
            Err(error) => json("400 Bad Request", json!({ "error": error })),
        },
        ("GET", "/userinfo") if request.authorization == "Bearer access" => json("200 OK", userinfo(shared)),
        _ => json("404 Not Found", json!({})),
    }
}

fn description(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/keys"),
        "end_session_endpoint": format!("{issuer}/logout"),
        "authorization_response_iss_parameter_supported": true,
        "code_challenge_methods_supported": ["S256"],
    })
}

fn keys(shared: &Shared) -> Value {
    let [one, two] = &shared.keys;
    json!({"keys": [one.published("one"), two.published("two")]})
}

fn authorize(shared: &Shared, request: &Request) -> String {
    let lie = *lock(&shared.lie);
    let field = |name: &str| request.fields.get(name).cloned().unwrap_or_default();
    let code = format!("code-{}", lock(&shared.codes).len());
    lock(&shared.codes).insert(code.clone(), format!("{} {}", field("nonce"), field("code_challenge")));
    let state = match lie {
        Lie::State => "A".repeat(43),
        _ => field("state"),
    };
    let issuer = match lie {
        Lie::NoIssuerInAnswer => String::new(),
        Lie::IssuerInAnswer => "&iss=http%3A%2F%2F127.0.0.1%3A1%2Frealm".to_owned(),
        _ => format!("&iss={}", shared.issuer.replace(':', "%3A").replace('/', "%2F")),
    };
    let result = match lie {
        Lie::AccessDenied => "error=access_denied".to_owned(),
        _ => format!("code={code}"),
    };
    format!("{}?{result}&state={state}{issuer}", field("redirect_uri"))
}

fn token(shared: &Shared, request: &Request) -> Result<Value, &'static str> {
    let lie = *lock(&shared.lie);
    let field = |name: &str| request.fields.get(name).map(String::as_str).unwrap_or_default();
    // RFC 6749 §2.3.1: form-encoded, then joined.
    let encoded: String = SECRET
        .bytes()
        .map(|b| match b {
            b' ' => "+".to_owned(),
            b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect();
    let basic = format!("Basic {}", base64_simd::STANDARD.encode_to_string(format!("sealpost:{encoded}")));
    if request.authorization != basic {
        return Err("invalid_client");
    }
    let kept =
        lock(&shared.codes).remove(field("code")).filter(|_| lie != Lie::Code).ok_or("invalid_grant")?;
    let (nonce, challenge) = kept.split_once(' ').unwrap_or_default();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, field("code_verifier").as_bytes());
    if base64url(digest.as_ref()) != challenge {
        return Err("invalid_grant");
    }
    Ok(json!({"access_token": "access", "token_type": "Bearer", "expires_in": 60,
              "id_token": id_token(shared, nonce, lie)}))
}

fn id_token(shared: &Shared, nonce: &str, lie: Lie) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"access");
    let now = now();
    let mut claims = json!({
        "iss": shared.issuer, "aud": "sealpost", "azp": "sealpost", "sub": "person-1", "nonce": nonce,
        "iat": now, "exp": now + 60, "auth_time": now - 5, "acr": "eidas1",
        "at_hash": base64url(&digest.as_ref()[..16]),
    });
    match lie {
        Lie::Issuer => claims["iss"] = json!("http://127.0.0.1:1/realm"),
        Lie::Audience => claims["aud"] = json!("somebody-else"),
        Lie::Party => claims["azp"] = json!("somebody-else"),
        Lie::Nonce => claims["nonce"] = json!("of-another-request"),
        Lie::NoNonce => claims["nonce"] = Value::Null,
        Lie::Expired => claims["exp"] = json!(now - 120),
        Lie::Future => claims["iat"] = json!(now + 3600),
        Lie::Level => claims["acr"] = json!("eidas0"),
        Lie::AccessTokenHash => claims["at_hash"] = json!("AAAAAAAAAAAAAAAAAAAAAA"),
        _ => {}
    }
    let (alg, kid) = match lie {
        Lie::AlgNone => ("none", "one"),
        Lie::Hs256 => ("HS256", "one"),
        Lie::UnknownKey => ("ES256", "three"),
        _ => ("ES256", "one"),
    };
    let header = json!({"alg": alg, "kid": kid, "typ": "JWT"});
    let input =
        format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    let signature = match lie {
        Lie::AlgNone => Vec::new(),
        Lie::Hs256 => {
            let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
            aws_lc_rs::hmac::sign(&secret, input.as_bytes()).as_ref().to_vec()
        }
        Lie::SwappedKeys => shared.keys[1].sign(&input),
        Lie::BadSignature => shared.keys[0].sign("something else"),
        _ => shared.keys[0].sign(&input),
    };
    format!("{input}.{}", base64url(&signature))
}

fn userinfo(shared: &Shared) -> Value {
    let lie = *lock(&shared.lie);
    let mut claims = lock(&shared.claims).clone();
    if lie == Lie::NoIdentity {
        claims = json!({});
    }
    claims["sub"] = json!(if lie == Lie::Subject { "person-2" } else { "person-1" });
    claims
}

/// The value of a hidden field, or where a page refreshes to.
fn between(text: &str, before: &str) -> Result<String> {
    let at = text.find(before).with_context(|| format!("no {before} in:\n{text}"))? + before.len();
    let value = text[at..].split('"').next().unwrap_or_default();
    Ok(value.replace("&#38;", "&").replace("&amp;", "&").replace("&#x26;", "&"))
}

/// What the provider sends a browser back to that our page sent there.
pub fn away(page: &Page) -> Result<String> {
    let url = between(&page.text(), "content=\"0;url=")?;
    must("curl", &["-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{redirect_url}", &url])
}

/// The callback's page, and its form posted.
pub fn back(door: &Door, callback: &str) -> Result<Page> {
    let (base, path) = (door.url(""), callback);
    let path = path.strip_prefix(&base).with_context(|| format!("{callback} is not ours"))?;
    let page = door.request(path, &[])?;
    ensure!(page.status == 200, "{}", page.text());
    carry_on(door, path, &page)
}

/// Posts the form of the callback's page, as a person without scripts does.
pub fn carry_on(door: &Door, path: &str, page: &Page) -> Result<Page> {
    let text = page.text();
    let mut more = Vec::new();
    for name in ["csrf", "state", "code", "iss", "error"] {
        if let Ok(value) = between(&text, &format!("name=\"{name}\" value=\"")) {
            more.extend(["--data-urlencode".to_owned(), format!("{name}={value}")]);
        }
    }
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    door.request(path.split('?').next().unwrap_or_default(), &more)
}
