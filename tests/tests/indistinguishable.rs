//! What strangers learn from answers: nothing. Pairs of questions, of which one is about something that exists, are
//! asked in turn; their answers are compared octet by octet, without what is random in each.
//!
//! With `SEALPOST_TEST_TRIES=500` in the profile `soak`, the times of the answers are compared too (Mann-Whitney, and
//! the difference of the medians with its bootstrapped interval; docs/auditor.md). A few tries say nothing about time.

use anyhow::{Context, Result, bail, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::door::{Page, code_in};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, run, wait_for_deposit, wait_for_mail};
use sealpost_tests::{Demo, Door, Mail};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

const ALICE: &str = "alice@sealpost.test";
/// As long as Alice's.
const NOBODY: &str = "zelda@sealpost.test";
const BOB: &str = "bob@example.test";
/// From so many tries on, times are judged.
const ENOUGH: usize = 100;
/// Beyond this |z| the two samples would differ by chance once in ten thousand runs.
const FAR: f64 = 3.9;
/// Threads; the server waits most of the time before it answers.
const LANES: usize = 8;

/// A browser that comes from an address of its own.
struct Browser<'a> {
    demo: &'a Demo,
    jar: tempfile::TempDir,
    from: String,
}

/// An answer without what is random, and its milliseconds from the beginning of the request to the end of the answer.
struct Answer {
    page: Page,
    took: f64,
}

impl<'a> Browser<'a> {
    /// Every few requests another address and network, since what one asks too often is counted.
    fn new(demo: &'a Demo) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { demo, jar: tempfile::tempdir()?, from: format!("127.{}.{}.9", 10 + n / 250, 1 + n % 250) })
    }
    fn ask(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let file = |name: &str| self.jar.path().join(name).to_string_lossy().into_owned();
        let (jar, head, body) = (file("jar"), file("head"), file("body"));
        let (ca, url) = (self.demo.about.ca.to_string_lossy(), format!("{}{path}", self.demo.url()));
        let mut args = vec!["-sS", "--noproxy", "*", "--interface", &self.from, "--cacert", &ca, "-b", &jar];
        args.extend(["-c", &jar, "-D", &head, "-o", &body]);
        args.extend(["-w", "%{http_code} %{time_pretransfer} %{time_total}"]);
        let fields: Vec<String> = fields.iter().map(|(n, v)| format!("{n}={v}")).collect();
        fields.iter().for_each(|f| args.extend(["--data-urlencode", f]));
        args.push(&url);
        let output = run("curl", &args)?;
        ensure!(output.status.success(), "curl {url}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let [status, sent, came] = said.split(' ').collect::<Vec<_>>()[..] else { bail!("{said}") };
        let took = (came.parse::<f64>()? - sent.parse::<f64>()?) * 1000.0;
        let page = Page {
            status: status.parse()?,
            head: std::fs::read_to_string(&head)?,
            body: std::fs::read(&body).unwrap_or_default(),
        };
        Ok(Answer { page, took })
    }
}

/// An answer without dates, secrets of forms, cookies' values, and the words that were asked.
fn neutral(page: &Page, asked: &[&str]) -> String {
    let mut text = String::new();
    for line in page.head.lines() {
        let lower = line.to_ascii_lowercase();
        if lower.starts_with("date:") {
            continue;
        }
        match lower.starts_with("set-cookie:").then(|| line.split_once('=')).flatten() {
            Some((name, rest)) => {
                let (value, attributes) = rest.split_once(';').unwrap_or((rest, ""));
                text.push_str(&format!("{name}={} octets;{attributes}\n", value.len()));
            }
            None => text.push_str(&format!("{line}\n")),
        }
    }
    let mut body = page.text();
    for (before, after) in [
        ("data-now=\"", '"'),
        ("data-until=\"", '"'),
        ("name=\"csrf\" value=\"", '"'),
        ("id=\"left\">", '<'),
        ("class=\"ref\">", '<'),
    ] {
        let mut done = String::new();
        while let Some((head, rest)) = body.split_once(before) {
            let end = rest.find(after).unwrap_or(rest.len());
            done.push_str(&format!("{head}{before}"));
            body = rest[end..].to_owned();
        }
        body = done + &body;
    }
    for word in asked.iter().filter(|w| !w.is_empty()) {
        body = body.replace(word, "…");
        text = text.replace(word, "…");
    }
    text + &body
}

/// One side of a comparison: a request that may be made many times.
type Ask<'a> = Box<dyn Fn(usize) -> Result<(f64, String)> + Sync + 'a>;

/// Two sides that must look alike.
struct Case<'a> {
    name: &'static str,
    sides: [Ask<'a>; 2],
    /// How often it can be asked, where that is bounded.
    most: usize,
}

/// A form, filled in one of two ways.
fn form<'a>(
    demo: &'a Demo,
    name: &'static str,
    (page, action): (&'a str, &'a str),
    fields: [Vec<(&'a str, &'a str)>; 2],
) -> Case<'a> {
    let sides = fields.map(|fields| -> Ask<'a> {
        Box::new(move |_| {
            let browser = Browser::new(demo)?;
            let csrf = browser.ask(page, &[])?.page.csrf()?;
            let mut all = fields.clone();
            all.push(("csrf", &csrf));
            let answer = browser.ask(action, &all)?;
            let asked: Vec<&str> = fields.iter().map(|(_, v)| *v).collect();
            Ok((answer.took, neutral(&answer.page, &asked)))
        })
    });
    Case { name, sides, most: usize::MAX }
}

