//! The exchange printed in RFC 7677, and everything that must not pass.

use super::*;
use proptest::prelude::*;

const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

/// StoredKey and ServerKey of `password` (RFC 5802 §3), computed here independently of the store.
fn record(id: u8, password: &str) -> ScramRecord {
    let salt = STANDARD.decode_to_vec(SALT).unwrap();
    let mut salted = [0u8; 32];
    let rounds = std::num::NonZeroU32::new(4096).unwrap();
    aws_lc_rs::pbkdf2::derive(
        aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        &salt,
        password.as_bytes(),
        &mut salted,
    );
    let client_key = sign(&salted, b"Client Key");
    let stored: [u8; 32] = digest::digest(&digest::SHA256, &client_key).as_ref().try_into().unwrap();
    ScramRecord {
        id: [id; 16],
        stored_key: Secret::new(stored),
        server_key: Secret::new(sign(&salted, b"Server Key")),
    }
}

fn secrets(records: Vec<ScramRecord>) -> ScramSecrets {
    ScramSecrets { salt: STANDARD.decode_to_vec(SALT).unwrap(), iterations: 4096, records }
}

fn open(first: &str, mechanism: Mechanism, bindings: &ChannelBindings) -> Result<First, SaslError> {
    First::read(first, mechanism, bindings, SERVER_NONCE)
}

fn bindings() -> ChannelBindings {
    ChannelBindings {
        exporter: Some(Secret::new(b"exporter".to_vec())),
        end_point: Some(Secret::new(b"end point".to_vec())),
    }
}

/// The proof of a client that knows `password`.
fn proof(password: &str, signed: &str) -> String {
    let salt = STANDARD.decode_to_vec(SALT).unwrap();
    let mut salted = [0u8; 32];
    let rounds = std::num::NonZeroU32::new(4096).unwrap();
    aws_lc_rs::pbkdf2::derive(
        aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        &salt,
        password.as_bytes(),
        &mut salted,
    );
    let mut key = sign(&salted, b"Client Key");
    let stored: [u8; 32] = digest::digest(&digest::SHA256, &key).as_ref().try_into().unwrap();
    key.iter_mut().zip(sign(&stored, signed.as_bytes())).for_each(|(k, s)| *k ^= s);
    STANDARD.encode_to_string(key)
}

