//! Command lines (RFC 5321 §4.1.1) and the parameters of MAIL and RCPT.
//!
//! **Exposure.** Reads strangers' lines, already bounded in length and free of control characters. Errors
//! are the replies the client gets.

use crate::{Reply, text};
use sealpost_envelope::{AddressError, BodyType, DsnNotify, EmailAddress, Envelope, EnvelopeRecipient};

/// A command, with arguments cut out but not yet understood where their meaning depends on the session.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Ehlo(&'a str),
    Helo(&'a str),
    StartTls,
    Auth { mechanism: &'a str, initial: Option<&'a str> },
    Mail(&'a str),
    Rcpt(&'a str),
    Data,
    Bdat { octets: u64, last: bool },
    Rset,
    Noop,
    Quit,
    Vrfy,
    Expn,
    Help,
}

fn syntax(text: &str) -> Reply {
    Reply::new(501, 5, 4, text)
}

/// `555 5.5.4`: a parameter that is not implemented (RFC 5321 §4.1.1.11).
fn unknown_parameter(key: &str) -> Reply {
    // RFC 5321 §4.5.3.1.5: a reply line has 512 octets at most; a keyword has seldom twenty.
    let key = if key.len() > 64 { "of that name" } else { key };
    Reply::new(555, 5, 4, format!("Parameter {key} is not supported"))
}

impl<'a> Command<'a> {
    /// Parses a line without its CRLF.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, Reply> {
        let line = std::str::from_utf8(line)
            .ok()
            .filter(|l| !l.chars().any(char::is_control))
            .ok_or_else(|| Reply::new(500, 5, 2, "Command lines are printable ASCII or UTF-8"))?;
        // RFC 5321 §4.1.1: trailing white space is tolerated.
        let line = line.trim_end_matches(' ');
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let verb = verb.to_ascii_uppercase();
        let bare = |command| match argument {
            "" => Ok(command),
            _ => Err(syntax(&format!("{verb} takes no argument"))),
        };
        match verb.as_str() {
            "EHLO" => client_name(argument).map(Self::Ehlo),
            "HELO" => client_name(argument).map(Self::Helo),
            "STARTTLS" => bare(Self::StartTls),
            "AUTH" => {
                let mut words = argument.split(' ');
                match (words.next().filter(|m| !m.is_empty()), words.next(), words.next()) {
                    (Some(mechanism), initial, None) => Ok(Self::Auth { mechanism, initial }),
                    _ => Err(syntax("AUTH needs a mechanism")),
                }
            }
            "MAIL" => Ok(Self::Mail(argument)),
            "RCPT" => Ok(Self::Rcpt(argument)),
            "DATA" => bare(Self::Data),
            "BDAT" => bdat(argument),
            "RSET" => bare(Self::Rset),
            // RFC 5321 §4.1.1.9: an argument of NOOP is ignored.
            "NOOP" => Ok(Self::Noop),
            "QUIT" => bare(Self::Quit),
            // RFC 5321 §4.1.1.6
            "VRFY" if argument.is_empty() => Err(syntax("VRFY needs a name")),
            "VRFY" => Ok(Self::Vrfy),
            "EXPN" => Ok(Self::Expn),
            "HELP" => Ok(Self::Help),
            _ => Err(Reply::new(500, 5, 1, "Command not recognised")),
        }
    }
}

/// The name is a claim nobody relies on: it is bounded and kept to one word, not judged.
fn client_name(argument: &str) -> Result<&str, Reply> {
    let word = !argument.is_empty() && argument.len() <= 255 && !argument.contains(' ');
    if word { Ok(argument) } else { Err(syntax("The name of the client is missing or malformed")) }
}

/// `bdat-cmd = "BDAT" SP chunk-size [SP "LAST"]` (RFC 3030 §2).
fn bdat(argument: &str) -> Result<Command<'_>, Reply> {
    let (size, last) = match argument.split_once(' ') {
        None => (argument, false),
        Some((size, word)) if word.eq_ignore_ascii_case("LAST") => (size, true),
        Some(_) => return Err(syntax("BDAT takes a size and LAST")),
    };
    let octets = decimal(size).ok_or_else(|| syntax("BDAT needs a size in octets"))?;
    Ok(Command::Bdat { octets, last })
}

