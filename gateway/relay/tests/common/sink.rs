//! A receiving server over real sockets, driven by our own server session.
//!
//! Local parts decide: `defer` and `refuse` are turned down at RCPT, `rejected` at the end, `hangup` is
//! accepted and the connection closed without a word, `cut` loses the connection within the content.

use bytes::BytesMut;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sealpost_envelope::{DualDigester, Sha256Digest};
use sealpost_smtp::Reply;
use sealpost_smtp::server::{Action, EndResult, Kind, ServerConfig, Session, TlsState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub from: Option<String>,
    pub to: String,
    pub size: u64,
    pub sha256: Sha256Digest,
    pub tls: bool,
    /// Which connection brought it, from 1.
    pub connection: usize,
}

#[derive(Default)]
pub struct State {
    pub received: Mutex<Vec<Received>>,
    pub connections: AtomicUsize,
}

pub struct Sink {
    pub address: SocketAddr,
    pub state: Arc<State>,
    pub certificate: CertificateDer<'static>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Sink {
    pub async fn start(tls: TlsState) -> Self {
        let key = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let certificate = key.cert.der().clone();
        let secret = PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], secret)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = state.clone();
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(tcp, acceptor.clone(), tls, shared.clone()));
            }
        });
        Self { address, state, certificate, task }
    }

    pub fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }
}

async fn serve(tcp: TcpStream, acceptor: tokio_rustls::TlsAcceptor, tls: TlsState, state: Arc<State>) {
    let connection = state.connections.fetch_add(1, Ordering::SeqCst) + 1;
    let mut session = Session::new(ServerConfig::new(Kind::Inbound, "sink.example", tls));
    let mut stream: Box<dyn Stream> = Box::new(tcp);
    let mut input = BytesMut::new();
    let mut digester = DualDigester::new();
    let (mut from, mut to) = (None, String::new());
    loop {
        match session.next(&mut input) {
            Action::NeedInput => match stream.read_buf(&mut input).await {
                Ok(n) if n > 0 => {}
                _ => return,
            },
            Action::Reply(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Action::StartTls => {
                let Ok(secured) = acceptor.accept(stream).await else { return };
                stream = Box::new(secured);
                session.tls_started().unwrap();
            }
            Action::Authenticate(_) | Action::Scram(_) => unreachable!("not offered"),
            Action::Mail(mail) => {
                from = mail.reverse_path.map(|a| a.to_string());
                session.mail_result(Ok(())).unwrap();
            }
            Action::Rcpt(rcpt) => {
                to = rcpt.address.to_string();
                let result = match rcpt.address.local() {
                    "defer" => Err(Reply::new(451, 7, 1, "Come back later")),
                    "refuse" => Err(Reply::new(550, 1, 1, "No such person")),
                    _ => Ok(()),
                };
                session.rcpt_result(result).unwrap();
            }
            Action::BeginData(_) => {
                digester = DualDigester::new();
                session.begin_result(Ok(())).unwrap();
            }
            Action::Data(bytes) => {
                digester.update(&bytes);
                if to.starts_with("cut@") {
                    return;
                }
            }
            Action::EndData if to.starts_with("rejected@") => {
                session.end_result(EndResult::Refused(Reply::new(554, 7, 1, "Spam"))).unwrap();
            }
            Action::EndData => {
                let size = digester.len();
                let digests = std::mem::take(&mut digester).finish();
                let tls = session.is_tls();
                state.received.lock().unwrap().push(Received {
                    from: from.clone(),
                    to: to.clone(),
                    size,
                    sha256: digests.sha256,
                    tls,
                    connection,
                });
                session.end_result(EndResult::Accepted).unwrap();
                if to.starts_with("hangup@") {
                    let Action::Reply(bytes) = session.next(&mut input) else { panic!("a reply is due") };
                    let _ = stream.write_all(&bytes).await;
                    return;
                }
            }
            Action::Abort(_) => {}
            Action::Close => {
                let _ = stream.shutdown().await;
                return;
            }
        }
    }
}
