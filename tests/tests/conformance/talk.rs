//! Plays a case against a server and writes down what it answered.

use super::case::{Case, Port, Step};
use anyhow::{Context, Result, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A server under test.
#[derive(Clone)]
pub struct Server {
    pub inbound: u16,
    pub submission: u16,
    pub submissions: u16,
    pub tls: Arc<ClientConfig>,
    pub login: String,
    pub password: String,
}

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// `5.5.2`, or nothing.
    pub enhanced: String,
    /// A message was taken over.
    pub accepted: bool,
    /// A line of over 512 octets, CR LF included (RFC 5321 §4.5.3.1.5).
    pub long: bool,
}

/// What came of a case.
#[derive(Debug, Default)]
pub struct Answer {
    /// Replies since the case began, the last one to QUIT left out.
    pub replies: Vec<Reply>,
    /// The server ended the session before QUIT was answered.
    pub closed: bool,
    /// Our port, by which the server's log names us.
    pub client: u16,
}

/// For a reply: long enough for a busy machine; cases end because the connection does.
const PATIENCE: Duration = Duration::from_secs(40);

enum Wire {
    /// Read by a thread, so that a server that answers while we still write is not kept waiting.
    Clear(TcpStream, Receiver<Vec<u8>>),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

struct Talk {
    wire: Wire,
    buffer: Vec<u8>,
    ended: bool,
}

/// Plays `case`.
pub fn play(server: &Server, case: &Case) -> Result<Answer> {
    let port = match case.port {
        Port::Inbound => server.inbound,
        Port::Submission => server.submission,
        Port::Submissions => server.submissions,
    };
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    let client = socket.local_addr()?.port();
    let mut talk = match case.port {
        Port::Submissions => Talk::secured(socket, server)?,
        _ => Talk::clear(socket)?,
    };
    if case.from != "none" {
        talk = talk.prepare(case, server).with_context(|| format!("{}: before the case", case.name))?;
    }
    let mut answer = Answer { client, ..Answer::default() };
    for step in &case.steps {
        match step {
            // A server that has closed reads no more: that is its answer.
            Step::Send(octets) => talk.ended |= talk.send(octets).is_err(),
            Step::Drip(octets) => {
                for octet in octets {
                    talk.ended |= talk.send(&[*octet]).is_err();
                }
            }
            Step::Await => answer.replies.extend(talk.reply()?),
        }
    }
    talk.finish(&mut answer)?;
    Ok(answer)
}

impl Talk {
    fn clear(socket: TcpStream) -> Result<Self> {
        let mut reader = socket.try_clone()?;
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let mut chunk = vec![0u8; 64 * 1024];
            while let Ok(n @ 1..) = reader.read(&mut chunk) {
                if sender.send(chunk[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { wire: Wire::Clear(socket, receiver), buffer: Vec::new(), ended: false })
    }

    fn secured(socket: TcpStream, server: &Server) -> Result<Self> {
        let session = ClientConnection::new(server.tls.clone(), ServerName::try_from("localhost")?)?;
        let stream = StreamOwned::new(session, socket);
        Ok(Self { wire: Wire::Tls(Box::new(stream)), buffer: Vec::new(), ended: false })
    }

    /// The dialogue before a case.
    fn prepare(mut self, case: &Case, server: &Server) -> Result<Self> {
        self.expect(None, 220)?;
        if case.from == "greeted" {
            return Ok(self);
        }
        self.expect(Some("EHLO client.example"), 250)?;
        let (auth, stage) = match case.from.strip_prefix("auth") {
            Some(stage) => (true, stage.trim_start_matches('-')),
            None => (false, case.from.as_str()),
        };
        if auth {
            let plain = format!("\0{}\0{}", server.login, server.password);
            let plain = base64_simd::STANDARD.encode_to_string(plain);
            self.expect(Some(&format!("AUTH PLAIN {plain}")), 235)?;
        }
        let from = if auth { server.login.as_str() } else { "someone@outside.example" };
        let to = if auth { "bob@example.test" } else { "alice@sealpost.test" };
        let steps = [
            ("mail", format!("MAIL FROM:<{from}>"), 250),
            ("rcpt", format!("RCPT TO:<{to}>"), 250),
            ("data", "DATA".to_owned(), 354),
        ];
        if let Some(last) = steps.iter().position(|(name, ..)| *name == stage) {
            for (_, line, code) in &steps[..=last] {
                self.expect(Some(line), *code)?;
            }
        } else {
            ensure!(["ehlo", ""].contains(&stage), "unknown stage {stage}");
        }
        Ok(self)
    }

    fn expect(&mut self, line: Option<&str>, code: u16) -> Result<()> {
        if let Some(line) = line {
            self.send(format!("{line}\r\n").as_bytes())?;
        }
        let reply = self.reply()?;
        ensure!(reply.as_ref().is_some_and(|r| r.code == code), "{line:?} was answered {reply:?}");
        Ok(())
    }

    fn send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        match &mut self.wire {
            Wire::Clear(socket, _) => socket.write_all(octets),
            Wire::Tls(stream) => {
                stream.write_all(octets)?;
                stream.flush()
            }
        }
    }

    /// More bytes; `false` at the end.
    fn fill(&mut self) -> Result<bool> {
        match &mut self.wire {
            Wire::Clear(_, receiver) => match receiver.recv_timeout(PATIENCE) {
                Ok(bytes) => self.buffer.extend(bytes),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Ok(false),
                Err(timeout) => return Err(timeout.into()),
            },
            Wire::Tls(stream) => {
                let mut chunk = [0u8; 16 * 1024];
                match stream.read(&mut chunk) {
                    Ok(0) => return Ok(false),
                    Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                    Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::TimedOut => {
                        return Err(e.into());
                    }
                    Err(_) => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    /// One reply with all its lines; none when the connection has ended.
    fn reply(&mut self) -> Result<Option<Reply>> {
        loop {
            while let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line = String::from_utf8_lossy(&self.buffer[..end]).trim_end().to_owned();
                self.buffer.drain(..=end);
                if line.as_bytes().get(3) != Some(&b'-') {
                    return Ok(Some(read(&line)?));
                }
            }
            if !self.fill()? {
                self.ended = true;
                return Ok(None);
            }
        }
    }

    /// Leaves, and takes down what is still said.
    fn finish(mut self, answer: &mut Answer) -> Result<()> {
        if self.send(b"QUIT\r\n").is_ok() {
            match &mut self.wire {
                Wire::Clear(socket, _) => drop(socket.shutdown(Shutdown::Write)),
                Wire::Tls(stream) => {
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                    let _ = stream.sock.shutdown(Shutdown::Write);
                }
            }
        }
        while let Some(reply) = self.reply()? {
            answer.replies.push(reply);
        }
        answer.closed = true;
        if answer.replies.last().is_some_and(|r| r.code == 221) {
            answer.replies.pop();
            answer.closed = false;
        }
        Ok(())
    }
}

fn read(line: &str) -> Result<Reply> {
    let code = line.get(..3).and_then(|c| c.parse().ok()).with_context(|| format!("no reply: {line:?}"))?;
    let text = line.get(4..).unwrap_or("");
    let word = text.split(' ').next().unwrap_or("");
    let is_enhanced = word.split('.').count() == 3 && word.split('.').all(|n| n.parse::<u16>().is_ok());
    let accepted =
        code == 250 && ["Deposited ", "2.0.0 Accepted", "queued as "].iter().any(|w| text.contains(w));
    let enhanced = if is_enhanced { word.to_owned() } else { String::new() };
    Ok(Reply { code, enhanced, accepted, long: line.len() > 510 })
}
