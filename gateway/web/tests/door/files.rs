//! Downloads: ranges, completion, names, inline views, the ZIP.

use crate::bench::{Bench, Browser, Sent, message};
use http::{Method, StatusCode};
use sealpost_envelope::Sha256Digest;

/// Larger than a few chunks, and not repeating within them.
fn big() -> Vec<u8> {
    (0..700_001u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).take(700_001).collect()
}

async fn opened(files: &[(&str, &str, &[u8])]) -> (Bench, Sent, Browser, String) {
    let bench = Bench::new().await;
    let sent = bench.deposit(&message("Voir pièces.", files), &["bob@example.test"], &["otp-mail"]).await;
    let mut browser = Browser::new(&bench);
    browser.open(&bench, &sent, 1).await;
    let path = format!("/m/{}", sent.tokens[0]);
    (bench, sent, browser, path)
}

fn count(events: &[String], name: &str) -> usize {
    events.iter().filter(|e| *e == name).count()
}

#[tokio::test]
async fn a_whole_download_is_a_hand_over() {
    let big = big();
    let (bench, sent, mut browser, path) =
        opened(&[("r%C3%A9sum%C3%A9%20A.bin", "application/octet-stream", &big)]).await;
    let page = browser.get(&path).await.text();
    assert!(page.contains(&format!("data-sha256=\"{}\"", Sha256Digest::of(&big))));
    let head = browser.send(Method::HEAD, &format!("{path}/files/1"), &[], "").await;
    assert_eq!(head.header("content-length"), "700001");
    assert_eq!(count(&bench.events(sent.id).await, "ContentHandover"), 0);

    let file = browser.get(&format!("{path}/files/1")).await;
    assert_eq!(file.status, StatusCode::OK);
    assert!(file.body == big);
    assert_eq!(file.header("content-length"), "700001");
    assert_eq!(file.header("accept-ranges"), "bytes");
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"r_sum_ A.bin\"; filename*=UTF-8''r%C3%A9sum%C3%A9%20A.bin"
    );
    assert!(file.header("content-security-policy").starts_with("sandbox"));
    let events = bench.events(sent.id).await;
    assert_eq!((count(&events, "ContentHandover"), count(&events, "ContentAccessTracking")), (1, 0));
    assert!(bench.store.consignment(sent.id, 1).await.unwrap().downloaded.is_some());
    let entries = bench.store.entries_of_deposit(sent.id).await.unwrap();
    let entry = entries.iter().find(|e| e.event.as_str() == "ContentHandover").unwrap();
    let json = String::from_utf8(entry.bytes.clone().unwrap()).unwrap();
    assert!(json.contains(&Sha256Digest::of(&big).to_hex()) && json.contains("700001"), "{json}");
    assert!(browser.get(&path).await.text().contains("téléchargé"));

    let etag = file.header("etag").to_owned();
    let same = browser.send(Method::GET, &format!("{path}/files/1"), &[("if-none-match", &etag)], "").await;
    assert_eq!((same.status, same.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(count(&bench.events(sent.id).await, "ContentHandover"), 1);
}

#[tokio::test]
async fn ranges_add_up_to_a_hand_over() {
    let big = big();
    let (bench, sent, mut browser, path) = opened(&[("a.bin", "application/octet-stream", &big)]).await;
    let url = format!("{path}/files/1");
    let mut whole = vec![0u8; big.len()];
    let mut etag = String::new();
    for (first, last) in [(600_000, 700_000), (0, 299_999), (200_000, 400_000), (400_001, 599_999)] {
        let range = format!("bytes={first}-{last}");
        let mut headers = vec![("range", range.as_str())];
        if !etag.is_empty() {
            headers.push(("if-range", &etag));
        }
        assert_eq!(count(&bench.events(sent.id).await, "ContentHandover"), 0, "{range}");
        let part = browser.send(Method::GET, &url, &headers, "").await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/700001"));
        whole[first..=last].copy_from_slice(&part.body);
        etag = part.header("etag").to_owned();
    }
    assert!(whole == big);
    let events = bench.events(sent.id).await;
    // The first part is tracked, the last one completes.
    assert_eq!((count(&events, "ContentAccessTracking"), count(&events, "ContentHandover")), (1, 1));

    let stale =
        browser.send(Method::GET, &url, &[("range", "bytes=1-2"), ("if-range", "\"other\"")], "").await;
    assert_eq!((stale.status, stale.body.len()), (StatusCode::OK, 700_001));
    let several = browser.send(Method::GET, &url, &[("range", "bytes=0-1,5-6")], "").await;
    assert_eq!(several.status, StatusCode::OK);
    let beyond = browser.send(Method::GET, &url, &[("range", "bytes=700001-")], "").await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.header("content-range"), "bytes */700001");
}

