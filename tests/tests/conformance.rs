//! The abuse table: what strangers may try over SMTP, what the RFC demands, what we answer and what Postfix does,
//! in one run. Fails where we are below a demand, answer other than the case says, or log nothing where Postfix
//! warns. `docs/smtp-conformance.md` is written from it (SEALPOST_BLESS=1) and must otherwise be equal.

mod case;
mod postfix;
mod talk;

use anyhow::{Result, ensure};
use case::Case;
use postfix::Postfix;
use sealpost_tests::sending::trusting;
use sealpost_tests::tools::wait_until;
use sealpost_tests::{Demo, DemoOptions};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use talk::{Answer, Reply, Server};

/// Wrong logins of one case must not hold up those of another.
fn patient(config: String) -> String {
    let limits = "\n[limits]\nlogins_per_account = 100000\nlogins_per_address = 100000\n";
    config.replacen("\n[limits]\n", limits, 1)
}

#[test]
fn abuse_is_answered_as_the_rfcs_demand() -> Result<()> {
    let demo = Demo::start_edited(DemoOptions::default(), patient)?;
    let alice = demo.account("alice");
    let (login, password) = (alice.login.clone(), alice.app_password.clone());
    let peer =
        Postfix::start(&demo.dir.join("tls/cert.pem"), &demo.dir.join("tls/key.pem"), &login, &password)?;
    let ports = &demo.about.ports;
    let ours = Server {
        inbound: ports.inbound,
        submission: ports.submission,
        submissions: ports.submissions,
        tls: trusting(&demo.about.ca)?,
        login,
        password,
    };
    let theirs = Server {
        inbound: peer.inbound,
        submission: peer.submission,
        submissions: peer.submissions,
        ..ours.clone()
    };
    let cases = case::read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/cases"));
    ensure!(cases.len() >= 100, "only {} cases", cases.len());
    let results = play_all(&cases, &ours, &theirs);

    // Logs are written by other processes: the last session's line may still be on its way.
    let warned =
        |log: &str, client: u16| log.lines().any(|l| l.contains(&format!(":{client}")) && is_warning(l));
    wait_until("our log tells of the refusals", || {
        let log = plain(&demo.log());
        Ok(results.iter().all(|(a, _)| a.as_ref().map_or(true, |a| !negative(a) || warned(&log, a.client))))
    })?;
    let (our_log, their_log) = (plain(&demo.log()), peer.log());
    let mut faults = Vec::new();
    let mut rows = Vec::new();
    for (case, (ours, theirs)) in cases.iter().zip(&results) {
        let (ours, theirs) = match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => (ours, theirs),
            (Err(e), _) => {
                faults.push(format!("{}: {e:#}", case.name));
                continue;
            }
            (_, Err(e)) => {
                faults.push(format!("{}: Postfix: {e:#}", case.name));
                continue;
            }
        };
        let told = [warned(&our_log, ours.client), warned(&their_log, theirs.client)];
        if shown(ours) != uncounted(&case.ours) {
            faults.push(format!("{}: answered `{}` instead of `{}`", case.name, shown(ours), case.ours));
        }
        if !meets(&case.demand, ours) {
            faults.push(format!("{}: `{}` is below `{}`", case.name, shown(ours), case.demand));
        }
        if ours.replies.iter().any(|r| r.long) {
            faults.push(format!("{}: a reply line of over 512 octets", case.name));
        }
        if told[1] && !told[0] {
            faults.push(format!("{}: Postfix warns in its log, we do not", case.name));
        }
        rows.push((case, ours, theirs, told));
    }
    ensure!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    compare(&page(&peer.version, &rows))
}

/// All cases against both, some at a time.
fn play_all(cases: &[Case], ours: &Server, theirs: &Server) -> Vec<(Result<Answer>, Result<Answer>)> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((n, case)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, cases.get(n)?)))
                {
                    let mut first = talk::play(ours, case);
                    // Closing resets a connection whose input is unread, and a reset may destroy the last replies.
                    if first.as_ref().is_ok_and(|a| a.closed && shown(a) != uncounted(&case.ours)) {
                        first = talk::play(ours, case);
                    }
                    let pair = (first, talk::play(theirs, case));
                    done.lock().expect("no thread panics here").push((n, pair));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no thread panics here");
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, pair)| pair).collect()
}

fn negative(answer: &Answer) -> bool {
    answer.replies.iter().any(|r| r.code >= 500)
}

/// Our log without what colours it.
fn plain(log: &str) -> String {
    log.replace('\u{1b}', "")
}

/// A line that would make an administrator look. Not Postfix's remark on pipelining: whether it sees any depends on
/// which packet comes first.
fn is_warning(line: &str) -> bool {
    [" WARN ", " ERROR ", "warning:", "NOQUEUE: reject", "too many errors"]
        .iter()
        .any(|word| line.contains(word) && !line.contains("improper command pipelining"))
}

