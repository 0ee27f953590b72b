//! What strangers try: guessed links, guessed codes, forged forms, scanners.

use crate::bench::{Bench, Browser, message};
use http::{Method, StatusCode};

#[tokio::test]
async fn unknown_links_all_look_the_same() {
    let bench = Bench::new().await;
    let sent = bench
        .deposit(&message("x", &[("a.pdf", "application/pdf", b"a")]), &["bob@example.test"], &["otp-mail"])
        .await;
    let mut browser = Browser::new(&bench);
    let reference = browser.get("/m/AAAAAAAAAAAAAAAAAAAAAAAAAAA").await;
    assert_eq!(reference.status, StatusCode::NOT_FOUND);
    let other = if sent.tokens[0].starts_with('A') { "B" } else { "A" };
    let near = format!("{other}{}", &sent.tokens[0][1..]);
    let long = "x".repeat(5000);
    for path in
        ["x", "..", "%00", "é", &near, &long, "AAAA/files/1", "AAAA/all.zip", "AAAA/print", "AAAA/inline/1"]
    {
        let answer = browser.get(&format!("/m/{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.body, reference.body, "{path}");
    }
    for path in ["AAAA/open", "AAAA/gate/otp-mail", "AAAA/gate/otp-mail/answer", "AAAA/logout"] {
        let answer = browser.post(&format!("/m/{path}"), &[("csrf", "x"), ("code", "123456")]).await;
        assert_eq!((answer.status, &answer.body), (StatusCode::NOT_FOUND, &reference.body), "{path}");
    }
    assert_eq!(bench.journal_len().await, 0);
}

#[tokio::test]
async fn ended_links_say_so_and_name_the_sender() {
    let bench = Bench::new().await;
    let sent =
        bench.deposit(&message("x", &[]), &["bob@example.test", "dora@example.test"], &["otp-mail"]).await;
    let mut browser = Browser::new(&bench);
    browser.open(&bench, &sent, 1).await;
    let path = format!("/m/{}", sent.tokens[0]);

    bench.store.revoke(sent.id, Some(1), Default::default()).await.unwrap();
    let gone = browser.get(&path).await;
    assert_eq!(gone.status, StatusCode::GONE);
    assert!(
        gone.text().contains("a retiré ce message") && gone.text().contains("mailto:alice@lilas.example")
    );
    assert_eq!(browser.get(&format!("{path}/print")).await.status, StatusCode::GONE);

    let week = bench.store.read_deposit(sent.id).await.unwrap().row.key_week;
    let other = format!("/m/{}", sent.tokens[1]);
    bench.clock.advance(jiff::SignedDuration::from_hours(24 * 31));
    let gone = Browser::new(&bench).get(&format!("/m/{}", sent.tokens[1])).await;
    assert_eq!(gone.status, StatusCode::GONE);
    assert!(gone.text().contains("a pris fin le 22 décembre 2026") && gone.text().contains("prolongation"));
    bench.clock.advance(jiff::SignedDuration::from_hours(-24 * 31));
    bench.store.keys().destroy_week(&week, bench.store.clock().now()).unwrap();
    let gone = Browser::new(&bench).get(&other).await;
    assert_eq!(gone.status, StatusCode::GONE);
    assert!(gone.text().contains("détruit"), "{}", gone.text());
}

#[tokio::test]
async fn a_session_opens_no_other_message_and_ends() {
    let bench = Bench::new().await;
    let mine = bench.deposit(&message("à moi", &[]), &["bob@example.test"], &["otp-mail"]).await;
    let other = bench
        .deposit(
            &message("à Dora", &[("d.pdf", "application/pdf", b"d")]),
            &["dora@example.test"],
            &["otp-mail"],
        )
        .await;
    let mut browser = Browser::new(&bench);
    browser.open(&bench, &mine, 1).await;
    let foreign = format!("/m/{}", other.tokens[0]);
    assert!(browser.get(&foreign).await.text().contains("Envoyer le code"));
    assert_eq!(browser.get(&format!("{foreign}/files/1")).await.status, StatusCode::FORBIDDEN);
    // The cookie under the other consignment's name is worth nothing there.
    let stolen = browser.cookies.iter().find(|(k, _)| k.len() > 20).map(|(_, v)| v.clone()).unwrap();
    let mut thief = Browser::new(&bench);
    thief.pass(&bench, &other, 1).await;
    let name =
        thief.cookies.keys().find(|k| k.len() > 20 && !browser.cookies.contains_key(*k)).unwrap().clone();
    thief.cookies.insert(name, stolen);
    assert!(thief.get(&foreign).await.text().contains("Envoyer le code"));

    let csrf = browser.get(&foreign).await.csrf();
    let crossed = browser.post(&format!("/m/{}/open", mine.tokens[0]), &[("csrf", &csrf)]).await;
    assert_eq!(crossed.status, StatusCode::FORBIDDEN, "a form belongs to its link");
    bench.clock.advance(jiff::SignedDuration::from_hours(3));
    assert!(browser.get(&format!("/m/{}", mine.tokens[0])).await.text().contains("Envoyer le code"));
}

#[tokio::test]
async fn five_wrong_codes_from_any_browser_end_the_challenge() {
    let bench = Bench::new().await;
    let sent = bench.deposit(&message("x", &[]), &["bob@example.test"], &["otp-mail"]).await;
    let path = format!("/m/{}", sent.tokens[0]);
    let mut first = Browser::new(&bench);
    let csrf = first.get(&path).await.csrf();
    first.post(&format!("{path}/gate/otp-mail"), &[("csrf", &csrf)]).await;
    let right = bench.code(&sent, 1).await;
    let wrong = if right == "000000" { "000001" } else { "000000" };
    // A slip is no try.
    let slip = first.post(&format!("{path}/gate/otp-mail/answer"), &[("csrf", &csrf), ("code", "12")]).await;
    assert!(slip.text().contains("5 essais"), "{}", slip.text());
    for left in (0..5).rev() {
        let mut browser = Browser::new(&bench);
        let csrf = browser.get(&path).await.csrf();
        let no =
            browser.post(&format!("{path}/gate/otp-mail/answer"), &[("csrf", &csrf), ("code", wrong)]).await;
        assert_eq!(no.status, StatusCode::FORBIDDEN);
        let shown = if left == 0 { "plus valable".to_owned() } else { format!("{left} essai") };
        assert!(no.text().contains(&shown), "{shown}");
    }
    let late =
        first.post(&format!("{path}/gate/otp-mail/answer"), &[("csrf", &csrf), ("code", &right)]).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
    assert!(first.get(&path).await.text().contains("Envoyer le code"));
    let failed = bench.events(sent.id).await.into_iter().filter(|e| e == "GateFailed").count();
    assert_eq!(failed, 5);

    // Another one can be asked for, with other digits, within the hour's limit.
    for _ in 0..5 {
        bench.clock.advance(jiff::SignedDuration::from_secs(60));
        let again = first.post(&format!("{path}/gate/otp-mail"), &[("csrf", &csrf)]).await;
        assert_eq!(again.status, StatusCode::OK);
    }
    assert_ne!(bench.code(&sent, 1).await, right);
    bench.clock.advance(jiff::SignedDuration::from_secs(60));
    let enough = first.post(&format!("{path}/gate/otp-mail"), &[("csrf", &csrf)]).await;
    assert_eq!(enough.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(enough.text().contains("name=\"code\""), "the living code can still be answered");
    assert_eq!(bench.outbound().await.len(), 6);
}

#[tokio::test]
async fn a_code_expires() {
    let bench = Bench::new().await;
    let sent = bench.deposit(&message("x", &[]), &["bob@example.test"], &["otp-mail"]).await;
    let path = format!("/m/{}", sent.tokens[0]);
    let mut browser = Browser::new(&bench);
    let csrf = browser.get(&path).await.csrf();
    browser.post(&format!("{path}/gate/otp-mail"), &[("csrf", &csrf)]).await;
    let code = bench.code(&sent, 1).await;
    bench.clock.advance(jiff::SignedDuration::from_secs(600));
    let late =
        browser.post(&format!("{path}/gate/otp-mail/answer"), &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn forms_of_others_are_refused() {
    let bench = Bench::new().await;
    let sent = bench.deposit(&message("x", &[]), &["bob@example.test"], &["otp-mail"]).await;
    let path = format!("/m/{}", sent.tokens[0]);
    let ask = format!("{path}/gate/otp-mail");
    let mut browser = Browser::new(&bench);
    let csrf = browser.get(&path).await.csrf();
    let before = bench.tables().await;
    for fields in [&[][..], &[("csrf", "")], &[("csrf", "AAAA")], &[("code", "123456")]] {
        assert_eq!(browser.post(&ask, fields).await.status, StatusCode::FORBIDDEN, "{fields:?}");
    }
    // Another browser's value; no cookie at all; another site's request.
    assert_eq!(Browser::new(&bench).post(&ask, &[("csrf", &csrf)]).await.status, StatusCode::FORBIDDEN);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let foreign = [form, ("sec-fetch-site", "cross-site")];
    let answer = browser.send(Method::POST, &ask, &foreign, &format!("csrf={csrf}")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let large =
        browser.send(Method::POST, &ask, &[form], &format!("csrf={csrf}&x={}", "y".repeat(20_000))).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    let noise = browser.send(Method::POST, &ask, &[form], "csrf=%ff%fe&csrf=2").await;
    assert_eq!(noise.status, StatusCode::BAD_REQUEST);
    assert_eq!(bench.tables().await, before);
}

#[tokio::test]
async fn getting_changes_nothing_but_the_journal() {
    let bench = Bench::new().await;
    let sent = bench
        .deposit(&message("x", &[("a.pdf", "application/pdf", b"abc")]), &["bob@example.test"], &["otp-mail"])
        .await;
    let path = format!("/m/{}", sent.tokens[0]);
    let mut browser = Browser::new(&bench);
    let before = bench.tables().await;
    for tail in [
        "",
        "?lang=en",
        "/print",
        "/files/1",
        "/files/1/view",
        "/all.zip",
        "/inline/1",
        "/gate/otp-mail",
        "/gate/otp-mail/answer",
        "/open",
        "/logout",
    ] {
        for method in [Method::GET, Method::HEAD] {
            let answer = browser.send(method.clone(), &format!("{path}{tail}"), &[], "").await;
            assert!(answer.status != StatusCode::INTERNAL_SERVER_ERROR, "{method} {tail}");
            assert!(!answer.text().contains("abc"), "{tail}");
        }
    }
    assert_eq!(bench.tables().await, before);
    // One minute, one line, whoever fetched.
    assert_eq!(bench.events(sent.id).await, ["NotificationAccessTracking"]);
    bench.clock.advance(jiff::SignedDuration::from_secs(61));
    Browser::new(&bench).get(&path).await;
    assert_eq!(bench.events(sent.id).await.len(), 2);
}

#[tokio::test]
async fn every_answer_is_armoured() {
    let bench = Bench::new().await;
    let sent = bench.deposit(&message("x", &[]), &["bob@example.test"], &["otp-mail"]).await;
    let mut browser = Browser::new(&bench);
    for path in ["/".to_owned(), format!("/m/{}", sent.tokens[0]), "/m/none".into(), "/nowhere".into()] {
        let answer = browser.get(&path).await;
        let csp = answer.header("content-security-policy");
        assert!(
            csp.contains("default-src 'none'") && !csp.contains("unsafe") && !csp.contains("http"),
            "{path}: {csp}"
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("strict-transport-security", "max-age=63072000"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
        let text = answer.text();
        assert!(!text.contains("style=") && !text.contains("<style") && !text.contains("onclick"), "{path}");
        // What the page loads is ours, named by its digest, and kept for ever.
        let style =
            text.split("href=\"").find(|s| s.contains(".css")).unwrap().split('"').next().unwrap().to_owned();
        let asset = browser.get(&style).await;
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(asset.header("content-type"), "text/css; charset=utf-8");
    }
    assert_eq!(browser.get("/static/sealpost.0000000000000000.css").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/log/checkpoint").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/log/tile/0/000.p/1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/log/tile/entries/000").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn asking_is_limited_per_address() {
    let limits = sealpost_web::WebLimits { asks_per_hour: 3, ..Default::default() };
    let bench = Bench::with_limits(limits).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let sent = bench.deposit(&message("x", &[]), &["bob@example.test"], &["otp-mail"]).await;
        let path = format!("/m/{}", sent.tokens[0]);
        let mut browser = Browser::new(&bench);
        let csrf = browser.get(&path).await.csrf();
        statuses
            .push(browser.post(&format!("{path}/gate/otp-mail"), &[("csrf", &csrf)]).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    assert_eq!(bench.outbound().await.len(), 3);
}

#[tokio::test]
async fn of_browsers_racing_for_one_code_one_wins() {
    let bench = Bench::new().await;
    let sent = bench.deposit(&message("x", &[]), &["bob@example.test"], &["otp-mail"]).await;
    let path = format!("/m/{}", sent.tokens[0]);
    let mut first = Browser::new(&bench);
    let csrf = first.get(&path).await.csrf();
    first.post(&format!("{path}/gate/otp-mail"), &[("csrf", &csrf)]).await;
    let code = bench.code(&sent, 1).await;

    let racing = (0..8).map(|_| async {
        let mut browser = Browser::new(&bench);
        let csrf = browser.get(&path).await.csrf();
        let fields = [("csrf", csrf.as_str()), ("code", code.as_str())];
        let answer = browser.post(&format!("{path}/gate/otp-mail/answer"), &fields).await;
        (browser, answer)
    });
    let mut inside = 0;
    for (mut browser, answer) in futures_util::future::join_all(racing).await {
        let passed = browser.get(&path).await.text().contains("Votre message est prêt");
        match answer.status {
            StatusCode::SEE_OTHER => {
                assert!(passed);
                inside += 1;
            }
            status => {
                assert_eq!(status, StatusCode::FORBIDDEN);
                assert!(answer.text().contains("Ce code n’est plus valable"), "{}", answer.text());
                assert!(!passed, "the others stay outside");
            }
        }
    }
    assert_eq!(inside, 1);
    let passed = bench.events(sent.id).await.into_iter().filter(|e| e == "GatePassed").count();
    assert_eq!(passed, 1, "one event, one session");
}

#[tokio::test]
async fn every_page_names_support_and_health_services_recall_the_law() {
    for (health, recalled) in [(true, true), (false, false)] {
        let bench = Bench::of(sealpost_web::WebLimits::default(), health).await;
        let sent = bench.deposit(&message("x", &[]), &["bob@example.test"], &["otp-mail"]).await;
        let path = format!("/m/{}", sent.tokens[0]);
        for language in ["fr", "en"] {
            let mut browser = Browser::new(&bench);
            browser.language = language;
            let mut pages = vec![browser.get(&path).await, browser.get("/login").await];
            pages.push(browser.get("/m/AAAAAAAAAAAAAAAAAAAAAAAAAAA").await);
            pages.push(browser.open(&bench, &sent, 1).await);
            for page in pages.iter().filter(|p| p.text().contains("Maison de santé")) {
                let text = page.text();
                assert_eq!(text.contains("1110-4"), recalled, "{language}: {text}");
                assert!(text.contains("aide@lilas.example") && text.contains("+33 1 23 45 67 89"), "{text}");
                let end = if language == "fr" { "fermez le navigateur" } else { "close the browser" };
                assert!(text.contains(end), "{text}");
            }
            assert!(
                pages[0].text().contains("Maison de santé") && pages[3].text().contains("Maison de santé")
            );
        }
    }
}
