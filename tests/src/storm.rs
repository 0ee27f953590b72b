//! Load that goes on while a server dies and comes back, and the account that is settled afterwards: what was
//! acknowledged is there and opens, what was not is nowhere, every message left, the journal is whole.

use crate::Demo;
use crate::mail::{File, Mail, Noise, sha256};
use crate::sending::Place;
use crate::sink::Sink;
use crate::tools::{inbox, run, wait_for};
use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Whom the load is for.
pub const RECIPIENT: &str = "bob@example.test";
/// Who gets a copy of every fourth message, in a mailbox here.
pub const COLLEAGUE: &str = "carol@sealpost.test";
/// Senders at the same time.
pub const SENDERS: u64 = 4;
/// Deposits whose proofs lie on the disk at the same time, per thread.
const CHUNK: usize = 24;
/// Threads that open deposits.
const READERS: usize = 2;

/// What the senders did.
#[derive(Debug, Default)]
pub struct Storm {
    stop: AtomicBool,
    count: AtomicUsize,
    /// Deposit id, and the SHA-256 of what was sent.
    acknowledged: Mutex<BTreeMap<String, String>>,
    /// SHA-256 of what each sender was sending when it was told to stop.
    unanswered: Mutex<BTreeSet<String>>,
    /// SHA-256 of acknowledged messages that a colleague gets as well, unchanged.
    copied: Mutex<BTreeSet<String>>,
    /// How often a message was refused, by code; `broken` stands for connections that ended.
    refusals: Mutex<BTreeMap<String, usize>>,
}