/// Digits only: no sign, no white space.
fn decimal(text: &str) -> Option<u64> {
    let digits = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Cuts `FROM:<path> parameters` into path and parameters.
fn path<'a>(argument: &'a str, keyword: &str, bad: impl Fn() -> Reply) -> Result<(&'a str, &'a str), Reply> {
    let (head, rest) = argument.split_at_checked(keyword.len()).ok_or_else(&bad)?;
    if !head.eq_ignore_ascii_case(keyword) {
        return Err(bad());
    }
    // RFC 5321 §3.3 forbids the space; scanners and old devices send it, and it cannot be misread.
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let inner = rest.strip_prefix('<').ok_or_else(&bad)?;
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let (path, after) = (&inner[..at], &inner[at + 1..]);
                return match after.strip_prefix(' ') {
                    Some(parameters) => Ok((path, parameters)),
                    None if after.is_empty() => Ok((path, "")),
                    None => Err(bad()),
                };
            }
            _ => {}
        }
    }
    Err(bad())
}

/// `key[=value]` pairs; each key once.
fn parameters(text: &str) -> Result<Vec<(String, Option<&str>)>, Reply> {
    let mut seen: Vec<(String, Option<&str>)> = Vec::new();
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key.to_ascii_uppercase(), Some(value)),
            None => (word.to_ascii_uppercase(), None),
        };
        if seen.iter().any(|(k, _)| *k == key) {
            let key = if key.len() > 64 { "of one name" } else { &key };
            return Err(syntax(&format!("Parameter {key} is given twice")));
        }
        seen.push((key, value));
    }
    Ok(seen)
}

/// Which parameters the session has offered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offered {
    /// EHLO was used: extensions are there.
    pub extended: bool,
    /// AUTH was offered, and with it `AUTH=` of MAIL.
    pub auth: bool,
}

/// Parses MAIL's argument (RFC 5321 §4.1.1.2) into an envelope without recipients.
pub(super) fn mail(argument: &str, offered: Offered) -> Result<Envelope, Reply> {
    let (path, rest) = path(argument, "FROM:", || syntax("The form is MAIL FROM:<address>"))?;
    let mut envelope = Envelope {
        reverse_path: None,
        recipients: Vec::new(),
        body: BodyType::SevenBit,
        smtputf8: false,
        declared_size: None,
        envid: None,
        ret_full: None,
    };
    for (key, value) in parameters(rest)? {
        mail_parameter(&mut envelope, &key, value, offered)?;
    }
    if !path.is_empty() {
        envelope.reverse_path = Some(address(path, envelope.smtputf8, 7)?);
    }
    Ok(envelope)
}

fn mail_parameter(
    envelope: &mut Envelope,
    key: &str,
    value: Option<&str>,
    offered: Offered,
) -> Result<(), Reply> {
    let bad = || syntax(&format!("Malformed value of parameter {key}"));
    if !offered.extended {
        return Err(unknown_parameter(key));
    }
    match (key, value) {
        // RFC 1870 §3
        ("SIZE", Some(v)) => envelope.declared_size = Some(decimal(v).ok_or_else(bad)?),
        // RFC 6152 §2; BINARYMIME (RFC 3030 §3) is not offered.
        ("BODY", Some(v)) if v.eq_ignore_ascii_case("7BIT") => envelope.body = BodyType::SevenBit,
        ("BODY", Some(v)) if v.eq_ignore_ascii_case("8BITMIME") => envelope.body = BodyType::EightBitMime,
        ("BODY", Some(v)) if v.eq_ignore_ascii_case("BINARYMIME") => {
            return Err(Reply::new(555, 5, 4, "BODY=BINARYMIME is not supported"));
        }
        // RFC 6531 §3.4: no value.
        ("SMTPUTF8", None) => envelope.smtputf8 = true,
        // RFC 3461 §4.3
        ("RET", Some(v)) if v.eq_ignore_ascii_case("FULL") => envelope.ret_full = Some(true),
        ("RET", Some(v)) if v.eq_ignore_ascii_case("HDRS") => envelope.ret_full = Some(false),
        // RFC 3461 §4.4: at most 100 octets.
        ("ENVID", Some(v)) if (1..=100).contains(&v.len()) => {
            envelope.envid = Some(text::from_xtext(v).ok_or_else(bad)?);
        }
        // RFC 4954 §5: must be understood where AUTH is offered; what it asserts is not trusted.
        ("AUTH", Some(v)) if offered.auth => {
            if v != "<>" && text::from_xtext(v).is_none() {
                return Err(bad());
            }
        }
        ("SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID", _) => return Err(bad()),
        _ => return Err(unknown_parameter(key)),
    }
    Ok(())
}

