//! Protocols: SMTP on both sides, SASL, IMAP, PROXY, HTTP.

#[rustfmt::skip]
#[allow(clippy::all, missing_docs)]
#[path = "../../../gateway/imap/tests/memory/mod.rs"]
mod memory;

use crate::choice;
use bytes::BytesMut;
use memory::{Collected, Memory};
use sealpost_envelope::{BodyType, DepositId, Secret};
use sealpost_imap::{Flow, Limits, Scanner, Session as ImapSession, Structure};
use sealpost_sasl::{ChannelBindings, Exchange, Mechanism, ScramSecrets, Step};
use sealpost_smtp::client;
use sealpost_smtp::server::{
    Action, AuthResult, EndResult, Kind, ScramResult, ServerConfig, Session, TlsState,
};
use std::sync::Arc;

fn secrets() -> ScramSecrets {
    ScramSecrets { salt: vec![0; 16], iterations: 4096, records: Vec::new() }
}

/// A session takes any bytes in any pieces, asks its questions in order and comes to an end.
pub(crate) fn smtp_session(data: &[u8]) {
    let (first, bytes) = choice(data);
    let kind = [Kind::Submission, Kind::TrustedRelay, Kind::Inbound][usize::from(first % 3)];
    let tls = if first & 4 == 0 { TlsState::Active } else { TlsState::Offered };
    let mut config = ServerConfig::new(kind, "mx.sealpost.test", tls);
    config.mechanisms = Mechanism::ALL.to_vec();
    config.limits.message = Some(100_000);
    let mut session = Session::new(config);
    let (mut input, mut open) = (BytesMut::new(), false);
    let step = usize::from(first >> 3) * 7 + 1;
    for piece in bytes.chunks(step) {
        input.extend_from_slice(piece);
        loop {
            let done = match session.next(&mut input) {
                Action::NeedInput => break,
                Action::Close => return,
                Action::Reply(reply) => {
                    assert!(reply.ends_with(b"\r\n") && reply.is_ascii() | session.is_tls());
                    Ok(())
                }
                Action::StartTls => {
                    assert!(input.is_empty(), "bytes of the clear are taken into TLS");
                    session.tls_started()
                }
                Action::Scram(_) => session.scram_result(ScramResult::Secrets(secrets())),
                Action::Authenticate(_) => session.auth_result(AuthResult::Accepted),
                Action::Mail(_) => session.mail_result(Ok(())),
                Action::Rcpt(_) => session.rcpt_result(Ok(())),
                Action::BeginData(envelope) => {
                    assert!(!envelope.recipients.is_empty());
                    open = true;
                    session.begin_result(Ok(()))
                }
                Action::Data(bytes) => {
                    assert!(open && !bytes.is_empty());
                    Ok(())
                }
                Action::EndData => {
                    assert!(std::mem::take(&mut open), "an end without a beginning");
                    session.end_result(EndResult::Deposited(DepositId::generate()))
                }
                Action::Abort(_) => {
                    open = false;
                    Ok(())
                }
            };
            assert!(done.is_ok(), "a question that was not asked");
        }
    }
}

/// A client survives any server.
pub(crate) fn smtp_client(data: &[u8]) {
    let (first, bytes) = choice(data);
    let address = |text: &str| text.parse().expect("an address of ours");
    let config = client::ClientConfig {
        hostname: "mx.sealpost.test".to_owned(),
        starttls: if first & 1 == 0 { client::StartTls::WhenOffered } else { client::StartTls::Never },
        tls_active: false,
        credentials: None,
    };
    let mut session = client::Session::new(config);
    let recipient =
        |text: &str| client::Recipient { address: address(text), notify: Default::default(), orcpt: None };
    let transaction = client::Transaction {
        reverse_path: Some(address("alice@a.example")),
        recipients: vec![recipient("bob@b.example"), recipient("carol@b.example")],
        size: Some(9),
        body: BodyType::EightBitMime,
        smtputf8: false,
        envid: None,
        ret_full: None,
    };
    let (mut input, mut messages) = (BytesMut::new(), 0);
    for piece in bytes.chunks(usize::from(first >> 2) + 1) {
        input.extend_from_slice(piece);
        for _ in 0..1000 {
            match session.next(&mut input) {
                client::Action::NeedInput(_) => break,
                client::Action::Failed(_) | client::Action::Closed => return,
                client::Action::Send(bytes) => assert!(bytes.ends_with(b"\r\n") || messages > 0),
                client::Action::StartTls => {
                    if session.tls_started().is_err() {
                        return;
                    }
                }
                client::Action::Ready if messages < 3 => {
                    messages += 1;
                    assert!(session.send(transaction.clone()).is_ok());
                }
                client::Action::Ready => assert!(session.quit().is_ok()),
                client::Action::Content => {
                    let mut out = BytesMut::new();
                    assert!(session.content(b"Hello.\r\n.", &mut out).is_ok());
                    if session.content_end(&mut out).is_err() {
                        return;
                    }
                }
                client::Action::Done(outcomes) => assert_eq!(outcomes.len(), 2),
            }
        }
    }
}

