//! Tables of subject forms and refusals, over certificates made here; never a panic.

use super::issue::{CardAuthority, IssuedCard, NewCard, Use};
use super::*;
use crate::ocsp::{Answer, Status};
use crate::{Certificate, KeyKind, PrivateKey, RevocationList, Revoked};
use der::asn1::ObjectIdentifier;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sealpost_envelope::Language;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn at() -> Timestamp {
    "2026-05-04T10:00:00Z".parse().unwrap()
}
fn nurse() -> NewCard {
    NewCard::professional("OLIVIER", "INFIRMCS ADELI8751", "00B6087510", (60, "Infirmier"), at())
}
fn doctor() -> NewCard {
    NewCard::professional("ROBERT", "SPECIALISTE0021889", "899700218896", (10, "Médecin"), at())
}
/// RSA keys take a second each to make.
fn made(authority: &CardAuthority, new: &NewCard) -> IssuedCard {
    authority.certify(new, PrivateKey::generate(KeyKind::P256).unwrap()).unwrap()
}
fn trust(authority: &CardAuthority, stage: Stage, revoked: &[Revoked]) -> CardTrust {
    let list = authority.list(revoked, at()).unwrap();
    CardTrust::new(range(authority, stage), vec![RevocationList::from_der(&list).unwrap()]).unwrap()
}
fn range(authority: &CardAuthority, stage: Stage) -> Range {
    Range {
        roots: vec![authority.root().clone()],
        issuers: vec![authority.issuer().clone()],
        kinds: vec![CardKind::Cps, CardKind::Cpf, CardKind::Cpe, CardKind::Cpa],
        stage,
        revocation: Revocation::Required,
    }
}
fn code(trust: &CardTrust, card: &IssuedCard, now: Timestamp) -> &'static str {
    trust.judge(&[card.certificate.der()], now).map_or_else(|r| r.code(), |_| "accepted")
}

#[test]
fn identifiers() {
    for (text, identity, register, key) in [
        ("899700218896", "rpps:99700218896", "RPPS", true),
        ("899700218895", "rpps:99700218895", "RPPS", false),
        ("00B6087510", "adeli:0B6087510", "ADELI", true),
        ("3760021832/000000018", "finess:760021832/000000018", "FINESS", true),
        ("500000000029751/CPAT0001", "siret:00000000029751/CPAT0001", "SIRET", true),
    ] {
        let id = NationalId::parse(text).unwrap();
        assert_eq!((id.to_string().as_str(), id.kind().register()), (identity, register));
        assert_eq!(id.key_holds(), key, "{text}");
        assert_eq!(id.to_national(), text);
        assert_eq!(NationalId::parse_identity(identity).unwrap(), id);
    }
    for bad in [
        "",
        "8",
        "8997002188961",
        "89970021889A",
        "2123",
        "9123",
        "0ABC",
        "00b6087510",
        "3760021832",
        "3/1",
        "é1",
        "10a@b",
    ] {
        assert!(NationalId::parse(bad).is_err(), "{bad:?}");
    }
    for bad in ["10001234567", "RPPS:10001234567", "rpps:1000123456", "rpps:", ":1"] {
        assert!(NationalId::parse_identity(bad).is_err(), "{bad:?}");
    }
    // The example of the documentation.
    assert!(NationalId::parse_identity("rpps:10001234567").is_ok());
}