/// Two addresses.
fn address<'a>(demo: &'a Demo, name: &'static str, paths: [String; 2]) -> Case<'a> {
    let sides = paths.map(|path| -> Ask<'a> {
        Box::new(move |_| {
            let answer = Browser::new(demo)?.ask(&path, &[])?;
            Ok((answer.took, neutral(&answer.page, &[path.rsplit('/').next().unwrap_or_default()])))
        })
    });
    Case { name, sides, most: usize::MAX }
}

/// A link with its last letter changed: as near to a living one as a guess can be.
fn nearly(link: &str) -> String {
    let last = if link.ends_with('A') { "Q" } else { "A" };
    format!("{}{last}", &link[..link.len() - 1])
}

/// Codes that are wrong from the first digit on, and in the last one alone; one pair a message, whose tries are few.
fn codes<'a>(demo: &'a Demo, doors: &'a [(String, String)]) -> Case<'a> {
    let sides = [true, false].map(|near| -> Ask<'a> {
        Box::new(move |n| {
            let (path, code) = doors.get(n).context("no more messages")?;
            let digit = |c: char| char::from(b'0' + (c as u8 - b'0' + 1) % 10);
            let typed: String = match near {
                true => code.chars().take(5).chain(code.chars().skip(5).map(digit)).collect(),
                false => code.chars().map(digit).collect(),
            };
            let browser = Browser::new(demo)?;
            let csrf = browser.ask(path, &[])?.page.csrf()?;
            let fields = [("code", typed.as_str()), ("csrf", &csrf)];
            let answer = browser.ask(&format!("{path}/gate/otp-mail/answer"), &fields)?;
            let token = path.rsplit('/').next().unwrap_or_default();
            let text = neutral(&answer.page, &[token]);
            // From when on the code may be sent again stands below, until that time has come.
            let above = text.split("id=\"again\"").next().unwrap_or_default();
            let lines = above.lines().filter(|l| !l.to_ascii_lowercase().starts_with("content-length"));
            Ok((answer.took, lines.collect::<Vec<_>>().join("\n")))
        })
    });
    Case { name: "a code, near or far", sides, most: doors.len() }
}