/// Parses RCPT's argument (RFC 5321 §4.1.1.3).
pub(super) fn rcpt(
    argument: &str,
    offered: Offered,
    smtputf8: bool,
    hostname: &str,
) -> Result<EnvelopeRecipient, Reply> {
    let (path, rest) = path(argument, "TO:", || syntax("The form is RCPT TO:<address>"))?;
    let address = if path.eq_ignore_ascii_case("postmaster") {
        // RFC 5321 §4.5.1: the one recipient that needs no domain.
        address(&format!("{path}@{hostname}"), smtputf8, 3)?
    } else {
        address(path, smtputf8, 3)?
    };
    let mut recipient = EnvelopeRecipient::plain(address);
    for (key, value) in parameters(rest)? {
        let bad = || syntax(&format!("Malformed value of parameter {key}"));
        match (key.as_str(), value) {
            _ if !offered.extended => return Err(unknown_parameter(&key)),
            ("NOTIFY", Some(v)) => recipient.notify = notify(v).ok_or_else(bad)?,
            ("ORCPT", Some(v)) => recipient.orcpt = Some(orcpt(v).ok_or_else(bad)?),
            ("NOTIFY" | "ORCPT", None) => return Err(bad()),
            _ => return Err(unknown_parameter(&key)),
        }
    }
    Ok(recipient)
}

/// `Path = "<" [ A-d-l ":" ] Mailbox ">"`: a source route is recognised and ignored (RFC 5321 §4.1.1.3,
/// appendix C).
fn without_route(path: &str) -> Result<&str, AddressError> {
    if !path.starts_with('@') {
        return Ok(path);
    }
    let mut literal = false;
    let colon = path.find(|c| {
        literal = (literal || c == '[') && c != ']';
        c == ':' && !literal
    });
    let (route, mailbox) = colon.map(|at| (&path[..at], &path[at + 1..])).ok_or(AddressError::Shape)?;
    // A hop is `@domain`; the rules for domains are those of addresses.
    for hop in route.split(',') {
        if !hop.starts_with('@') {
            return Err(AddressError::Shape);
        }
        EmailAddress::parse(&format!("x{hop}"))?;
    }
    Ok(mailbox)
}

/// `detail` is 7 for a sender, 3 for a recipient (RFC 3463 §3.2).
fn address(path: &str, smtputf8: bool, detail: u16) -> Result<EmailAddress, Reply> {
    let parsed = without_route(path).and_then(EmailAddress::parse).map_err(|e: AddressError| {
        let code = if e == AddressError::TooLong { 553 } else { 501 };
        Reply::new(code, 1, detail, format!("Bad address: {e}"))
    })?;
    if parsed.needs_smtputf8() && !smtputf8 {
        // RFC 6531 §3.5
        return Err(Reply::new(553, 6, 7, "An address outside ASCII needs SMTPUTF8"));
    }
    Ok(parsed)
}

/// `notify-esmtp-value = "NEVER" / 1#("SUCCESS" / "FAILURE" / "DELAY")` (RFC 3461 §4.1).
fn notify(value: &str) -> Option<DsnNotify> {
    let mut notify = DsnNotify::default();
    if value.eq_ignore_ascii_case("NEVER") {
        notify.never = true;
        return Some(notify);
    }
    for word in value.split(',') {
        let flag = match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => &mut notify.success,
            "FAILURE" => &mut notify.failure,
            "DELAY" => &mut notify.delay,
            _ => return None,
        };
        *flag = true;
    }
    Some(notify)
}