#[test]
fn subject_forms() {
    let authority = CardAuthority::create("CARTES", at()).unwrap();
    let read = |new: &NewCard| Card::read(&made(&authority, new).certificate);
    let card = read(&nurse()).unwrap();
    assert_eq!((card.kind, card.category), (CardKind::Cps, Category::Test));
    assert_eq!(card.name(), "OLIVIER INFIRMCS ADELI8751");
    assert_eq!(card.title.as_deref(), Some("Infirmier"));
    assert_eq!(card.profession.and_then(Profession::english), Some("Nurse"));
    assert_eq!(card.number.unwrap().to_string(), "8025000001/00B6087510");

    let structure = ("CENTRE HOSPITALIER DE TEST", "1760021832");
    let employee = NewCard { card_type: 2, ..nurse() };
    let cpe = read(&employee.of_structure(2, structure, None)).unwrap();
    assert_eq!(cpe.kind, CardKind::Cpe);
    let at_work = cpe.structure.unwrap();
    assert_eq!(
        (at_work.name.as_str(), at_work.id.as_deref(), at_work.department.as_deref()),
        (structure.0, Some(structure.1), Some("Paris (75)"))
    );
    let service = NewCard::professional("", "", "3760021832/000000018", (60, ""), at());
    let cde = read(&service.clone().of_structure(2, structure, Some("EMPLOYE0018"))).unwrap();
    assert_eq!((cde.kind, cde.name().as_str()), (CardKind::Cde, "EMPLOYE0018"));
    assert!(cde.kind.is_shared());
    assert_eq!(read(&service.of_structure(3, structure, Some("EMPLOYE0018"))).unwrap().kind, CardKind::Cda);

    // Older cards have the profession in OU.
    let mut old = doctor();
    old.subject[0] = vec![(identity::ids::UNIT, "Médecin".into())];
    let old = read(&old).unwrap();
    assert_eq!((old.title.as_deref(), old.structure), (Some("Médecin"), None));
}

#[test]
fn subjects_that_name_nobody_or_two() {
    let authority = CardAuthority::create("CARTES", at()).unwrap();
    let common_name: ObjectIdentifier = "2.5.4.3".parse().unwrap();
    let with = |change: &dyn Fn(&mut NewCard)| {
        let mut new = doctor();
        change(&mut new);
        Card::read(&made(&authority, &new).certificate).unwrap_err()
    };
    let twice = with(&|c| c.subject.push(vec![(common_name, "810001234567".into())]));
    assert_eq!(twice, CardError::Twice(common_name));
    assert_eq!(with(&|c| drop(c.subject.pop())), CardError::Nobody);
    let wrong = with(&|c| c.subject[1] = vec![(common_name, "Robert".into())]);
    assert_eq!(wrong, CardError::Id(IdError::Register));
    let control = with(&|c| c.subject[1] = vec![(common_name, "8997\u{0}00218896".into())]);
    assert_eq!(control, CardError::Text(common_name));
    assert_eq!(with(&|c| c.card_type = 9), CardError::Type(9));
    assert_eq!(with(&|c| c.category = 0x83), CardError::NotACard(0x83));
    assert_eq!(with(&|c| c.number = "no slash".into()), CardError::Extension(identity::ids::CARD_NUMBER));
}

#[test]
fn each_refusal_has_its_own_code() {
    let authority = CardAuthority::create("CARTES", at()).unwrap();
    let issue = |new: NewCard| made(&authority, &new);
    let (good, gone) = (issue(doctor()), issue(nurse()));
    let revoked = Revoked {
        serial: sealpost_envelope::hex::decode(&gone.certificate.serial_hex()).unwrap(),
        at: at() - DAY,
    };
    let test = trust(&authority, Stage::Test, std::slice::from_ref(&revoked));
    assert_eq!(code(&test, &good, at()), "accepted");
    let holder = test.judge(&[good.certificate.der()], at()).unwrap();
    assert_eq!((holder.card.id.to_string().as_str(), holder.checked), ("rpps:99700218896", Some(at())));

    let validity = |from: i32, to: i32| (at() + DAY * from, at() + DAY * to);
    let stranger = CardAuthority::create("CARTES", at()).unwrap();
    let service = || doctor().of_structure(2, ("HOPITAL", "1760021832"), Some("EMPLOYE1"));
    for (card, expected) in [
        (gone, "revoked"),
        (issue(NewCard { validity: validity(-9, -1), ..doctor() }), "expired"),
        (issue(NewCard { validity: validity(1, 9), ..doctor() }), "not-yet-valid"),
        (issue(NewCard { usage: Use::Signature, ..doctor() }), "signature-only"),
        (issue(NewCard { category: 0x83, ..doctor() }), "not-a-card"),
        // Issued under another root of the same name.
        (made(&stranger, &doctor()), "wrong-chain"),
        (made(&stranger, &NewCard { validity: validity(-9, -1), ..doctor() }), "wrong-chain"),
        (issue(NewCard { number: String::new(), ..doctor() }), "not-a-card"),
        (issue(service()), "card-kind"),
    ] {
        assert_eq!(code(&test, &card, at()), expected);
    }
    assert_eq!(test.judge(&[] as &[&[u8]], at()).unwrap_err().code(), "no-certificate");
    assert_eq!(test.judge(&[b"no certificate"], at()).unwrap_err().code(), "unreadable");
    assert_eq!(test.judge(&[authority.issuer().der()], at()).unwrap_err().code(), "not-a-card");
}

