//! The API from outside: a message with a file of 64 MiB whose upload is cut by a kill, who may see what, requests
//! that are sent twice, every problem, and every answer as described.

use anyhow::{Context, Result, ensure};
use sealpost_envelope::Sha256Digest;
use sealpost_tests::api::{ALL, Api, TUS};
use sealpost_tests::mail::Noise;
use sealpost_tests::tools::{link_in, must, wait_for_deposit, wait_until};
use sealpost_tests::{Demo, DemoOptions, Door};
use serde_json::{Value, json};
use std::process::Command;

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";
const ALICE: &str = "alice@sealpost.test";

fn deposits(api: &Api, query: &str) -> Result<Vec<String>> {
    let page = api.get(&format!("/api/v1/deposits{query}"))?.expect(200)?;
    let all = page["deposits"].as_array().context("no list")?;
    Ok(all.iter().filter_map(|d| d["id"].as_str().map(str::to_owned)).collect())
}

fn send(api: &Api, to: &str, subject: &str) -> Result<String> {
    let body = json!({ "to": [to], "subject": subject, "text": "Bonjour.\n", "treatment": "notify" });
    let made = api.post("/api/v1/deposits", &body, &[])?.expect(201)?;
    Ok(made["id"].as_str().context("no id")?.to_owned())
}

