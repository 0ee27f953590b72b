//! Files that are wrong, with what is said of them; the template; the documentation.

use super::*;
use std::fs;

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// With `SEALPOST_BLESS` set, expected files are written instead of compared.
fn compare(expected: &Path, got: &str) {
    if std::env::var_os("SEALPOST_BLESS").is_some() {
        fs::write(expected, got).unwrap();
        return;
    }
    let text = fs::read_to_string(expected).unwrap_or_default();
    assert_eq!(got, text, "{} differs; SEALPOST_BLESS=1 writes it", expected.display());
}

/// The template with everything in it that is commented out.
fn uncommented(text: &str) -> String {
    let setting = |line: &str| {
        line.starts_with('#') && line[1..].starts_with(|c: char| c == '[' || c.is_ascii_lowercase())
    };
    text.lines().map(|l| if setting(l) { &l[1..] } else { l }).fold(String::new(), |all, l| all + l + "\n")
}

fn general() -> String {
    template(Profile::General, "lilas.example", "mail.lilas.example")
}

#[test]
fn bad_files_say_all_that_is_wrong() {
    let mut count = 0;
    for entry in fs::read_dir(manifest("tests/bad-config")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let name = PathBuf::from("/etc/sealpost").join(path.file_name().unwrap());
        let wrong = parse(&text, &name).expect_err(&path.display().to_string());
        compare(&path.with_extension("txt"), &format!("{wrong}\n"));
        count += 1;
    }
    assert!(count >= 8);
}

#[test]
fn every_profile_gives_a_file_without_mistakes() {
    for profile in [Profile::General, Profile::Local, Profile::Health] {
        let text = template(profile, "lilas.example", "mail.lilas.example");
        let config = parse(&text, Path::new("/srv/s/sealpost.toml")).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(config.profile, profile);
        assert_eq!(config.tls.cert, Path::new("/srv/s/tls/cert.pem"));
        assert_eq!(config.entity[0].seal_address().unwrap().as_str(), "seal@lilas.example");
        assert_eq!(config.policies.len(), 1);
        assert_eq!(config.limits.connections, 1000);
        assert!(config.route.is_empty() && config.rule.is_empty());
    }
}

/// Defaults and examples in comments are themselves valid.
#[test]
fn comments_are_true() {
    // Cards need roots and lists of one's own, and an identity needs a gate that establishes it; a mailbox has a token or a
    // password, and another folder for what is moved only.
    let stand_alone = |line: &&str| {
        !["card = \"", "card_url = ", "identity = \"rpps:", "token = ", "archive = "]
            .iter()
            .any(|with_others| line.starts_with(with_others))
    };
    let text = uncommented(&general());
    let text = text.lines().filter(stand_alone).fold(String::new(), |all, l| all + l + "\n");
    let config = parse(&text, Path::new("/srv/s/sealpost.toml")).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(config.gate.oidc.len(), 1);
    assert_eq!(config.rule.len(), 1);
    assert_eq!(config.relay.smarthost.as_ref().unwrap().port, 587);
    assert_eq!(config.relay.retry.len(), 5);
}

#[test]
fn changes_replace_values() {
    let changes = [
        ("listen.submission", "\"127.0.0.1:2587\"".to_owned()),
        ("demo.outside_mailboxes", "true".to_owned()),
        ("demo.password", "\"file:p\"".to_owned()),
    ];
    let text = template_with(Profile::General, "lilas.example", "localhost", &changes);
    let config = parse(&text, Path::new("/srv/s/sealpost.toml")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.listen.submission.unwrap().port(), 2587);
    assert!(config.demo.outside_mailboxes);
}

#[test]
fn documentation_is_current() {
    compare(&manifest("../docs/configuration.md"), &documentation());
}

#[test]
fn routes_and_networks() {
    let rules = "[[route]]\ndomains = [\"partner.example\", \"*.gouv.example\"]\nvia = \"local\"\n\
                 [[trusted]]\nname = \"x\"\nnetworks = [\"10.1.0.0/16\"]\nfrom = [\"@lilas.example\"]\n";
    let config = parse(&(general() + rules), Path::new("/x/s.toml")).unwrap_or_else(|e| panic!("{e}"));
    for (domain, found) in [
        ("PARTNER.example", true),
        ("a.gouv.example", true),
        ("gouv.example", false),
        ("x.partner.example", false),
    ] {
        assert_eq!(config.route_of(domain).is_some(), found, "{domain}");
    }
    for (address, found) in
        [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("10.2.0.1", false), ("::1", false)]
    {
        assert_eq!(config.trusted.iter().any(|t| t.serves(address.parse().unwrap())), found, "{address}");
    }
    let from = |a: &str| sealpost_envelope::EmailAddress::parse(a).unwrap();
    assert!(config.trusted[0].may_send_as(&from("a@LILAS.example")));
    assert!(!config.trusted[0].may_send_as(&from("a@x.lilas.example")));
}

#[test]
fn secrets_come_from_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sealpost.toml");
    fs::write(dir.path().join("p"), "s3cret\nrest").unwrap();
    fs::write(&file, general() + "[demo]\npassword = \"file:p\"\n").unwrap();
    // The template already has a [demo] section: a second one is a mistake with its line.
    assert!(load(&file).unwrap_err().to_string().contains("duplicate key"));
    let text = template_with(
        Profile::General,
        "lilas.example",
        "h.example",
        &[("demo.password", "\"file:p\"".to_owned())],
    );
    fs::write(&file, text).unwrap();
    let config = load(&file).unwrap();
    let source = config.demo.password.as_ref().unwrap();
    assert_eq!(source.read().unwrap().expose(), "s3cret");
    assert!(!format!("{config:?}").contains("s3cret"));
    fs::remove_file(dir.path().join("p")).unwrap();
    assert!(matches!(source.read(), Err(super::places::SecretError::File { .. })));
    assert!(matches!(load(&dir.path().join("none")), Err(ConfigErrors::Unreadable { .. })));
}
