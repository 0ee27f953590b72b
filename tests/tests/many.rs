//! Lists and searches over very many journal entries: they stay right, and they stay quick.
//!
//! `SEALPOST_TEST_ENTRIES` sets their number (default 20,000). With two million and the release build (`SEALPOST_BIN`)
//! each answer's median must come within the budget; docs/performance.md has the command.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::{DemoOptions, binary};
use sealpost_tests::sending::Place;
use sealpost_tests::staff::Staff;
use sealpost_tests::tools::{link_in, must, script, wait_for_deposit, wait_until};
use sealpost_tests::{Demo, Door, Mail};
use std::time::{Duration, Instant};

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";
/// Median of an answer, connection and handshake included.
const BUDGET: Duration = Duration::from_millis(100);
/// How often each is asked where time counts.
const TIMES: usize = 15;

/// What is asked, by whom, and what the answer shows, at least so many times.
struct Question<'a> {
    who: &'a Staff,
    path: String,
    shows: &'a str,
    times: usize,
}

fn number() -> Result<u64> {
    Ok(std::env::var("SEALPOST_TEST_ENTRIES").map_or(Ok(20_000), |n| n.parse())?)
}

fn ask(question: &Question<'_>) -> Result<Duration> {
    let begun = Instant::now();
    let page = question.who.get(&question.path)?;
    let took = begun.elapsed();
    let shown = page.text().matches(question.shows).count();
    ensure!(
        page.status == 200 && shown >= question.times,
        "{}: {}, {shown} times {:?} instead of {}",
        question.path,
        page.status,
        question.shows,
        question.times
    );
    Ok(took)
}

#[test]
fn the_journal_is_searched() -> Result<()> {
    let entries = number()?;
    let mut demo = Demo::start(DemoOptions::default())?;
    let mail = Mail::new(&[BOB, DORA], "[secure] Bilan").text("Bonjour.\r\n");
    let id = Place::new(&demo, "alice")?.send(&[BOB, DORA], &mail.bytes())?;
    Door::new(&demo, &link_in(&wait_for_deposit(&demo, BOB, &id)?)?)?.open(&demo, BOB)?;
    wait_until("Bob's opening", || {
        Ok(demo.sealpost(&["journal", "search"])?.contains("ConsignmentAcceptance"))
    })?;
    demo.terminate()?;
    let database = demo.dir.join("data/sealpost.db");
    must("python3", &[&script("many.py"), &database.to_string_lossy(), &id, &entries.to_string()])?;
    let entered = demo.sealpost(&["journal", "index"])?;
    ensure!(entered.contains("in the search index"), "{entered}");
    demo.restart()?;

    let (alice, carol) = (Staff::logged_in(&demo, "alice")?, Staff::logged_in(&demo, "carol")?);
    let row = "<td class=\"wide-cell\">";
    let question = |who, path: &str, shows, times| Question { who, path: path.to_owned(), shows, times };
    let first = carol.get("/journal")?.text();
    let older = first.split("href=\"?").find(|t| t.starts_with("after=")).context("no further page")?;
    let older = format!("/journal?{}", older.split('"').next().unwrap_or_default());
    let questions = [
        question(&carol, "/journal", row, 50),
        question(&carol, &older, row, 50),
        question(&carol, "/journal?event=ConsignmentAcceptance", row, 50),
        question(&carol, "/journal?q=AAAAAABA", "AAAAAABA", 4),
        question(&carol, "/journal?q=person8@example.test", "person8@example.test", 1),
        question(&carol, "/journal?event=ConsignmentAcceptance&q=sender7@sealpost.test", row, 1),
        question(&carol, &format!("/journal?to={}", day(5)?), row, 50),
        question(
            &carol,
            &format!("/journal?event=ConsignmentAcceptance&from={}&to={}", day(8)?, day(7)?),
            row,
            50,
        ),
        question(&alice, "/journal", row, 50),
        question(&carol, "/journal?q=person8", "person8@example.test", 1),
        question(&carol, "/journal?q=example+test+sealpost", row, 50),
        question(&carol, "/journal?q=sender7+accepted", "sender7", 0),
        question(&carol, "/journal?q=person8+sender7+absent", row, 0),
        question(&carol, "/journal?q=bilan+bob", row, 4),
        question(&alice, "/journal?q=sealpost+depose", row, 5),
        question(&alice, "/journal?event=ConsignmentAcceptance", row, 5),
        question(&carol, "/deposits", "href=\"/deposits/", 25),
        question(&alice, "/deposits", "href=\"/deposits/", 5),
        question(&carol, "/deposits?q=person8@example.test", "person8@example.test", 1),
        question(&carol, "/deposits?state=partly-received", "href=\"/deposits/", 20),
    ];
    let timed = !binary()?.to_string_lossy().contains("debug") && entries >= 1_000_000;
    let mut late = Vec::new();
    for question in &questions {
        let tries = if timed { TIMES } else { 1 };
        let mut took = (0..tries).map(|_| ask(question)).collect::<Result<Vec<_>>>()?;
        took.sort();
        let median = took[took.len() / 2];
        println!("{:>6.1} ms  {}", median.as_secs_f64() * 1e3, question.path);
        if timed && median > BUDGET {
            late.push(format!("{}: {median:?}", question.path));
        }
    }
    ensure!(late.is_empty(), "above {BUDGET:?}: {late:?}");
    Ok(())
}

/// The day so many days ago, as a form has it.
fn day(ago: i64) -> Result<String> {
    Ok(must("date", &["-u", "-d", &format!("{ago} days ago"), "+%F"])?.trim().to_owned())
}
