//! Landing, code, answer, opening, content; the journal and the mail that follow.

use crate::bench::{Bench, Browser, message};
use http::StatusCode;
use sealpost_envelope::GateMethod;
use sealpost_gate::PasswordMethod;
use std::sync::atomic::Ordering;
use std::time::Duration;

const PDF: &[u8] = b"%PDF-1.4 not really";

#[tokio::test]
async fn the_whole_walk() {
    let bench = Bench::new().await;
    let sent = bench
        .deposit(
            &message("Bonjour Bob,", &[("bilan.pdf", "application/pdf", PDF)]),
            &["bob@example.test"],
            &["otp-mail"],
        )
        .await;
    let mut browser = Browser::new(&bench);
    let path = format!("/m/{}", sent.tokens[0]);

    let landing = browser.get(&path).await;
    assert_eq!(landing.status, StatusCode::OK);
    let text = landing.text();
    for shown in [
        "Alice Lefèvre",
        "Maison de santé des Lilas",
        "22 novembre 2026 à 11:00 (UTC+01:00)",
        "1 fichier",
        "22 décembre 2026",
        "b…@example.test",
    ] {
        assert!(text.contains(shown), "{shown} in {text}");
    }
    for hidden in ["Résultats", "bilan.pdf", "bob@example.test", "name=\"code\"", "Bonjour"] {
        assert!(!text.contains(hidden), "{hidden} before authentication");
    }

    let csrf = landing.csrf();
    let form = browser.post(&format!("{path}/gate/otp-mail"), &[("csrf", &csrf)]).await;
    assert_eq!(form.status, StatusCode::OK);
    assert!(form.text().contains("name=\"code\"") && form.text().contains("autocomplete=\"one-time-code\""));
    assert!(form.text().contains("/gate/otp-mail/answer"));
    let outbound = bench.outbound().await;
    assert_eq!(outbound.len(), 1);
    assert_eq!(bench.woken.load(Ordering::Relaxed), 1, "the composer was woken");
    assert_eq!((outbound[0].0, outbound[0].2.as_str()), (0, "bob@example.test"));
    assert!(outbound[0].1.contains("\"kind\":\"code\"") && outbound[0].1.contains("\"challenge\":\""));

    let code = bench.code(&sent, 1).await;
    assert!(!form.text().contains(&code), "the code stands on no page");
    let spaced = format!("{}+{}", &code[..3], &code[3..]);
    let answered =
        browser.post(&format!("{path}/gate/otp-mail/answer"), &[("csrf", &csrf), ("code", &spaced)]).await;
    assert_eq!(answered.status, StatusCode::SEE_OTHER);
    assert_eq!(answered.header("location"), path);
    let cookies: Vec<_> =
        answered.headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap()).collect();
    assert!(cookies.iter().any(|c| c.starts_with("__Host-") && c.contains("Secure; HttpOnly; SameSite=Lax")));

    let ready = browser.get(&path).await;
    assert!(ready.text().contains("accusé de réception") && !ready.text().contains("bilan.pdf"));
    assert_eq!(bench.events(sent.id).await, ["NotificationAccessTracking", "ChallengeSent", "GatePassed"]);

    let opened = browser.post(&format!("{path}/open"), &[("csrf", &csrf)]).await;
    assert_eq!(opened.status, StatusCode::SEE_OTHER);
    let content = browser.get(&path).await.text();
    for shown in [
        "Résultats d&#39;analyses",
        "Bonjour Bob",
        "bilan.pdf",
        "application/pdf",
        "data-sha256=\"",
        "/files/1\"",
    ] {
        assert!(content.contains(shown), "{shown} in {content}");
    }
    assert!(bench.store.consignment(sent.id, 1).await.unwrap().opened.is_some());
    assert_eq!(
        bench.events(sent.id).await[3..],
        ["ConsignmentAcceptance", "ContentConsignment"].map(String::from)
    );
    let outbound = bench.outbound().await;
    assert_eq!(outbound.len(), 2);
    assert!(outbound[1].1.contains("opened-by-all") && outbound[1].2 == "alice@lilas.example");

    // Opening again, and printing, add nothing.
    browser.post(&format!("{path}/open"), &[("csrf", &csrf)]).await;
    assert_eq!(browser.get(&format!("{path}/print")).await.status, StatusCode::OK);
    assert_eq!(bench.events(sent.id).await.len(), 5);
    assert_eq!(bench.outbound().await.len(), 2);

    let bye = browser.post(&format!("{path}/logout"), &[("csrf", &csrf)]).await;
    assert!(bye.text().contains("déconnecté"));
    assert!(browser.get(&path).await.text().contains("Envoyer le code"));
    assert_eq!(browser.get(&format!("{path}/print")).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn two_recipients_make_one_receipt_each() {
    let bench = Bench::new().await;
    let sent =
        bench.deposit(&message("x", &[]), &["bob@example.test", "dora@example.test"], &["otp-mail"]).await;
    Browser::new(&bench).open(&bench, &sent, 2).await;
    Browser::new(&bench).open(&bench, &sent, 1).await;
    // A second person who reads the same mailbox opens too: recorded, no further receipt.
    Browser::new(&bench).open(&bench, &sent, 1).await;
    let specs: Vec<_> = bench.outbound().await.into_iter().filter(|o| o.0 == 5).map(|o| o.1).collect();
    assert_eq!(specs.len(), 2);
    assert!(specs[0].contains("opened-by-one") && specs[1].contains("opened-by-all"), "{specs:?}");
    let again = bench.events(sent.id).await.into_iter().filter(|e| e == "ContentAccessTracking").count();
    assert_eq!(again, 1);
}

#[tokio::test]
async fn a_code_holds_for_the_consignment_and_is_the_same_when_sent_again() {
    let bench = Bench::new().await;
    let sent = bench.deposit(&message("x", &[]), &["bob@example.test"], &["otp-mail"]).await;
    let path = format!("/m/{}", sent.tokens[0]);
    let (mut one, mut two) = (Browser::new(&bench), Browser::new(&bench));
    let csrf = one.get(&path).await.csrf();
    one.post(&format!("{path}/gate/otp-mail"), &[("csrf", &csrf)]).await;
    let code = bench.code(&sent, 1).await;

    // At once: no second mail, and said so.
    let wait = one.post(&format!("{path}/gate/otp-mail"), &[("csrf", &csrf)]).await;
    assert!(wait.text().contains("vient d’être envoyé"));
    assert_eq!(bench.outbound().await.len(), 1);
    bench.clock.advance(jiff::SignedDuration::from_secs(60));
    let again = one.post(&format!("{path}/gate/otp-mail"), &[("csrf", &csrf)]).await;
    assert!(again.text().contains("C’est envoyé"), "{}", again.text());
    assert_eq!(bench.outbound().await.len(), 2);
    assert_eq!(bench.code(&sent, 1).await, code);

    // Answered in another browser; then it is used up.
    let csrf = two.get(&path).await.csrf();
    let done = two.post(&format!("{path}/gate/otp-mail/answer"), &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    let mut three = Browser::new(&bench);
    let csrf = three.get(&path).await.csrf();
    let used = three.post(&format!("{path}/gate/otp-mail/answer"), &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(used.status, StatusCode::FORBIDDEN);
}

/// A verification of somebody's password that lasts until it is released.
async fn verifying(bench: &Bench) -> (tokio::task::JoinHandle<()>, std::sync::mpsc::Sender<()>) {
    let ((begun, begins), (release, released)) =
        (tokio::sync::oneshot::channel(), std::sync::mpsc::channel());
    let accounts = bench.accounts.clone();
    let busy = tokio::spawn(async move {
        let work = move || {
            begun.send(()).unwrap();
            released.recv().unwrap();
            Ok(())
        };
        accounts.hashing(work).await.unwrap();
    });
    begins.await.unwrap();
    (busy, release)
}

#[tokio::test]
async fn a_combination_is_passed_in_order() {
    let bench = Bench::new().await;
    let sent = bench.deposit(&message("x", &[]), &["bob@example.test"], &["password+otp-mail"]).await;
    let verifier = PasswordMethod::verifier(&"mot de passe".to_owned().into()).unwrap();
    let (id, entity) = (sent.id, bench.entity);
    let keep = async move |tx: &mut sealpost_store::Tx| {
        sealpost_store::access::set_verifier(tx, entity, (id, 1), &GateMethod::Password, &verifier).await
    };
    bench.store.db().write(keep).await.unwrap();
    let path = format!("/m/{}", sent.tokens[0]);
    let mut browser = Browser::new(&bench);
    let landing = browser.get(&path).await;
    let csrf = landing.csrf();
    assert!(landing.text().contains("/gate/password") && !landing.text().contains("/gate/otp-mail"));

    // The second step first: shown the way, no code sent.
    let early = browser.post(&format!("{path}/gate/otp-mail"), &[("csrf", &csrf)]).await;
    assert_eq!(early.status, StatusCode::SEE_OTHER);
    assert!(bench.outbound().await.is_empty());

    let form = browser.post(&format!("{path}/gate/password"), &[("csrf", &csrf)]).await;
    assert!(form.text().contains("name=\"password\""));
    let wrong =
        browser.post(&format!("{path}/gate/password/answer"), &[("csrf", &csrf), ("password", "faux")]).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert!(wrong.text().contains("4 essais"));
    // Passwords are verified one after the other, whoever's they are: this one waits for an account's.
    let (busy, release) = verifying(&bench).await;
    let right = [("csrf", csrf.as_str()), ("password", "mot+de+passe")];
    let answer = format!("{path}/gate/password/answer");
    {
        let mut answered = std::pin::pin!(browser.post(&answer, &right));
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut answered).await.is_err(), "beside another");
        release.send(()).unwrap();
        assert_eq!(answered.await.status, StatusCode::SEE_OTHER);
    }
    busy.await.unwrap();

    // Half way is not in.
    assert_eq!(browser.get(&format!("{path}/print")).await.status, StatusCode::FORBIDDEN);
    browser.post(&format!("{path}/open"), &[("csrf", &csrf)]).await;
    assert!(bench.store.consignment(sent.id, 1).await.unwrap().opened.is_none());
    let page = browser.open(&bench, &sent, 1).await;
    assert!(page.text().contains("Ouvert le"));
    let events = bench.events(sent.id).await;
    assert_eq!(events.iter().filter(|e| *e == "GatePassed").count(), 2);
    assert_eq!(events.iter().filter(|e| *e == "GateFailed").count(), 1);
}

#[tokio::test]
async fn a_link_gate_opens_with_one_click() {
    let bench = Bench::new().await;
    let sent = bench.deposit(&message("Sans code", &[]), &["bob@example.test"], &["link"]).await;
    let path = format!("/m/{}", sent.tokens[0]);
    let mut browser = Browser::new(&bench);
    let csrf = browser.get(&path).await.csrf();
    let passed = browser.post(&format!("{path}/gate/link"), &[("csrf", &csrf)]).await;
    assert_eq!(passed.status, StatusCode::SEE_OTHER);
    assert!(browser.get(&path).await.text().contains("Ouvrir le message"));
    let mut direct = Browser::new(&bench);
    let csrf = direct.get(&path).await.csrf();
    direct.post(&format!("{path}/open"), &[("csrf", &csrf)]).await;
    assert!(direct.get(&path).await.text().contains("Sans code"));
}

#[tokio::test]
async fn a_gate_that_cannot_be_passed_here_stays_shut() {
    let bench = Bench::new().await;
    let sent = bench.deposit(&message("x", &[]), &["bob@example.test"], &["cps"]).await;
    let path = format!("/m/{}", sent.tokens[0]);
    let mut browser = Browser::new(&bench);
    let landing = browser.get(&path).await.text();
    assert!(landing.contains("mailto:alice@lilas.example") && !landing.contains("<form"));
}

#[tokio::test]
async fn english_is_spoken() {
    let bench = Bench::new().await;
    let sent = bench.deposit(&message("x", &[]), &["bob@example.test"], &["otp-mail"]).await;
    let path = format!("/m/{}", sent.tokens[0]);
    let mut browser = Browser::new(&bench);
    browser.language = "en-GB,fr;q=0.5";
    assert!(browser.get(&path).await.text().contains("A secure message is waiting"));
    assert!(browser.get(&format!("{path}?lang=fr")).await.text().contains("Un message sécurisé"));
    // The choice is kept.
    assert!(browser.get(&path).await.text().contains("Un message sécurisé"));
    // A page that a form led to has the same link: it leads back to where the way goes on.
    for step in ["gate/otp-mail", "gate/otp-mail/answer", "open", "logout"] {
        let answer = browser.get(&format!("{path}/{step}?lang=en")).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (StatusCode::SEE_OTHER, path.as_str()),
            "{step}"
        );
    }
    assert!(browser.get(&path).await.text().contains("A secure message is waiting"));
    assert_eq!(browser.get("/m/%2F%2Fother.example/open").await.status, StatusCode::NOT_FOUND);
}