#[test]
fn test_and_real_cards_never_meet() {
    let authority = CardAuthority::create("CARTES", at()).unwrap();
    let issue = |new: NewCard| made(&authority, &new);
    let production = trust(&authority, Stage::Production, &[]);
    assert_eq!(code(&production, &issue(doctor()), at()), "test-card");
    // The category says real, the issuer's name says test.
    let pretended = issue(NewCard { category: 0, ..doctor() });
    assert_eq!(code(&production, &pretended, at()), "test-card");
    assert_eq!(code(&trust(&authority, Stage::Test, &[]), &pretended, at()), "real-card");
    let igc = Certificate::from_der(pretended.certificate.der()).unwrap();
    assert!(igc.issuer().contains("CN=TEST "));
}

#[test]
fn without_a_valid_list_all_are_refused() {
    let authority = CardAuthority::create("CARTES", at()).unwrap();
    let card = made(&authority, &doctor());
    let none = CardTrust::new(range(&authority, Stage::Test), Vec::new()).unwrap();
    assert_eq!(code(&none, &card, at()), "revocation-unknown");
    assert_eq!(none.without_list(at()), [authority.issuer().subject()]);
    let list = trust(&authority, Stage::Test, &[]);
    assert_eq!(code(&list, &card, at() + DAY * 8), "revocation-unknown", "out of date");
    assert_eq!(code(&list, &card, at() - DAY * 1), "revocation-unknown", "from the future");
    // A list that somebody else signed counts for nothing.
    let stranger = CardAuthority::create("CARTES", at()).unwrap();
    let theirs = RevocationList::from_der(&stranger.list(&[], at()).unwrap()).unwrap();
    let foreign = none.with_lists(vec![theirs]).unwrap();
    assert_eq!(code(&foreign, &card, at()), "revocation-unknown");
    let lenient = Range { revocation: Revocation::Optional, ..range(&authority, Stage::Test) };
    let holder = CardTrust::new(lenient, Vec::new()).unwrap().judge(&[card.certificate.der()], at()).unwrap();
    assert_eq!(holder.checked, None);
}

/// An answer as a responder gives it, about one card.
fn answered(status: Status, delegate: Option<Certificate>) -> Answer {
    Answer::for_tests(status, at(), delegate)
}

#[test]
fn a_responder_speaks_beside_the_lists() {
    let authority = CardAuthority::create("CARTES", at()).unwrap();
    let card = made(&authority, &doctor());
    let listed = trust(&authority, Stage::Test, &[]);
    let none = CardTrust::new(range(&authority, Stage::Test), Vec::new()).unwrap();
    let delegate = made(&authority, &nurse()).certificate;
    let serial = sealpost_envelope::hex::decode(&delegate.serial_hex()).unwrap();
    let withdrawn = trust(&authority, Stage::Test, &[Revoked { serial, at: at() - DAY }]);
    let judged = |trust: &CardTrust, answer: Result<Answer, String>| {
        let examined = trust.examine(&[card.certificate.der()], at()).unwrap();
        match trust.conclude(examined, Some(answer), at()) {
            Ok(holder) => format!("accepted {}", holder.checked.is_some()),
            Err(refusal) => refusal.to_string(),
        }
    };
    let silent = || Err("nobody answered".to_owned());
    for (trust, answer, expected) in [
        (&none, Ok(answered(Status::Good, None)), "accepted true"),
        (&listed, Ok(answered(Status::Good, None)), "accepted true"),
        (&listed, silent(), "accepted true"),
        (&none, silent(), "at hand, and nobody answered"),
        (&listed, Ok(answered(Status::Revoked(at() - DAY), None)), "revoked on"),
        (&listed, Ok(answered(Status::Unknown, None)), "does not know the certificate"),
        (&listed, Ok(answered(Status::Good, Some(delegate.clone()))), "accepted true"),
        (&withdrawn, Ok(answered(Status::Good, Some(delegate))), "responder's own certificate was revoked"),
    ] {
        let said = judged(trust, answer);
        assert!(said.contains(expected), "{expected}: {said}");
    }
    // A list that names the card refuses it, whatever a responder says.
    let serial = sealpost_envelope::hex::decode(&card.certificate.serial_hex()).unwrap();
    let gone = trust(&authority, Stage::Test, &[Revoked { serial, at: at() - DAY }]);
    assert!(judged(&gone, Ok(answered(Status::Good, None))).contains("revoked on"));
}