/// What the account came to.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    /// Deposits that were acknowledged: all of them were opened.
    pub acknowledged: usize,
    /// Deposits whose 250 was lost on the way.
    pub unanswered: usize,
    /// Messages handed over a second time, the same bytes.
    pub repeated: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Storm {
    /// Keeps senders at work while `disturb` runs.
    pub fn rage<T>(&self, place: &Place, disturb: impl FnOnce() -> Result<T>) -> Result<T> {
        self.stop.store(false, Ordering::Relaxed);
        // Each round of load has messages of its own.
        let round = self.count() as u64;
        std::thread::scope(|scope| {
            for number in 0..SENDERS {
                scope.spawn(move || self.sender(place, round * SENDERS + number));
            }
            let outcome = disturb();
            self.stop.store(true, Ordering::Relaxed);
            outcome
        })
    }

    /// Messages acknowledged so far.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Refusals by code so far.
    pub fn refusals(&self) -> BTreeMap<String, usize> {
        lock(&self.refusals).clone()
    }

    /// Waits for another acknowledgement, which a working server gives.
    pub fn wait_for_more(&self, more: usize, patience: Duration) -> Result<()> {
        let before = self.count();
        wait_for("another deposit is acknowledged", patience, || Ok(self.count() >= before + more))
            .with_context(|| format!("refused so far: {:?}", self.refusals()))
    }

    /// Sends one message after the other, small and large in turn, until told to stop. What fails is sent
    /// again, as mail programs do: the 250 may have been lost on the way.
    fn sender(&self, place: &Place, number: u64) {
        let mut noise = Noise::new(number);
        for turn in 0u64.. {
            let bytes = message(number, turn, &mut noise).bytes();
            let copied = turn.is_multiple_of(4);
            let to = if copied { &[RECIPIENT, COLLEAGUE][..] } else { &[RECIPIENT][..] };
            loop {
                if self.stop.load(Ordering::Relaxed) {
                    lock(&self.unanswered).insert(sha256(&bytes));
                    return;
                }
                match place.send(to, &bytes) {
                    Ok(id) => {
                        self.count.fetch_add(1, Ordering::Relaxed);
                        if copied {
                            lock(&self.copied).insert(sha256(&bytes));
                        }
                        lock(&self.acknowledged).insert(id, sha256(&bytes));
                        break;
                    }
                    Err(error) => *lock(&self.refusals).entry(code(&error)).or_default() += 1,
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Settles the account with messages that others sent besides: deposit ids, and the SHA-256 of what was sent.
    pub fn settle_besides(&self, demo: &Demo, sink: &Sink, others: &[(String, String)]) -> Result<Settled> {
        lock(&self.acknowledged).extend(others.iter().cloned());
        self.settle(demo, sink)
    }

    /// Settles the account. The server must be running and left in peace.
    pub fn settle(&self, demo: &Demo, sink: &Sink) -> Result<Settled> {
        let acknowledged = lock(&self.acknowledged).clone();
        let listed = listed(demo)?;
        self.nothing_lost_or_made_up(&acknowledged, &listed)?;
        drained(demo, listed.len())?;
        opened(demo, &listed)?;
        let verdict = demo.sealpost(&["journal", "verify"])?;
        ensure!(verdict.trim_end().ends_with("VALID") && !verdict.contains("INVALID"), "{verdict}");
        let repeated = relayed(sink, &listed)?;
        self.delivered_once(demo)?;
        let unanswered = listed.len() - acknowledged.len();
        Ok(Settled { acknowledged: acknowledged.len(), unanswered, repeated })
    }

    /// A mailbox here has each message exactly once, byte for byte (mail inside the organisation passes).
    fn delivered_once(&self, demo: &Demo) -> Result<()> {
        let copied = lock(&self.copied).clone();
        let mut found = BTreeMap::<String, usize>::new();
        for mail in inbox(demo, COLLEAGUE)? {
            *found.entry(sha256(&mail)).or_default() += 1;
        }
        for digest in &copied {
            ensure!(found.get(digest) == Some(&1), "{COLLEAGUE} has {:?} of {digest}", found.get(digest));
        }
        eprintln!("{} messages in a mailbox here, each once", copied.len());
        Ok(())
    }

    fn nothing_lost_or_made_up(
        &self,
        acknowledged: &BTreeMap<String, String>,
        listed: &BTreeMap<String, String>,
    ) -> Result<()> {
        for (id, digest) in acknowledged {
            let found = listed.get(id).with_context(|| format!("the acknowledged deposit {id} is gone"))?;
            ensure!(found == digest, "{id}: {found} is listed, {digest} was sent");
        }
        // A message sent again is the deposit it was: what stands there unacknowledged is what a sender had
        // under way at the end, once.
        let unanswered = lock(&self.unanswered);
        let mut digests = BTreeSet::new();
        for (id, digest) in listed {
            ensure!(
                acknowledged.contains_key(id) || unanswered.contains(digest),
                "nobody was told of the deposit {id}, and nobody waits for it"
            );
            ensure!(digests.insert(digest), "{id}: the same message is there twice");
        }
        Ok(())
    }
}

fn message(number: u64, turn: u64, noise: &mut Noise) -> Mail {
    let size = [900, 20_000, 90_000, 700_000][(turn % 4) as usize] + noise.number() as usize % 500;
    let tag = if turn.is_multiple_of(3) { "[secure] " } else { "" };
    Mail::new(&[RECIPIENT], &format!("{tag}Charge {number}.{turn}")).file(File::noise("charge.bin", size))
}

/// `452 4.3.1` out of whatever the client says about it.
fn code(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let digits = |w: &str| w.len() == 3 && w.bytes().all(|b| b.is_ascii_digit());
    let enhanced = |w: &str| w.len() >= 5 && w.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let words: Vec<&str> = text.split([' ', '\n', '"', '\r', '-']).collect();
    let found = words.windows(2).find(|w| digits(w[0]) && enhanced(w[1]));
    found.map_or_else(|| "broken".to_owned(), |w| w.join(" "))
}

/// Every deposit and the SHA-256 of its message.
fn listed(demo: &Demo) -> Result<BTreeMap<String, String>> {
    let listed = demo.sealpost(&["--json", "deposit", "list", "--limit", "1000000"])?;
    let read = |line: &str| {
        let row: Value = serde_json::from_str(line)?;
        let text = |name: &str| Ok::<_, anyhow::Error>(row[name].as_str().context("text")?.to_owned());
        Ok((text("id")?, text("sha256")?))
    };
    listed.lines().map(read).collect()
}

/// Kills leave much to be composed and sent.
fn drained(demo: &Demo, deposits: usize) -> Result<()> {
    let (mut waiting, begun) = (String::new(), Instant::now());
    let patience = Duration::from_secs(150) + Duration::from_millis(200) * u32::try_from(deposits)?;
    wait_for("everything is on its way", patience, || {
        waiting = demo.sealpost(&["--json", "queue", "list"])?;
        Ok(!waiting.contains("\"compose\"") && !waiting.contains("\"ready\""))
    })
    .with_context(|| format!("{waiting}\n{}", demo.log()))?;
    eprintln!("queue empty after {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// The bytes of every deposit come out of its proof as they went in.
fn opened(demo: &Demo, listed: &BTreeMap<String, String>) -> Result<()> {
    let begun = Instant::now();
    let all: Vec<_> = listed.iter().collect();
    let chunks = Mutex::new(all.chunks(CHUNK));
    let opened = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let readers = (0..READERS).map(|_| {
            scope.spawn(|| -> Result<()> {
                loop {
                    let Some(chunk) = lock(&chunks).next() else { return Ok(()) };
                    open_chunk(demo, chunk)?;
                    opened.fetch_add(chunk.len(), Ordering::Relaxed);
                }
            })
        });
        let readers: Vec<_> = readers.collect();
        readers.into_iter().try_for_each(|r| r.join().map_err(|_| anyhow!("a reader broke off"))?)
    })?;
    let opened = opened.into_inner();
    ensure!(opened == listed.len(), "{opened} of {} were opened", listed.len());
    eprintln!("{opened} deposits opened, digest equal, in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

fn open_chunk(demo: &Demo, chunk: &[(&String, &String)]) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().to_string_lossy();
    let mut args = vec!["proof", "export", "-o", &path, "--wait"];
    args.extend(chunk.iter().map(|(id, _)| id.as_str()));
    // One alone goes into a file, not into a directory.
    if let [(id, _)] = chunk {
        args.push(id);
    }
    demo.sealpost(&args)?;
    for (id, digest) in chunk {
        let proof = dir.path().join(format!("{id}.asice"));
        let original = run("unzip", &["-p", &proof.to_string_lossy(), "message/original.eml"])?.stdout;
        ensure!(sha256(&original) == **digest, "{id} opens as something else");
    }
    Ok(())
}

/// Every deposit was handed over, and what was handed over twice is recognisable: same Message-ID, same
/// bytes. Answers how many were.
fn relayed(sink: &Sink, listed: &BTreeMap<String, String>) -> Result<usize> {
    let mut handed: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    let (mut all, accepted) = (0, sink.accepted());
    for attempt in &accepted {
        let head = String::from_utf8_lossy(&attempt.message);
        let field = |name: &str| {
            let line = head.lines().find_map(|l| l.strip_prefix(name));
            line.map(|v| v.trim().to_owned()).with_context(|| format!("no {name} in\n{head}"))
        };
        let once = (field("Message-ID:")?, attempt.sha256.clone());
        handed.entry(field("X-Sealpost-Deposit:")?).or_default().insert(once);
        all += 1;
    }
    for id in listed.keys() {
        let forms = handed.get(id).with_context(|| format!("{id} was never handed over"))?;
        ensure!(forms.len() == 1, "{id} was handed over in several forms: {forms:?}");
    }
    ensure!(handed.len() == listed.len(), "mail was handed over for deposits that are not there");
    eprintln!("{all} messages handed over for {} deposits", listed.len());
    Ok(all - handed.len())
}

/// A number from the environment, for longer runs.
pub fn number(variable: &str, usual: usize) -> Result<usize> {
    match std::env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable}={text}")),
        Err(_) => Ok(usual),
    }
}
