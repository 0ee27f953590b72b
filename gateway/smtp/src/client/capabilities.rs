//! The EHLO reply (RFC 5321 §4.1.1.1).

use crate::Reply;

/// What a server announced in its EHLO reply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// STARTTLS.
    pub starttls: bool,
    /// PIPELINING.
    pub pipelining: bool,
    /// 8BITMIME.
    pub eight_bit: bool,
    /// CHUNKING.
    pub chunking: bool,
    /// SMTPUTF8.
    pub smtputf8: bool,
    /// DSN.
    pub dsn: bool,
    /// SIZE offered; inner is the limit, if one is told.
    pub size: Option<Option<u64>>,
    /// AUTH offers PLAIN.
    pub auth_plain: bool,
}

impl Capabilities {
    /// Reads the lines after the first, which names the server. Unknown keywords are others' business.
    pub(super) fn read(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.text.split('\n').skip(1) {
            let line = line.to_ascii_uppercase();
            // Some servers still write "AUTH=PLAIN" beside the standard's form.
            let (keyword, rest) = line.split_once([' ', '=']).unwrap_or((&line, ""));
            match keyword {
                "STARTTLS" => found.starttls = true,
                "PIPELINING" => found.pipelining = true,
                "8BITMIME" => found.eight_bit = true,
                "CHUNKING" => found.chunking = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "DSN" => found.dsn = true,
                // RFC 1870 §4: 0, or nothing, tells no limit.
                "SIZE" => found.size = Some(rest.trim().parse().ok().filter(|n| *n > 0)),
                "AUTH" => found.auth_plain |= rest.split([' ', '=']).any(|m| m == "PLAIN"),
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords() {
        let read = |text: &str| Capabilities::read(&Reply::bare(250, text));
        let c = read("mx.example\nSIZE 1000\nstarttls\nAUTH LOGIN PLAIN\nX-FOO bar\nPIPELINING\n8bitmime");
        assert!(c.starttls && c.pipelining && c.eight_bit && c.auth_plain && !c.chunking && !c.dsn);
        assert_eq!(c.size, Some(Some(1000)));
        assert_eq!(read("mx\nSIZE").size, Some(None));
        assert_eq!(read("mx\nSIZE 0").size, Some(None));
        assert!(read("mx\nAUTH=PLAIN").auth_plain);
        // The first line is the server's name, whatever it looks like.
        assert_eq!(read("STARTTLS"), Capabilities::default());
    }
}