#[test]
fn an_issuer_that_is_not_listed_is_refused() {
    let authority = CardAuthority::create("CARTES", at()).unwrap();
    let card = made(&authority, &doctor());
    let other = Range { issuers: Vec::new(), ..range(&authority, Stage::Test) };
    let trust = CardTrust::new(other, Vec::new()).unwrap();
    // Even when the client sends the authority itself.
    let chain = [card.certificate.der(), card.issuer.der()];
    assert_eq!(trust.judge(&chain, at()).unwrap_err().code(), "wrong-chain");
}

#[test]
fn a_browser_can_import_it() {
    let authority = CardAuthority::create("CARTES", at()).unwrap();
    let card = authority.issue(&doctor()).unwrap();
    let secret = sealpost_envelope::Secret::new("essai".to_owned());
    let file = openssl::pkcs12::Pkcs12::from_der(&card.pkcs12("Carte", &secret).unwrap()).unwrap();
    let parsed = file.parse2("essai").unwrap();
    assert_eq!(parsed.cert.unwrap().to_der().unwrap(), card.certificate.der());
    assert!(parsed.pkey.unwrap().rsa().is_ok());
    assert!(file.parse2("autre").is_err());
}

#[test]
fn words_in_both_languages() {
    let all = [
        Refusal::None,
        Refusal::Unreadable(String::new()),
        Refusal::NotACard(CardError::Nobody),
        Refusal::Identifier,
        Refusal::Test,
        Refusal::Real,
        Refusal::SignatureOnly,
        Refusal::Purpose,
        Refusal::Kind("CDE"),
        Refusal::Chain(String::new()),
        Refusal::NotYet(at()),
        Refusal::Expired(at()),
        Refusal::Revoked(at()),
        Refusal::RevocationUnknown(String::new()),
        Refusal::OtherPerson,
    ];
    let mut codes: Vec<_> = all.iter().map(Refusal::code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all.len());
    for refusal in all {
        for words in [Refusal::heading, Refusal::advice] {
            assert_ne!(words(&refusal, Language::Fr), words(&refusal, Language::En));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn identifiers_never_panic_and_read_back(text in "\\PC{0,40}") {
        if let Ok(id) = NationalId::parse(&text) {
            prop_assert_eq!(NationalId::parse(&id.to_national()).unwrap(), id.clone());
            prop_assert_eq!(NationalId::parse_identity(&id.to_string()).unwrap(), id);
        }
        let _ = NationalId::parse_identity(&text);
    }

    #[test]
    fn damaged_certificates_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        static MADE: std::sync::LazyLock<(Vec<u8>, CardTrust)> = std::sync::LazyLock::new(|| {
            let authority = CardAuthority::create("CARTES", at()).unwrap();
            let card = made(&authority, &nurse());
            (card.certificate.der().to_vec(), trust(&authority, Stage::Test, &[]))
        });
        let mut der = MADE.0.clone();
        for (place, value) in changes {
            let place = place.index(der.len());
            der[place] = value;
        }
        // Whatever was changed is signed over, except where the change changes nothing.
        if MADE.1.judge(&[&der], at()).is_ok() {
            prop_assert_eq!(&der, &MADE.0);
        }
        if let Ok(certificate) = Certificate::from_der(&der) {
            let _ = Card::read(&certificate);
        }
    }
}
