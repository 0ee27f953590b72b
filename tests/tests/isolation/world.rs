//! Two organisations with two senders, an auditor and an administrator each, and what each sender owns.

use anyhow::{Context, Result, ensure};
use sealpost_tests::api::{ALL, Api, TUS};
use sealpost_tests::door::code_in;
use sealpost_tests::mail::File;
use sealpost_tests::sending::Place;
use sealpost_tests::staff::{Staff, code};
use sealpost_tests::tools::{link_in, must, script, wait_for_deposit, wait_until};
use sealpost_tests::{Demo, DemoOptions, Mail};
use std::collections::BTreeMap;

const SECOND: &str = "\n[[entity]]\nname = \"Étude Durand\"\nsiren = \"552100554\"\ndomains = [\"durand.test\"]\n\
                      hostname = \"mail.durand.test\"\n";

/// Somebody, with what they own.
pub struct Person {
    pub login: String,
    pub role: &'static str,
    pub home: &'static str,
    pub mail_password: String,
    /// What must never be seen by strangers; the subject first.
    pub marks: Vec<String>,
    /// What strangers of other organisations must not see either.
    pub names: Vec<String>,
    /// Identifiers for the table's braces.
    owns: BTreeMap<&'static str, String>,
    browser: Option<(Staff, String)>,
    api: Api,
}

impl Person {
    pub fn sends(&self) -> bool {
        self.role == "sender"
    }
    pub fn browser(&self) -> Result<&Staff> {
        self.browser.as_ref().map(|(staff, _)| staff).context("not logged in")
    }
    /// A text of the table with this person's things.
    pub fn filled(&self, text: &str) -> String {
        self.owns
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
    /// One request, as a browser or as a program.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        if ["/api/", "/scim/", "/g/"].iter().any(|at| path.starts_with(at))
            && !(path.starts_with("/g/") && method == "GET")
        {
            let mut more = vec!["-H", TUS];
            match method {
                "HEAD" => more.push("-I"),
                _ if body.starts_with('{') => more.extend(["-H", "Content-Type: application/json"]),
                "PATCH" => more.extend([
                    "-H",
                    "Upload-Offset: 0",
                    "-H",
                    "Content-Type: application/offset+octet-stream",
                ]),
                _ => {}
            }
            if method != "HEAD" {
                more.extend(["-X", method]);
            }
            if !body.is_empty() {
                more.extend(["--data-binary", body]);
            }
            let answer = self.api.request(path, &more)?;
            return Ok((answer.status, format!("{}{}", answer.head, answer.text())));
        }
        let (staff, csrf) = self.browser.as_ref().context("not logged in")?;
        let page = match method {
            "GET" => staff.get(path)?,
            _ if path == "/compose" => {
                let fields: Vec<String> =
                    format!("csrf={csrf}&{body}").split('&').map(str::to_owned).collect();
                let more: Vec<&str> = fields.iter().flat_map(|field| ["-F", field]).collect();
                staff.request(path, &more)?
            }
            _ => staff.request(path, &["-d", &format!("csrf={csrf}&{body}")])?,
        };
        Ok((page.status, format!("{}{}", page.head, page.text())))
    }
}

/// The installation.
pub struct World {
    pub demo: Demo,
    pub people: Vec<Person>,
}

