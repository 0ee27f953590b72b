//! Python's imaplib talks to the session over a loopback socket.
#![allow(missing_docs, clippy::unwrap_used)]

mod memory;

use memory::Memory;
use sealpost_imap::{Flow, Limits, Output, Session};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::net::tcp::OwnedWriteHalf;

struct Socket(OwnedWriteHalf);

impl Output for Socket {
    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes).await
    }
}

async fn serve(listener: TcpListener) {
    let (stream, _) = listener.accept().await.unwrap();
    let (mut read, write) = stream.into_split();
    let mut socket = Socket(write);
    // As if TLS were up: imaplib without it is enough to test the dialogue.
    let mut session = Session::new(Arc::new(Memory::new()), true, Limits::default());
    session.greet(&mut socket).await.unwrap();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = read.read(&mut buffer).await.unwrap();
        if n == 0 || session.receive(&buffer[..n], &mut socket).await.unwrap() == Flow::Close {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imaplib() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    // Spawning shows that the session's futures are Send.
    let server = tokio::spawn(serve(listener));
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let output = tokio::task::spawn_blocking(move || {
        Command::new("python3")
            .arg(tests.join("client.py"))
            .arg(port)
            .arg(tests.join("mails/2-mixed.eml"))
            .output()
    });
    let output = output.await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && output.stdout == b"done\n", "{text}");
    server.await.unwrap();
}
