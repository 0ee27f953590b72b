//! `sealpost user import`: accounts from a table, judged whole before anything is written.
//!
//! **Exposure.** A file that the administrator was given by somebody else: bounded, every mistake named with its
//! line. Nothing is removed: who is missing in the file stays.

use super::{Desk, Person};
use crate::commands::{Answer, Unusable};
use anyhow::{Context, Result};
use sealpost_envelope::EmailAddress;
use sealpost_evidence::Detail;
use sealpost_store::account::{Account, Profile, Role};
use std::collections::HashSet;
use std::path::Path;

/// Largest file read.
const LARGEST: u64 = 16 << 20;
/// The columns, in any order; only the login must be there.
const COLUMNS: [&str; 8] = ["login", "name", "role", "access_code", "civility", "contact", "phone", "owner"];

/// A line of the file. An empty field says nothing; a contact of `-` says that no address is on file, an owner of `-`
/// that it is a person's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    login: EmailAddress,
    name: Option<String>,
    role: Role,
    access_code: Option<String>,
    civility: Option<String>,
    contact: Contact,
    phone: Option<String>,
    owner: Contact,
}

/// An address, none, or nothing said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Contact {
    Unsaid,
    None,
    At(EmailAddress),
}

impl Desk<'_> {
    pub(super) async fn import_people(
        &self,
        file: &Path,
        entity: Option<&str>,
        dry_run: bool,
        invite: bool,
        json: bool,
    ) -> Result<Answer> {
        let size = std::fs::metadata(file).with_context(|| Unusable(format!("{}", file.display())))?.len();
        if size > LARGEST {
            return Err(Unusable(format!("{}: larger than 16 MiB", file.display())).into());
        }
        let text = std::fs::read_to_string(file).map_err(|e| Unusable(format!("{}: {e}", file.display())))?;
        let lines = match read(&text) {
            Ok(lines) => lines,
            Err(mistakes) => {
                for mistake in mistakes {
                    eprintln!("{}: {mistake}", file.display());
                }
                return Err(Unusable("nothing was written".to_owned()).into());
            }
        };
        self.owners_exist(&lines).await?;
        let owners: Vec<_> = lines.iter().map(|l| (l.login.clone(), l.owner.clone())).collect();
        for line in lines {
            let known = self.accounts.by_login(&line.login).await?;
            let word = if known.is_some() { "correct" } else { "add" };
            match json {
                true => {
                    say!("{}", serde_json::json!({"login": line.login, "does": word, "dry_run": dry_run}))
                }
                false => say!("{word:<8} {}", line.login),
            }
            if !dry_run {
                self.take(line, known, entity, invite).await?;
            }
        }
        // Now everybody is there who may be named.
        for (login, owner) in owners {
            let owner = match owner {
                Contact::At(owner) if !dry_run => Some(self.find(owner.as_str()).await?),
                Contact::None if !dry_run => None,
                _ => continue,
            };
            let account = self.find(login.as_str()).await?;
            if account.owner != owner.as_ref().map(|o| o.id) {
                self.give(&account, owner.as_ref()).await?;
            }
        }
        Ok(Answer::Done)
    }

    /// Every owner is a person of the file, or one who has an account.
    async fn owners_exist(&self, lines: &[Line]) -> Result<()> {
        for line in lines {
            let Contact::At(owner) = &line.owner else { continue };
            let person = match lines.iter().find(|l| l.login.key() == owner.key()) {
                Some(other) => !matches!(other.owner, Contact::At(_)),
                None => self.accounts.by_login(owner).await?.is_some_and(|a| a.owner.is_none()),
            };
            if !person {
                let text =
                    format!("{}: {owner} has no account, or is no person; nothing was written", line.login);
                return Err(Unusable(text).into());
            }
        }
        Ok(())
    }

    async fn take(
        &self,
        line: Line,
        known: Option<Account>,
        entity: Option<&str>,
        invite: bool,
    ) -> Result<()> {
        let is_new = known.is_none();
        let account = match known {
            Some(account) => account,
            None => {
                let person = Person {
                    login: line.login.as_str(),
                    role: line.role.as_str(),
                    name: line.name.clone(),
                    entity: entity.map(str::to_owned),
                    owner: None,
                };
                self.create(person, None).await?
            }
        };
        if !is_new && let Some(name) = line.name.as_ref().filter(|n| **n != account.name) {
            let events = self.changed(account.entity, &account.login, "name").await?;
            self.accounts.set_name(account.id, name, events).await?;
        }
        let former = self.accounts.own_profile(&account).await?;
        let fresh = Profile {
            access_code: line.access_code.or(former.access_code.clone()),
            civility: line.civility.or(former.civility.clone()),
            contact: match line.contact {
                Contact::Unsaid => former.contact.clone(),
                Contact::None => None,
                Contact::At(address) => Some(address),
            },
            phone: line.phone.or(former.phone.clone()),
        };
        if fresh != former {
            let detail = Detail::new().text("change", "profile").personal("login", account.login.as_str());
            let events = self.journaled(account.entity, detail)?;
            self.accounts.set_profile(&account, &fresh, events).await?;
        }
        // Nobody at an application chooses a password.
        let person = !matches!(line.owner, Contact::At(_));
        if invite && is_new && person && fresh.contact.is_some() {
            self.send_invitation(&account).await?;
        }
        Ok(())
    }
}

