//! Between two real Postfix servers: one relays in (`[[trusted]]`), one is the next hop and refuses at random, and
//! the way to it cuts connections, while Sealpost is killed and restarted. Every message arrives; what arrives twice
//! is the same to the last octet; every outcome is in the journal, once, with the digest of what arrived.
//! `SEALPOST_TEST_CHAIN` is the number of messages, for longer runs.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::faults::{Fault, Faulty};
use sealpost_tests::mail::{File, Mail, Noise, sha256};
use sealpost_tests::postfix::Postfix;
use sealpost_tests::storm::number;
use sealpost_tests::tools::{inbox, wait_for};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Nobody of that name is known at the next hop.
const UNKNOWN: &str = "personne@example.test";
/// Seconds between two tries, so that a test ends.
const IMPATIENT: &str = "queue_run_delay = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n\
                         transport_retry_time = 1s\ndefault_destination_concurrency_failed_cohort_limit = 0\n";
/// Senders at the same time.
const SENDERS: usize = 4;

/// The next hop: `example.test` lives there, in mail directories.
fn next_hop() -> Result<Postfix> {
    let dir = Postfix::place()?;
    let mail = dir.path().join("mail");
    std::fs::create_dir(&mail)?;
    std::fs::set_permissions(&mail, std::fs::Permissions::from_mode(0o777))?;
    let policy = capricious()?;
    let settings = format!(
        "myhostname = mx.example.test\nmynetworks = 127.0.0.0/8\nvirtual_mailbox_domains = example.test\n\
         virtual_mailbox_base = {}\nvirtual_mailbox_maps = inline:{{ bob@example.test=bob/, dora@example.test=dora/ }}\n\
         virtual_uid_maps = static:65534\nvirtual_gid_maps = static:65534\nsmtpd_error_sleep_time = 0\n\
         smtpd_hard_error_limit = 1000\n\
         smtpd_recipient_restrictions = reject_unlisted_recipient, check_policy_service inet:127.0.0.1:{policy}\n\
         smtpd_end_of_data_restrictions = check_policy_service inet:127.0.0.1:{policy}\n{IMPATIENT}",
        mail.display(),
    );
    Postfix::start(dir, &settings, &[""])
}

/// Answers Postfix's questions (SMTPD_POLICY_README): one in six is put off.
fn capricious() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().flatten().enumerate() {
            std::thread::spawn(move || drop(answer(stream, n as u64)));
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream, seed: u64) -> std::io::Result<()> {
    let mut noise = Noise::new(seed);
    for line in BufReader::new(stream.try_clone()?).lines() {
        if line?.is_empty() {
            let mood = if noise.number().is_multiple_of(6) { "451 4.3.0 Not now" } else { "DUNNO" };
            stream.write_all(format!("action={mood}\n\n").as_bytes())?;
        }
    }
    Ok(())
}

/// The server that mail programs know, as contrib/postfix has it: it relays everything to Sealpost, verifying who that is.
fn first_hop(demo: &Demo) -> Result<Postfix> {
    let recipe = include_str!("../../contrib/postfix/main.cf");
    let recipe = recipe
        .replace("[sealpost.lilas.example]:2526", &format!("[localhost]:{}", demo.about.ports.relay))
        .replace("/etc/postfix/sealpost-ca.pem", &demo.about.ca.to_string_lossy());
    let settings = format!(
        "myhostname = mail.sealpost.test\nmynetworks = 127.0.0.0/8\nsmtp_host_lookup = native\n\
         smtp_dns_support_level = disabled\n{recipe}\n{IMPATIENT}",
    );
    Postfix::start(Postfix::place()?, &settings, &[""])
}

/// Message number `n`, and whom it is for.
fn message(n: usize) -> (Mail, Vec<&'static str>) {
    let to = match n % 10 {
        0 => vec!["bob@example.test", UNKNOWN],
        1 | 2 => vec!["bob@example.test", "dora@example.test"],
        _ => vec!["dora@example.test"],
    };
    let size = [500, 9_000, 70_000, 300_000][n % 4];
    let mail = Mail::new(&to, &format!("Chaine {n}"))
        .header(&format!("Message-ID: <chaine-{n}@sealpost.test>"))
        .text(&format!(".ligne {n}\r\n..\r\n").replace('.', ".."))
        .file(File::noise("charge.bin", size));
    (mail, to)
}

