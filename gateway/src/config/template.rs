//! The commented file that `init` writes, and the reference in `docs/configuration.md`.

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

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}

/// The text of `docs/configuration.md`.
pub fn documentation() -> String {
    let mut out = String::from(
        "# Configuration\n\n\
         One TOML file, `/etc/sealpost/sealpost.toml` unless `--config` or `SEALPOST_CONFIG` names another. \
         `sealpost init` writes it with all comments; `sealpost check` judges it. This page is generated from \
         the program's own declarations.\n\n\
         - Paths begin at the file's directory. Any secret may be `file:PATH` or `env:NAME`.\n\
         - Lengths of time are a number and a unit: `90 seconds`, `10 minutes`, `48 hours`, `30 days`, \
         `10 years`. A month counts 31 days, a year 366.\n\
         - Sizes are bytes, or texts such as `\"64 MiB\"`.\n\
         - An unknown key is an error. All mistakes are reported at once, with their lines.\n\
         - SIGHUP reloads rules, certificates and trust; a bad file leaves the old one in force.\n",
    );
    let whole = Settings::describe();
    document_keys(&mut out, "At the top of the file", &whole);
    for key in &whole.keys {
        document_section(&mut out, key, "", 2);
    }
    out.push_str(CONDITIONS);
    out
}

/// What a condition can ask; the names are those of the policy crate.
const CONDITIONS: &str = r#"
## Conditions

`when` is an expression of [CEL](https://cel.dev) that gives true or false.

| name | fields |
|---|---|
| `sender` | `address`, `local`, `domain`; `login` (of the account, else empty), `server` (the trusted server's name, else empty) |
| `recipient` | `address`, `local`, `domain`; `internal` (in a domain of the entity) |
| `message` | `subject`; `headers` (by lower-case name); `size`, `recipients`, `attachment_count`, `attachment_bytes` (numbers); `has_attachments`, `tagged`, `signed`, `encrypted` (true or false); `attachment_names`, `attachment_extensions` (lists, extensions in lower case without point) |

```
recipient.domain in ["clinique.example", "cabinet.example"] && message.has_attachments
message.attachment_extensions.exists(e, e in ["exe", "bat", "js"])
"x-class" in message.headers && message.headers["x-class"] == "medical"
message.subject.matches("[0-9]{13}")
```

A condition that cannot be evaluated for a message (a header that is absent, say) makes the message wait
for its sender; it is never sent weaker.
"#;

fn document_section(out: &mut String, key: &KeyText, above: &str, level: usize) {
    let (describe, many) = match key.form {
        Form::Section(describe) => (describe, false),
        Form::Sections(describe) => (describe, true),
        _ => return,
    };
    let path = join(above, key.name);
    let title = if many { format!("`[[{path}]]`") } else { format!("`[{path}]`") };
    out.push_str(&format!("\n{} {title}\n\n{}\n", "#".repeat(level), prose(key.text)));
    let section = describe();
    document_table(out, &section);
    for key in &section.keys {
        document_section(out, key, &path, level + 1);
    }
}

fn document_keys(out: &mut String, title: &str, section: &SectionText) {
    out.push_str(&format!("\n## {title}\n"));
    document_table(out, section);
}

fn document_table(out: &mut String, section: &SectionText) {
    out.push_str("\n| key | default | |\n|---|---|---|\n");
    for key in &section.keys {
        let default = match &key.form {
            Form::Default(value) => format!("`{value}`"),
            Form::Required(example) => format!("required, as `{example}`"),
            Form::Unset(example) => format!("none; as `{example}`"),
            Form::Section(_) | Form::Sections(_) => continue,
        };
        let text = prose(key.text).replace('|', "\\|");
        out.push_str(&format!("| `{}` | {} | {text} |\n", key.name, default.replace('|', "\\|")));
    }
}

fn prose(lines: &[&str]) -> String {
    lines.iter().map(|l| l.trim()).collect::<Vec<_>>().join(" ")
}