/// Every line of the table, or every mistake in it.
fn read(text: &str) -> Result<Vec<Line>, Vec<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let Some((_, head)) = rows.next() else { return Err(vec!["the file is empty".to_owned()]) };
    let separator = if head.contains(';') { ';' } else { ',' };
    let head: Vec<String> = fields(head, separator).iter().map(|f| f.trim().to_lowercase()).collect();
    let mut mistakes: Vec<String> = head
        .iter()
        .filter(|h| !COLUMNS.contains(&h.as_str()))
        .map(|h| format!("unknown column {h:?}"))
        .collect();
    if !head.iter().any(|h| h == "login") {
        mistakes.push("no column \"login\"".to_owned());
    }
    let (mut lines, mut seen) = (Vec::new(), HashSet::new());
    for (number, row) in rows {
        let values = fields(row, separator);
        let get = |name: &str| {
            let at = head.iter().position(|h| h == name)?;
            values.get(at).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
        };
        match line(&get) {
            Ok(line) if !seen.insert(line.login.key()) => {
                mistakes.push(format!("line {}: {} stands there twice", number + 1, line.login));
            }
            Ok(line) => lines.push(line),
            Err(mistake) => mistakes.push(format!("line {}: {mistake}", number + 1)),
        }
    }
    if mistakes.is_empty() { Ok(lines) } else { Err(mistakes) }
}

fn line(get: &impl Fn(&str) -> Option<String>) -> Result<Line, String> {
    let login = get("login").ok_or("no login")?;
    let login = EmailAddress::parse(&login).map_err(|e| format!("{login}: {e}"))?;
    let role = get("role").unwrap_or_else(|| "sender".to_owned());
    let role: Role = role.parse().map_err(|e: sealpost_store::account::AccountError| e.to_string())?;
    if role == Role::Demo {
        return Err("the role demo is for demonstrations".to_owned());
    }
    let address = |column| match get(column) {
        None => Ok(Contact::Unsaid),
        Some(text) if text == "-" => Ok(Contact::None),
        Some(text) => EmailAddress::parse(&text).map(Contact::At).map_err(|e| format!("{text}: {e}")),
    };
    let phone = get("phone");
    if let Some(bad) = phone.as_ref().filter(|p| p.bytes().filter(u8::is_ascii_digit).count() < 8) {
        return Err(format!("{bad} is no telephone number"));
    }
    Ok(Line {
        login,
        name: get("name"),
        role,
        access_code: get("access_code"),
        civility: get("civility"),
        contact: address("contact")?,
        phone,
        owner: address("owner")?,
    })
}

/// The fields of a line: quotes hold separators, doubled quotes hold one; no line ends inside.
fn fields(line: &str, separator: char) -> Vec<String> {
    let (mut all, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            c if c == separator && !quoted => all.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    all.push(field);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_as_people_make_them() {
        let table = "\u{feff}Login;Name;Civility;Contact\r\n\
                     anne@lilas.example;\"Martin; Anne\";Docteur;-\r\n\r\n\
                     paul@lilas.example;\"Dit \"\"Paulo\"\"\";;paul@home.example\r\n";
        let lines = read(table).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].name.as_deref(), Some("Martin; Anne"));
        assert_eq!((lines[0].civility.as_deref(), &lines[0].contact), (Some("Docteur"), &Contact::None));
        assert_eq!(lines[1].name.as_deref(), Some("Dit \"Paulo\""));
        assert_eq!(lines[1].contact, Contact::At(EmailAddress::parse("paul@home.example").unwrap()));
        assert_eq!(lines[1].role, Role::Sender);
    }

    #[test]
    fn every_mistake_is_named() {
        let table = "login,rôle,role\na@b.test,,boss\nnobody,,\na@b.test,,\na@b.test,,\n";
        let mistakes = read(table).unwrap_err();
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
        assert!(mistakes[0].contains("unknown column") && mistakes[1].contains("line 2"));
        assert!(mistakes[2].contains("line 3") && mistakes[3].contains("line 5"));
        assert_eq!(read("").unwrap_err().len(), 1);
        assert_eq!(read("name\nx\n").unwrap_err().len(), 2);
    }
}
