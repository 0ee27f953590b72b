//! A program of the organisation's that is told what happens: signed requests in the order of the journal, again after
//! a failure, and none lost over a restart.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, must, wait_for_deposit, wait_until};
use sealpost_tests::{Demo, Door, Mail};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

const BOB: &str = "bob@example.test";
const SECRET: &str = "c2VhbHBvc3QgYW5kIGEgcHJvZ3JhbSBzaGFyZSB0aGlz";

/// A request as it came.
#[derive(Clone)]
struct Told {
    headers: HashMap<String, String>,
    body: String,
}

impl Told {
    fn json(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.body)?)
    }
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// The program: refuses as many requests as it is told to.
struct Program {
    url: String,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Program {
    fn start(mut refuse: u32) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/events", listener.local_addr()?);
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = told.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let status = if refuse > 0 { "503 Service Unavailable" } else { "204 No Content" };
                if let Ok(request) = take(stream, status) {
                    refuse = refuse.saturating_sub(1);
                    kept.lock().expect("no panic").push(request);
                }
            }
        });
        Ok(Self { url, told })
    }
    fn told(&self) -> Vec<Told> {
        self.told.lock().expect("no panic").clone()
    }
    /// The requests once one of them tells of this event.
    fn until(&self, event: &str) -> Result<Vec<Told>> {
        wait_until(event, || Ok(self.told().iter().any(|t| t.json().is_ok_and(|j| j["type"] == event))))?;
        Ok(self.told())
    }
}

fn take(mut stream: TcpStream, status: &str) -> Result<Told> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.trim().split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
    let length = headers.get("content-length").context("no length")?.parse()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")?;
    Ok(Told { headers, body: String::from_utf8(body)? })
}

/// Judged by OpenSSL: the secret behind `whsec_` is base64.
fn signed(told: &Told, demo: &Demo) -> Result<()> {
    let key = must("sh", &["-c", &format!("echo {SECRET} | base64 -d | od -An -tx1 | tr -d ' \\n'")])?;
    let text = demo.dir.join("signed.txt");
    let (id, time) = (told.header("webhook-id"), told.header("webhook-timestamp"));
    std::fs::write(&text, format!("{id}.{time}.{}", told.body))?;
    let command = format!(
        "openssl dgst -sha256 -mac HMAC -macopt hexkey:{} -binary {} | base64",
        key.trim(),
        text.display()
    );
    let expected = format!("v1,{}", must("sh", &["-c", &command])?.trim());
    assert_eq!(told.header("webhook-signature"), expected);
    Ok(())
}

#[test]
fn a_program_is_told_what_happens() -> Result<()> {
    let program = Program::start(2)?;
    let hook = format!(
        "\n[[entity.webhook]]\nurl = \"{}\"\nsecret = \"env:HOOK_SECRET\"\n\
         events = [\"SubmissionAcceptance\", \"ConsignmentAcceptance\", \"Revoked\"]\n",
        program.url
    );
    let options =
        DemoOptions { env: vec![("HOOK_SECRET".into(), format!("whsec_{SECRET}"))], ..Default::default() };
    let mut demo = Demo::start_edited(options, |config| config + &hook)?;
    let alice = Place::new(&demo, "alice")?;
    let deposit =
        alice.send(&[BOB], &Mail::new(&[BOB], "[secure] Bilan confidentiel").text("x\r\n").bytes())?;
    let link = link_in(&wait_for_deposit(&demo, BOB, &deposit)?)?;
    let first = program.until("SubmissionAcceptance")?;
    wait_until("the refused event is told again", || Ok(program.told().len() >= 3))?;
    let again = program.told();
    ensure!(
        again[..3].iter().all(|t| t.header("webhook-id") == first[0].header("webhook-id")),
        "another event came"
    );
    for told in &again {
        signed(told, &demo)?;
        ensure!(!told.body.contains("bilan") && !told.body.contains("bob"), "{}", told.body);
    }

    Door::new(&demo, &link)?.open(&demo, BOB)?;
    let opened = program.until("ConsignmentAcceptance")?;
    let data = opened.last().context("nothing")?.json()?["data"].clone();
    ensure!(data["deposit"] == deposit.as_str() && data["recipient"] == 1, "{data}");

    demo.kill()?;
    demo.restart()?;
    demo.sealpost(&["deposit", "revoke", &deposit])?;
    let all = program.until("Revoked")?;
    let mut indexes = Vec::new();
    for told in &all[2..] {
        indexes.push(told.json()?["data"]["index"].as_u64().context("no index")?);
    }
    // An event whose answer the crash overtook may be told once more, at its place.
    ensure!(indexes.is_sorted(), "out of order: {indexes:?}");
    Ok(())
}
