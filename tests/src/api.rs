//! A program that uses the API, by curl, with a token of `sealpost user token create`.

use crate::Demo;
use crate::tools::run;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;

/// Every scope.
pub const ALL: [&str; 5] = ["deposits:read", "deposits:write", "proofs", "journal", "statistics"];

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Header block, names as sent.
    pub head: String,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {self:?}"))
    }
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
    /// The body, if the status is the expected one.
    pub fn expect(&self, status: u16) -> Result<Value> {
        ensure!(self.status == status, "{} instead of {status}: {}", self.status, self.text());
        self.json()
    }
    /// That it is a problem of this kind (RFC 9457).
    pub fn problem(&self, status: u16, name: &str) -> Result<()> {
        ensure!(self.header("content-type") == Some("application/problem+json"), "no problem: {self:?}");
        let body = self.expect(status)?;
        ensure!(body["type"] == format!("/api/docs#{name}"), "{body}");
        ensure!(body["status"] == status && body["title"].is_string(), "{body}");
        Ok(())
    }
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A program.
#[derive(Debug)]
pub struct Api {
    base: String,
    ca: String,
    token: String,
    dir: tempfile::TempDir,
}

impl Api {
    /// With a new token for the account, which has these scopes.
    pub fn new(demo: &Demo, login: &str, scopes: &[&str]) -> Result<Self> {
        let mut args = vec!["--json", "user", "token", "create", login];
        args.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        let made: Value = serde_json::from_str(&demo.sealpost(&args)?)?;
        Self::with_token(demo, made["token"].as_str().context("no token")?)
    }
    /// With a token that exists, or none (`""`).
    pub fn with_token(demo: &Demo, token: &str) -> Result<Self> {
        Ok(Self {
            base: demo.url(),
            ca: demo.about.ca.to_string_lossy().into_owned(),
            token: token.to_owned(),
            dir: tempfile::tempdir()?,
        })
    }
    /// What it shows.
    pub fn token(&self) -> &str {
        &self.token
    }
    /// curl's arguments for a request to `path`, or to an absolute address of the server.
    pub fn arguments(&self, path: &str, more: &[&str]) -> Vec<String> {
        let url = if path.starts_with("https://") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut args: Vec<String> =
            ["-sS", "--noproxy", "*", "--cacert", &self.ca].map(str::to_owned).to_vec();
        if !self.token.is_empty() {
            args.extend(["-H".to_owned(), format!("Authorization: Bearer {}", self.token)]);
        }
        args.extend(more.iter().map(|&a| a.to_owned()));
        args.push(url);
        args
    }
    /// One request; `more` are further arguments for curl.
    pub fn request(&self, path: &str, more: &[&str]) -> Result<Answer> {
        let file = |name: &str| self.dir.path().join(name).to_string_lossy().into_owned();
        let (head, body) = (file("head"), file("body"));
        let own = ["-D", &head, "-o", &body, "-w", "%{http_code}"];
        let args = self.arguments(path, &[&own[..], more].concat());
        let _ = std::fs::remove_file(&body);
        let output = run("curl", &args.iter().map(String::as_str).collect::<Vec<_>>())?;
        ensure!(output.status.success(), "curl {path}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Answer {
            status: String::from_utf8_lossy(&output.stdout).trim().parse()?,
            head: std::fs::read_to_string(&head)?,
            body: std::fs::read(&body).unwrap_or_default(),
        })
    }
    /// `GET`.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.request(path, &[])
    }
    /// `POST` of JSON.
    pub fn post(&self, path: &str, body: &Value, more: &[&str]) -> Result<Answer> {
        let text = body.to_string();
        let own = ["-H", "Content-Type: application/json", "--data-binary", &text];
        self.request(path, &[&own[..], more].concat())
    }
    /// Begins an upload; answers its path.
    pub fn upload(&self, length: usize, name: &str) -> Result<String> {
        let name = base64_simd::STANDARD.encode_to_string(name.as_bytes());
        let (length, meta) =
            (format!("Upload-Length: {length}"), format!("Upload-Metadata: filename {name}"));
        let more = ["-X", "POST", "-H", TUS, "-H", &length, "-H", &meta];
        let made = self.request("/api/v1/uploads", &more)?;
        ensure!(made.status == 201, "{made:?}");
        let place = made.header("location").context("no Location")?;
        Ok(place.strip_prefix(&self.base).context("another place")?.to_owned())
    }
    /// Where an upload stands.
    pub fn offset(&self, upload: &str) -> Result<usize> {
        let head = self.request(upload, &["-I", "-H", TUS])?;
        ensure!(head.status == 200, "{head:?}");
        Ok(head.header("upload-offset").context("no offset")?.parse()?)
    }
    /// curl's arguments that send a file from an offset on.
    pub fn patch(&self, upload: &str, file: &Path, offset: usize, more: &[&str]) -> Vec<String> {
        let (data, offset) = (format!("@{}", file.display()), format!("Upload-Offset: {offset}"));
        let kind = "Content-Type: application/offset+octet-stream";
        let own = ["-X", "PATCH", "-H", TUS, "-H", kind, "-H", &offset, "--data-binary", &data];
        self.arguments(upload, &[&own[..], more].concat())
    }
    /// Uploads bytes whole; answers the upload's id.
    pub fn put(&self, bytes: &[u8], name: &str) -> Result<String> {
        let upload = self.upload(bytes.len(), name)?;
        let file = self.dir.path().join("upload");
        std::fs::write(&file, bytes)?;
        let args = self.patch(&upload, &file, 0, &["-f"]);
        let output = run("curl", &args.iter().map(String::as_str).collect::<Vec<_>>())?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(upload.rsplit('/').next().unwrap_or_default().to_owned())
    }
}

/// The header of every request of tus.
pub const TUS: &str = "Tus-Resumable: 1.0.0";
