//! Cards for those who have none: a small authority of test cards, and a few cards of people who do not exist.
//!
//! **Exposure.** The authority is believed by this demonstration only, and only as one of test cards. Its key and those
//! of the cards lie in `DIR/cards`, mode 0600; on real cards they never leave the chip.

use crate::commands::user::generated;
use anyhow::{Context, Result};
use sealpost_certs::card::Card;
use sealpost_certs::card::issue::{CardAuthority, NewCard};
use sealpost_certs::files::write_atomic;
use sealpost_certs::{Certificate, FileSigner, Revoked};
use sealpost_envelope::{Secret, Timestamp, hex};
use serde::Serialize;
use std::path::{Path, PathBuf};
use toml_edit::{Array, DocumentMut, Item, Table, value};

/// Name of the file, first name, surname, national identifier, profession, title.
type Person = (&'static str, &'static str, &'static str, &'static str, u8, &'static str);

/// People who do not exist, with numbers of the range for tests.
const PEOPLE: [Person; 3] = [
    ("nurse", "NOÉMIE", "LAURENT", "899700000013", 60, "Infirmier"),
    ("doctor", "DANIEL", "MERCIER", "899700000021", 10, "Médecin"),
    (REVOKED, "PAUL", "ROUSSEL", "899700000039", 10, "Médecin"),
];
/// The card that shows what becomes of a lost one.
const REVOKED: &str = "lost";

/// A card, as `demo.json` names it.
#[derive(Debug, Clone, Serialize)]
pub struct DemoCard {
    /// Name of its files.
    pub name: &'static str,
    /// Who holds it.
    pub holder: String,
    /// As rules write it.
    pub identity: String,
    /// Revoked by its authority.
    pub revoked: bool,
    /// Certificate and key for browsers.
    pub pkcs12: PathBuf,
    /// The same for `curl --cert`.
    pub pem: PathBuf,
    /// Password of the former.
    pub password: String,
}

/// Makes authority and cards on first use, and a fresh revocation list at every start.
pub fn prepare(dir: &Path, now: Timestamp) -> Result<()> {
    let dir = dir.join("cards");
    // Written last: a start that was cut short begins again.
    if !dir.join("authority.pem").exists() {
        std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        make(&dir, now).context("making the demonstration's cards")?;
    }
    let root = Certificate::load(&dir.join("root.pem"))?.remove(0);
    let issuer = FileSigner::load(&dir.join("authority.key"), &dir.join("authority.pem"))?;
    let lost = Certificate::load(&dir.join("lost.certificate.pem"))?.remove(0);
    let serial = hex::decode(&lost.serial_hex()).context("the lost card's serial number")?;
    let list = CardAuthority::new(root, issuer)?.list(&[Revoked { serial, at: lost.not_before() }], now)?;
    write_atomic(&dir.join("revoked.crl"), &list, 0o644)?;
    Ok(())
}

fn make(dir: &Path, now: Timestamp) -> Result<()> {
    let write = |name: String, bytes: &[u8], mode| {
        write_atomic(&dir.join(&name), bytes, mode).with_context(|| format!("write {name}"))
    };
    let authority = CardAuthority::create("SEALPOST DEMO", now)?;
    let password = generated();
    for (name, given, surname, national, profession, title) in PEOPLE {
        let new = NewCard::professional(given, surname, national, (profession, title), now);
        let card = authority.issue(&new)?;
        let certificate = card.certificate.to_pem();
        let both = Secret::new(format!("{certificate}{}", card.key.to_pem().expose()));
        write(format!("{name}.certificate.pem"), certificate.as_bytes(), 0o644)?;
        write(format!("{name}.pem"), both.expose().as_bytes(), 0o600)?;
        let file = card.pkcs12(&format!("{given} {surname} ({title}, test)"), &password)?;
        write(format!("{name}.p12"), &file, 0o600)?;
    }
    write("password".to_owned(), password.expose().as_bytes(), 0o600)?;
    write("root.pem".to_owned(), authority.root().to_pem().as_bytes(), 0o644)?;
    authority.key().save(&dir.join("authority.key"))?;
    write("authority.pem".to_owned(), authority.issuer().to_pem().as_bytes(), 0o644)
}

/// The cards there are.
pub fn all(dir: &Path) -> Result<Vec<DemoCard>> {
    let dir = dir.join("cards");
    let password = std::fs::read_to_string(dir.join("password"))?;
    let card = |(name, ..): &Person| {
        let certificate = Certificate::load(&dir.join(format!("{name}.certificate.pem")))?.remove(0);
        let card = Card::read(&certificate)?;
        Ok(DemoCard {
            name,
            holder: card.name(),
            identity: card.id.to_string(),
            revoked: *name == REVOKED,
            pkcs12: dir.join(format!("{name}.p12")),
            pem: dir.join(format!("{name}.pem")),
            password: password.trim().to_owned(),
        })
    };
    PEOPLE.iter().map(card).collect()
}

/// Lets the configuration believe in them; what an administrator wrote stays.
pub fn adapt(doc: &mut DocumentMut) {
    let gate = doc.entry("gate").or_insert_with(|| Item::Table(Table::new()));
    let Some(gate) = gate.as_table_mut() else { return };
    let card = gate.entry("card").or_insert_with(|| Item::Table(Table::new()));
    let Some(card) = card.as_table_mut() else { return };
    let files = |name: &str| value(Array::from_iter([name]));
    for (key, setting) in [
        ("roots", files("cards/root.pem")),
        ("authorities", files("cards/authority.pem")),
        ("crl_files", files("cards/revoked.crl")),
        ("stage", value("test")),
    ] {
        card.entry(key).or_insert(setting);
    }
}

/// The rule that shows them: whoever writes to this domain asks for a card, or a code by mail.
pub const RULE: &str = r#"
[[rule]]
name = "Carte professionnelle pour cabinet.test"
when = 'recipient.domain == "cabinet.test"'
treatment = "notify"
gate = ["cps", "otp-mail"]
"#;