#[test]
fn a_file_of_64_mib_survives_a_kill_and_reaches_bob_unchanged() -> Result<()> {
    let mut demo = Demo::start(DemoOptions::default())?;
    let alice = Api::new(&demo, ALICE, &ALL)?;
    let mut bytes = vec![0; 64 << 20];
    Noise::new(64).fill(&mut bytes);
    let file = demo.dir.join("images.bin");
    std::fs::write(&file, &bytes)?;
    let upload = alice.upload(bytes.len(), "images é.bin")?;

    // Killed while the file is on its way: what was acknowledged is there afterwards.
    let slow = alice.patch(&upload, &file, 0, &["--limit-rate", "24M"]);
    let mut client = Command::new("curl").args(&slow).spawn()?;
    wait_until("the first octets count", || Ok(alice.offset(&upload)? > 0))?;
    let acknowledged = alice.offset(&upload)?;
    demo.kill()?;
    client.wait()?;
    demo.restart()?;
    let offset = alice.offset(&upload)?;
    ensure!(offset >= acknowledged && offset < bytes.len(), "{acknowledged} {offset}");

    // Not before it is complete, not from elsewhere, not with another digest.
    let name = upload.rsplit('/').next().unwrap_or_default();
    let message = json!({
        "to": [{ "address": BOB, "name": "Bob, le même" }], "bcc": [DORA], "subject": "Résultats d’imagerie",
        "text": "Bonjour,\nvoici les images.\n", "html": "<p>Bonjour, voici les <b>images</b>.</p>",
        "treatment": "link", "attachments": [name],
    });
    alice.post("/api/v1/deposits", &message, &[])?.problem(422, "invalid-message")?;
    let kind = ["-X", "PATCH", "-H", TUS, "-H", "Content-Type: application/offset+octet-stream"];
    let from = |offset: usize| format!("Upload-Offset: {offset}");
    let wrong = from(offset - 1);
    let answer = alice.request(&upload, &[&kind[..], &["-H", &wrong, "--data", "x"]].concat())?;
    answer.problem(409, "offset-conflict")?;
    ensure!(answer.header("upload-offset") == Some(&offset.to_string()), "{answer:?}");
    let (right, sum) = (from(offset), "Upload-Checksum: sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let answer = alice.request(&upload, &[&kind[..], &["-H", &right, "-H", sum, "--data", "x"]].concat())?;
    answer.problem(460, "checksum-mismatch")?;
    ensure!(alice.offset(&upload)? == offset, "a refused piece counts");

    let rest = demo.dir.join("rest.bin");
    std::fs::write(&rest, &bytes[offset..])?;
    let args = alice.patch(&upload, &rest, offset, &["-f"]);
    must("curl", &args.iter().map(String::as_str).collect::<Vec<_>>())?;
    ensure!(alice.offset(&upload)? == bytes.len(), "not complete");

    // Sent twice with one key: one deposit. With the same key, other words are refused.
    let key = ["-H", "Idempotency-Key: images-2026-11"];
    let made = alice.post("/api/v1/deposits", &message, &key)?.expect(201)?;
    let again = alice.post("/api/v1/deposits", &message, &key)?.expect(201)?;
    ensure!(made == again, "{made} {again}");
    let mut other = message.clone();
    other["subject"] = "Autre".into();
    alice.post("/api/v1/deposits", &other, &key)?.problem(422, "idempotency-key-reused")?;
    ensure!(deposits(&alice, "")?.len() == 1, "two deposits");
    ensure!(alice.request(&upload, &["-I", "-H", TUS])?.status == 404, "the upload stays behind");

    let id = made["id"].as_str().context("no id")?;
    let mail = wait_for_deposit(&demo, BOB, id)?;
    let door = Door::new(&demo, &link_in(&mail)?)?;
    let content = door.open(&demo, BOB)?;
    let files = content.files();
    let digest = Sha256Digest::of(&bytes).to_hex();
    ensure!(files.len() == 1 && files[0].1 == digest, "{files:?} {digest}");
    let download = door.request(&files[0].0, &[])?;
    ensure!(download.body == bytes, "Bob has other octets");
    ensure!(content.text().contains("images é.bin"), "{}", content.text());

    let shown = alice.get(&format!("/api/v1/deposits/{id}"))?.expect(200)?;
    ensure!(shown["state"] == "partly-received" && shown["subject"] == "Résultats d’imagerie", "{shown}");
    let kinds: Vec<_> = shown["recipients"].as_array().context("none")?.iter().map(|r| &r["kind"]).collect();
    ensure!(kinds == ["to", "bcc"], "{shown}");
    ensure!(shown["attachments"][0]["sha256"] == digest, "{shown}");
    Ok(())
}

#[test]
fn everybody_sees_their_own_and_requests_do_what_the_commands_do() -> Result<()> {
    let second = "\n[[entity]]\nname = \"Étude Durand\"\ndomains = [\"durand.test\"]\nhostname = \"mail.durand.test\"\n";
    let demo = Demo::start_edited(DemoOptions::default(), |text| {
        // Tables of arrays may stand anywhere; before the first section nothing of it changes.
        text + second
    })?;
    let paul = "paul@sealpost.test";
    demo.sealpost(&["user", "add", paul])?;
    demo.sealpost(&["user", "add", "eve@durand.test", "--role", "auditor", "--entity", "Étude Durand"])?;
    let alice = Api::new(&demo, ALICE, &ALL)?;
    let (paul, eve) = (Api::new(&demo, paul, &ALL)?, Api::new(&demo, "eve@durand.test", &ALL)?);
    let carol = Api::new(&demo, "carol@sealpost.test", &ALL)?;
    let reader = Api::new(&demo, ALICE, &["deposits:read"])?;

    let (of_alice, of_paul) = (send(&alice, BOB, "Pour Bob")?, send(&paul, DORA, "Pour Dora")?);
    ensure!(deposits(&alice, "")? == [of_alice.clone()], "Alice sees more or less than hers");
    ensure!(deposits(&paul, "")? == [of_paul.clone()], "Paul sees more or less than his");
    ensure!(
        deposits(&carol, "")? == [of_paul.clone(), of_alice.clone()],
        "the auditor sees both, newest first"
    );
    ensure!(deposits(&eve, "")?.is_empty(), "another organisation sees something");
    ensure!(deposits(&carol, "?subject=pour%20DORA")? == [of_paul.clone()], "by subject");
    ensure!(deposits(&carol, "?recipient=bob")? == [of_alice.clone()], "by recipient");
    let page = carol.get("/api/v1/deposits?limit=1")?.expect(200)?;
    let next = page["next"].as_str().context("no second page")?;
    ensure!(deposits(&carol, &format!("?limit=1&cursor={next}"))? == [of_alice.clone()], "the second page");

    let at = |id: &str, action: &str| format!("/api/v1/deposits/{id}/{action}");
    for (who, id) in [(&paul, &of_alice), (&eve, &of_alice), (&alice, &of_paul)] {
        who.get(&format!("/api/v1/deposits/{id}"))?.problem(404, "not-found")?;
        who.get(&at(id, "proof"))?.problem(404, "not-found")?;
        who.post(&at(id, "revoke"), &json!({}), &[])?.problem(404, "not-found")?;
    }
    carol.post(&at(&of_alice, "revoke"), &json!({}), &[])?.problem(403, "forbidden")?;
    alice.post(&at(&of_alice, "hold"), &json!({ "reason": "x" }), &[])?.problem(403, "forbidden")?;
    reader.post(&at(&of_alice, "revoke"), &json!({}), &[])?.problem(403, "insufficient-scope")?;
    alice.get("/api/v1/journal")?.problem(403, "forbidden")?;

    // As the commands: resend, extend, correct, hold, withdraw.
    wait_for_deposit(&demo, BOB, &of_alice)?;
    let key = ["-H", "Idempotency-Key: once-more"];
    let done = alice.post(&at(&of_alice, "resend"), &json!({}), &key)?.expect(200)?;
    ensure!(done["count"] == 1, "{done}");
    alice.post(&at(&of_alice, "resend"), &json!({}), &key)?.expect(200)?;
    alice.post(&at(&of_alice, "revoke"), &json!({}), &key)?.problem(422, "idempotency-key-reused")?;
    alice.post(&at(&of_alice, "resend"), &json!({ "recipient": 7 }), &[])?.problem(400, "invalid-request")?;
    let expires = |id: &str| -> Result<Value> {
        Ok(alice.get(&format!("/api/v1/deposits/{id}"))?.expect(200)?["recipients"][0]["expires"].clone())
    };
    let before = expires(&of_alice)?;
    let until = must("date", &["-u", "-d", "+40 days", "+%Y-%m-%dT%H:%M:%SZ"])?;
    alice.post(&at(&of_alice, "extend"), &json!({ "until": until.trim() }), &[])?.expect(200)?;
    ensure!(expires(&of_alice)? != before, "not extended");
    let past = json!({ "until": "2020-01-01T00:00:00Z" });
    alice.post(&at(&of_alice, "extend"), &past, &[])?.problem(400, "invalid-request")?;
    let right = json!({ "address": "bernard@example.test" });
    paul.post(&at(&of_paul, "readdress"), &right, &[])?.expect(200)?;
    let corrected = paul.get(&format!("/api/v1/deposits/{of_paul}"))?.expect(200)?;
    ensure!(corrected["recipients"][0]["address"] == "bernard@example.test", "{corrected}");
    carol.post(&at(&of_alice, "hold"), &json!({ "reason": "affaire 7" }), &[])?.expect(200)?;
    carol.post(&at(&of_alice, "hold"), &json!({ "reason": "encore" }), &[])?.problem(409, "conflict")?;
    ensure!(
        carol.get(&format!("/api/v1/deposits/{of_alice}"))?.expect(200)?["legal_hold"]["reason"]
            == "affaire 7"
    );
    let own = alice.get(&format!("/api/v1/deposits/{of_alice}"))?.expect(200)?;
    ensure!(
        own["legal_hold"].is_null() && !own.to_string().contains("HoldPlaced"),
        "the sender sees the hold"
    );
    carol.post(&at(&of_alice, "release"), &json!({}), &[])?.expect(200)?;
    carol.post(&at(&of_alice, "release"), &json!({}), &[])?.problem(409, "conflict")?;
    alice.post(&at(&of_alice, "revoke"), &json!({}), &[])?.expect(200)?;
    alice.post(&at(&of_alice, "resend"), &json!({}), &[])?.problem(409, "conflict")?;
    ensure!(deposits(&alice, "?state=revoked")? == [of_alice.clone()], "by state");

    // The journal says the same, with who did it; the proof is one.
    let entries = carol.get(&format!("/api/v1/journal?deposit={of_alice}"))?.expect(200)?;
    let names: Vec<_> =
        entries["entries"].as_array().context("none")?.iter().map(|e| e["event"].clone()).collect();
    for name in ["SubmissionAcceptance", "Resent", "Extended", "HoldPlaced", "HoldReleased", "Revoked"] {
        ensure!(names.iter().filter(|n| *n == name).count() == 1, "{name}: {names:?}");
    }
    let csv = carol.get("/api/v1/journal?format=csv")?.text();
    ensure!(csv.starts_with("index,id,") && csv.contains(&of_paul), "{csv}");
    let lines = eve.get("/api/v1/journal?format=jsonl")?.text();
    ensure!(!lines.contains(&of_alice) && !lines.contains(&of_paul), "another organisation's journal");
    let numbers = carol.get("/api/v1/statistics")?.expect(200)?;
    ensure!(numbers["total"]["deposits"] == 2 && numbers["days"][0]["recipients"] == 2, "{numbers}");
    let proof = demo.dir.join("proof.asice");
    wait_until("the proof is complete", || {
        let answer = carol.get(&format!("{}?language=en", at(&of_alice, "proof")))?;
        if answer.status == 409 {
            answer.problem(409, "proof-pending")?;
            return Ok(false);
        }
        ensure!(answer.status == 200, "{}", answer.text());
        std::fs::write(&proof, &answer.body)?;
        Ok(true)
    })?;
    let verdict = demo.sealpost(&[
        "proof",
        "verify",
        &proof.to_string_lossy(),
        "--trust",
        &demo.about.ca.to_string_lossy(),
    ])?;
    ensure!(verdict.trim_end().ends_with("VALID"), "{verdict}");

    // A message that is written already; as somebody else it is refused.
    let written = |from: &str| format!("From: {from}\r\nTo: {BOB}\r\nSubject: x\r\n\r\nBonjour.\r\n");
    let put = |message: &str| {
        let more = ["-H", "Content-Type: message/rfc822", "--data-binary", message];
        alice.request(&format!("/api/v1/deposits?recipients={BOB}"), &more)
    };
    put(&written(ALICE))?.expect(201)?;
    put(&written("paul@sealpost.test"))?.problem(403, "policy-refused")?;
    problems(&demo, &alice, &of_alice)
}

/// The problems that have not been met before.
fn problems(demo: &Demo, alice: &Api, id: &str) -> Result<()> {
    let message = json!({ "to": [BOB], "subject": "x", "text": "x" });
    let with = |name: &str, value: Value| {
        let mut changed = message.clone();
        changed[name] = value;
        changed
    };
    for wrong in [
        with("to", json!([])),
        with("to", json!(["no address"])),
        with("treatment", json!("refuse")),
        with("gate", json!(["magic"])),
        with("expires", json!("2020-01-01T00:00:00Z")),
        with("password", json!("short")),
        with("password", json!(" with blanks ")),
        with("to", json!([{ "address": BOB, "gate": ["magic"] }])),
        with("to", json!([{ "address": BOB, "phone": "06,12" }])),
        with("to", json!([{ "address": BOB, "identity": "rpps:1" }])),
        with("to", json!([{ "address": BOB, "expires": "2020-01-01T00:00:00Z" }])),
        with("to", json!([{ "address": BOB, "phone": "1" }, { "address": BOB, "phone": "2" }])),
        with("attachments", json!(["0193a7c0-0000-7000-8000-000000000001"])),
        with("to", json!(["nobody@sealpost.test"])),
    ] {
        alice.post("/api/v1/deposits", &wrong, &[])?.problem(422, "invalid-message")?;
    }
    for wrong in [json!({}), with("text", json!(7)), with("unknown", json!(1))] {
        alice.post("/api/v1/deposits", &wrong, &[])?.problem(400, "invalid-request")?;
    }
    // What is asked for one recipient holds for nobody else.
    let soon = must("date", &["-u", "-d", "2 days", "+%FT%TZ"])?.trim().to_owned();
    let asked = json!({
        "to": [{ "address": BOB, "expires": soon }, DORA], "subject": "x", "text": "x", "treatment": "notify",
        "password": "une longue phrase",
    });
    let made = alice.post("/api/v1/deposits", &asked, &[])?.expect(201)?;
    let made =
        alice.get(&format!("/api/v1/deposits/{}", made["id"].as_str().unwrap_or_default()))?.expect(200)?;
    let ends: Vec<_> = made["recipients"].as_array().into_iter().flatten().map(|r| &r["expires"]).collect();
    ensure!(ends.len() == 2 && ends[0] == &json!(soon) && ends[1] != ends[0], "{made}");
    let as_paul = with("from", json!("paul@sealpost.test"));
    alice.post("/api/v1/deposits", &as_paul, &[])?.problem(403, "policy-refused")?;
    let text = ["-H", "Content-Type: text/plain", "--data", "x"];
    alice.request("/api/v1/deposits", &text)?.problem(415, "unsupported-media-type")?;
    let long = demo.dir.join("long.json");
    std::fs::write(&long, vec![b' '; 2 << 20])?;
    let (long, json_type) = (format!("@{}", long.display()), "Content-Type: application/json");
    let answer = alice.request("/api/v1/deposits", &["-H", json_type, "--data-binary", &long])?;
    answer.problem(413, "payload-too-large")?;
    for query in ["?limit=0", "?limit=x", "?state=unknown", "?cursor=x", "?since=yesterday", "?other=1"] {
        alice.get(&format!("/api/v1/deposits{query}"))?.problem(400, "invalid-request")?;
    }
    alice.get("/api/v1/nothing")?.problem(404, "not-found")?;
    alice
        .request(&format!("/api/v1/deposits/{id}"), &["-X", "DELETE"])?
        .problem(405, "method-not-allowed")?;
    alice.request("/api/v1/uploads", &["-X", "POST"])?.problem(412, "unsupported-version")?;
    let absent = "/api/v1/uploads/0193a7c0-0000-7000-8000-000000000001";
    alice.request(absent, &["-X", "DELETE", "-H", TUS])?.problem(404, "not-found")?;
    let gone = alice.put(b"content", "x.txt")?;
    let gone = format!("/api/v1/uploads/{gone}");
    ensure!(alice.request(&gone, &["-X", "DELETE", "-H", TUS])?.status == 204);
    for token in ["", "sealpost_wrong", &alice.token()[..50]] {
        let stranger = Api::with_token(demo, token)?;
        let answer = stranger.get("/api/v1/me")?;
        answer.problem(401, "unauthorized")?;
        ensure!(answer.header("www-authenticate").is_some(), "{answer:?}");
    }
    let me = alice.get("/api/v1/me")?.expect(200)?;
    ensure!(
        me["account"]["login"] == ALICE && me["token"]["scopes"].as_array().is_some_and(|s| s.len() == 5)
    );
    let page = alice.get("/api/docs?lang=en")?.text();
    ensure!(page.contains("id=\"policy-refused\"") && page.contains("/api/v1/uploads"), "{page}");
    // What a token could do ends with it.
    let tokens = demo.sealpost(&["--json", "user", "token", "list", ALICE])?;
    for line in tokens.lines() {
        let id = serde_json::from_str::<Value>(line)?["id"].as_str().context("no id")?.to_owned();
        demo.sealpost(&["user", "token", "revoke", ALICE, &id])?;
    }
    alice.get("/api/v1/me")?.problem(401, "unauthorized")
}

#[test]
fn every_answer_is_as_described() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let alice = Api::new(&demo, ALICE, &ALL)?;
    send(&alice, BOB, "Pour Bob")?;
    let description = demo.dir.join("openapi.json");
    std::fs::write(&description, &alice.get("/api/openapi.json")?.body)?;
    let output = Command::new("/opt/sealpost-test/bin/schemathesis-4.32.5")
        .env("SCHEMATHESIS_HOOKS", sealpost_tests::tools::script("api_hooks.py"))
        .env("NO_PROXY", "*")
        .current_dir(&demo.dir)
        .args(["run", &description.to_string_lossy(), "--url", &demo.url()])
        .args(["-H", &format!("Authorization: Bearer {}", alice.token())])
        .args(["--max-examples", "5", "--phases", "examples,coverage,fuzzing", "--seed", "20261122"])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"])
        .args(["--checks", "response_schema_conformance,response_headers_conformance"])
        .args([
            "--tls-verify",
            &demo.about.ca.to_string_lossy(),
            "--request-timeout",
            "20",
            "--request-retries",
            "2",
            "--no-color",
        ])
        .output()
        .context("run schemathesis")?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    Ok(())
}