/// Hands a message to the first server, which has it from then on.
fn hand_over(port: u16, mail: &Mail, to: &[&str]) -> Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    let mut reader = BufReader::new(stream);
    let mut say = |bytes: &[u8], code: &str| -> Result<()> {
        reader.get_mut().write_all(bytes)?;
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(reader.read_line(&mut line)? > 0, "the first server hung up");
            if line.as_bytes().get(3) != Some(&b'-') {
                break;
            }
        }
        ensure!(line.starts_with(code), "the first server says {line}");
        Ok(())
    };
    say(b"", "220")?;
    say(b"EHLO poste.sealpost.test\r\n", "250")?;
    say(b"MAIL FROM:<alice@sealpost.test>\r\n", "250")?;
    for recipient in to {
        say(format!("RCPT TO:<{recipient}>\r\n").as_bytes(), "250")?;
    }
    say(b"DATA\r\n", "354")?;
    let mut bytes = mail.bytes();
    bytes.extend_from_slice(b".\r\n");
    say(&bytes, "250")?;
    say(b"QUIT\r\n", "221")
}

/// Sends all, while Sealpost dies and the way to the next hop fails.
fn rage(demo: &mut Demo, first: &Postfix, way: &Faulty, messages: usize, ends: usize) -> Result<()> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut noise = Noise::new(7);
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= messages {
                            return Ok(());
                        }
                        let (mail, to) = message(n);
                        hand_over(first.ports[0], &mail, &to).with_context(|| format!("message {n}"))?;
                        done.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(30));
                    }
                })
            })
            .collect();
        way.set(Fault::Cut(80));
        for end in 1..=ends {
            // Spread over the load.
            wait_for("more mail", Duration::from_secs(120), || {
                Ok(done.load(Ordering::Relaxed) >= messages * end / (ends + 1)
                    || senders.iter().all(|s| s.is_finished()))
            })?;
            std::thread::sleep(Duration::from_millis(noise.number() % 400));
            if end % 3 == 0 {
                demo.terminate()?
            } else {
                demo.kill()?
            }
            std::thread::sleep(Duration::from_millis(noise.number() % 600));
            demo.restart()?;
        }
        senders.into_iter().try_for_each(|s| s.join().expect("a sender does not panic"))
    })?;
    // What is left to relay goes through the same way, until enough of it has been cut.
    wait_for("connections are cut", Duration::from_secs(60), || Ok(way.hurt() >= messages / 10))?;
    way.set(Fault::None);
    Ok(())
}

/// What lies in a mailbox of the next hop: by Message-ID, the digest of each copy as it left Sealpost.
fn arrived(last: &Postfix, who: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let mut found = BTreeMap::<String, Vec<String>>::new();
    let new = last.dir().join("mail").join(who).join("new");
    for entry in std::fs::read_dir(&new).with_context(|| new.display().to_string())? {
        let text = std::fs::read(entry?.path())?;
        let text = as_sent(&text)?;
        let head = String::from_utf8_lossy(&text[..text.len().min(8192)]).into_owned();
        let id = head.lines().find_map(|l| l.strip_prefix("Message-ID: ")).context("no Message-ID")?;
        found.entry(id.trim().to_owned()).or_default().push(sha256(&text));
    }
    Ok(found)
}

/// Takes off what the next hop put on: `Return-Path`, `X-Original-To`, `Delivered-To` and its own `Received`; and
/// gives lines their ends back.
fn as_sent(stored: &[u8]) -> Result<Vec<u8>> {
    let mut lines = stored.split_inclusive(|b| *b == b'\n').peekable();
    for name in ["Return-Path:", "X-Original-To:", "Delivered-To:", "Received:"] {
        let line = lines.next().context("an empty message")?;
        ensure!(line.starts_with(name.as_bytes()), "{} is no {name}", String::from_utf8_lossy(line));
        while lines.next_if(|l| l.starts_with(b" ") || l.starts_with(b"\t")).is_some() {}
    }
    let mut sent = Vec::with_capacity(stored.len() + stored.len() / 60);
    for line in lines {
        sent.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        sent.extend_from_slice(b"\r\n");
    }
    Ok(sent)
}