/// Exchanges end without letting anybody in who has no password.
pub(crate) fn sasl(data: &[u8]) {
    let (first, bytes) = choice(data);
    let mechanism = Mechanism::ALL[usize::from(first % 4)];
    let bindings = ChannelBindings {
        exporter: (first & 4 != 0).then(|| Secret::new(vec![1; 32])),
        end_point: (first & 8 != 0).then(|| Secret::new(vec![2; 32])),
    };
    let Ok(mut step) = Exchange::begin(mechanism, None, &bindings) else { return };
    let mut lines = bytes.split(|b| *b == b'\n');
    for _ in 0..10 {
        step = match step {
            Step::Challenge(exchange, _) => {
                let Some(line) = lines.next() else { return };
                let message = sealpost_sasl::decode(line).unwrap_or_else(|_| Secret::new(line.to_vec()));
                match exchange.step(&message) {
                    Ok(step) => step,
                    Err(_) => return,
                }
            }
            Step::LookUp(asked) => {
                assert!(asked.login().len() <= bytes.len() + 1);
                asked.answer(secrets())
            }
            _ => return,
        };
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// Commands before and after the login, literals among them; every answer is whole lines.
pub(crate) fn imap_session(data: &[u8]) {
    let (first, bytes) = choice(data);
    runtime().block_on(async {
        let memory = Arc::new(Memory::new());
        let mail = &b"From: a@a.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"[..];
        memory.deliver(1, mail, "\\Seen");
        let limits = Limits { append: 10_000, ..Limits::default() };
        let mut session = ImapSession::new(memory, first & 1 == 0, limits);
        let mut out = Collected::default();
        let mut begin = Vec::new();
        if first & 2 == 0 {
            begin.extend_from_slice(b"a LOGIN bob@example.test secret\r\nb SELECT INBOX\r\n");
        }
        let step = usize::from(first >> 2) * 5 + 1;
        for piece in std::iter::once(&begin[..]).chain(bytes.chunks(step)) {
            match session.receive(piece, &mut out).await {
                Ok(Flow::Continue) => {}
                Ok(Flow::StartTls) => session.tls_started(),
                Ok(Flow::Close) | Err(_) => return,
            }
        }
    });
}

/// The structure of any message is sound, whatever the pieces, and reads back from the store.
pub(crate) fn imap_structure(data: &[u8]) {
    let (first, message) = choice(data);
    let scan = |step: usize| {
        let mut scanner = Scanner::new();
        message.chunks(step).for_each(|piece| scanner.push(piece));
        scanner.finish().to_bytes()
    };
    let whole = scan(usize::MAX);
    assert_eq!(whole, scan(usize::from(first) + 1));
    let read = Structure::from_bytes(&whole).expect("our own structure");
    assert_eq!(read.to_bytes(), whole);
    let _ = Structure::from_bytes(message);
}

/// A balancer's header names a client, or nobody.
pub(crate) fn proxy(data: &[u8]) {
    let balancers = crate::proxy::Balancers::new(&["127.0.0.0/8".parse().expect("a network")]);
    let peer = "127.0.0.1:25".parse().expect("an address");
    let mut socket = data;
    let named = runtime().block_on(balancers.client(&mut socket, peer));
    if let Ok(Some(_)) = named {
        assert!(data.starts_with(b"\r\n\r\n\0\r\nQUIT\n") && data.len() - socket.len() >= 16);
    }
}

/// Cookies, ranges and forms.
pub(crate) fn web_request(data: &[u8]) {
    let mut fields = data.splitn(3, |b| *b == b'\n');
    let mut next = || fields.next().unwrap_or_default();
    let (cookies, range, form) = (next(), next(), next());
    runtime().block_on(sealpost_web::read_request(cookies, range, form));
}