/// Several people read `address`.
async fn shared(bench: &Bench, address: &str) {
    use sealpost_store::person::Person;
    let address = sealpost_envelope::EmailAddress::parse(address).unwrap();
    let person = Person {
        shared: true,
        ..Person::new(bench.entity, address, sealpost_envelope::Clock::now(&*bench.clock))
    };
    let write = async move |tx: &mut sealpost_store::Tx| person.write(tx).await;
    bench.store.db().write(write).await.unwrap();
}

/// The names that stand beside the journal's events about a deposit.
async fn declared(bench: &Bench, sent: &crate::bench::Sent) -> Vec<(String, String)> {
    bench.state.finish().await;
    let entries = bench.store.entries_of_deposit(sent.id).await.unwrap();
    let name = |openings: &[u8]| -> Option<String> {
        let all: serde_json::Value = serde_json::from_slice(openings).ok()?;
        Some(all["open"]["detail.declared"]["value"].as_str()?.to_owned())
    };
    let told =
        entries.iter().filter_map(|e| Some((e.event.as_str().to_owned(), name(e.openings.as_deref()?)?)));
    told.collect()
}

#[tokio::test]
async fn readers_of_a_shared_mailbox_may_say_who_they_are() {
    let bench = Bench::new().await;
    let to = ["secretariat@example.test", "bob@example.test"];
    let sent = bench.deposit(&message("x", &[]), &to, &["otp-mail"]).await;
    shared(&bench, to[0]).await;
    let mut browser = Browser::new(&bench);
    let ready = browser.pass(&bench, &sent, 1).await;
    assert!(
        ready.text().contains("name=\"name\"") && ready.text().contains("maxlength=\"80\""),
        "{}",
        ready.text()
    );
    let path = format!("/m/{}", sent.tokens[0]);
    let name = "%20Jeanne%E2%80%AE%20%20Dupont%0D%0A";
    browser.post(&format!("{path}/open"), &[("csrf", &ready.csrf()), ("name", name)]).await;
    let told = declared(&bench, &sent).await;
    let expected =
        ["ConsignmentAcceptance", "ContentConsignment"].map(|e| (e.to_owned(), "Jeanne Dupont".to_owned()));
    assert_eq!(told, expected, "without what turns the text around");
    let evidence = bench.evidence(sent.id).await;
    let accepted = evidence.iter().find(|xml| xml.contains("/ConsignmentAcceptance<")).unwrap();
    assert!(
        accepted.contains("attribute:declared-name") && accepted.contains(">Jeanne Dupont<"),
        "{accepted}"
    );
    // Once it stands in evidence it does not change, and the next reader says their own.
    browser.post(&format!("{path}/open"), &[("csrf", &ready.csrf()), ("name", "Autre")]).await;
    assert_eq!(declared(&bench, &sent).await.len(), 2);
    let mut second = Browser::new(&bench);
    let ready = second.pass(&bench, &sent, 1).await;
    second.post(&format!("{path}/open"), &[("csrf", &ready.csrf()), ("name", "Paul")]).await;
    let again = declared(&bench, &sent).await.pop();
    assert_eq!(again, Some(("ContentAccessTracking".to_owned(), "Paul".to_owned())));

    // A mailbox of one person is not asked, and what is sent all the same is not kept.
    let mut bob = Browser::new(&bench);
    let ready = bob.pass(&bench, &sent, 2).await;
    assert!(!ready.text().contains("name=\"name\""));
    let path = format!("/m/{}", sent.tokens[1]);
    bob.post(&format!("{path}/open"), &[("csrf", &ready.csrf()), ("name", "Mallory")]).await;
    assert_eq!(declared(&bench, &sent).await.len(), 3);
}
