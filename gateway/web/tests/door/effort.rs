//! After many wrong answers the next question costs an effort: a computation, or a pause.

use crate::bench::{Answer, Bench, Browser, Sent, message};
use http::StatusCode;
use jiff::SignedDuration;
use sealpost_envelope::Sha256Digest;
use serde_json::Value;

/// Ten wrong answers: two codes tried to their end.
async fn guessed(bench: &Bench, browser: &mut Browser, sent: &Sent) -> (String, String) {
    let path = format!("/m/{}", sent.tokens[0]);
    let csrf = browser.get(&path).await.csrf();
    for round in 0..2 {
        let asked = browser.post(&format!("{path}/gate/otp-mail"), &[("csrf", &csrf)]).await;
        assert_eq!(asked.status, StatusCode::OK, "round {round}: {}", asked.text());
        let right = bench.code(sent, 1).await;
        let wrong = if right == "000000" { "000001" } else { "000000" };
        for _ in 0..5 {
            let fields = [("csrf", csrf.as_str()), ("code", wrong)];
            let answer = browser.post(&format!("{path}/gate/otp-mail/answer"), &fields).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
        }
        bench.clock.advance(SignedDuration::from_secs(60));
    }
    (path, csrf)
}

/// What the script of the page finds, or as much beside it.
fn solved(page: &Answer, beside: u64) -> String {
    let text = page.text();
    let at = text.find("data-altcha=\"").expect("a question") + 13;
    let json = text[at..]
        .split('"')
        .next()
        .unwrap()
        .replace("&#34;", "\"")
        .replace("&quot;", "\"")
        .replace("&#38;", "&");
    let question: Value = serde_json::from_str(&json.replace("&amp;", "&")).expect("JSON");
    let (salt, challenge) = (question["salt"].as_str().unwrap(), question["challenge"].as_str().unwrap());
    let number = (0..=question["maxnumber"].as_u64().unwrap())
        .find(|n| Sha256Digest::of(format!("{salt}{n}").as_bytes()).to_hex() == challenge)
        .expect("it can be answered");
    let answer = serde_json::json!({
        "algorithm": "SHA-256", "challenge": challenge, "number": number + beside, "salt": salt,
        "signature": question["signature"],
    });
    base64_simd::STANDARD.encode_to_string(answer.to_string()).replace('+', "%2B").replace('=', "%3D")
}

fn hidden(page: &Answer, name: &str) -> String {
    let text = page.text();
    let mark = format!("name=\"{name}\" value=\"");
    let at = text.find(&mark).expect("the field") + mark.len();
    text[at..].split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_computation_counts_once() {
    let bench = Bench::new().await;
    let sent = bench.deposit(&message("Bonjour", &[]), &["bob@example.test"], &["otp-mail"]).await;
    let mut browser = Browser::new(&bench);
    let (path, csrf) = guessed(&bench, &mut browser, &sent).await;
    let ask = format!("{path}/gate/otp-mail");
    let page = browser.post(&ask, &[("csrf", &csrf)]).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!page.header("retry-after").is_empty());
    let answer = solved(&page, 0);
    let forged = browser.post(&ask, &[("csrf", &csrf), ("altcha", &solved(&page, 1))]).await;
    assert_eq!(forged.status, StatusCode::TOO_MANY_REQUESTS);
    let form = browser.post(&ask, &[("csrf", &csrf), ("altcha", &answer)]).await;
    assert_eq!(form.status, StatusCode::OK, "{}", form.text());
    let again = browser.post(&ask, &[("csrf", &csrf), ("altcha", &answer)]).await;
    assert_eq!(again.status, StatusCode::TOO_MANY_REQUESTS, "an effort counts once");
    // The code that is alive may be answered without any.
    let code = bench.code(&sent, 1).await;
    let done = browser.post(&format!("{ask}/answer"), &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_pause_does_as_well() {
    let bench = Bench::new().await;
    let sent = bench.deposit(&message("Bonjour", &[]), &["bob@example.test"], &["otp-mail"]).await;
    let mut browser = Browser::new(&bench);
    let (path, csrf) = guessed(&bench, &mut browser, &sent).await;
    let ask = format!("{path}/gate/otp-mail");
    let note = hidden(&browser.post(&ask, &[("csrf", &csrf)]).await, "wait");
    let early = browser.post(&ask, &[("csrf", &csrf), ("wait", &note)]).await;
    assert_eq!(early.status, StatusCode::TOO_MANY_REQUESTS, "too early");
    bench.clock.advance(SignedDuration::from_secs(11));
    let mut other = Browser::new(&bench);
    let theirs = other.get(&path).await.csrf();
    let stolen = other.post(&ask, &[("csrf", &theirs), ("wait", &note)]).await;
    assert_eq!(stolen.status, StatusCode::TOO_MANY_REQUESTS, "another browser's note");
    let form = browser.post(&ask, &[("csrf", &csrf), ("wait", &note)]).await;
    assert_eq!(form.status, StatusCode::OK, "{}", form.text());
    let again = browser.post(&ask, &[("csrf", &csrf), ("wait", &note)]).await;
    assert_eq!(again.status, StatusCode::TOO_MANY_REQUESTS, "a note counts once");
}