#[tokio::test]
async fn views_are_sandboxed_and_only_for_harmless_types() {
    let html = b"<script>alert(1)</script>";
    let (bench, sent, mut browser, path) = opened(&[
        ("a.pdf", "application/pdf", b"%PDF-1.4"),
        ("b.html", "text/html", html),
        ("c.svg", "image/svg+xml", b"<svg onload='x'/>"),
        ("d.png", "image/png", b"\x89PNG"),
    ])
    .await;
    let view = browser.get(&format!("{path}/files/1/view")).await;
    assert_eq!((view.status, view.header("content-type")), (StatusCode::OK, "application/pdf"));
    assert!(view.header("content-disposition").starts_with("inline"));
    assert!(view.header("content-security-policy").starts_with("sandbox;"));
    for n in [2, 3] {
        assert_eq!(browser.get(&format!("{path}/files/{n}/view")).await.status, StatusCode::NOT_FOUND);
    }
    assert!(
        browser.get(&format!("{path}/files/2")).await.header("content-disposition").starts_with("attachment")
    );
    assert_eq!(browser.get(&format!("{path}/files/4/view")).await.header("content-type"), "image/png");
    for bad in ["0", "5", "01", "-1", "x"] {
        assert_eq!(browser.get(&format!("{path}/files/{bad}")).await.status, StatusCode::NOT_FOUND, "{bad}");
    }
    let events = bench.events(sent.id).await;
    assert_eq!((count(&events, "ContentAccessTracking"), count(&events, "ContentHandover")), (2, 1));
}

#[tokio::test]
async fn the_zip_holds_every_file_under_its_own_name() {
    let big = big();
    let (bench, sent, mut browser, path) = opened(&[
        ("a.bin", "application/octet-stream", &big),
        ("a.bin", "application/octet-stream", b"second"),
        ("%C3%A9t%C3%A9.txt", "application/octet-stream", b""),
    ])
    .await;
    assert!(browser.get(&path).await.text().contains("/all.zip"));
    let zip = browser.get(&format!("{path}/all.zip")).await;
    assert_eq!(zip.status, StatusCode::OK);
    assert_eq!(zip.header("content-length"), zip.body.len().to_string());
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("all.zip"), &zip.body).unwrap();
    // Another implementation reads it and checks every checksum.
    let script = "import sys, zipfile, hashlib\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
                  for i in z.infolist():\n  print(i.filename, hashlib.sha256(z.read(i)).hexdigest())";
    let out = std::process::Command::new("python3")
        .env("PYTHONIOENCODING", "utf-8")
        .args(["-c", script])
        .arg(dir.path().join("all.zip"))
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let expected = format!(
        "a.bin {}\na (2).bin {}\nété.txt {}\n",
        Sha256Digest::of(&big),
        Sha256Digest::of(b"second"),
        Sha256Digest::of(b"")
    );
    assert_eq!(String::from_utf8(out.stdout).unwrap(), expected);
    assert_eq!(count(&bench.events(sent.id).await, "ContentHandover"), 3);
}