/// Messages with a living code each: path and code.
fn doors(demo: &Demo, count: usize) -> Result<Vec<(String, String)>> {
    let place = Place::new(demo, "alice")?;
    let mut doors = Vec::new();
    for n in 0..count {
        let mail = Mail::new(&[BOB], &format!("[secure] Bilan {n:05}")).text("Bonjour.\r\n");
        let id = place.send(&[BOB], &mail.bytes())?;
        let door = Door::new(demo, &link_in(&wait_for_deposit(demo, BOB, &id)?)?)?;
        let landing = door.get("")?;
        door.post("/gate/otp-mail", &landing, &[])?;
        let text = landing.text();
        let (_, rest) = text.split_once("class=\"ref\">").context("no reference")?;
        let reference = rest.split('<').next().unwrap_or_default().to_owned();
        let mail = wait_for_mail(demo, BOB, &|m| m.contains(&reference) && code_in(m).is_ok())?;
        doors.push((door.path.clone(), code_in(&mail)?));
    }
    Ok(doors)
}

/// What is compared about answers that the pages of one message alone know.
fn masked(text: &str) -> String {
    // The deposit's own facts and times stand on the page of its code.
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("<time") {
        out.push_str(&rest[..at]);
        rest = rest[at..].split_once("</time>").map_or("", |(_, after)| after);
    }
    out + rest
}

/// The times of both sides, and whether all answers were the same.
fn asked(case: &Case<'_>, tries: usize) -> Result<[Vec<f64>; 2]> {
    let tries = tries.min(case.most);
    let next = AtomicU32::new(0);
    let times: Mutex<[Vec<f64>; 2]> = Mutex::default();
    let seen: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let lane = || -> Result<()> {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed) as usize;
            if n >= tries {
                return Ok(());
            }
            // Neither side is always the first.
            for side in if n.is_multiple_of(2) { [0, 1] } else { [1, 0] } {
                let (took, text) = case.sides[side](n)?;
                times.lock().expect("no panic")[side].push(took);
                seen.lock().expect("no panic").entry(masked(&text)).or_insert(side);
            }
        }
    };
    let lanes = if tries >= ENOUGH { LANES } else { 1 };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        running.into_iter().try_for_each(|l| l.join().expect("no panic"))
    })?;
    let seen = seen.into_inner().expect("no panic");
    let texts: Vec<&String> = seen.keys().collect();
    if let [one, other, ..] = texts[..] {
        let differ = one.lines().zip(other.lines()).find(|(a, b)| a != b);
        bail!("{}: {} answers, which differ in {differ:?}", case.name, texts.len());
    }
    Ok(times.into_inner().expect("no panic"))
}

fn median(sample: &mut [f64]) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = sample.len();
    if n % 2 == 1 { sample[n / 2] } else { (sample[n / 2 - 1] + sample[n / 2]) / 2.0 }
}

/// Mann and Whitney's U as a normal variable: how many spreads the ranks of one sample are from those of the other.
fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> =
        a.iter().map(|x| (*x, true)).chain(b.iter().map(|x| (*x, false))).collect();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (mut ranks, mut at) = (0.0, 0);
    while at < all.len() {
        let ties = all[at..].iter().take_while(|x| x.0 == all[at].0).count();
        let rank = at as f64 + (ties as f64 + 1.0) / 2.0;
        ranks += rank * all[at..at + ties].iter().filter(|x| x.1).count() as f64;
        at += ties;
    }
    let (n, m) = (a.len() as f64, b.len() as f64);
    let u = ranks - n * (n + 1.0) / 2.0;
    (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

/// The difference of the medians, and the middle 95 % of what resampling makes of it.
fn difference(a: &[f64], b: &[f64]) -> (f64, f64, f64) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    let mut resample =
        |of: &[f64]| -> f64 { median(&mut (0..of.len()).map(|_| of[draw(of.len())]).collect::<Vec<_>>()) };
    let mut all: Vec<f64> = (0..1000).map(|_| resample(a) - resample(b)).collect();
    all.sort_by(f64::total_cmp);
    (median(&mut a.to_vec()) - median(&mut b.to_vec()), all[25], all[974])
}

