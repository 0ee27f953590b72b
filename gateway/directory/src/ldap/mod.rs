//! An LDAP directory: who somebody is, whether a password is theirs, and everybody in it.
//!
//! **Failure.** An entry that does not fit (none, two, or one with another address) is "wrong password"; everything
//! else is [`Trouble`].

mod ber;
mod client;
mod filter;

pub use client::Found;
pub use filter::FilterError;

use crate::connection::Place;
use crate::{Answer, Person, Trouble};
use client::{Client, Query, Scope};
use sealpost_envelope::{EmailAddress, Secret};
use std::time::Duration;
use tokio::time::timeout;

/// Entries of one page of everybody.
const PAGE: u32 = 500;
/// Groups of one person that are looked at.
const GROUPS: u32 = 500;
/// More pages than this are no organisation's.
const PAGES: u32 = 2_000;

/// How a person's entry is found.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// Its distinguished name follows from the login: with `{login}`, `{local}` and `{domain}`.
    Template(String),
    /// We log in ourselves and search by this filter, with the same places.
    Filter(String),
}

/// A directory as configured.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Where it is.
    pub place: Place,
    /// Our name and password there, for searching.
    pub own_login: Option<(String, Secret<String>)>,
    /// How somebody is found.
    pub lookup: Lookup,
    /// Below which entry people are.
    pub base: String,
    /// Attribute of the address.
    pub mail: String,
    /// Attribute of the name for people.
    pub name: String,
    /// Attribute that names a person's groups.
    pub groups: String,
    /// Filter of groups, with `{dn}` for the person: for directories whose people do not name theirs.
    pub group_filter: Option<String>,
    /// Filter of everybody, for synchronisation.
    pub people: String,
}

impl Directory {
    /// What is wrong with the filters, before anybody logs in.
    pub fn check(&self) -> Result<(), FilterError> {
        filter::parse(&self.people)?;
        if let Lookup::Filter(text) = &self.lookup {
            if !["{login}", "{local}"].iter().any(|place| text.contains(place)) {
                return Err(FilterError(format!("{text} (it names neither {{login}} nor {{local}})")));
            }
            filter::parse(&text.replace(['{', '}'], ""))?;
        }
        match &self.group_filter {
            Some(text) if !text.contains("{dn}") => {
                Err(FilterError(format!("{text} (it does not name {{dn}})")))
            }
            Some(text) => filter::parse(&text.replace(['{', '}'], "")).map(drop),
            None => Ok(()),
        }
    }

    pub(crate) async fn judge(
        &self,
        login: &EmailAddress,
        password: &Secret<String>,
    ) -> Result<Answer, Trouble> {
        let mut client = Client::connect(&self.place).await?;
        let answer = self.judge_by(&mut client, login, password).await;
        client.close().await;
        answer
    }

    async fn judge_by(
        &self,
        client: &mut Client,
        login: &EmailAddress,
        password: &Secret<String>,
    ) -> Result<Answer, Trouble> {
        let person = match &self.lookup {
            Lookup::Template(template) => {
                let name = filter::filled(template, login, filter::escaped_name);
                if !client.bind(&name, password.expose()).await? {
                    return Ok(Answer::Wrong);
                }
                let query = self.query(&name, Scope::Object, b"\x87\x0bobjectClass");
                let page = client.search(&query, None).await?;
                self.person(client, page.entries, login).await?
            }
            Lookup::Filter(template) => {
                self.log_in(client).await?;
                let text = filter::filled(template, login, filter::escaped);
                let filter = filter::parse(&text).map_err(|e| Trouble::Refused(e.to_string()))?;
                let page = client.search(&self.query(&self.base, Scope::Subtree, &filter), None).await?;
                let name = page.entries.first().map(|e| e.name.clone()).unwrap_or_default();
                let person = self.person(client, page.entries, login).await?;
                // Their own password last, so that nothing is asked in their name.
                match person {
                    Some(person) if client.bind(&name, password.expose()).await? => Some(person),
                    _ => None,
                }
            }
        };
        Ok(person.map_or(Answer::Wrong, Answer::Right))
    }

