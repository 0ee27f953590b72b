//! Another server that hands mail over, from the outside or as a trusted one.

use crate::Demo;
use anyhow::{Result, ensure};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// Another server hands a message to the inbound port; answers the last reply.
pub fn outside(demo: &Demo, from: &str, to: &str, message: &str) -> Result<String> {
    hand_over(demo.about.ports.inbound, from, to, message.replace('\n', "\r\n").as_bytes())
}

/// Hands a message as it is, without TLS and without its last line end, to a port; answers the last reply.
pub fn hand_over(port: u16, from: &str, to: &str, message: &[u8]) -> Result<String> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    let mut reader = BufReader::new(stream);
    let mut say = |line: &[u8]| -> Result<String> {
        reader.get_mut().write_all(line)?;
        let mut reply = String::new();
        loop {
            reply.clear();
            ensure!(reader.read_line(&mut reply)? > 0, "the server hung up");
            if reply.as_bytes().get(3) != Some(&b'-') {
                return Ok(reply.trim_end().to_owned());
            }
        }
    };
    say(b"")?;
    for line in ["EHLO mx.example.test".to_owned(), format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>")]
    {
        let reply = say(format!("{line}\r\n").as_bytes())?;
        if !reply.starts_with('2') {
            return Ok(reply);
        }
    }
    say(b"DATA\r\n")?;
    say(&[message, b"\r\n.\r\n"].concat())
}
