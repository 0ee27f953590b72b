//! The recipient's door through curl: the whole way from link to files, with cookies and forms.

use crate::Demo;
use crate::mail::Sha256;
use crate::tools::{run, wait_for_mail};
use anyhow::{Context, Result, ensure};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// An answer of the web server.
#[derive(Debug, Clone)]
pub struct Page {
    /// Status.
    pub status: u16,
    /// Header block of the last response.
    pub head: String,
    /// Body.
    pub body: Vec<u8>,
}

impl Page {
    /// Body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    /// The `csrf` value of its forms.
    pub fn csrf(&self) -> Result<String> {
        let text = self.text();
        let at = text.find("name=\"csrf\" value=\"").with_context(|| format!("no form in:\n{text}"))? + 19;
        Ok(text[at..].chars().take_while(|c| *c != '"').collect())
    }
    /// `(href, sha256)` of each file, in order.
    pub fn files(&self) -> Vec<(String, String)> {
        let text = self.text();
        text.split("data-sha256=\"")
            .skip(1)
            .filter_map(|part| {
                let href = part.split("href=\"").nth(1)?.split('"').next()?;
                Some((href.to_owned(), part.get(..64)?.to_owned()))
            })
            .collect()
    }
}

/// A browser without a screen, at one link.
pub struct Door {
    base: String,
    /// `/m/<token>`
    pub path: String,
    ca: String,
    jar: tempfile::TempDir,
}

impl Door {
    /// Stands before a link.
    pub fn new(demo: &Demo, link: &str) -> Result<Self> {
        let base = demo.url();
        let path = link.strip_prefix(&base).with_context(|| format!("{link} is not at {base}"))?;
        Ok(Self {
            path: path.to_owned(),
            base,
            ca: demo.about.ca.to_string_lossy().into_owned(),
            jar: tempfile::tempdir()?,
        })
    }
    fn file(&self, name: &str) -> String {
        self.jar.path().join(name).to_string_lossy().into_owned()
    }
    /// One request; `more` are further arguments for curl. Redirects are followed.
    pub fn request(&self, path: &str, more: &[&str]) -> Result<Page> {
        self.visit(&format!("{}{path}", self.base), more)
    }
    /// The same with an address on any listener.
    pub fn visit(&self, url: &str, more: &[&str]) -> Result<Page> {
        let (jar, head, body) = (self.file("cookies"), self.file("head"), self.file("body"));
        let mut args = vec![
            "-sSL",
            "--noproxy",
            "*",
            "--cacert",
            &self.ca,
            "-b",
            &jar,
            "-c",
            &jar,
            "-D",
            &head,
            "-o",
            &body,
        ];
        args.extend(["-w", "%{http_code}"]);
        args.extend(more);
        args.push(url);
        let output = run("curl", &args)?;
        ensure!(output.status.success(), "curl {url}: {}", String::from_utf8_lossy(&output.stderr));
        let heads = std::fs::read_to_string(&head)?;
        Ok(Page {
            status: String::from_utf8_lossy(&output.stdout).trim().parse()?,
            head: heads.trim_end().rsplit("\r\n\r\n").next().unwrap_or_default().to_owned(),
            body: std::fs::read(&body).unwrap_or_default(),
        })
    }
    /// `GET` below the link; `""` is the landing page.
    pub fn get(&self, below: &str) -> Result<Page> {
        self.request(&format!("{}{below}", self.path), &[])
    }
    /// `POST` below the link, with the form's secret from `page`.
    pub fn post(&self, below: &str, page: &Page, fields: &[(&str, &str)]) -> Result<Page> {
        let mut more = vec!["--data-urlencode".to_owned(), format!("csrf={}", page.csrf()?)];
        for (name, value) in fields {
            more.extend(["--data-urlencode".to_owned(), format!("{name}={value}")]);
        }
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        self.request(&format!("{}{below}", self.path), &more)
    }
    /// Passes `otp-mail` with the code from the mailbox of `login`, opens, and returns the content page.
    pub fn open(&self, demo: &Demo, login: &str) -> Result<Page> {
        self.open_by(|fits| wait_for_mail(demo, login, fits))
    }
    /// The same with a code mail found wherever mail goes.
    pub fn open_by(&self, find: impl Fn(&dyn Fn(&str) -> bool) -> Result<String>) -> Result<Page> {
        let landing = self.get("")?;
        ensure!(landing.status == 200, "landing: {}\n{}", landing.status, landing.text());
        let asked = self.post("/gate/otp-mail", &landing, &[])?;
        ensure!(asked.status == 200, "asking for a code: {}\n{}", asked.status, asked.text());
        // The code of this message, not of an earlier one.
        let text = landing.text();
        let at = text.find("class=\"ref\">").context("no reference on the page")? + 12;
        let reference = text[at..].split('<').next().unwrap_or_default().to_owned();
        let code = code_in(&find(&|mail| mail.contains(&reference) && code_in(mail).is_ok())?)?;
        let ready = self.post("/gate/otp-mail/answer", &asked, &[("code", &code)])?;
        ensure!(ready.status == 200, "answering: {}\n{}", ready.status, ready.text());
        let content = self.post("/open", &ready, &[])?;
        ensure!(content.status == 200, "opening: {}\n{}", content.status, content.text());
        Ok(content)
    }
    /// Arguments with which another curl takes part in this session.
    pub fn session(&self) -> Vec<String> {
        let jar = self.file("cookies");
        ["-sS", "--noproxy", "*", "--cacert", &self.ca, "-b", &jar].map(str::to_owned).to_vec()
    }
    /// Downloads and digests without keeping; answers length and SHA-256.
    pub fn fetch(&self, href: &str) -> Result<(u64, String)> {
        let mut curl = Command::new("curl");
        let mut child = curl.args(self.session()).arg(self.url(href)).stdout(Stdio::piped()).spawn()?;
        let mut output = child.stdout.take().context("no output")?;
        let (mut digest, mut length, mut buffer) = (Sha256::new(), 0u64, vec![0; 1 << 16]);
        loop {
            let n = output.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            digest.update(&buffer[..n]);
            length += n as u64;
        }
        ensure!(child.wait()?.success(), "curl failed");
        Ok((length, digest.hex()))
    }
    /// Absolute address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
    /// Where the session's cookies are.
    pub fn jar(&self) -> PathBuf {
        self.jar.path().join("cookies")
    }
}

/// The one run of six digits in a code mail's text, and that the mail is one.
pub fn code_in(mail: &str) -> Result<String> {
    let (head, body) = mail.split_once("\r\n\r\n").context("no body")?;
    ensure!(head.contains("X-Sealpost-Code") || is_code_subject(head), "not a code mail");
    let plain = body.split("text/html").next().unwrap_or_default();
    let text = plain.split_once("text/plain").map_or(plain, |(_, rest)| rest);
    let text = text.split_once("\r\n\r\n").map_or(text, |(_, rest)| rest);
    // The part ends at its boundary.
    let text = text.split("\r\n--").next().unwrap_or_default();
    let runs: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() == 6).collect();
    match runs.as_slice() {
        [code] => Ok((*code).to_owned()),
        other => anyhow::bail!("{} runs of six digits in {text}", other.len()),
    }
}

fn is_code_subject(head: &str) -> bool {
    let subject = head.lines().skip_while(|l| !l.starts_with("Subject:")).take(1).next().unwrap_or_default();
    subject.contains("[Authentification")
        || subject.contains("[Sign-in")
        || subject.contains("=5BAuthentification")
}
