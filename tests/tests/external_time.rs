//! Authorities outside: believed only when they deserve it, missed only in what a proof says of its time.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::{DemoOptions, binary};
use sealpost_tests::mail::Mail;
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{must, run, wait_for_deposit};
use sealpost_tests::tsa::{Manner, Tsa};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const BOB: &str = "bob@example.test";

/// A demonstration with these lines under `[timestamp]`.
fn demo(lines: &str) -> Result<Demo> {
    // A proxy of the surroundings knows nothing of authorities on this machine.
    let env = vec![("NO_PROXY".to_owned(), "127.0.0.1".to_owned())];
    let options = DemoOptions { env, ..DemoOptions::default() };
    Demo::start_edited(options, |c| c.replace("\n[timestamp]\n", &format!("\n[timestamp]\n{lines}\n")))
}

fn send(demo: &Demo, subject: &str) -> Result<String> {
    let id = Place::new(demo, "alice")?.send(&[BOB], &Mail::new(&[BOB], subject).bytes())?;
    wait_for_deposit(demo, BOB, &id)?;
    Ok(id)
}

fn export(demo: &Demo, id: &str, name: &str) -> Result<PathBuf> {
    let file = demo.dir.join(name);
    demo.sealpost(&["proof", "export", id, "-o", &file.to_string_lossy(), "--wait"])?;
    Ok(file)
}

