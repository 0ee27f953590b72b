//! Outgoing mail of our own: golden files for what we write.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::compose::*;
use common::walk;
use sealpost_envelope::Language;
use sealpost_message::compose::{
    CodeMail, Letter, NotifyMail, OriginalParts, ReceiptKind, ReceiptLine, ReceiptMail, RecipientState, code,
    link, notify, receipt,
};
use sealpost_message::{Limits, present};

#[test]
fn link_mails() {
    let world = World::new();
    for language in [Language::Fr, Language::En] {
        let message = literal(link(&link_mail(&world, language, &FILES)).unwrap());
        golden(&format!("link.{}.eml", language.tag()), &message);
        check_form(&message);
        let (text, html) = bodies(&message);
        assert_eq!(urls(&text), [URL]);
        assert_eq!(urls(&html), [URL, URL], "the text of the link is its target");
        assert!(!html.contains("<b>"));
        assert!(text.contains("12345678") && html.contains("12345678"));
        let parsed = mail_parser::MessageParser::default().parse(&message).unwrap();
        assert_eq!(parsed.from().unwrap().first().unwrap().address(), Some("seal@parc.example"));
        assert_eq!(parsed.reply_to().unwrap().first().unwrap().address(), Some("alice@parc.example"));
        assert!(parsed.bcc().is_none(), "a subject ends no header field");
        assert_eq!(parsed.references().as_text(), Some("original@poste.parc.example"));
    }
}

#[test]
fn pictures_of_the_author_stay_in_a_link_mail() {
    let original = b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
        --r\r\nContent-Type: text/html\r\n\r\n<p>logo <img src=\"cid:logo@x\"></p>\r\n\
        --r\r\nContent-Type: image/png; name=logo.png\r\nContent-ID: <logo@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        iVBORw0KGgo=\r\n--r--\r\n";
    let walked = walk(original, &[77], Limits::default()).unwrap();
    let parts = OriginalParts { skeleton: &walked.skeleton, structure: &walked.structure };
    let body = &present::bodies(&walked.structure)[0];
    let source = b"<p>logo <img src=\"cid:logo%40x\"><img src='cid:none'><script>x</script></p>";
    let html = present::render(body, source, false, &|cid| parts.address(cid));
    let world = World::new();
    let mut mail = link_mail(&world, Language::Fr, &FILES);
    mail.text = None;
    mail.html = Some(&html);
    mail.parts = Some(parts);
    let recipe = link(&mail).unwrap().plain().unwrap();
    assert_eq!(recipe.parts().unwrap(), [1]);
    let message = stream(&recipe, &walked.parts);
    check_form(&message);
    let parsed = mail_parser::MessageParser::default().parse(&message).unwrap();
    let picture =
        parsed.parts.iter().find(|p| mail_parser::MimeHeaders::content_id(*p) == Some("logo@x")).unwrap();
    assert_eq!(picture.contents(), b"\x89PNG\r\n\x1a\n");
    let (text, html) = bodies(&message);
    assert!(text.starts_with(&"-".repeat(72)) && text.lines().any(|l| l == "logo"));
    assert!(html.contains("src=\"cid:logo@x\"") && !html.contains("script"));
}

#[test]
fn notify_mails() {
    let world = World::new();
    let references = vec!["older@x.example".to_owned()];
    for language in [Language::Fr, Language::En] {
        let mail = NotifyMail {
            letter: world.letter(language),
            author: world.author(&references),
            url: URL,
            expires: at("2026-08-31T10:00:00Z"),
            reminder: false,
        };
        let message = literal(notify(&mail));
        golden(&format!("notify.{}.eml", language.tag()), &message);
        check_form(&message);
        let (text, html) = bodies(&message);
        assert_eq!((urls(&text), urls(&html)), (vec![URL], vec![URL, URL]));
        let reminder = literal(notify(&NotifyMail { reminder: true, ..mail }));
        assert_ne!(reminder, message);
    }
}

#[test]
fn code_mails() {
    let world = World::new();
    for language in [Language::Fr, Language::En] {
        let letter = world.letter(language);
        let mail = CodeMail { letter, code: "042137", valid_until: at("2026-08-01T11:14:05Z") };
        let message = literal(code(&mail).unwrap());
        golden(&format!("code.{}.eml", language.tag()), &message);
        check_form(&message);
        let (text, html) = bodies(&message);
        assert_eq!(six_digit_runs(&text), ["042137"]);
        assert!(urls(&text).is_empty() && urls(&html).is_empty());
        let subject =
            mail_parser::MessageParser::default().parse(&message).unwrap().subject().unwrap().to_owned();
        let expected = match language {
            Language::Fr => {
                "[Authentification Clinique du Parc (SIREN 123456789)] Votre OTP valable jusqu'à 13:14:05 (UTC+0200) le 01/08/2026"
            }
            Language::En => {
                "[Sign-in Clinique du Parc (SIREN 123456789)] Your code valid until 13:14:05 (UTC+0200) on 01/08/2026"
            }
        };
        assert_eq!(subject, expected);
        for bad in ["", "12345", "1234567", "12 456", "１２３４５６"] {
            assert!(code(&CodeMail { code: bad, ..mail.clone() }).is_err());
        }
    }
}

#[test]
fn receipts() {
    let world = World::new();
    let failed = RecipientState::Failed(
        "550 5.1.1 <dora@example.test>:\r\n user unknown, see https://x.example".to_owned(),
    );
    let opened = RecipientState::Opened(at("2026-08-02T08:00:00Z"));
    for (kind, name, states) in [
        (ReceiptKind::OpenedByOne, "opened-by-one", [opened.clone(), RecipientState::Sent]),
        (ReceiptKind::OpenedByAll, "opened-by-all", [opened.clone(), opened.clone()]),
        (ReceiptKind::Failed, "failed", [failed, RecipientState::Delivered(at("2026-08-01T11:05:00Z"))]),
    ] {
        for language in [Language::Fr, Language::En] {
            let [one, two] = &states;
            let recipients = [
                ReceiptLine { address: &world.dora, state: one.clone(), by: None },
                ReceiptLine {
                    address: &world.bob,
                    state: two.clone(),
                    by: matches!(two, RecipientState::Opened(_))
                        .then(|| "someone, who gave the name “Jean”".into()),
                },
            ];
            let message = literal(receipt(&ReceiptMail {
                letter: Letter { to: &world.alice, ..world.letter(language) },
                kind,
                subject: Some("Compte rendu\r\nX-Evil: 1"),
                message_id: Some("original@poste.parc.example"),
                sent: at("2026-08-01T11:00:00Z"),
                recipients: &recipients,
                url: Some("https://mail.parc.example/d/0191a5b0"),
            }));
            golden(&format!("{name}.{}.eml", language.tag()), &message);
            check_form(&message);
            let parsed = mail_parser::MessageParser::default().parse(&message).unwrap();
            assert_eq!(parsed.in_reply_to().as_text(), Some("original@poste.parc.example"));
            assert!(parsed.header("X-Evil").is_none());
            assert_eq!(urls(&bodies(&message).0), ["https://mail.parc.example/d/0191a5b0"]);
        }
    }
}
