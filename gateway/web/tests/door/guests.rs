//! What people outside hand over: files without scripts, forms that break off, answers.

use crate::bench::{Answer, Bench, Browser, Sent, message};
use http::{Method, StatusCode};
use jiff::SignedDuration;
use sealpost_envelope::{AccountId, EmailAddress, Language, Timestamp};
use sealpost_store::account::{Accounts, NewAccount, Role};
use sealpost_store::invitation::{Kind, NewInvitation, Words, invitation_token};
use sealpost_store::upload::{Owner, UploadMeta};
use sealpost_web::WebLimits;
use uuid::Uuid;

const MOST: u64 = 100_000;

async fn alice(bench: &Bench) -> AccountId {
    let new = NewAccount {
        entity: bench.entity,
        login: EmailAddress::parse("alice@lilas.example").unwrap(),
        role: Role::Sender,
        name: "Alice".into(),
        password: None,
    };
    Accounts::new(&bench.store).unwrap().create(new, vec![]).await.unwrap().id
}

/// Whose a guest's files are, and the path of their page.
async fn invited(bench: &Bench) -> (Owner, String) {
    let (account, id) = (alice(bench).await, Uuid::now_v7());
    let new = NewInvitation {
        id,
        entity: bench.entity,
        account,
        kind: Kind::Guest,
        browser: None,
        address: EmailAddress::parse("guest@example.test").unwrap(),
        about: None,
        language: Language::Fr,
        most: MOST,
        expires: bench.store.clock().now() + SignedDuration::from_hours(24),
        content_until: None,
        words: Words::default(),
    };
    bench.store.invite(new, None).await.unwrap();
    let token = invitation_token(bench.store.keys(), id).unwrap();
    (Owner { account, guest: Some((id, MOST)) }, format!("/g/{}", token.expose()))
}

/// A form as a browser without scripts sends it, with these files.
fn form(csrf: &str, fields: &[(&str, &str)], files: &[(&str, usize)]) -> String {
    let mut body = String::new();
    for (name, value) in [("csrf", csrf), ("action", "attach")].iter().chain(fields) {
        body += &format!("--cut\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    for (name, size) in files {
        body += &format!(
            "--cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: text/plain\r\n\r\n{}\r\n",
            "x".repeat(*size)
        );
    }
    body + "--cut--\r\n"
}

/// Sends as much of a form as `sent` octets.
async fn post(browser: &mut Browser, path: &str, form: &str, sent: usize) -> Answer {
    let length = form.len().to_string();
    let headers = [("content-type", "multipart/form-data; boundary=cut"), ("content-length", &length)];
    browser.send(Method::POST, path, &headers, &form[..sent]).await
}

fn ids(page: &Answer) -> Vec<String> {
    let text = page.text();
    let values = text.split("name=\"upload\" value=\"").skip(1);
    values.map(|v| v.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn files_of_one_form_fit_and_stand_in_it_again() {
    let bench = Bench::new().await;
    let (_, path) = invited(&bench).await;
    let mut browser = Browser::new(&bench);
    let csrf = browser.get(&path).await.csrf();
    let whole = form(&csrf, &[], &[("one.txt", 40_000), ("two.txt", 40_000)]);
    let attached = post(&mut browser, &path, &whole, whole.len()).await;
    assert_eq!(attached.status, StatusCode::OK, "{}", attached.text());
    let both = ids(&attached);
    assert_eq!(both.len(), 2);
    // Whoever reloads finds both, and can do without one.
    let again = browser.get(&path).await;
    assert!(again.text().contains("one.txt") && ids(&again) == both, "{}", again.text());
    let fields = [("upload", both[0].as_str()), ("upload", &both[1]), ("remove", &both[0])];
    let removal = form(&csrf, &fields, &[]);
    assert_eq!(post(&mut browser, &path, &removal, removal.len()).await.status, StatusCode::OK);
    assert_eq!(ids(&browser.get(&path).await), both[1..]);
}

#[tokio::test]
async fn a_form_that_breaks_off_reserves_nothing() {
    let bench = Bench::new().await;
    let (owner, path) = invited(&bench).await;
    let mut browser = Browser::new(&bench);
    let csrf = browser.get(&path).await.csrf();
    let whole = form(&csrf, &[], &[("one.txt", 40_000), ("two.txt", 40_000)]);
    let broken = post(&mut browser, &path, &whole, whole.len() - 10_000).await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST, "{}", broken.text());
    bench.state.finish().await;
    assert!(ids(&browser.get(&path).await).is_empty());
    let end = bench.store.clock().now() + SignedDuration::from_hours(1);
    let next = bench.store.create_upload(bench.entity, owner, MOST, UploadMeta::default(), end).await;
    assert!(next.is_ok(), "{next:?}");
}

/// Begins an answer in a browser that has the session, and otherwise a name nobody knows.
async fn begin(bench: &Bench, sent: &Sent, opened: &Browser) -> StatusCode {
    let path = format!("/m/{}", sent.tokens[0]);
    let mut browser = Browser::new(bench);
    browser.get(&path).await;
    let own = browser.cookies.clone();
    browser.cookies.clone_from(&opened.cookies);
    browser.cookies.extend(own);
    let csrf = browser.get(&path).await.csrf();
    browser.post(&format!("{path}/reply"), &[("csrf", &csrf)]).await.status
}

#[tokio::test]
async fn beginning_answers_is_limited_and_their_words_end_with_the_content() {
    // One for the code, three for answers.
    let bench = Bench::with_limits(WebLimits { asks_per_hour: 4, ..Default::default() }).await;
    alice(&bench).await;
    // Sixty days after the end of an answer would be after the end of the content.
    bench.clock.advance(SignedDuration::from_hours(20 * 24));
    let sent = bench.deposit(&message("x", &[]), &["bob@example.test"], &["otp-mail"]).await;
    let mut browser = Browser::new(&bench);
    browser.open(&bench, &sent, 1).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(begin(&bench, &sent, &browser).await.as_u16());
    }
    assert_eq!(statuses, [303, 303, 303, 429]);
    let retention: Timestamp = "2027-02-01T00:00:00Z".parse().unwrap();
    let sql = "SELECT kept FROM invitations";
    let rows = bench.store.db().fetch_all(sql, sealpost_store::args![]).await.unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert_eq!(row.time("kept").unwrap(), retention);
    }
}

/// A database that answers with an error may have committed all the same: what a row may name is not deleted at once.
#[tokio::test]
async fn content_stays_when_nobody_knows_whether_it_counts() {
    let bench = Bench::new().await;
    let (_, path) = invited(&bench).await;
    let mut browser = Browser::new(&bench);
    let csrf = browser.get(&path).await.csrf();
    let broken = "CREATE TRIGGER broken BEFORE UPDATE ON uploads BEGIN SELECT RAISE(ABORT, 'broken'); END";
    bench.store.db().execute(broken, Vec::new()).await.unwrap();
    let whole = form(&csrf, &[], &[("one.txt", 40_000)]);
    let failed = post(&mut browser, &path, &whole, whole.len()).await;
    assert!(failed.text().contains("n’est pas arrivé en entier"), "{}", failed.text());
    bench.state.finish().await;
    let collected = bench.store.remove_orphans("2099-01-01T00:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!(collected.removed, 1, "the collection of blobs knows it");
}
