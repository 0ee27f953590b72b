//! Tables: `serial,hexseed`; `serial;base32;digits;interval`; and the one with a header that Microsoft Entra reads
//! (`upn,serial number,secret key,time interval,manufacturer,model`). All of them hold clock tokens.

use super::{Counts, Seed, SeedError, plausible};
use crate::oath::Algorithm;
use crate::oath::base32::from_base32;
use sealpost_envelope::{Secret, hex};

/// Where a table has its columns.
struct Columns {
    owner: Option<usize>,
    serial: usize,
    secret: usize,
    interval: Option<usize>,
    digits: Option<usize>,
    label: Vec<usize>,
}

pub(super) fn read(text: &str) -> Result<Vec<Seed>, SeedError> {
    let mut lines = (1..).zip(text.lines()).filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#'));
    let Some((number, first)) = lines.next() else { return Err(SeedError::Empty) };
    let separator = if first.contains(';') { ';' } else { ',' };
    let (columns, first) = match header(first, separator) {
        Some(columns) => (columns, None),
        None if first.contains(separator) => (plain(), Some((number, first))),
        None => return Err(SeedError::Format),
    };
    first.into_iter().chain(lines).map(|(line, text)| row(line, text, separator, &columns)).collect()
}

/// `serial`, secret, and perhaps digits and interval.
fn plain() -> Columns {
    Columns { owner: None, serial: 0, secret: 1, interval: Some(3), digits: Some(2), label: Vec::new() }
}

fn header(line: &str, separator: char) -> Option<Columns> {
    let names: Vec<String> =
        line.split(separator).map(|c| unquoted(c).to_ascii_lowercase().replace(['_', '-'], " ")).collect();
    let find = |wanted: &[&str]| names.iter().position(|n| wanted.contains(&n.as_str()));
    Some(Columns {
        owner: find(&["upn", "user", "address", "mail"]),
        serial: find(&["serial number", "serial", "serialnumber"])?,
        secret: find(&["secret key", "secret", "seed", "secretkey"])?,
        interval: find(&["time interval", "timeinterval", "interval", "period"]),
        digits: find(&["digits"]),
        label: ["manufacturer", "model"].iter().filter_map(|n| find(&[n])).collect(),
    })
}

fn unquoted(cell: &str) -> &str {
    cell.trim().trim_matches('"').trim()
}

fn row(line: usize, text: &str, separator: char, columns: &Columns) -> Result<Seed, SeedError> {
    let wrong = |what| SeedError::Line { line, what };
    let cells: Vec<&str> = text.split(separator).map(unquoted).collect();
    let cell = |at: usize| cells.get(at).copied().filter(|c| !c.is_empty());
    let number = |at: Option<usize>, usual: u32| match at.and_then(cell) {
        None => Ok(usual),
        Some(text) => text.parse::<u32>().map_err(|_| wrong("a number belongs here")),
    };
    let label: Vec<&str> = columns.label.iter().filter_map(|at| cell(*at)).collect();
    let seed = Seed {
        serial: cell(columns.serial).ok_or_else(|| wrong("the serial number is missing"))?.to_owned(),
        label: (!label.is_empty()).then(|| label.join(" ")),
        secret: secret(cell(columns.secret).ok_or_else(|| wrong("the secret is missing"))?)
            .ok_or_else(|| wrong("the secret is neither hexadecimal nor base32"))?,
        counts: Counts::Time(number(columns.interval, 30)?),
        algorithm: Algorithm::Sha1,
        digits: u8::try_from(number(columns.digits, 6)?).map_err(|_| wrong("a code has 6 to 8 digits"))?,
        owner: columns.owner.and_then(cell).map(str::to_owned),
    };
    plausible(&seed).map_err(wrong)?;
    Ok(seed)
}

/// Hexadecimal where it can be: base32 has no 0, 1, 8 or 9, and a seed of 40 digits without any of them is one in a
/// hundred million.
fn secret(text: &str) -> Option<Secret<Vec<u8>>> {
    hex::decode(&text.to_ascii_lowercase()).map(Secret::new).or_else(|| from_base32(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "3132333435363738393031323334353637383930";
    const B32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn tables_of_the_field() {
        for (text, serial, owner, digits, period) in [
            (format!("1234567890,{HEX}\n"), "1234567890", None, 6, 30),
            (format!("F-77;{B32};8;60\r\n\r\n"), "F-77", None, 8, 60),
            (
                format!(
                    "upn,serial number,secret key,time interval,manufacturer,model\nbob@example.test,42,{B32},60,Maker,M1"
                ),
                "42",
                Some("bob@example.test"),
                6,
                60,
            ),
            (format!("\"Serial\",\"Seed\"\n\"9\",\"{HEX}\""), "9", None, 6, 30),
        ] {
            let seeds = super::super::read(text.as_bytes(), None).unwrap();
            let seed = &seeds[0];
            assert_eq!(seeds.len(), 1);
            assert_eq!((seed.serial.as_str(), seed.owner.as_deref(), seed.digits), (serial, owner, digits));
            assert_eq!(seed.counts, Counts::Time(period));
            assert_eq!(seed.secret.expose(), b"12345678901234567890");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_told() {
        for (text, what) in [
            ("1,abcd", "line 1: a secret has"),
            ("1,!!!!", "line 1: the secret is neither"),
            ("1,\n", "line 1: the secret is missing"),
            (&format!("1,{HEX}\n,{HEX}"), "line 2: the serial number is missing"),
            (&format!("1;{HEX};5;30"), "line 1: a code has 6"),
            (&format!("1;{HEX};six;30"), "line 1: a number"),
            ("hello", "neither PSKC"),
            ("", "no token"),
        ] {
            let error = super::super::read(text.as_bytes(), None).unwrap_err().to_string();
            assert!(error.contains(what), "{text:?}: {error}");
            assert!(!error.contains(HEX));
        }
    }
}