#[tokio::test]
async fn nothing_is_had_before_opening() {
    let bench = Bench::new().await;
    let files: [(&str, &str, &[u8]); 1] = [("a.pdf", "application/pdf", b"geheim")];
    let sent = bench.deposit(&message("x", &files), &["bob@example.test"], &["otp-mail"]).await;
    let mut browser = Browser::new(&bench);
    // The gate is passed, but nothing was opened.
    browser.pass(&bench, &sent, 1).await;
    for tail in ["files/1", "files/1/view", "all.zip", "print", "inline/1"] {
        let answer = browser.get(&format!("/m/{}/{tail}", sent.tokens[0])).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{tail}");
        assert!(!answer.text().contains("geheim"));
    }
}

#[tokio::test]
async fn what_the_author_signed_is_offered_whole() {
    let signed = b"From: alice@lilas.example\r\nSubject: Signed\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=s\r\n\r\n\
        --s\r\nContent-Type: text/plain\r\n\r\nTenu par sa signature.\r\n--s\r\n\
        Content-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        AAECAwQFBgcICQoLDA0ODw==\r\n--s--\r\n";
    let bench = Bench::new().await;
    let sent = bench.deposit(signed, &["bob@example.test"], &["otp-mail"]).await;
    let mut browser = Browser::new(&bench);
    let page = browser.open(&bench, &sent, 1).await.text();
    let path = format!("/m/{}", sent.tokens[0]);
    assert!(page.contains("Tenu par sa signature") && page.contains("message.eml"), "{page}");
    assert!(page.contains(&format!("data-sha256=\"{}\"", Sha256Digest::of(signed))));
    assert!(!page.contains("smime.p7s"));
    let whole = browser.get(&format!("{path}/files/0")).await;
    assert_eq!((whole.status, whole.header("content-type")), (StatusCode::OK, "message/rfc822"));
    assert!(whole.body == signed);
    let part = browser.send(Method::GET, &format!("{path}/files/0"), &[("range", "bytes=10-20")], "").await;
    assert_eq!(part.body, &signed[10..21]);
    assert_eq!(browser.get(&format!("{path}/files/1")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(count(&bench.events(sent.id).await, "ContentHandover"), 1);
}

/// A TNEF stream with two files, as Outlook writes it.
fn winmail(first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x9f, 0x3e, 0x22, 1, 0];
    let mut attribute = |id: u32, data: &[u8]| {
        out.push(2);
        out.extend(id.to_le_bytes());
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
        out.extend((data.iter().fold(0u32, |sum, b| sum + u32::from(*b)) as u16).to_le_bytes());
    };
    for (name, data) in [("Contrat.pdf", first), ("notes.txt", second)] {
        attribute(0x0006_9002, &[0; 14]);
        attribute(0x0006_800f, data);
        attribute(0x0001_8010, format!("{name}\0").as_bytes());
    }
    out
}

#[tokio::test]
async fn files_inside_a_winmail_dat_are_offered_beside_it() {
    let big = big();
    let dat = winmail(&big, b"notes");
    let (bench, sent, mut browser, path) =
        opened(&[("winmail.dat", "application/ms-tnef", &dat), ("last.txt", "text/plain", b"last")]).await;
    let page = browser.get(&path).await.text();
    for content in [&dat[..], &big, b"notes", b"last"] {
        assert!(page.contains(&format!("data-sha256=\"{}\"", Sha256Digest::of(content))));
    }
    assert!(page.contains("contenu dans winmail.dat"));
    // Parts are numbered first, then what is inside them.
    for (n, content) in [(1, &dat[..]), (2, b"last"), (3, &big), (4, b"notes")] {
        let file = browser.get(&format!("{path}/files/{n}")).await;
        assert!(file.body == content, "file {n}");
    }
    assert_eq!(browser.get(&format!("{path}/files/5")).await.status, StatusCode::NOT_FOUND);
    let part = browser.send(Method::GET, &format!("{path}/files/3"), &[("range", "bytes=650000-")], "").await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert!(part.body == big[650_000..]);
    let name = browser.get(&format!("{path}/files/3")).await.header("content-disposition").to_owned();
    assert_eq!(name, "attachment; filename=\"Contrat.pdf\"");
    assert_eq!(count(&bench.events(sent.id).await, "ContentHandover"), 4);
    assert_eq!(browser.get(&format!("{path}/all.zip")).await.status, StatusCode::OK);
}