/// Whether an answer meets a demand; see `case.rs`.
fn meets(demand: &str, answer: &Answer) -> bool {
    let has = |codes: &str| {
        codes.split('/').any(|c| answer.replies.iter().any(|r| r.code.to_string().starts_with(c)))
    };
    let accepted = answer.replies.iter().filter(|r| r.accepted).count();
    let refused = answer.replies.iter().any(|r| r.code >= 400);
    demand.split('+').all(|part| match part.split_once(':') {
        Some(("code", codes)) => has(codes),
        Some(("not", codes)) => !has(codes),
        _ => match part {
            "accept" => !refused && !answer.closed,
            "refuse" => (refused || answer.closed) && accepted == 0,
            "one" => accepted <= 1,
            "close" => answer.closed,
            "any" => true,
            other => panic!("unknown demand {other}"),
        },
    })
}

/// What is expected, without counts where the server closes: how many replies arrive before is chance.
fn uncounted(expected: &str) -> String {
    if !expected.ends_with("closed") {
        return expected.to_owned();
    }
    let words = expected.split(", ").map(|w| w.split_once(" ×").map_or(w, |(w, _)| w));
    let mut words: Vec<_> = words.collect();
    words.dedup();
    words.join(", ")
}

/// `250 2.1.0, 550 5.7.1 ×3`; `250, closed`.
fn shown(answer: &Answer) -> String {
    let word = |r: &Reply| format!("{} {}", r.code, r.enhanced).trim_end().to_owned();
    let mut words: Vec<(String, usize)> = Vec::new();
    for reply in &answer.replies {
        let text = word(reply);
        match words.last_mut() {
            Some((last, count)) if *last == text => *count += 1,
            _ => words.push((text, 1)),
        }
    }
    if words.len() > 12 {
        // Thousands that alternate: each once, with its number.
        let mut few: Vec<(String, usize)> = Vec::new();
        for (text, n) in words {
            match few.iter_mut().find(|(t, _)| *t == text) {
                Some((_, count)) => *count += n,
                None => few.push((text, n)),
            }
        }
        words = few;
    }
    if answer.closed {
        words.push(("closed".to_owned(), 1));
    }
    let counts = !answer.closed;
    let texts = words.into_iter().map(|(t, n)| if n > 1 && counts { format!("{t} ×{n}") } else { t });
    texts.collect::<Vec<_>>().join(", ")
}

fn page(version: &str, rows: &[(&Case, &Answer, &Answer, [bool; 2])]) -> String {
    let below = rows.iter().filter(|(case, _, theirs, _)| !meets(&case.demand, theirs)).count();
    let silent = rows.iter().filter(|(_, _, _, [ours, theirs])| *ours && !*theirs).count();
    let mut text = format!(
        "# SMTP: what strangers may try\n\n\
         Written by `tests/tests/conformance`, which plays each case against Sealpost and against Debian's Postfix {version} \
         with its defaults, in the same run; do not edit. The cases stand in `tests/tests/conformance/cases/`, octet by octet.\n\n\
         The demand is what the section asks of any server: *accept*, *refuse*, *one* (at most one message comes of it), *code* \
         (a reply that must occur), *not* (one that must not), *close*; *any* where the choice is the server's. The replies are \
         those from the place on that the case is about. *log*: an administrator finds a line about it.\n\n\
         {} cases. Sealpost is below no demand and silent nowhere that Postfix warns; Postfix is below the demand in {below} \
         cases (marked **below**) and silent in {silent} of which Sealpost tells.\n",
        rows.len()
    );
    let mut group = "";
    for (case, ours, theirs, [we_told, they_told]) in rows {
        if case.group != group {
            group = &case.group;
            text += &format!(
                "\n## {group}\n\n| case | demand | Sealpost | Postfix {version} |\n|---|---|---|---|\n"
            );
        }
        let told = |told: &bool| if *told { " · log" } else { "" };
        let mark = if meets(&case.demand, theirs) { "" } else { " **below**" };
        text += &format!(
            "| `{}` {} | {}: {} | {}{} | {}{}{mark} |\n",
            case.name,
            case.text.replace('|', "\\|"),
            case.section,
            case.demand,
            shown(ours),
            told(we_told),
            shown(theirs),
            told(they_told),
        );
    }
    text
}

/// A row without its last cell; nothing of the line that counts.
fn ours(line: &str) -> &str {
    match line.strip_prefix("| `") {
        Some(row) => row.rsplit_once(" | ").map_or(row, |(ours, _)| ours),
        None if line.contains(" cases. Sealpost is below") => "",
        None => line,
    }
}

fn compare(text: &str) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/smtp-conformance.md");
    if std::env::var_os("SEALPOST_BLESS").is_some() {
        return Ok(std::fs::write(file, text)?);
    }
    let stands = std::fs::read_to_string(&file).unwrap_or_default();
    // What Postfix answers a flood differs from run to run; the page shows one run's. Ours must be what stands there.
    let other = text.lines().zip(stands.lines()).find(|(now, then)| ours(now) != ours(then));
    ensure!(
        other.is_none() && text.lines().count() == stands.lines().count(),
        "docs/smtp-conformance.md differs; SEALPOST_BLESS=1 writes it. First difference: {other:#?}"
    );
    Ok(())
}