    async fn log_in(&self, client: &mut Client) -> Result<(), Trouble> {
        let Some((name, password)) = &self.own_login else { return Err(Trouble::OurLogin) };
        if client.bind(name, password.expose()).await? { Ok(()) } else { Err(Trouble::OurLogin) }
    }

    fn query<'a>(&'a self, base: &'a str, scope: Scope, filter: &'a [u8]) -> Query<'a> {
        // Two would be one too many: then it is nobody's login.
        let attributes = vec![self.mail.as_str(), self.name.as_str(), self.groups.as_str()];
        Query { base, scope, filter, attributes, most: 2 }
    }

    /// The one entry that has the login as its address.
    async fn person(
        &self,
        client: &mut Client,
        entries: Vec<Found>,
        login: &EmailAddress,
    ) -> Result<Option<Person>, Trouble> {
        let [entry] = &entries[..] else { return Ok(None) };
        if entry.name.is_empty() || !self.addresses(entry).any(|a| a.key() == login.key()) {
            return Ok(None);
        }
        let groups = self.groups_of(client, entry).await?;
        Ok(Some(Person { address: login.clone(), name: self.name_of(entry), groups }))
    }

    fn addresses<'a>(&'a self, entry: &'a Found) -> impl Iterator<Item = EmailAddress> + 'a {
        entry.values(&self.mail).filter_map(|v| EmailAddress::parse(v).ok())
    }

    fn name_of(&self, entry: &Found) -> Option<String> {
        let name = entry.values(&self.name).next()?;
        let clean: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
        (!clean.trim().is_empty()).then(|| clean.trim().to_owned())
    }

    async fn groups_of(&self, client: &mut Client, entry: &Found) -> Result<Vec<String>, Trouble> {
        let mut groups: Vec<String> = entry.values(&self.groups).map(str::to_owned).collect();
        if let Some(template) = &self.group_filter {
            let text = template.replace("{dn}", &filter::escaped(&entry.name));
            let filter = filter::parse(&text).map_err(|e| Trouble::Refused(e.to_string()))?;
            let query = Query {
                attributes: vec!["1.1"],
                most: GROUPS,
                ..self.query(&self.base, Scope::Subtree, &filter)
            };
            groups.extend(client.search(&query, None).await?.entries.into_iter().map(|g| g.name));
        }
        Ok(groups)
    }

    /// Everybody, page by page; no step may take longer than `patience`. Who has no address is left out.
    pub(crate) async fn people(
        &self,
        mut take: impl AsyncFnMut(Vec<Person>) -> Result<(), Trouble>,
        patience: Duration,
    ) -> Result<(), Trouble> {
        let slow = |_| Trouble::Slow(patience);
        let opened = async {
            let mut client = Client::connect(&self.place).await?;
            self.log_in(&mut client).await?;
            Ok(client)
        };
        let mut client = timeout(patience, opened).await.map_err(slow)??;
        let filter = filter::parse(&self.people).map_err(|e| Trouble::Refused(e.to_string()))?;
        let query = Query { most: PAGE, ..self.query(&self.base, Scope::Subtree, &filter) };
        let mut cookie = Vec::new();
        for _ in 0..PAGES {
            let page = timeout(patience, client.search(&query, Some(&cookie))).await.map_err(slow)??;
            let mut people = Vec::with_capacity(page.entries.len());
            for entry in &page.entries {
                let Some(address) = self.addresses(entry).next() else { continue };
                let groups = timeout(patience, self.groups_of(&mut client, entry)).await.map_err(slow)??;
                people.push(Person { address, name: self.name_of(entry), groups });
            }
            take(people).await?;
            cookie = page.cookie;
            if cookie.is_empty() {
                client.close().await;
                return Ok(());
            }
        }
        Err(Trouble::Protocol("pages without end"))
    }
}
