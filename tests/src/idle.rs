//! A mail program that has logged in over IMAP and waits (IDLE), to see when it is put out.

use crate::{Account, Demo};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A connection that waits.
pub struct Idle {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Held open: its end would end the connection.
    _input: ChildStdin,
}

impl Idle {
    /// Logs in by app password and waits.
    pub fn start(demo: &Demo, account: &Account) -> Result<Self> {
        let target = format!("localhost:{}", demo.about.ports.imaps);
        let ca = demo.about.ca.to_string_lossy().into_owned();
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_quiet", "-CAfile", &ca, "-connect", &target])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut input = child.stdin.take().context("no input")?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let said =
            format!("a LOGIN {} {}\r\nb SELECT INBOX\r\nc IDLE\r\n", account.login, account.app_password);
        input.write_all(said.as_bytes())?;
        lines.find(|l| l.as_ref().is_ok_and(|l| l.starts_with('+'))).context("it does not wait")??;
        Ok(Self { child, lines, _input: input })
    }

    /// What the server says until it ends the connection.
    pub fn until_the_end(mut self) -> Result<String> {
        let said: Vec<String> = self.lines.by_ref().map_while(Result::ok).collect();
        self.child.wait()?;
        Ok(said.join("\n"))
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