impl World {
    pub fn new() -> Result<Self> {
        let demo = Demo::start_edited(DemoOptions::default(), |text| text + SECOND)?;
        let mut people = Vec::new();
        for (login, role) in [
            ("alice@sealpost.test", "sender"),
            ("paul@sealpost.test", "sender"),
            ("carol@sealpost.test", "auditor"),
            ("adele@sealpost.test", "admin"),
            ("eve@durand.test", "sender"),
            ("olga@durand.test", "sender"),
            ("oscar@durand.test", "auditor"),
            ("boss@durand.test", "admin"),
        ] {
            people.push(person(&demo, login, role)?);
        }
        let mut world = Self { demo, people };
        for n in 0..world.people.len() {
            if world.people[n].sends() {
                possess(&world.demo, &mut world.people[n])?;
            }
        }
        world.wait_for_the_log()?;
        world.number_accounts()?;
        Ok(world)
    }
    /// Those with a browser.
    pub fn viewers(&self) -> impl Iterator<Item = &Person> {
        self.people.iter().filter(|p| p.browser.is_some())
    }
    /// Senders whose things are none of this person's business: all others for a sender, the other organisation's for
    /// auditors and administrators.
    pub fn strangers<'a>(&'a self, viewer: &'a Person) -> impl Iterator<Item = &'a Person> {
        let of = move |p: &&Person| p.login != viewer.login && (viewer.sends() || p.home != viewer.home);
        // One of each kind is enough: the first of the other organisation, and the colleague.
        let mut seen = Vec::new();
        self.people.iter().filter(|p| p.sends()).filter(of).filter(move |p| {
            let new = !seen.contains(&p.home);
            seen.push(p.home);
            new
        })
    }
    /// That an answer holds nothing of the other, beside what was in the question.
    pub fn find_nothing(
        &self,
        viewer: &Person,
        other: &Person,
        what: &str,
        asked: &str,
        answer: &str,
    ) -> Result<()> {
        let names: &[String] = if viewer.home == other.home { &[] } else { &other.names };
        // Whoever has a link learns who sent it; what it leads to stays shut.
        let marks: Vec<&String> = match what.contains(" /m/") {
            true => other.marks.iter().take(3).collect(),
            false => other.marks.iter().chain(names).collect(),
        };
        for mark in marks.into_iter().filter(|m| !asked.contains(m.as_str())) {
            ensure!(
                !answer.contains(mark),
                "{} learns {mark:?} of {} by {what}\n{answer}",
                viewer.login,
                other.login
            );
        }
        Ok(())
    }
    /// What everybody owns, as the commands tell it: it must not change.
    pub fn everything(&self) -> Result<String> {
        let mut all = self.demo.sealpost(&["--json", "user", "list"])?;
        // Looking is a use.
        let unused = |line: &str| {
            let mut one: serde_json::Value = serde_json::from_str(line)?;
            one.as_object_mut().map(|o| o.remove("last_used"));
            Ok::<_, anyhow::Error>(format!("{one}\n"))
        };
        all = all.lines().map(unused).collect::<Result<_>>()?;
        for person in self.people.iter().filter(|p| p.sends()) {
            let shown = self.demo.sealpost(&["--json", "deposit", "show", &person.owns["deposit"]])?;
            let shown: serde_json::Value = serde_json::from_str(shown.trim())?;
            for field in ["state", "recipients", "holds", "hold"] {
                all += &format!("{field} {}\n", shown[field]);
            }
            let upload = person
                .api
                .request(&format!("/api/v1/uploads/{}", person.owns["upload"]), &["-I", "-H", TUS])?;
            all += &format!("{} {:?}\n", upload.status, upload.header("upload-offset"));
            all += &format!("{}\n", person.api.get("/api/v1/me")?.status);
        }
        Ok(all)
    }
    fn wait_for_the_log(&self) -> Result<()> {
        let ids: Vec<_> = self.people.iter().filter_map(|p| p.owns.get("deposit").cloned()).collect();
        wait_until("the journal tells of every deposit", || {
            let journal = self.demo.sealpost(&["--json", "journal", "search"])?;
            Ok(ids.iter().all(|id| journal.contains(id.as_str())))
        })
    }
    fn number_accounts(&mut self) -> Result<()> {
        let base = self.demo.dir.join("data/sealpost.db");
        let base = if base.exists() { base } else { self.demo.dir.join("sealpost.db") };
        let uri = format!("file:{}?mode=ro", base.display());
        for person in &mut self.people {
            let get = |sql: String| Ok::<_, anyhow::Error>(must("sqlite3", &[&uri, &sql])?.trim().to_owned());
            let login = &person.login;
            let id = get(format!("SELECT id FROM accounts WHERE login = '{login}'"))?;
            ensure!(!id.is_empty(), "{login} has no account in {uri}");
            let of = |table: &str| get(format!("SELECT id FROM {table} WHERE account = {id} LIMIT 1"));
            for (name, value) in [("app_password", of("app_passwords")?), ("session", of("staff_sessions")?)]
            {
                person.owns.insert(name, if value.is_empty() { uuid() } else { value });
            }
            if let Some(deposit) = person.owns.get("deposit") {
                let queue = get(format!("SELECT id FROM outbound WHERE deposit = '{deposit}' LIMIT 1"))?;
                person.owns.insert("queue", queue);
            }
            person.owns.insert("request", uuid());
            person.owns.insert("account", id);
        }
        Ok(())
    }
}

/// An identifier that nothing has.
fn uuid() -> String {
    "01900000-0000-7000-8000-000000000001".to_owned()
}

