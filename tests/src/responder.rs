//! An OCSP responder: `openssl ocsp` over a table of certificates, behind a small HTTP server.

use crate::tools::must;
use crate::tsa::{answer, read_query};
use anyhow::{Result, ensure};
use sealpost_certs::Certificate;
use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A running responder.
pub struct Responder {
    /// Where it answers.
    pub url: String,
    dir: PathBuf,
    down: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    _dir: tempfile::TempDir,
}

impl Responder {
    /// Starts one that signs with the authority's own key; it knows no certificate yet.
    pub fn start(authority: &Path, key: &Path) -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        let dir = temporary.path().to_owned();
        std::fs::copy(authority, dir.join("ca.pem"))?;
        std::fs::copy(key, dir.join("ca.key"))?;
        std::fs::write(dir.join("index.txt"), "")?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
        let (down, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (place, is_down, count) = (dir.clone(), down.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let n = count.fetch_add(1, Ordering::SeqCst);
                if !is_down.load(Ordering::SeqCst)
                    && let Err(error) = serve(stream, &place, n)
                {
                    eprintln!("the responder: {error:#}");
                }
            }
        });
        Ok(Self { url, dir, down, asked, _dir: temporary })
    }

    /// What it says from now on: certificates, and whether they are revoked. Others are unknown.
    pub fn knows(&self, certificates: &[(&Certificate, bool)]) -> Result<()> {
        let row = |(c, revoked): &(&Certificate, bool)| {
            let (status, when) = if *revoked { ("R", "260101000000Z") } else { ("V", "") };
            let end = c.not_after().strftime("%y%m%d%H%M%SZ");
            format!("{status}\t{end}\t{when}\t{}\tunknown\t/CN=x\n", c.serial_hex().to_uppercase())
        };
        Ok(std::fs::write(self.dir.join("index.txt"), certificates.iter().map(row).collect::<String>())?)
    }

    /// Closes every connection from now on, or answers again.
    pub fn be_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Connections so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, dir: &Path, n: usize) -> Result<()> {
    let query = read_query(&mut BufReader::new(stream.try_clone()?))?;
    ensure!(!query.is_empty(), "nothing asked");
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let (asked, said) = (path(&format!("{n}.q")), path(&format!("{n}.a")));
    std::fs::write(&asked, query)?;
    let (index, ca, key) = (path("index.txt"), path("ca.pem"), path("ca.key"));
    must(
        "openssl",
        &[
            "ocsp", "-index", &index, "-CA", &ca, "-rsigner", &ca, "-rkey", &key, "-reqin", &asked,
            "-respout", &said, "-ndays", "1",
        ],
    )?;
    answer(stream, "application/ocsp-response", &std::fs::read(said)?)
}
