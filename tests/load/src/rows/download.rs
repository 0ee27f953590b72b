//! A large attachment out again: deposited, its link followed, opened, and downloaded.

use super::Bench;
use crate::http::{Browser, field};
use crate::message::Large;
use crate::peer::nginx::Nginx;
use crate::peer::sealpost::LINKED;
use crate::report::{Budget, Row, Samples};
use crate::smtp::Client;
use crate::tls;
use anyhow::{Context, Result, ensure};
use std::io::Write;
use std::time::{Duration, Instant};

/// An opened message with one file.
pub struct Opened {
    /// The browser that opened it.
    pub browser: Browser,
    /// Path of the file.
    pub file: String,
    /// Its size.
    pub size: u64,
}

/// Deposits a file of `size` octets and opens its link; the gateway must be running.
pub async fn deposit(bench: &Bench<'_>, size: u64) -> Result<Opened> {
    let large = Large::with_file(size);
    let target = bench.sealpost.target()?;
    let before = bench.sink.count();
    let mut client = Client::connect(&target).await?;
    client.send_large(&target.from, LINKED, &large).await?;
    client.quit().await?;
    ensure!(bench.sink.wait_for(before + 1, Duration::from_secs(30)).await, "the link never came");
    let mail = String::from_utf8_lossy(&bench.sink.last().1).into_owned();
    let path = link(&mail).context("no link in the mail")?;
    let mut browser = Browser::new(bench.sealpost.https(), tls::connector(&bench.sealpost.ca())?);
    let landing = browser.get(&path).await?;
    let csrf = field(&landing.body, "csrf")
        .with_context(|| format!("no form on the landing page, {}", landing.status))?;
    let opened = browser.post(&format!("{path}/open"), &format!("csrf={csrf}")).await?;
    ensure!(opened.status == 303, "opening answered {}", opened.status);
    Ok(Opened { browser, file: format!("{path}/files/1"), size: large.file })
}

/// The path of the one link in a mail.
fn link(mail: &str) -> Option<String> {
    let unfolded = mail.replace("=\r\n", "").replace("=3D", "=");
    let at = unfolded.find("/m/")?;
    Some(unfolded[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/-_".contains(*c)).collect())
}

/// Against nginx serving a plain file, over 1 and 4 connections.
pub async fn beside_nginx(bench: &mut Bench<'_>) -> Result<()> {
    bench.fresh().await?;
    let opened = deposit(bench, bench.settings.file_mib << 20).await?;
    let root = bench.settings.dir.join("files");
    plain_file(&root, opened.size)?;
    for (connections, budget) in [(1, 0.85), (4, 0.9)] {
        let (mut ours, mut theirs) = (Samples::default(), Samples::default());
        for _ in 0..bench.settings.rounds {
            let (cert, key) = bench.sealpost.identity();
            let server = Nginx::start(&bench.settings.dir, bench.port(2), &root, &cert, &key).await?;
            let plain = Browser::new(server.addr, tls::connector(&bench.sealpost.ca())?);
            theirs.0.push(rate(&plain, "/file", opened.size, connections).await?);
            server.stop()?;
            ours.0.push(rate(&opened.browser, &opened.file, opened.size, connections).await?);
        }
        let what = format!("download of {} MiB, TLS 1.3, {connections} connections", bench.settings.file_mib);
        bench.report.add(Row::new(what, "MB/s", Budget::Ratio(budget), ours).against("nginx", theirs));
    }
    bench.sealpost.stop()
}

/// Each connection takes its share by range; a single one takes the whole.
async fn rate(browser: &Browser, path: &str, size: u64, connections: u64) -> Result<f64> {
    let begun = Instant::now();
    let mut readers = Vec::new();
    for n in 0..connections {
        let range = (connections > 1).then(|| size * n / connections..size * (n + 1) / connections);
        let (browser, path) = (browser.clone(), path.to_owned());
        readers.push(tokio::spawn(async move { browser.download(&path, range, None).await }));
    }
    let mut got = 0;
    for reader in readers {
        got += reader.await??;
    }
    ensure!(got == size, "{got} of {size} octets came");
    Ok(size as f64 / 1e6 / begun.elapsed().as_secs_f64())
}

fn plain_file(root: &std::path::Path, size: u64) -> Result<()> {
    std::fs::create_dir_all(root)?;
    let mut file = std::fs::File::create(root.join("file"))?;
    let piece: Vec<u8> = (0..1u32 << 18).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let mut left = size;
    while left > 0 {
        let take = left.min(piece.len() as u64);
        file.write_all(&piece[..usize::try_from(take)?])?;
        left -= take;
    }
    Ok(file.sync_all()?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn links_are_found_in_quoted_printable() {
        let mail = "Ouvrir :\r\nhttps://localhost:8443/m/AbC-_d=\r\nEf=\r\n9\r\n\r\nsuite";
        assert_eq!(super::link(mail).as_deref(), Some("/m/AbC-_dEf9"));
    }
}