#[test]
fn answers_do_not_tell_what_exists() -> Result<()> {
    let tries: usize = std::env::var("SEALPOST_TEST_TRIES").map_or(Ok(2), |t| t.parse())?;
    let generous = "logins_per_account = 100000\nlogins_per_address = 100000\n";
    let demo = Demo::start_edited(DemoOptions { sample: false, ..DemoOptions::default() }, |text| {
        text.replacen("[limits]\n", &format!("[limits]\n{generous}"), 1)
    })?;
    let doors = doors(&demo, tries.min(120))?;
    let (living, _) = doors.first().context("a message")?;
    let password = demo.account("alice").password.clone();
    let named = |who| [("identifier", who)];
    let with = |who, secret, code| vec![("identifier", who), ("password", secret), ("code", code)];
    let there = |who| {
        vec![("identifier", who), ("address", "a@example.test"), ("phone", "0612345678"), ("password", "")]
    };
    let unknown = format!("/m/{}", "A".repeat(27));
    let set = |end: &str| format!("/password/set/{}{end}", "B".repeat(26));
    let cases = [
        form(
            &demo,
            "login, account unknown",
            ("/login", "/login"),
            [with(ALICE, "wrong", "123456"), with(NOBODY, "wrong", "123456")],
        ),
        form(
            &demo,
            "login, password wrong or code",
            ("/login", "/login"),
            [with(ALICE, &password, "wrong1"), with(ALICE, "wrong", "wrong1")],
        ),
        form(
            &demo,
            "code by mail, account unknown",
            ("/login", "/login/code"),
            [with(ALICE, "wrong", ""), with(NOBODY, "wrong", "")],
        ),
        form(
            &demo,
            "code by mail, password wrong",
            ("/login", "/login/code"),
            [with(ALICE, &password, ""), with(ALICE, "wrong", "")],
        ),
        form(
            &demo,
            "forgotten password",
            ("/password/forgotten", "/password/forgotten"),
            [named(ALICE).to_vec(), named(NOBODY).to_vec()],
        ),
        form(
            &demo,
            "first connection",
            ("/password/first", "/password/first"),
            [named(ALICE).to_vec(), named(NOBODY).to_vec()],
        ),
        form(
            &demo,
            "address unknown",
            ("/password/unknown", "/password/unknown"),
            [there(ALICE), there(NOBODY)],
        ),
        address(&demo, "link, nearly right", [nearly(living), unknown]),
        address(&demo, "link for a password", [set("A"), set("x")]),
        codes(&demo, &doors),
    ];
    // What waits on purpose may wait beside the rest, where nobody measures.
    let outcomes: Vec<Result<[Vec<f64>; 2]>> = match tries >= ENOUGH {
        true => cases.iter().map(|case| asked(case, tries)).collect(),
        false => std::thread::scope(|scope| {
            let all: Vec<_> = cases.iter().map(|case| scope.spawn(|| asked(case, tries))).collect();
            all.into_iter().map(|c| c.join().expect("no panic")).collect()
        }),
    };
    let mut leaks = Vec::new();
    println!("| question | tries | medians, ms | difference (95 %), ms | z |\n|---|---|---|---|---|");
    for (case, outcome) in cases.iter().zip(outcomes) {
        let [mut a, mut b] = outcome?;
        let (z, (by, low, high)) = (mann_whitney(&a, &b), difference(&a, &b));
        let (x, y) = (median(&mut a), median(&mut b));
        println!(
            "| {} | 2 × {} | {x:.2} · {y:.2} | {by:+.3} ({low:+.3} to {high:+.3}) | {z:+.2} |",
            case.name,
            a.len()
        );
        if a.len() >= ENOUGH && z.abs() > FAR {
            leaks.push(format!("{}: z = {z:.2}, {by:+.3} ms", case.name));
        }
    }
    ensure!(leaks.is_empty(), "times differ:\n{}", leaks.join("\n"));
    Ok(())
}

#[test]
fn the_statistics_find_what_is_there() {
    let sample = |shift: f64| -> Vec<f64> { (0..200).map(|n| f64::from(n * 37 % 101) + shift).collect() };
    assert!(mann_whitney(&sample(0.0), &sample(0.0)).abs() < 0.01);
    assert!(mann_whitney(&sample(20.0), &sample(0.0)) > FAR);
    let (by, low, high) = difference(&sample(20.0), &sample(0.0));
    assert!((by - 20.0).abs() < 0.01 && low > 5.0 && high < 35.0, "{by} {low} {high}");
}
