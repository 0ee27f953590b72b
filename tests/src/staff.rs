//! A member of the organisation at the web application, through curl.

use crate::door::Page;
use crate::tools::{must, run};
use crate::{Account, Demo};
use anyhow::{Context, Result, ensure};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A browser without a screen.
pub struct Staff {
    base: String,
    ca: String,
    jar: tempfile::TempDir,
}

impl Staff {
    /// Nobody yet.
    pub fn new(demo: &Demo) -> Result<Self> {
        Ok(Self {
            base: demo.url(),
            ca: demo.about.ca.to_string_lossy().into_owned(),
            jar: tempfile::tempdir()?,
        })
    }
    /// Somebody of the demonstration, logged in with password and app.
    pub fn logged_in(demo: &Demo, name: &str) -> Result<Self> {
        let staff = Self::new(demo)?;
        let account = demo.account(name);
        let page = staff.log_in(account, &code(&account.totp_secret)?)?;
        ensure!(page.status == 303, "{}: {}", page.status, page.text());
        Ok(staff)
    }
    /// What its browser would carry: names and values.
    pub fn cookies(&self) -> Result<Vec<(String, String)>> {
        let jar = std::fs::read_to_string(self.file("cookies"))?;
        // Netscape's format: seven columns; curl marks cookies that scripts do not see.
        let lines = jar.lines().map(|l| l.strip_prefix("#HttpOnly_").unwrap_or(l));
        let columns = lines.filter(|l| !l.starts_with('#')).map(|l| l.split('\t').collect::<Vec<_>>());
        Ok(columns.filter_map(|c| Some((c.get(5)?.to_string(), c.get(6)?.to_string()))).collect())
    }
    fn file(&self, name: &str) -> String {
        self.jar.path().join(name).to_string_lossy().into_owned()
    }
    /// One request, without following redirects.
    pub fn request(&self, path: &str, more: &[&str]) -> Result<Page> {
        let (jar, head, body) = (self.file("cookies"), self.file("head"), self.file("body"));
        let url = format!("{}{path}", self.base);
        let mut args = vec![
            "-sS",
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
        args.push(&url);
        let output = run("curl", &args)?;
        ensure!(output.status.success(), "curl {url}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Page {
            status: String::from_utf8_lossy(&output.stdout).trim().parse()?,
            head: std::fs::read_to_string(&head)?,
            body: std::fs::read(&body).unwrap_or_default(),
        })
    }
    /// `GET`.
    pub fn get(&self, path: &str) -> Result<Page> {
        self.request(path, &[])
    }
    /// `POST` with the secret of the form on `page`.
    pub fn post(&self, path: &str, page: &Page, fields: &[(&str, &str)]) -> Result<Page> {
        let mut more = vec!["--data-urlencode".to_owned(), format!("csrf={}", page.csrf()?)];
        for (name, value) in fields {
            more.extend(["--data-urlencode".to_owned(), format!("{name}={value}")]);
        }
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        self.request(path, &more)
    }
    /// The login's form with this code.
    pub fn log_in(&self, account: &Account, code: &str) -> Result<Page> {
        let form = self.get("/")?;
        let fields =
            [("identifier", account.login.as_str()), ("password", &account.password), ("code", code)];
        self.post("/login", &form, &fields)
    }
    /// Whether the session lives.
    pub fn is_in(&self) -> Result<bool> {
        Ok(self.get("/account")?.status == 200)
    }
}

/// The code that the authenticator app shows now, early enough in its half minute to arrive.
pub fn code(secret: &str) -> Result<String> {
    let into = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?.as_secs() % 30;
    if into > 26 {
        std::thread::sleep(Duration::from_secs(30 - into));
    }
    Ok(must("oathtool", &["--totp", "-b", secret])?.trim().to_owned())
}

/// The code of the next half minute, which is already accepted: for a second login right after the first.
pub fn next_code(secret: &str) -> Result<String> {
    Ok(must("oathtool", &["--totp", "-b", "-N", "now + 30 seconds", secret])?.trim().to_owned())
}
