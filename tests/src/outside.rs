//! Another server that hands mail to the inbound port.

use crate::Demo;
use anyhow::{Result, ensure};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// Another server hands a message to the inbound port; answers the last reply.
pub fn outside(demo: &Demo, from: &str, to: &str, message: &str) -> Result<String> {
    let stream = TcpStream::connect(("127.0.0.1", demo.about.ports.inbound))?;
    let mut reader = BufReader::new(stream);
    let mut say = |line: &str| -> Result<String> {
        reader.get_mut().write_all(line.as_bytes())?;
        let mut reply = String::new();
        loop {
            reply.clear();
            ensure!(reader.read_line(&mut reply)? > 0, "the server hung up");
            if reply.as_bytes().get(3) != Some(&b'-') {
                return Ok(reply.trim_end().to_owned());
            }
        }
    };
    say("")?;
    for line in ["EHLO mx.example.test".to_owned(), format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>")]
    {
        let reply = say(&format!("{line}\r\n"))?;
        if !reply.starts_with('2') {
            return Ok(reply);
        }
    }
    say("DATA\r\n")?;
    say(&format!("{}\r\n.\r\n", message.replace('\n', "\r\n")))
}
