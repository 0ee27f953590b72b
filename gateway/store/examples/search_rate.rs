//! How quickly lists and searches answer over very many journal entries, and what the index of words costs.
//!
//! `search_rate [--database URL] [--entries N]`
//!
//! Writes N entries (2,000,000), four for each deposit with two recipients, over 26 weeks of content, into an empty
//! database; enters their words; then asks each question fifteen times and prints the median. Without `--database`, an
//! SQLite file in the working directory's `target/search-rate` is used.
#![allow(clippy::print_stdout, reason = "a command for people")]

use jiff::SignedDuration;
use sealpost_envelope::{AccountId, Clock, DepositId, EntityId, EntryId, SystemClock, Timestamp};
use sealpost_evidence::EventName;
use sealpost_store::{
    Args, DepositRow, FollowFilter, FollowJournal, RecipientMatch, Sight, StateFilter, Store, StoreConfig,
    Term, args, deposit::DepositState, words,
};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Done<T> = Result<T, Box<dyn Error>>;

const EACH: usize = 4;
const WEEKS: usize = 26;
const TIMES: usize = 15;
const EVENTS: [EventName; EACH] = [
    EventName::SubmissionAcceptance,
    EventName::NotificationForAcceptance,
    EventName::RelayToNonERDS,
    EventName::ConsignmentAcceptance,
];
const DEPOSIT: &str = "INSERT INTO deposits (id, entity, account, submitter, sender, sender_key, reference, idempotency, \
     message_id, created, size, sha256, sha512, wrapped_key, key_week, meta, skeleton) VALUES";
const PERSON: &str = "INSERT INTO consignments (deposit, recipient, entity, address, address_key, language, treatment, \
     gate, expires, retention, rule, generation, first_sent, opened) VALUES";
const ENTRY: &str =
    "INSERT INTO journal (id, time, event, entity, deposit, recipient, idx, leaf, bytes, openings) VALUES";

/// What the content of a deposit says: its number is where the subject would be.
fn said(row: &DepositRow) -> Vec<String> {
    let n: usize = row.message_id.as_deref().and_then(|n| n.parse().ok()).unwrap_or(0);
    let subject = format!("Dossier {} compte rendu patient{}", n % 7919, n % 5003);
    vec![subject, format!("Jeanne Person{}", n * 7 % 20_000), format!("imagerie_{}.pdf", n % 997)]
}

struct Filled {
    store: Store,
    entity: EntityId,
    newest: Timestamp,
}

async fn fill(store: Store, entries: usize) -> Done<Filled> {
    let entity = store.ensure_entity("Cabinet Martin", None).await?;
    let (now, deposits) = (SystemClock.now(), entries / EACH);
    let apart = SignedDuration::from_secs(26);
    let mut keys = Vec::new();
    for week in 0..WEEKS {
        let hours = 24 * 7 * i64::try_from(week + 4)?;
        let (_, wrapped, name) =
            store.keys().new_deposit_key(now.saturating_add(SignedDuration::from_hours(hours))?)?;
        keys.push((wrapped.bytes, name));
    }
    let begun = now.saturating_sub(apart.saturating_mul(i32::try_from(deposits)?))?;
    for first in (0..deposits).step_by(500) {
        let (mut rows, mut people, mut all): (Vec<Args>, Vec<Args>, Vec<Args>) = Default::default();
        for n in first..deposits.min(first + 500) {
            let (id, created) = (DepositId::generate(), begun.saturating_add(apart * i32::try_from(n)?)?);
            let (wrapped, week) = &keys[n * WEEKS / deposits];
            // Every hundredth is that of the account whose list is asked for.
            let (account, sender) = if n % 100 == 0 {
                (Some(AccountId(1)), "alice".to_owned())
            } else {
                (None, format!("sender{}", n % 300))
            };
            let sender = format!("{sender}@martin.example");
            rows.push(args![
                id,
                entity,
                account,
                r#"{"by":"asserted","server":"exchange"}"#,
                sender.as_str(),
                sender.as_str(),
                sealpost_envelope::Reference::generate().as_str(),
                id.0.as_bytes().to_vec(),
                n.to_string(),
                created,
                4096i64,
                "0".repeat(64),
                "0".repeat(128),
                wrapped.clone(),
                week.as_str(),
                vec![2u8; 200],
                vec![3u8; 900]
            ]);
            let to = |k: usize| format!("person{}@dupont.example", (n * 7 + k) % 20_000);
            for k in 1..=2usize {
                let opened = (n % 3 > 0).then_some(created);
                people.push(args![
                    id,
                    i64::try_from(k)?,
                    entity,
                    to(k),
                    to(k),
                    "fr",
                    "notify",
                    r#"["otp-mail"]"#,
                    created,
                    created,
                    "default",
                    0i64,
                    created,
                    opened
                ]);
            }
            for (k, event) in EVENTS.iter().enumerate() {
                let time = created.saturating_add(SignedDuration::from_secs(i64::try_from(k)?))?;
                let open = format!(
                    r#"{{"open":{{"actor.network":{{"salt":"x","value":"192.0.2.{}"}},"detail.sender":{{"salt":"x","value":"{sender}"}}}}}}"#,
                    n % 250
                );
                let whom = (k > 1).then(|| i64::try_from(k - 1)).transpose()?;
                all.push(args![
                    EntryId::generate(),
                    time,
                    event.as_str(),
                    entity,
                    id,
                    whom,
                    i64::try_from(n * EACH + k)?,
                    vec![1u8; 32],
                    vec![b'{'; 600],
                    open.into_bytes()
                ]);
            }
        }
        let unit = async move |tx: &mut sealpost_store::Tx| {
            tx.insert(DEPOSIT, rows, "").await?;
            tx.insert(PERSON, people, "").await?;
            tx.insert(ENTRY, all, "").await
        };
        store.db().write(unit).await?;
    }
    Ok(Filled { store, entity, newest: now })
}