/// What `proof verify` says under all of these roots, with its exit status.
fn verify(file: &Path, roots: &[&Path]) -> Result<(bool, String)> {
    let trust = file.with_extension("trust.pem");
    let pem: String = roots.iter().map(std::fs::read_to_string).collect::<Result<_, _>>()?;
    std::fs::write(&trust, pem)?;
    let output =
        Command::new(binary()?).args(["proof", "verify"]).arg(file).arg("--trust").arg(&trust).output()?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Exports until the external time is there.
fn completed(demo: &Demo, id: &str, roots: &[&Path]) -> Result<PathBuf> {
    completed_within(demo, id, roots, Duration::from_secs(120))
}

fn completed_within(demo: &Demo, id: &str, roots: &[&Path], patience: Duration) -> Result<PathBuf> {
    let begun = Instant::now();
    loop {
        let file = export(demo, id, "complete.asice")?;
        let (ok, said) = verify(&file, roots)?;
        ensure!(ok, "{said}");
        if said.contains("external time: ") {
            return Ok(file);
        }
        ensure!(begun.elapsed() < patience, "still pending:\n{said}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn deposits_go_on_while_the_authority_is_away_and_are_completed_later() -> Result<()> {
    let tsa = Tsa::start()?;
    tsa.be(Manner::Down);
    let lines = format!(
        "url = \"{}\"\nca = \"{}\"\nevery = \"0 seconds\"\ntimeout = \"1 seconds\"",
        tsa.url,
        tsa.ca().display()
    );
    let demo = demo(&lines)?;
    let ca = demo.about.ca.clone();
    let ids: Vec<String> = (0..3).map(|n| send(&demo, &format!("while away {n}"))).collect::<Result<_>>()?;
    // Valid with our own time, and it says what is missing.
    let early = export(&demo, &ids[0], "early.asice")?;
    let (ok, said) = verify(&early, &[&ca])?;
    ensure!(ok && said.contains("external time pending"), "{said}");
    let report = must("sh", &["-c", &format!("unzip -p {} report.pdf | pdftotext - -", early.display())])?;
    let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(report.contains("Heure externe en attente"), "{report}");
    tsa.be(Manner::Honest);
    for id in &ids {
        let file = completed(&demo, id, &[&ca, &tsa.ca()])?;
        let member = |name: &str| run("unzip", &["-p", &file.to_string_lossy(), name]).map(|o| o.stdout);
        // Anyone can check the outside time with openssl alone, and with the outside root alone.
        let (note, token) = (demo.dir.join("note"), demo.dir.join("token"));
        std::fs::write(&note, member("log/checkpoint")?)?;
        std::fs::write(&token, member("log/checkpoint.tst")?)?;
        must(
            "openssl",
            &[
                "ts",
                "-verify",
                "-data",
                &note.to_string_lossy(),
                "-in",
                &token.to_string_lossy(),
                "-token_in",
                "-CAfile",
                &tsa.ca().to_string_lossy(),
            ],
        )?;
        // Without the outside root the proof does not hold: nobody's time is believed for nothing.
        let (ok, said) = verify(&file, &[&ca])?;
        ensure!(!ok && said.contains("log/checkpoint.tst"), "{said}");
        let report = must("sh", &["-c", &format!("unzip -p {} report.pdf | pdftotext - -", file.display())])?;
        ensure!(report.contains("CN=tsu"), "{report}");
    }
    let verified = demo.sealpost(&["journal", "verify"])?;
    ensure!(verified.lines().last() == Some("VALID"), "{verified}");
    Ok(())
}

/// A number from the environment, for the long run (docs/durability.md).
fn setting(name: &str, otherwise: u64) -> Result<u64> {
    std::env::var(name).map_or(Ok(otherwise), |text| text.parse().with_context(|| name.to_owned()))
}

/// The authority is away for `SEALPOST_TEST_AUTHORITY_AWAY` seconds while `SEALPOST_TEST_AUTHORITY_RATE` messages a second
/// come in, then it is back.
#[test]
fn an_authority_that_is_away_under_load_costs_nothing_but_waiting() -> Result<()> {
    let away = Duration::from_secs(setting("SEALPOST_TEST_AUTHORITY_AWAY", 4)?);
    let rate = setting("SEALPOST_TEST_AUTHORITY_RATE", 5)?.max(1);
    let tsa = Tsa::start()?;
    let lines = format!(
        "url = \"{}\"\nca = \"{}\"\nevery = \"0 seconds\"\ntimeout = \"1 seconds\"",
        tsa.url,
        tsa.ca().display()
    );
    let demo = demo(&lines)?;
    let roots = [demo.about.ca.clone(), tsa.ca()];
    let roots: Vec<&Path> = roots.iter().map(PathBuf::as_path).collect();
    let place = Place::new(&demo, "alice")?;
    let database = demo.dir.join("data/sealpost.db").display().to_string();
    let ask = |sql: &str| must("sqlite3", &["-readonly", "-cmd", ".timeout 20000", &database, sql]);
    let (mut ids, mut slowest) = (Vec::new(), Duration::ZERO);
    let begun = Instant::now();
    // A little before, while it is away, and a little after: one message at a time, so that their order is known.
    let (down, up) = (Duration::from_secs(2), Duration::from_secs(2) + away);
    let (mut is_down, mut answers) = (false, 0);
    while begun.elapsed() < up + Duration::from_secs(2) {
        match begun.elapsed() {
            now if now >= up && is_down => {
                answers = tsa.answered();
                tsa.be(Manner::Honest);
                is_down = false;
            }
            now if (down..up).contains(&now) && !is_down => {
                tsa.be(Manner::Down);
                is_down = true;
            }
            _ => {}
        }
        let asked = Instant::now();
        ids.push(place.send(&[BOB], &Mail::new(&[BOB], &format!("Lettre {}", ids.len())).bytes())?);
        slowest = slowest.max(asked.elapsed());
        let next = Duration::from_secs_f64(ids.len() as f64 / rate as f64);
        std::thread::sleep(next.saturating_sub(begun.elapsed()));
    }
    let last = ids.last().context("no message")?;
    let returned = Instant::now();
    completed_within(&demo, last, &roots, Duration::from_secs(400))?;
    let waited = returned.elapsed();
    // The token over the newest checkpoint dates all that came before.
    let head: u64 = ask(&format!("SELECT MAX(idx) FROM journal WHERE deposit = '{last}'"))?.trim().parse()?;
    let anchored: u64 = ask("SELECT MAX(size) FROM anchors")?.trim().parse()?;
    ensure!(anchored > 0 && head > 0, "{anchored} of {head}");
    for id in ids.iter().step_by((ids.len() / 6).max(1)) {
        completed_within(&demo, id, &roots, Duration::from_secs(120))?;
    }
    let accepted = "SELECT deposit FROM journal WHERE event = 'SubmissionAcceptance' AND deposit IS NOT NULL \
         ORDER BY idx";
    let mut numbered: Vec<String> = ask(accepted)?.lines().map(str::to_owned).collect();
    numbered.dedup();
    ensure!(
        numbered == ids,
        "{} in the log, {} acknowledged, or in another order",
        numbered.len(),
        ids.len()
    );
    let unordered = "SELECT COUNT(*) FROM anchors a JOIN anchors b ON b.size > a.size AND b.time < a.time";
    assert_eq!(ask(unordered)?.trim(), "0", "external times go back");
    let waiting = "SELECT (SELECT COUNT(*) FROM evidence_waiting) + (SELECT COUNT(*) FROM checkpoints WHERE tst IS NULL)";
    sealpost_tests::tools::wait_for("all is sealed", Duration::from_secs(60), || {
        Ok(ask(waiting)?.trim() == "0")
    })?;
    let verified = demo.sealpost(&["journal", "verify"])?;
    ensure!(verified.lines().last() == Some("VALID"), "{verified}");
    eprintln!(
        "authority away {} s of {} s: {} deposits, slowest answer {} ms; {answers} answers before; complete {} s after \
         the last deposit",
        away.as_secs(),
        begun.elapsed().as_secs(),
        ids.len(),
        slowest.as_millis(),
        waited.as_secs()
    );
    Ok(())
}

#[test]
fn every_lie_is_told_apart_and_a_second_authority_takes_over() -> Result<()> {
    let (first, second) = (Tsa::start()?, Tsa::start()?);
    first.be(Manner::Down);
    let lines = format!(
        "url = \"{}\"\nca = \"{}\"\nfallback_url = \"{}\"\nfallback_ca = \"{}\"\nevery = \"0 seconds\"\ntimeout = \"2 seconds\"",
        first.url,
        first.ca().display(),
        second.url,
        second.ca().display()
    );
    let demo = demo(&lines)?;
    for (manner, words) in [
        (Manner::Down, "no answer"),
        (Manner::Slow, "no answer"),
        (Manner::Page, "is no time-stamp response"),
        (Manner::WrongImprint, "the timestamp is over another digest"),
        (Manner::WrongNonce, "nonce"),
        (Manner::WrongChain, "is not trusted"),
        (Manner::WrongUsage, "extended key usage"),
        (Manner::DayOff, "apart"),
        (Manner::Vague, "accuracy"),
    ] {
        first.be(manner);
        // `check` asks each of them; a failing one is a warning, since deposits do not need it.
        let said = demo.sealpost(&["check"])?;
        let line =
            said.lines().find(|l| l.contains(&first.url)).with_context(|| format!("{manner:?}: {said}"))?;
        ensure!(line.contains(words), "{manner:?}: {line}");
        ensure!(!said.contains(&second.url), "{said}");
    }
    first.be(Manner::WrongNonce);
    let id = send(&demo, "by the second")?;
    let file = completed(&demo, &id, &[&demo.about.ca, &second.ca()])?;
    ensure!(second.answered() > 0);
    let (ok, _) = verify(&file, &[&demo.about.ca, &first.ca()])?;
    ensure!(!ok, "the first authority dated nothing");
    Ok(())
}

#[test]
fn the_built_in_authority_answers_over_http() -> Result<()> {
    let demo = demo("public = true")?;
    let said = demo.sealpost(&["check"])?;
    ensure!(said.contains("no independent witness"), "{said}");
    let ca = demo.about.ca.to_string_lossy().into_owned();
    let path = |name: &str| demo.dir.join(name).to_string_lossy().into_owned();
    std::fs::write(path("contract"), b"a contract")?;
    for (n, (url, query)) in [
        (format!("{}/tsa", demo.url()), &["-sha256", "-cert"][..]),
        (format!("{}/tsa", demo.url()), &["-sha512", "-cert"][..]),
        (format!("http://localhost:{}/tsa", demo.about.ports.admin), &["-sha384", "-cert"][..]),
    ]
    .into_iter()
    .enumerate()
    {
        let (asked, got) = (path(&format!("{n}.tsq")), path(&format!("{n}.tsr")));
        must("openssl", &[&["ts", "-query", "-data", &path("contract"), "-out", &asked], query].concat())?;
        let body = format!("@{asked}");
        let header = "Content-Type: application/timestamp-query";
        let curl = [
            "-sS",
            "--fail",
            "--noproxy",
            "*",
            "--cacert",
            &ca,
            "-H",
            header,
            "--data-binary",
            &body,
            "-o",
            &got,
            "-w",
        ];
        let kind = must("curl", &[&curl[..], &["%{content_type}", &url]].concat())?;
        ensure!(kind == "application/timestamp-reply", "{kind}");
        must("openssl", &["ts", "-verify", "-queryfile", &asked, "-in", &got, "-CAfile", &ca])?;
        let text = must("openssl", &["ts", "-reply", "-in", &got, "-text"])?;
        for part in ["Accuracy: 0x01 seconds", "Ordering: no", "Nonce: 0x"] {
            ensure!(text.contains(part), "{part} is missing in {text}");
        }
    }
    // Nothing else is answered.
    let url = format!("{}/tsa", demo.url());
    let status = |more: &[&str]| {
        let base = ["-s", "--noproxy", "*", "--cacert", &ca, "-o", "/dev/null", "-w", "%{http_code}"];
        must("curl", &[&base[..], more, &[&url]].concat())
    };
    assert_eq!(status(&[])?, "405");
    assert_eq!(status(&["-d", "x"])?, "415");
    std::fs::write(path("long"), vec![0x30; 9000])?;
    let long = format!("@{}", path("long"));
    assert_eq!(status(&["-H", "Content-Type: application/timestamp-query", "--data-binary", &long])?, "413");
    Ok(())
}
