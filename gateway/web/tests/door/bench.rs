//! A real store with a real deposit behind the real router, driven in process by a browser of a kind.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use sealpost_envelope::{
    DepositId, Digests, EmailAddress, EntityId, FixedClock, Gate, Language, Reference, Sha256Digest,
    Submitter, Treatment, Verdict,
};
use sealpost_evidence::Issuer;
use sealpost_gate::{CodeKey, LinkMethod, MethodLimits, Methods, OtpMail, PasswordMethod};
use sealpost_message::{Limits, WalkEvent, Walker};
use sealpost_store::access::Challenge;
use sealpost_store::account::Accounts;
use sealpost_store::content::{INLINE, Place};
use sealpost_store::deposit::{NewConsignment, NewDeposit, NewPart, StoredBody};
use sealpost_store::keys::DepositKey;
use sealpost_store::{JournalFilter, Store, StoreConfig};
use sealpost_web::{Elsewhere, EntitySite, Hooks, WebKeys, WebLimits, WebParts, WebState, router};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tower::ServiceExt;

pub const CODES: [u8; 32] = [9; 32];

/// Store, router and clock.
pub struct Bench {
    pub store: Store,
    pub state: WebState,
    pub router: Router,
    pub clock: Arc<FixedClock>,
    pub entity: EntityId,
    pub woken: Arc<AtomicUsize>,
    pub accounts: Arc<Accounts>,
    _dir: TempDir,
}

