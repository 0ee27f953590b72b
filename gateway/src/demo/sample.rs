//! The sample: a real submission through the SMTP port, by the account's own password, with a 64 MiB file.

use super::{Demo, Secrets};
use crate::gateway::Gateway;
use crate::listeners::tls::provider;
use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use sealpost_smtp::Reply;
use sealpost_smtp::reply::ReplyParser;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The deposited sample, as `demo.json` names it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sample {
    /// Deposit id.
    pub deposit: String,
    /// Its reference.
    pub reference: String,
}

/// Size of the file.
const SIZE: usize = 64 << 20;

/// Deposits the sample on first use.
pub async fn ensure(demo: &Demo, gateway: &Gateway, secrets: &Secrets) -> Result<Sample> {
    let file = demo.dir.join("demo-sample.json");
    if file.exists() {
        return Ok(serde_json::from_str(&std::fs::read_to_string(&file)?)?);
    }
    let alice = secrets.accounts.first().context("Alice's account")?;
    let deposit = submit(demo, &alice.login, &alice.app_password).await?;
    let row = gateway.store.read_deposit(deposit.parse()?).await?.row;
    let sample = Sample { deposit, reference: row.reference.to_string() };
    sealpost_certs::files::write_atomic(&file, serde_json::to_string(&sample)?.as_bytes(), 0o600)?;
    Ok(sample)
}

async fn submit(demo: &Demo, login: &str, password: &str) -> Result<String> {
    let mut client = Client::connect(demo).await?;
    client.expect(220).await?;
    client.command("EHLO sample.sealpost.test", 250).await?;
    let plain = base64_simd::STANDARD.encode_to_string(format!("\0{login}\0{password}"));
    client.command(&format!("AUTH PLAIN {plain}"), 235).await?;
    client.command(&format!("MAIL FROM:<{login}>"), 250).await?;
    client.command("RCPT TO:<bob@example.test>", 250).await?;
    client.command("DATA", 354).await?;
    client.stream.write_all(head(login).as_bytes()).await?;
    client.file().await?;
    client.stream.write_all(b"--sample--\r\n.\r\n").await?;
    client.stream.flush().await?;
    let reply = client.expect(250).await?;
    client.command("QUIT", 221).await?;
    let id = reply.text.strip_prefix("Deposited ").context("no deposit id in the answer")?;
    Ok(id.trim().to_owned())
}

fn head(login: &str) -> String {
    let now = jiff::Zoned::now();
    let date = now.strftime("%a, %d %b %Y %H:%M:%S %z");
    let id = uuid::Uuid::now_v7();
    format!(
        "From: Alice Martin <{login}>\r\nTo: bob@example.test\r\n\
         Subject: =?utf-8?q?Votre_dossier_d=27imagerie?=\r\nDate: {date}\r\nMessage-ID: <{id}@sealpost.test>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"sample\"\r\n\r\n\
         --sample\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         Bonjour,\r\n\r\nVoici les images de votre examen. Elles sont trop grandes pour un courriel =\r\nordinaire=C2=A0: \
         Sealpost les garde chiffr=C3=A9es et les a remplac=C3=A9es par un lien.\r\n\r\nBien cordialement,\r\n\
         Alice Martin\r\n\
         --sample\r\nContent-Type: application/octet-stream; name=\"imagerie.bin\"\r\n\
         Content-Disposition: attachment; filename=\"imagerie.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
}

struct Client {
    stream: TlsStream<TcpStream>,
    input: BytesMut,
    parser: ReplyParser,
}

impl Client {
    async fn connect(demo: &Demo) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(demo.dir.join("ca.pem"))?)?;
        let config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let socket = TcpStream::connect(("127.0.0.1", demo.port("submissions"))).await?;
        let name = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
        Ok(Self { stream, input: BytesMut::new(), parser: ReplyParser::default() })
    }

    async fn command(&mut self, line: &str, code: u16) -> Result<Reply> {
        self.stream.write_all(line.as_bytes()).await?;
        self.stream.write_all(b"\r\n").await?;
        self.stream.flush().await?;
        self.expect(code).await
    }

    async fn expect(&mut self, code: u16) -> Result<Reply> {
        loop {
            if let Some(reply) = self.parser.next(&mut self.input)? {
                ensure!(reply.code == code, "the submission port answered {reply}");
                return Ok(reply);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                bail!("the submission port closed the connection");
            }
        }
    }

    /// Writes the file in base64, lines of 76 characters.
    async fn file(&mut self) -> Result<()> {
        // 57 octets make one line; whole lines per piece.
        let mut piece = vec![0u8; 57 * 4096];
        let mut left = SIZE;
        let mut number = 0u64;
        while left > 0 {
            let take = left.min(piece.len());
            for chunk in piece[..take].chunks_mut(8) {
                number =
                    number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                chunk.copy_from_slice(&number.to_le_bytes()[..chunk.len()]);
            }
            let mut lines = String::with_capacity(take / 57 * 78 + 78);
            for line in piece[..take].chunks(57) {
                base64_simd::STANDARD.encode_append(line, &mut lines);
                lines.push_str("\r\n");
            }
            self.stream.write_all(lines.as_bytes()).await?;
            left -= take;
        }
        Ok(())
    }
}
