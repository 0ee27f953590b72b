//! Vectors of RFC 6287 Appendix C, and of tiqr.

use super::*;
use proptest::prelude::*;
use sealpost_envelope::hex;

const KEY20: &[u8] = b"12345678901234567890";
const KEY32: &[u8] = b"12345678901234567890123456789012";
const KEY64: &[u8] = b"1234567890123456789012345678901234567890123456789012345678901234";
/// SHA-1 of "1234".
const PIN: &str = "7110eda4d09e062aa5e4a390b0a572ac0d2c0220";

fn respond(suite: &str, key: &[u8], input: &OcraInput<'_>) -> String {
    let suite: Suite = suite.parse().expect(suite);
    suite.compute(key, input).expect("inputs that fit").expose().to_owned()
}

/// `suite | question | counter | time (hex) | with PIN | response`, the key by the suite's hash.
#[test]
fn vectors_of_the_rfc() {
    let pin = hex::decode(PIN).unwrap();
    for line in include_str!("rfc6287.txt").lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
        let [suite, question, counter, time, with_pin, expected] =
            line.split('|').map(str::trim).collect::<Vec<_>>()[..]
        else {
            panic!("{line}")
        };
        let key = match &suite[12..18] {
            "SHA1-6" => KEY20,
            "SHA256" => KEY32,
            _ => KEY64,
        };
        let input = OcraInput {
            counter: counter.parse().ok(),
            question,
            pin: (with_pin == "yes").then_some(&pin[..]),
            session: None,
            time: u64::from_str_radix(time, 16).ok(),
        };
        assert_eq!(respond(suite, key, &input), expected, "{line}");
    }
}

#[test]
fn vectors_of_tiqr() {
    let run = |from: u8, n: u8| (0..n).map(|i| from + i).collect::<Vec<u8>>();
    for (suite, question, session, expected) in [
        ("OCRA-1:HOTP-SHA1-6:QH10-S", "0000000000", run(0, 16), "539871"),
        ("OCRA-1:HOTP-SHA1-6:QH10-S", "2222222222", run(0x20, 16), "967283"),
        ("OCRA-1:HOTP-SHA1-6:QH10-S", "aaaaaaaaaa", run(0xa0, 16), "086966"),
        ("OCRA-1:HOTP-SHA1-6:QH10-S", "0000000000", run(0, 32), "525367"),
        ("OCRA-1:HOTP-SHA1-6:QH10-S064", "0000000000", run(0, 32), "174452"),
    ] {
        let input = OcraInput { question, session: Some(&session), ..OcraInput::default() };
        assert_eq!(respond(suite, KEY32, &input), expected, "{suite} {question}");
    }
    let key = hex::decode("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").unwrap();
    let session = hex::decode("b5a0c3d4e5f60718293a4b5c6d7e8f90").unwrap();
    let input = OcraInput { question: "7c6a1b0f9e", session: Some(&session), ..OcraInput::default() };
    assert_eq!(respond("OCRA-1:HOTP-SHA1-6:QH10-S", &key, &input), "702753");
    assert_eq!(respond("OCRA-1:HOTP-SHA256-6:QH10-S", &key, &input), "674805");
}

#[test]
fn suites() {
    for good in [
        "OCRA-1:HOTP-SHA1-6:QN08",
        "OCRA-1:HOTP-SHA512-10:C-QA64-PSHA512-S512-T48H",
        "OCRA-1:HOTP-SHA256-0:QH04-S-T1S",
    ] {
        assert_eq!(good.parse::<Suite>().expect(good).as_str(), good);
    }
    for bad in [
        "",
        "OCRA-1",
        "OCRA-2:HOTP-SHA1-6:QN08",
        "OCRA-1:HOTP-MD5-6:QN08",
        "OCRA-1:HOTP-SHA1-3:QN08",
        "OCRA-1:HOTP-SHA1-11:QN08",
        "OCRA-1:HOTP-SHA1-6:",
        "OCRA-1:HOTP-SHA1-6:C",
        "OCRA-1:HOTP-SHA1-6:QN8",
        "OCRA-1:HOTP-SHA1-6:QN03",
        "OCRA-1:HOTP-SHA1-6:QN65",
        "OCRA-1:HOTP-SHA1-6:QX08",
        "OCRA-1:HOTP-SHA1-6:QN08-C",
        "OCRA-1:HOTP-SHA1-6:QN08-S64",
        "OCRA-1:HOTP-SHA1-6:QN08-S000",
        "OCRA-1:HOTP-SHA1-6:QN08-T1M-S064",
        "OCRA-1:HOTP-SHA1-6:QN08-T0M",
        "OCRA-1:HOTP-SHA1-6:QN08-T60S",
        "OCRA-1:HOTP-SHA1-6:QN08-T1D",
        "OCRA-1:HOTP-SHA1-6:QN08-Té",
        "OCRA-1:HOTP-SHA1-6:QN08-T1M-T1M",
        "OCRA-1:HOTP-SHA1-+6:QN08",
    ] {
        assert!(bad.parse::<Suite>().is_err(), "{bad}");
    }
}

#[test]
fn inputs_must_fit() {
    let suite: Suite = "OCRA-1:HOTP-SHA1-6:QH10-S016".parse().unwrap();
    let good = OcraInput { question: "0123456789", session: Some(&[0; 16]), ..OcraInput::default() };
    assert!(suite.compute(KEY20, &good).is_ok());
    for (bad, what) in [
        (OcraInput { session: None, ..good }, "no session"),
        (OcraInput { session: Some(&[0; 17]), ..good }, "a longer session"),
        (OcraInput { counter: Some(1), ..good }, "a counter"),
        (OcraInput { time: Some(1), ..good }, "a time"),
        (OcraInput { pin: Some(&[0; 20]), ..good }, "a PIN"),
        (OcraInput { question: "", ..good }, "no question"),
        (OcraInput { question: "012345678g", ..good }, "no digits"),
    ] {
        assert!(suite.compute(KEY20, &bad).is_err(), "{what}");
    }
    let response = suite.compute(KEY20, &good).unwrap();
    assert!(response.matches(response.expose()) && !response.matches("") && !response.matches("1"));
    assert_eq!(format!("{response:?}"), "Response(…)");
    let whole: Suite = "OCRA-1:HOTP-SHA256-0:QA04".parse().unwrap();
    let input = OcraInput { question: "test", ..OcraInput::default() };
    assert_eq!(whole.compute(KEY20, &input).unwrap().expose().len(), 64);
    assert_eq!("OCRA-1:HOTP-SHA1-6:QN08-T2M".parse::<Suite>().unwrap().steps(241), Some(2));
}

proptest! {
    #[test]
    fn reading_never_panics(text in ".*") {
        let _ = text.parse::<Suite>();
        let _ = format!("OCRA-1:HOTP-SHA1-6:{text}").parse::<Suite>();
    }
    #[test]
    fn responses_have_their_digits(question in "[0-9]{1,128}", digits in 4usize..=10) {
        let suite: Suite = format!("OCRA-1:HOTP-SHA512-{digits}:QN64").parse().unwrap();
        let input = OcraInput { question: &question, ..OcraInput::default() };
        let response = suite.compute(KEY20, &input).unwrap();
        prop_assert_eq!(response.expose().len(), digits);
    }
    #[test]
    fn decimal_questions_are_numbers(n in any::<u128>()) {
        let digits = n.to_string().chars().map(|c| c.to_digit(10).unwrap()).collect();
        let text: String = hexadecimal(digits).iter().map(|d| char::from_digit(*d, 16).unwrap()).collect();
        prop_assert_eq!(text, format!("{n:x}"));
    }
}