/// The final outcomes in the journal: for each recipient's mail, by deposit and number, the event and the digest.
fn outcomes(demo: &Demo) -> Result<BTreeMap<(String, u64), (String, String)>> {
    let mut found = BTreeMap::new();
    for name in ["RelayToNonERDS", "RelayToNonERDSFailure"] {
        for line in demo.sealpost(&["journal", "search", "--event", name])?.lines() {
            let line: Value = serde_json::from_str(line)?;
            let entry = if line["entry"].is_object() { &line["entry"] } else { &line };
            let deposit = entry["deposit"].as_str().context("no deposit")?.to_owned();
            let recipient = entry["recipient"].as_u64().context("no recipient")?;
            let digest = entry["detail"]["sent_sha256"].as_str().unwrap_or_default().to_owned();
            let twice = found.insert((deposit, recipient), (name.to_owned(), digest));
            ensure!(twice.is_none(), "two outcomes: {line} and {twice:?}");
        }
    }
    Ok(found)
}

#[test]
fn a_chain_loses_nothing() -> Result<()> {
    let messages = number("SEALPOST_TEST_CHAIN", 40)?;
    let ends = (messages / 15).max(4);
    let last = next_hop()?;
    let way = Faulty::towards(last.ports[0])?;
    let options =
        DemoOptions { smarthost: Some(format!("127.0.0.1:{}", way.port)), ..DemoOptions::default() };
    let mut demo = Demo::start_edited(options, |config| {
        config.replace("\n[relay]\n", "\n[relay]\nretry = [\"1 second\"]\n")
    })?;
    let first = first_hop(&demo)?;
    let begun = Instant::now();
    rage(&mut demo, &first, &way, messages, ends)?;
    wait_for("both queues are empty", Duration::from_secs(60 + messages as u64), || {
        Ok(first.waiting()? == 0
            && demo.sealpost(&["--json", "queue", "list", "--state", "ready"])?.is_empty()
            && demo.sealpost(&["--json", "queue", "list", "--state", "compose"])?.is_empty()
            && last.waiting()? == 0)
    })
    .with_context(|| first.log())?;
    ensure!(!first.log().contains("status=bounced"), "{}", first.log());

    let outcomes = outcomes(&demo)?;
    let journaled: BTreeSet<&str> =
        outcomes.values().filter(|(name, _)| name == "RelayToNonERDS").map(|(_, d)| d.as_str()).collect();
    let (mut copies, mut expected, mut refused) = (0, 0, 0);
    let boxes = [("bob", arrived(&last, "bob")?), ("dora", arrived(&last, "dora")?)];
    for n in 0..messages {
        for recipient in message(n).1 {
            let Some((_, found)) = boxes.iter().find(|(who, _)| recipient.starts_with(who)) else {
                refused += 1;
                continue;
            };
            expected += 1;
            let forms = found.get(&format!("<chaine-{n}@sealpost.test>"));
            let forms = forms.with_context(|| format!("message {n} never came to {recipient}"))?;
            ensure!(forms.iter().all(|f| f == &forms[0]), "message {n} came to {recipient} in several forms");
            ensure!(
                journaled.contains(forms[0].as_str()),
                "the journal does not know what came to {recipient}"
            );
            copies += forms.len();
        }
    }
    ensure!(boxes.iter().map(|(_, b)| b.len()).sum::<usize>() == expected, "mail that nobody sent came");
    assert_eq!(outcomes.len(), expected + refused, "outcomes in the journal");
    let failed = outcomes.values().filter(|(name, _)| name == "RelayToNonERDSFailure").count();
    assert_eq!(failed, refused, "failures in the journal");
    // Their sender was told of each, once.
    let notices = inbox(&demo, "alice")?;
    let told = notices.iter().filter(|m| String::from_utf8_lossy(m).contains("User unknown")).count();
    assert_eq!(told, refused, "notices of failure");
    let verdict = demo.sealpost(&["journal", "verify"])?;
    ensure!(verdict.trim_end().ends_with("VALID") && !verdict.contains("INVALID"), "{verdict}");
    eprintln!(
        "{messages} messages, {ends} ends of Sealpost, {} connections cut, {} put off by the next hop: {expected} \
         arrived, {} of them again with the same octets, {refused} refused; {:.1} s",
        way.hurt(),
        last.log().matches("451 4.3.0").count(),
        copies - expected,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}
