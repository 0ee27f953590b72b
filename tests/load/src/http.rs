//! A browser as small as it can be: cookies, forms, and downloads that are counted and thrown away.
//!
//! **Standards.** RFC 9112 (HTTP/1.1), RFC 9110 §14 (ranges).

use crate::tls::{self, Secured};
use anyhow::{Context, Result, bail, ensure};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

/// A server and what it has made us remember.
#[derive(Clone)]
pub struct Browser {
    addr: SocketAddr,
    tls: TlsConnector,
    cookies: Vec<(String, String)>,
}

/// An answer's head and, for pages, its body.
pub struct Page {
    /// Status code.
    pub status: u16,
    /// Body.
    pub body: String,
}

impl Browser {
    /// For the server at `addr`.
    pub fn new(addr: SocketAddr, tls: TlsConnector) -> Self {
        Self { addr, tls, cookies: Vec::new() }
    }

    /// Fetches a page.
    pub async fn get(&mut self, path: &str) -> Result<Page> {
        let head = self.head("GET", path, "Connection: close\r\n");
        self.page(head).await
    }

    /// Sends a form.
    pub async fn post(&mut self, path: &str, form: &str) -> Result<Page> {
        let extra = format!(
            "Connection: close\r\nOrigin: https://localhost:{}\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n",
            self.addr.port(),
            form.len()
        );
        let request = self.head("POST", path, &extra) + form;
        self.page(request).await
    }

    /// Downloads, a range perhaps, and counts; stops early at `until`.
    pub async fn download(
        &self,
        path: &str,
        range: Option<Range<u64>>,
        until: Option<Instant>,
    ) -> Result<u64> {
        let extra = range.as_ref().map(|r| format!("Range: bytes={}-{}\r\n", r.start, r.end - 1));
        let mut stream = self.request(&self.head("GET", path, &extra.unwrap_or_default())).await?;
        let mut input = vec![0u8; 256 * 1024];
        let mut filled = 0;
        let end = loop {
            let n = stream.read(&mut input[filled..]).await?;
            filled += n;
            // The first read may hold the head and as much of the file as there is room for.
            if let Some(at) = memchr::memmem::find(&input[..filled], b"\r\n\r\n") {
                break at;
            }
            ensure!(n > 0 && filled < input.len(), "no answer to {path}");
        };
        let head = String::from_utf8_lossy(&input[..end]).into_owned();
        let (status, length) = (status(&head)?, length(&head).context("no Content-Length")?);
        ensure!(status == if range.is_some() { 206 } else { 200 }, "{path}: {head}");
        let mut got = (filled - end - 4) as u64;
        while got < length {
            let n = stream.read(&mut input).await?;
            ensure!(n > 0, "{path}: cut off after {got} of {length} octets");
            got += n as u64;
            if until.is_some_and(|u| Instant::now() > u) {
                return Ok(got);
            }
        }
        Ok(got)
    }

    fn head(&self, method: &str, path: &str, extra: &str) -> String {
        let cookies: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let cookies = match cookies.is_empty() {
            true => String::new(),
            false => format!("Cookie: {}\r\n", cookies.join("; ")),
        };
        let port = self.addr.port();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: load\r\n{cookies}{extra}\r\n"
        )
    }

    async fn request(&self, request: &str) -> Result<Secured> {
        let mut stream = tls::secure(&self.tls, tls::clear(self.addr).await?).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        Ok(stream)
    }

    async fn page(&mut self, request: String) -> Result<Page> {
        let mut stream = self.request(&request).await?;
        let mut answer = Vec::new();
        // A server that ends TCP without TLS's farewell has still sent its page.
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await?;
        if let Err(error) = read
            && answer.is_empty()
        {
            bail!(error);
        }
        let at = memchr::memmem::find(&answer, b"\r\n\r\n").context("no HTTP answer")?;
        let head = String::from_utf8_lossy(&answer[..at]).into_owned();
        for line in head.lines() {
            let Some((name, value)) = line.split_once(": ") else { continue };
            if name.eq_ignore_ascii_case("set-cookie")
                && let Some((name, value)) = value.split(';').next().and_then(|c| c.split_once('='))
            {
                self.cookies.retain(|(n, _)| n != name);
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let body = String::from_utf8_lossy(&answer[at + 4..]).into_owned();
        Ok(Page { status: status(&head)?, body })
    }
}

fn status(head: &str) -> Result<u16> {
    let code = head.split(' ').nth(1).context("no HTTP status")?;
    Ok(code.parse()?)
}

fn length(head: &str) -> Option<u64> {
    let mut fields = head.lines().filter_map(|l| l.split_once(": "));
    fields.find(|(n, _)| n.eq_ignore_ascii_case("content-length"))?.1.trim().parse().ok()
}

/// The value of a hidden form field.
pub fn field(page: &str, name: &str) -> Option<String> {
    let at = page.find(&format!("name=\"{name}\" value=\""))?;
    page[at..].split('"').nth(3).map(str::to_owned)
}