/// A deposit's identity and the tokens of its recipients, in order.
pub struct Sent {
    pub id: DepositId,
    pub tokens: Vec<String>,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with_limits(WebLimits::default()).await
    }
    pub async fn with_limits(limits: WebLimits) -> Self {
        Self::of(limits, true).await
    }
    /// An organisation of the health sphere, or another.
    pub async fn of(limits: WebLimits, health: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new("2026-11-22T10:00:00Z".parse().unwrap()));
        let config = StoreConfig {
            database: format!("sqlite:{}", dir.path().join("db").display()),
            blobs: format!("file:{}", dir.path().join("blobs").display()),
            s3: None,
            keys: dir.path().join("keys"),
        };
        let store = Store::open(&config, clock.clone()).await.unwrap();
        let entity = store.ensure_entity("Maison de santé des Lilas", Some("732829320")).await.unwrap();
        let woken = Arc::new(AtomicUsize::new(0));
        let counter = woken.clone();
        let accounts = Arc::new(Accounts::new(&store).unwrap());
        let methods = Methods::new(vec![
            Arc::new(LinkMethod),
            Arc::new(OtpMail::new(Arc::new(CodeKey::new(&CODES)), MethodLimits::default())),
            Arc::new(PasswordMethod::new(MethodLimits::default())),
        ]);
        let state = WebState::new(WebParts {
            store: store.clone(),
            clock: clock.clone(),
            entities: vec![EntitySite {
                issuer: Issuer {
                    entity,
                    name: "Maison de santé des Lilas".into(),
                    identifier: Some("732829320".into()),
                    hostname: "mail.lilas.example".into(),
                    policies: vec!["https://lilas.example/politique".into()],
                    certificate: None,
                },
                name: "Maison de santé des Lilas".into(),
                siren: Some("732 829 320".into()),
                address: EmailAddress::parse("seal@example.org").unwrap(),
                support_mail: Some("aide@lilas.example".into()),
                support_phone: Some("+33 1 23 45 67 89".into()),
                home: None,
                language: Language::Fr,
                zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(1)),
                health,
            }],
            url: "https://depot.lilas.example".into(),
            card_url: None,
            keys: WebKeys { csrf: [1; 32], rates: [2; 32] },
            methods,
            accounts: accounts.clone(),
            staff: sealpost_web::StaffRules::default(),
            texts: None,
            mail: sealpost_web::MailAccess::default(),
            providers: Vec::new(),
            login_providers: Vec::new(),
            elsewhere: Elsewhere::default(),
            limits,
            hooks: Hooks {
                outbound: Arc::new(move || {
                    counter.fetch_add(1, Ordering::Relaxed);
                }),
                ..sealpost_web::Hooks::silent()
            },
            demo: false,
        });
        let router = router(state.clone());
        Self { store, state, router, clock, entity, woken, accounts, _dir: dir }
    }

    /// Deposits `message` for these recipients under `gate`, with the same walk as the gateway's intake.
    pub async fn deposit(&self, message: &[u8], recipients: &[&str], gate: &[&str]) -> Sent {
        let id = DepositId::generate();
        let retention = "2027-02-01T00:00:00Z".parse().unwrap();
        let (key, wrapped, week) = self.store.keys().new_deposit_key(retention).unwrap();
        let mut walker = Walker::new(Limits::default());
        let mut events = Vec::new();
        for piece in message.chunks(4096) {
            walker.push(piece, &mut events).unwrap();
        }
        let structure = walker.finish(&mut events).unwrap();
        let (mut skeleton, mut parts, mut held) = (Vec::new(), Vec::new(), Vec::new());
        for event in events {
            match event {
                WalkEvent::Skeleton(bytes) => skeleton.extend_from_slice(&bytes),
                WalkEvent::PartStart { .. } => held.clear(),
                WalkEvent::PartData(bytes) => held.extend_from_slice(&bytes),
                WalkEvent::PartEnd(stored) => {
                    let body = self.body(&key, &Place::body(id, stored.n), &held).await;
                    parts.push(NewPart {
                        n: stored.n,
                        role: "attachment".into(),
                        size: stored.size,
                        digests: stored.digests,
                        body,
                        meta: Place::part(id, stored.n).seal(&key, b"{}").unwrap(),
                    });
                }
            }
        }
        let mut meta = serde_json::to_value(&structure).unwrap();
        meta["skeleton_len"] = skeleton.len().into();
        let token = |n: usize| key.link_token(n as u32 + 1, 1).expose().clone();
        let tokens: Vec<String> = (0..recipients.len()).map(token).collect();
        let consignments =
            recipients.iter().zip(&tokens).enumerate().map(|(i, (to, token))| NewConsignment {
                n: i as u32 + 1,
                address: EmailAddress::parse(to).unwrap(),
                verdict: Verdict {
                    treatment: Treatment::Notify,
                    gate: Gate::parse(gate).unwrap(),
                    expires: "2026-12-22T10:00:00Z".parse().unwrap(),
                    retention,
                    rule: "test".into(),
                    phone: None,
                    identity: None,
                    hold: None,
                },
                language: Language::Fr,
                token_hash: Some(Sha256Digest::of(token.as_bytes()).0),
                remind: Vec::new(),
                observed: None,
            });
        let new = NewDeposit {
            id,
            entity: self.entity,
            account: None,
            submitter: Submitter::System,
            sender: EmailAddress::parse("alice@lilas.example").unwrap(),
            reference: Reference::generate(),
            idempotency: Sha256Digest::of(id.to_string().as_bytes()),
            message_id: None,
            created: self.store.clock().now(),
            size: message.len() as u64,
            digests: Digests::of(message),
            wrapped_key: wrapped.bytes,
            key_week: week,
            meta: Place::meta(id).seal(&key, meta.to_string().as_bytes()).unwrap(),
            skeleton: self.body(&key, &Place::skeleton(id), &skeleton).await,
            parts,
            consignments: consignments.collect(),
            events: Vec::new(),
            password: None,
            outbound: Vec::new(),
        };
        self.store.deposit(new).await.unwrap();
        Sent { id, tokens }
    }

    async fn body(&self, key: &DepositKey, place: &Place, bytes: &[u8]) -> StoredBody {
        if bytes.len() <= INLINE {
            return StoredBody::Inline(place.seal(key, bytes).unwrap());
        }
        let mut writer = self.store.blobs().writer(key);
        writer.write(bytes).await.unwrap();
        StoredBody::Blob(writer.finish().await.unwrap().id)
    }

    /// Names of the journal's events about a deposit, in order.
    pub async fn events(&self, id: DepositId) -> Vec<String> {
        self.state.finish().await;
        let entries = self.store.entries_of_deposit(id).await.unwrap();
        entries.iter().map(|e| e.event.as_str().to_owned()).collect()
    }

    /// The evidence about a deposit, rendered and not yet sealed.
    pub async fn evidence(&self, id: DepositId) -> Vec<String> {
        self.state.finish().await;
        let sql = "SELECT e.xml AS x FROM evidence e WHERE e.deposit = $1 ORDER BY e.time, e.id";
        let rows = self.store.db().fetch_all(sql, sealpost_store::args![id]).await.unwrap();
        rows.iter().map(|r| String::from_utf8(r.bytes("x").unwrap()).unwrap()).collect()
    }

    /// The code that a mail would carry now.
    pub async fn code(&self, sent: &Sent, recipient: u32) -> String {
        let found = Challenge::latest(self.store.db(), sent.id, recipient, "otp-mail").await.unwrap();
        let challenge = found.expect("a challenge was asked for");
        CodeKey::new(&CODES).derive(challenge.id, sent.id, recipient).expose().to_owned()
    }

    /// Every row of every table but the journal's own, as text.
    pub async fn tables(&self) -> BTreeMap<String, Vec<String>> {
        use sealpost_store::args;
        let names = self
            .store
            .db()
            .fetch_all("SELECT name AS n FROM sqlite_master WHERE type = 'table' ORDER BY name", args![])
            .await
            .unwrap();
        let mut all = BTreeMap::new();
        for name in names.iter().map(|r| r.text("n").unwrap()) {
            // access_fetch is the memory of the journal's coalescing.
            if ["journal", "evidence", "evidence_waiting", "access_fetch"].contains(&name.as_str())
                || name.starts_with("sqlite_")
            {
                continue;
            }
            let columns = self
                .store
                .db()
                .fetch_all("SELECT name AS n FROM pragma_table_info($1)", args![name.as_str()])
                .await
                .unwrap();
            let list: Vec<String> =
                columns.iter().map(|r| format!("quote(\"{}\")", r.text("n").unwrap())).collect();
            let sql = format!("SELECT {} AS n FROM \"{name}\" ORDER BY 1", list.join("||'|'||"));
            let rows =
                self.store.db().fetch_all(sealpost_store::db::AssertSqlSafe(sql), args![]).await.unwrap();
            all.insert(name, rows.iter().map(|r| r.text("n").unwrap()).collect());
        }
        all
    }

    pub async fn outbound(&self) -> Vec<(i64, String, String)> {
        let sql = "SELECT priority, spec, rcpt FROM outbound ORDER BY created, id";
        let rows = self.store.db().fetch_all(sql, sealpost_store::args![]).await.unwrap();
        rows.iter()
            .map(|r| (r.int("priority").unwrap(), r.text("spec").unwrap(), r.text("rcpt").unwrap()))
            .collect()
    }

    pub async fn journal_len(&self) -> usize {
        use futures_util::StreamExt;
        self.store.search_journal(&JournalFilter::default()).count().await
    }
}