#[test]
fn the_example_of_the_rfc() {
    let plain = ChannelBindings::default();
    let first = open(&format!("n,,n=user,r={CLIENT_NONCE}"), Mechanism::ScramSha256, &plain).unwrap();
    assert_eq!(first.login(), "user");
    let (opened, challenge) = first.open(secrets(vec![record(1, "other"), record(2, "pencil")]));
    assert_eq!(challenge, format!("r={CLIENT_NONCE}{SERVER_NONCE},s={SALT},i=4096"));
    let last =
        format!("c=biws,r={CLIENT_NONCE}{SERVER_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    let proven = opened.prove(&last).unwrap();
    assert_eq!(proven.record, Some([2; 16]), "the second of two app passwords");
    assert_eq!(proven.confirmation, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

#[test]
fn wrong_passwords_and_unknown_logins_look_alike() {
    let plain = ChannelBindings::default();
    for records in [vec![record(1, "other")], Vec::new()] {
        let first = open(&format!("n,,n=user,r={CLIENT_NONCE}"), Mechanism::ScramSha256, &plain).unwrap();
        let (opened, challenge) = first.open(secrets(records));
        let bare = format!("c=biws,r={CLIENT_NONCE}{SERVER_NONCE}");
        let signed = format!("n=user,r={CLIENT_NONCE},{challenge},{bare}");
        let proven = opened.prove(&format!("{bare},p={}", proof("pencil", &signed))).unwrap();
        assert_eq!(proven.record, None);
    }
}

/// A record of zeros would fit nobody either: the filler is no way in.
#[test]
fn the_filler_fits_nothing() {
    let plain = ChannelBindings::default();
    let first = open(&format!("n,,n=user,r={CLIENT_NONCE}"), Mechanism::ScramSha256, &plain).unwrap();
    let (opened, challenge) = first.open(secrets(Vec::new()));
    let bare = format!("c=biws,r={CLIENT_NONCE}{SERVER_NONCE}");
    let signed = format!("n=user,r={CLIENT_NONCE},{challenge},{bare}");
    let zero = STANDARD.encode_to_string(sign(&[0; 32], signed.as_bytes()));
    assert_eq!(opened.prove(&format!("{bare},p={zero}")).unwrap().record, None);
}

#[test]
fn bound_to_the_connection() {
    for (name, data) in [("tls-exporter", &b"exporter"[..]), ("tls-server-end-point", b"end point")] {
        for (sent, fits) in [(data, true), (b"another", false), (b"", false)] {
            let header = format!("p={name},,");
            let first = format!("{header}n=user,r=abc");
            let first = open(&first, Mechanism::ScramSha256Plus, &bindings()).unwrap();
            let (opened, challenge) = first.open(secrets(vec![record(1, "pencil")]));
            let c = STANDARD.encode_to_string([header.as_bytes(), sent].concat());
            let bare = format!("c={c},r=abc{SERVER_NONCE}");
            let signed = format!("n=user,r=abc,{challenge},{bare}");
            let answer = opened.prove(&format!("{bare},p={}", proof("pencil", &signed)));
            match fits {
                true => assert_eq!(answer.unwrap().record, Some([1; 16]), "{name}"),
                false => assert_eq!(answer.unwrap_err(), SaslError::Denied, "{name} {sent:?}"),
            }
        }
    }
}

#[test]
fn first_messages() {
    let read = |text: &str, plus: bool, known: bool| {
        let mechanism = if plus { Mechanism::ScramSha256Plus } else { Mechanism::ScramSha256 };
        let bindings = if known { bindings() } else { ChannelBindings::default() };
        match open(text, mechanism, &bindings) {
            Ok(first) => first.login().to_owned(),
            Err(SaslError::Denied) => "denied".to_owned(),
            Err(_) => "malformed".to_owned(),
        }
    };
    for (text, plus, known, want) in [
        ("n,,n=user,r=x", false, true, "user"),
        ("n,,n=us=2Ce=3Dr,r=x,t=extension", false, true, "us,e=r"),
        ("n,a=user,n=user,r=x", false, true, "user"),
        ("n,a=other,n=user,r=x", false, true, "denied"),
        // The downgrade that `y` exists to uncover.
        ("y,,n=user,r=x", false, true, "denied"),
        ("y,,n=user,r=x", false, false, "user"),
        ("p=tls-exporter,,n=user,r=x", false, true, "malformed"),
        ("p=tls-exporter,,n=user,r=x", true, true, "user"),
        ("p=tls-unique,,n=user,r=x", true, true, "denied"),
        ("p=tls-exporter,,n=user,r=x", true, false, "denied"),
        ("n,,n=user,r=x", true, true, "malformed"),
        ("y,,n=user,r=x", true, true, "denied"),
        ("n,,m=must,n=user,r=x", false, true, "malformed"),
        ("n,,r=x,n=user", false, true, "malformed"),
        ("n,,n=,r=x", false, true, "malformed"),
        ("n,,n=user,r=", false, true, "malformed"),
        ("n,,n=user,r=x y", false, true, "malformed"),
        ("n,,n=us=er,r=x", false, true, "malformed"),
        ("n,,n=us=2cer,r=x", false, true, "malformed"),
        ("n,,n=us=2,r=x", false, true, "malformed"),
        ("n,,n=user,r=x,", false, true, "malformed"),
        ("n,,n=user", false, true, "malformed"),
        ("n,n=user,r=x", false, true, "malformed"),
        ("x,,n=user,r=x", false, true, "malformed"),
        ("", false, true, "malformed"),
    ] {
        assert_eq!(read(text, plus, known), want, "{text} plus={plus} known={known}");
    }
    let long = format!("n,,n=user,r={}", "x".repeat(MAX_NONCE + 1));
    assert_eq!(read(&long, false, true), "malformed");
}

#[test]
fn final_messages() {
    let nonce = format!("abc{SERVER_NONCE}");
    let proof = STANDARD.encode_to_string([7u8; 32]);
    for (text, want) in [
        (format!("c=biws,r={nonce},p={proof}"), None),
        (format!("c=biws,r={nonce},x=y,p={proof}"), None),
        (format!("c=biws,r=abc,p={proof}"), Some(SaslError::Denied)),
        (format!("c=eSws,r={nonce},p={proof}"), Some(SaslError::Denied)),
        (format!("r={nonce},c=biws,p={proof}"), Some(SaslError::Malformed(""))),
        (format!("c=biws,r={nonce},p={proof},x=y"), Some(SaslError::Malformed(""))),
        (format!("c=biws,r={nonce},p=AAAA"), Some(SaslError::Malformed(""))),
        (format!("c=biws,r={nonce},p=?"), Some(SaslError::Malformed(""))),
        (format!("c=biws,r={nonce}"), Some(SaslError::Malformed(""))),
        (String::new(), Some(SaslError::Malformed(""))),
    ] {
        let plain = ChannelBindings::default();
        let first = open("n,,n=user,r=abc", Mechanism::ScramSha256, &plain).unwrap();
        let (opened, _) = first.open(secrets(vec![record(1, "pencil")]));
        match (opened.prove(&text), want) {
            (Ok(proven), None) => assert_eq!(proven.record, None, "{text}"),
            (Err(SaslError::Malformed(_)), Some(SaslError::Malformed(_))) => {}
            (Err(got), Some(want)) => assert_eq!(got, want, "{text}"),
            (got, want) => panic!("{text}: {got:?} instead of {want:?}"),
        }
    }
}

proptest! {
    #[test]
    fn nothing_panics(first in "\\PC{0,60}", last in "\\PC{0,60}") {
        let plain = ChannelBindings::default();
        let _ = open(&first, Mechanism::ScramSha256, &plain);
        let read = open("n,,n=user,r=abc", Mechanism::ScramSha256, &plain).unwrap();
        let (opened, _) = read.open(secrets(Vec::new()));
        prop_assert!(opened.prove(&last).is_err());
    }

    #[test]
    fn names_round_trip(name in "[a-zA-Z0-9@.,=é-]{1,40}") {
        let escaped = name.replace('=', "=3D").replace(',', "=2C");
        prop_assert_eq!(sasl_name(&escaped), Some(name));
    }
}