impl Filled {
    fn journal(&self, q: &str) -> FollowJournal {
        FollowJournal {
            sight: Sight::Entity(self.entity),
            words: words(q).map(|word| Term { word, events: Vec::new() }).collect(),
            events: Vec::new(),
            deposit: None,
            address: None,
            since: None,
            until: None,
            after: None,
            limit: 51,
        }
    }

    async fn ask(&self, what: &str, filter: FollowJournal) -> Done<()> {
        let (mut took, mut found) = (Vec::new(), 0);
        for _ in 0..TIMES {
            let begun = Instant::now();
            found = self.store.follow_journal(&filter).await?.len();
            took.push(begun.elapsed());
        }
        tell(&mut took, found, what);
        Ok(())
    }

    async fn list(&self, what: &str, filter: FollowFilter) -> Done<()> {
        let (mut took, mut found) = (Vec::new(), 0);
        for _ in 0..TIMES {
            let begun = Instant::now();
            found = self.store.follow(&filter).await?.len();
            took.push(begun.elapsed());
        }
        tell(&mut took, found, what);
        Ok(())
    }
}

fn tell(took: &mut [Duration], found: usize, what: &str) {
    took.sort();
    println!("{:>9.2} ms  {found:>3} rows  {what}", took[took.len() / 2].as_secs_f64() * 1e3);
}

#[tokio::main]
async fn main() -> Done<()> {
    let (mut database, mut entries) = (None, 2_000_000);
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or_else(|| format!("{name} wants a value"))?;
        match name.as_str() {
            "--database" => database = Some(value),
            "--entries" => entries = value.parse()?,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    let dir = PathBuf::from("target/search-rate");
    let url = match database {
        Some(url) => url,
        None => {
            match std::fs::remove_dir_all(&dir) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
                _ => std::fs::create_dir_all(&dir)?,
            }
            format!("sqlite:{}", dir.join("store.db").display())
        }
    };
    let config = StoreConfig {
        database: url,
        blobs: format!("file:{}", dir.join("blobs").display()),
        s3: None,
        keys: dir.join("keys"),
    };
    let begun = Instant::now();
    let filled = fill(Store::open(&config, Arc::new(SystemClock)).await?, entries).await?;
    println!("{entries} entries written in {:.0} s", begun.elapsed().as_secs_f64());
    let size = || std::fs::metadata(dir.join("store.db")).map_or(0, |m| m.len() >> 20);
    let (before, begun) = (size(), Instant::now());
    while filled.store.enter_words(said).await?.entries > 0 {}
    let took = begun.elapsed().as_secs_f64();
    println!(
        "words entered in {took:.0} s, {:.0} entries/s; file {before} MiB, then {} MiB",
        entries as f64 / took,
        size()
    );
    questions(&filled).await
}

async fn questions(f: &Filled) -> Done<()> {
    let of = |event| FollowJournal { events: vec![event], ..f.journal("") };
    let own = |q| FollowJournal { sight: Sight::Own(f.entity, AccountId(1)), ..f.journal(q) };
    let days = |n: i32| f.newest.saturating_sub(SignedDuration::from_hours(24) * n);
    f.ask("the newest", f.journal("")).await?;
    for q in [
        "person8",
        "jeanne dossier",
        "patient17 imagerie",
        "dossier 7 patient17",
        "sender7 person14",
        "absent",
        "absent dossier",
        "sender7 sender8",
        "martin example",
        "192 compte rendu jeanne dossier pdf",
    ] {
        f.ask(&format!("words: {q}"), f.journal(q)).await?;
    }
    f.ask(
        "words, in a month half a year ago",
        FollowJournal { since: Some(days(100)?), until: Some(days(70)?), ..f.journal("patient17 dossier") },
    )
    .await?;
    let deep =
        f.store.follow_journal(&FollowJournal { until: Some(days(120)?), ..f.journal("dossier") }).await?;
    let after = deep.last().map(|e| (e.time, e.id));
    f.ask("words, a page far down", FollowJournal { after, ..f.journal("jeanne dossier") }).await?;
    f.ask("the newest, a page far down", FollowJournal { after, ..f.journal("") }).await?;
    f.ask("an event", of(EventName::ConsignmentAcceptance)).await?;
    f.ask("an event that never happened", of(EventName::LogRestarted)).await?;
    f.ask("a sender's own", own("")).await?;
    f.ask("a sender's own, words", own("dossier jeanne")).await?;
    let all = FollowFilter::all(Sight::Entity(f.entity), 51);
    let mine = FollowFilter::all(Sight::Own(f.entity, AccountId(1)), 51);
    f.list("deposits", all.clone()).await?;
    f.list("deposits, a sender's own", mine.clone()).await?;
    f.list("deposits in a state", FollowFilter { state: StateFilter::parse("received"), ..all.clone() })
        .await?;
    f.list(
        "deposits in a state that none has",
        FollowFilter { state: Some(StateFilter::Is(DepositState::Held)), ..all.clone() },
    )
    .await?;
    let address = RecipientMatch::Address("person8@dupont.example".into());
    f.list("deposits to an address", FollowFilter { recipient: Some(address.clone()), ..all.clone() })
        .await?;
    f.list("deposits to an address, a sender's own", FollowFilter { recipient: Some(address), ..mine })
        .await?;
    f.list(
        "deposits to part of an address",
        FollowFilter { recipient: Some(RecipientMatch::Part("rson8@".into())), ..all },
    )
    .await?;
    Ok(())
}