/// A browser: keeps cookies, follows nothing by itself.
pub struct Browser {
    router: Router,
    pub cookies: BTreeMap<String, String>,
    pub language: &'static str,
}

/// An answer, read whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
    /// The value of the page's `csrf` field.
    pub fn csrf(&self) -> String {
        let text = self.text();
        let start = text.find("name=\"csrf\" value=\"").expect("the page has a form") + 19;
        text[start..].split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    pub fn new(bench: &Bench) -> Self {
        Self { router: bench.router.clone(), cookies: BTreeMap::new(), language: "fr" }
    }

    pub async fn send(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT_LANGUAGE, self.language)
            .header(header::COOKIE, cookies.join("; "))
            .extension(ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 40_000))));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response =
            self.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let body = body.collect().await.map(|b| b.to_bytes().to_vec()).unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let form = [("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, path, &form, &body.join("&")).await
    }

    /// Asks for a code and answers it; ends on the page that offers to open.
    pub async fn pass(&mut self, bench: &Bench, sent: &Sent, recipient: u32) -> Answer {
        let path = format!("/m/{}", sent.tokens[recipient as usize - 1]);
        let csrf = self.get(&path).await.csrf();
        let form = self.post(&format!("{path}/gate/otp-mail"), &[("csrf", &csrf)]).await;
        assert_eq!(form.status, StatusCode::OK, "{}", form.text());
        let code = bench.code(sent, recipient).await;
        let done =
            self.post(&format!("{path}/gate/otp-mail/answer"), &[("csrf", &csrf), ("code", &code)]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
        self.get(&path).await
    }

    /// [`Browser::pass`], then opens; ends on the content page.
    pub async fn open(&mut self, bench: &Bench, sent: &Sent, recipient: u32) -> Answer {
        let ready = self.pass(bench, sent, recipient).await;
        let path = format!("/m/{}", sent.tokens[recipient as usize - 1]);
        let opened = self.post(&format!("{path}/open"), &[("csrf", &ready.csrf())]).await;
        assert_eq!(opened.status, StatusCode::SEE_OTHER);
        self.get(&path).await
    }
}

/// A multipart message with a text, and files of these names, types and contents.
pub fn message(text: &str, files: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut out = format!(
        "From: =?utf-8?q?Alice_Lef=C3=A8vre?= <alice@lilas.example>\r\nTo: bob@example.test\r\n\
         Subject: =?utf-8?q?R=C3=A9sultats_d=27analyses?=\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
    )
    .into_bytes();
    for (name, media_type, content) in files {
        let encoded = base64_simd::STANDARD.encode_to_string(content);
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(76).map(|l| std::str::from_utf8(l).unwrap()).collect();
        let head = format!(
            "--cut\r\nContent-Type: {media_type}\r\nContent-Disposition: attachment; filename*=UTF-8''{name}\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n"
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(lines.join("\r\n").as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"--cut--\r\n");
    out
}
