//! The commented file that `init` writes.

use super::kinds::quoted;
use super::section::{Form, KeyText, Section, SectionText};
use super::{Profile, Settings};

/// Values that a new file sets, by dotted key; a list of tables counts as its first.
type Chosen = Vec<(&'static str, String)>;

/// The text of a new file. Paths in it are relative to `dir`, where the file belongs; what must exist
/// beside it: `tls/cert.pem`, `tls/key.pem`.
pub fn template(profile: Profile, domain: &str, hostname: &str) -> String {
    render(&chosen(profile, domain, hostname))
}

/// As [`template`], with other values for some keys (TOML text by dotted key), as the demo needs.
pub fn template_with(
    profile: Profile,
    domain: &str,
    hostname: &str,
    changes: &[(&'static str, String)],
) -> String {
    let mut chosen = chosen(profile, domain, hostname);
    for (key, value) in changes {
        chosen.retain(|(k, _)| k != key);
        chosen.push((key, value.clone()));
    }
    render(&chosen)
}

fn chosen(profile: Profile, domain: &str, hostname: &str) -> Chosen {
    let mut chosen = vec![
        ("profile", quoted(&profile.to_string())),
        ("entity.name", quoted(domain)),
        ("entity.domains", format!("[{}]", quoted(domain))),
        ("entity.hostname", quoted(hostname)),
        (
            "entity.dkim.keys",
            "[\"sealpost-rsa:dkim/rsa.key\", \"sealpost-ed25519:dkim/ed25519.key\"]".to_owned(),
        ),
        ("listen.submission", quoted("[::]:587")),
        ("listen.submissions", quoted("[::]:465")),
        ("listen.inbound", quoted("[::]:25")),
        ("listen.imap", quoted("[::]:143")),
        ("listen.imaps", quoted("[::]:993")),
        ("listen.https", quoted("[::]:443")),
        ("listen.admin", quoted("127.0.0.1:9090")),
        ("tls.cert", quoted("tls/cert.pem")),
        ("tls.key", quoted("tls/key.pem")),
        ("web.url", quoted(&format!("https://{hostname}"))),
        ("store.database", quoted("sqlite:data/sealpost.db")),
        ("store.blobs", quoted("file:data/blobs")),
        ("store.keys", quoted("keys")),
    ];
    if profile == Profile::Health {
        // PGSSI-S asks for two factors; a code by mail alone is one.
        chosen.push(("gate.default", "[\"password+otp-mail\"]".to_owned()));
    }
    chosen
}

fn render(chosen: &Chosen) -> String {
    let mut out = String::from(
        "# Configuration of Sealpost.\n\
         # A line that begins with # is the default, or an example. Paths begin at this file's directory.\n\
         # Any secret may be \"file:PATH\" or \"env:NAME\". Lengths of time: \"10 minutes\", \"30 days\".\n\
         # Check with: sealpost check. SIGHUP reloads rules, certificates and trust.\n",
    );
    let whole = Settings::describe();
    for key in &whole.keys {
        if let Form::Section(_) | Form::Sections(_) = key.form {
            continue;
        }
        write_key(&mut out, key, "", chosen, false);
    }
    for key in &whole.keys {
        write_section(&mut out, key, "", chosen, false);
    }
    out
}

/// Writes a section with its header; one of a list that nothing chose is an example, all commented.
fn write_section(out: &mut String, key: &KeyText, above: &str, chosen: &Chosen, example: bool) {
    let (describe, many) = match key.form {
        Form::Section(describe) => (describe, false),
        Form::Sections(describe) => (describe, true),
        _ => return,
    };
    let path = join(above, key.name);
    let prefix = format!("{path}.");
    let example = example || (many && !chosen.iter().any(|(k, _)| k.starts_with(&prefix)));
    out.push_str(&format!("\n{}\n", "#".repeat(78)));
    for line in key.text {
        out.push_str(&format!("#{line}\n"));
    }
    let header = if many { format!("[[{path}]]") } else { format!("[{path}]") };
    out.push_str(&format!("{}{header}\n", if example { "#" } else { "" }));
    let SectionText { keys } = describe();
    for key in &keys {
        write_key(out, key, &path, chosen, example);
    }
    for key in &keys {
        write_section(out, key, &path, chosen, example);
    }
}

fn write_key(out: &mut String, key: &KeyText, above: &str, chosen: &Chosen, example: bool) {
    let shown = match &key.form {
        Form::Default(value) => value.as_str(),
        Form::Required(value) | Form::Unset(value) => value,
        Form::Section(_) | Form::Sections(_) => return,
    };
    out.push('\n');
    for line in key.text {
        out.push_str(&format!("#{line}\n"));
    }
    let path = join(above, key.name);
    match chosen.iter().find(|(k, _)| *k == path) {
        Some((_, value)) if !example => out.push_str(&format!("{} = {value}\n", key.name)),
        _ => out.push_str(&format!("#{} = {shown}\n", key.name)),
    }
}

pub(super) fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}