fn person(demo: &Demo, login: &str, role: &'static str) -> Result<Person> {
    let home = if login.ends_with("@sealpost.test") { "Maison" } else { "Étude Durand" };
    let (mail_password, browser) = match demo.known(login) {
        Some(account) => {
            // Of the auditors and administrators, those of the second organisation ask: the way is the same.
            let staff = (role == "sender").then(|| Staff::new(demo)).transpose()?;
            if let Some(staff) = &staff {
                let page = staff.log_in(account, &code(&account.totp_secret)?)?;
                ensure!(page.status == 303, "{login}: {}", page.text());
            }
            (account.app_password.clone(), staff)
        }
        None => {
            let made = demo.sealpost(&["--json", "user", "add", login, "--role", role])?;
            let made: serde_json::Value = serde_json::from_str(made.trim())?;
            let word = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
            let (password, mail_password) = (word("password"), word("app_password"));
            let wanted = ["eve@", "oscar@", "boss@"].iter().any(|n| login.starts_with(n));
            let staff = if wanted { Some(by_mail(demo, login, &password, &mail_password)?) } else { None };
            (mail_password, staff)
        }
    };
    let browser =
        browser.map(|staff| Ok::<_, anyhow::Error>((staff.get("/account")?.csrf()?, staff))).transpose()?;
    let api = Api::new(demo, login, &[&ALL[..], &["scim"]].concat())?;
    let mut names = vec![login.to_owned()];
    if home == "Étude Durand" {
        names.extend([home.to_owned(), "552100554".to_owned(), "durand.test".to_owned()]);
    }
    Ok(Person {
        login: login.to_owned(),
        role,
        home,
        mail_password,
        marks: Vec::new(),
        names,
        owns: BTreeMap::from([("guess", "A".repeat(43)), ("login", login.to_owned())]),
        browser: browser.map(|(csrf, staff)| (staff, csrf)),
        api,
    })
}

/// Logs in with a code by mail.
fn by_mail(demo: &Demo, login: &str, password: &str, mail_password: &str) -> Result<Staff> {
    let staff = Staff::new(demo)?;
    let form = staff.get("/")?;
    let asked = staff.post("/login/code", &form, &[("identifier", login), ("password", password)])?;
    let (port, ca) = (demo.about.ports.imaps.to_string(), demo.about.ca.to_string_lossy().into_owned());
    let mut found = None;
    wait_until("the code by mail", || {
        let read = must("python3", &[&script("mailbox.py"), &port, &ca, login, mail_password])?;
        let all: Vec<String> = serde_json::from_str(&read)?;
        for mail in all {
            let mail = String::from_utf8_lossy(&base64_simd::STANDARD.decode_to_vec(mail)?).into_owned();
            if mail.contains("Authentification") || mail.contains("Sign-in") {
                found = Some(code_in(&mail)?);
            }
        }
        Ok(found.is_some())
    })?;
    let typed = found.context("no code")?;
    let entered =
        staff.post("/login", &asked, &[("identifier", login), ("password", ""), ("code", &typed)])?;
    ensure!(entered.status == 303, "{login}: {} {}", entered.status, entered.text());
    Ok(staff)
}

/// A deposit with a file, and an upload that nothing has taken.
fn possess(demo: &Demo, person: &mut Person) -> Result<()> {
    let name = person.login.split('@').next().unwrap_or_default().to_owned();
    let (subject, body, file) =
        (format!("Sujet-{name}-7141"), format!("Texte-{name}-7142"), format!("fichier-{name}-7143.bin"));
    let recipient = format!("recipient-{name}@outside.test");
    let mut mail = Mail::new(&[&recipient], &format!("[secure] {subject}")).text(&format!("{body}\r\n"));
    mail.from = person.login.clone();
    let mail = mail.file(File::noise(&file, 40_000));
    let mut place = Place::new(demo, "alice")?;
    place.act_as(&person.login, &person.mail_password);
    let deposit = place.send(&[&recipient], &mail.bytes())?;
    let arrived = wait_for_deposit(demo, &recipient, &deposit)?;
    let link = link_in(&arrived)?.strip_prefix(&demo.url()).context("a link elsewhere")?.to_owned();
    let shown = person.api.get(&format!("/api/v1/deposits/{deposit}"))?.expect(200)?;
    let reference = shown["reference"].as_str().context("no reference")?.to_owned();
    let upload = person.api.put(b"Octets that nobody else takes.", &file)?;
    person.marks = vec![subject.clone(), body, file, recipient.clone(), reference.clone(), deposit.clone()];
    for (name, value) in [
        ("subject", subject),
        ("recipient", recipient),
        ("reference", reference),
        ("deposit", deposit),
        ("upload", upload),
        ("link", link),
    ] {
        person.owns.insert(name, value);
    }
    Ok(())
}