/// `original-recipient-address = addr-type ";" xtext`, at most 500 octets (RFC 3461 §4.2).
fn orcpt(value: &str) -> Option<String> {
    if value.len() > 500 {
        return None;
    }
    let (kind, address) = value.split_once(';')?;
    let atom = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !atom || address.is_empty() {
        return None;
    }
    Some(format!("{kind};{}", text::from_xtext(address)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Offered = Offered { extended: true, auth: true };

    #[test]
    fn mail_arguments() {
        for (argument, want) in [
            ("FROM:<>", Ok(())),
            ("from:<a@b.example>", Ok(())),
            ("FROM: <a@b.example>", Ok(())),
            ("FROM:<\"a>b\"@c.example>", Ok(())),
            ("FROM:<a@b.example> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb AUTH=<>", Ok(())),
            ("FROM:<é@b.example> SMTPUTF8", Ok(())),
            ("FROM:<é@b.example>", Err(553)),
            ("FROM:a@b.example", Err(501)),
            ("FROM:<a@b.example", Err(501)),
            ("FROM:<a@b.example>SIZE=1", Err(501)),
            ("FROM:<@x.example,@y.example:a@b.example>", Ok(())),
            ("FROM:<@[IPv6:::1]:a@b.example>", Ok(())),
            ("FROM:<@x.example>", Err(501)),
            ("FROM:<@x..example:a@b.example>", Err(501)),
            ("FROM:<@x,y:a@b.example>", Err(501)),
            ("FROM:<@x:@y:a@b.example>", Err(501)),
            ("FROM:<a@b.example> SIZE=+1", Err(501)),
            ("FROM:<a@b.example> SIZE=99999999999999999999", Err(501)),
            ("FROM:<a@b.example> SIZE=1 size=2", Err(501)),
            ("FROM:<a@b.example> BODY=9BIT", Err(501)),
            ("FROM:<a@b.example> BODY=BINARYMIME", Err(555)),
            ("FROM:<a@b.example> SMTPUTF8=1", Err(501)),
            ("FROM:<a@b.example> RET=ALL", Err(501)),
            ("FROM:<a@b.example> ENVID=a+0D+0Ab", Err(501)),
            ("FROM:<a@b.example> X=1", Err(555)),
            ("TO:<a@b.example>", Err(501)),
            ("", Err(501)),
        ] {
            assert_eq!(mail(argument, ALL).map(|_| ()).map_err(|r| r.code), want, "{argument}");
        }
        let clear = Offered { extended: false, auth: false };
        assert_eq!(mail("FROM:<a@b.example> SIZE=1", clear).unwrap_err().code, 555);
    }

    #[test]
    fn rcpt_arguments() {
        let parse = |argument| rcpt(argument, ALL, false, "mx.example");
        let r = parse("TO:<b@c.example> NOTIFY=SUCCESS,delay ORCPT=rfc822;x+2By@z.example").unwrap();
        assert_eq!(r.orcpt.as_deref(), Some("rfc822;x+y@z.example"));
        assert!(r.notify.success && r.notify.delay && !r.notify.failure && !r.notify.never);
        assert_eq!(parse("TO:<Postmaster>").unwrap().address.as_str(), "Postmaster@mx.example");
        for bad in [
            "TO:<>",
            "TO:<b>",
            "TO:<b@c.example> NOTIFY=NEVER,SUCCESS",
            "TO:<b@c.example> NOTIFY=",
            "TO:<b@c.example> NOTIFY",
            "TO:<b@c.example> ORCPT=rfc822",
            "TO:<b@c.example> ORCPT=;x",
            "TO:<b@c.example> ORCPT=rfc822;a=b",
        ] {
            assert_eq!(parse(bad).unwrap_err().code, 501, "{bad}");
        }
        assert_eq!(parse("TO:<b@c.example> X").unwrap_err().code, 555);
    }

    #[test]
    fn commands() {
        assert_eq!(Command::parse(b"noop x y"), Ok(Command::Noop));
        assert_eq!(Command::parse(b"QUIT  "), Ok(Command::Quit));
        assert_eq!(Command::parse(b"BDAT 10 last"), Ok(Command::Bdat { octets: 10, last: true }));
        for (line, code) in [
            (&b"BDAT"[..], 501),
            (b"BDAT -1", 501),
            (b"BDAT 1 LAST X", 501),
            (b"BDAT 18446744073709551616", 501),
            (b"VRFY", 501),
            (b"EHLO", 501),
            (b"EHLO a b", 501),
            (b"AUTH", 501),
            (b"AUTH PLAIN x y", 501),
            (b"DATA x", 501),
            (b"XYZ", 500),
            (b"", 500),
            (b"NOOP \x01", 500),
            (b"NOOP \xff", 500),
        ] {
            assert_eq!(Command::parse(line).unwrap_err().code, code, "{line:?}");
        }
    }
}
