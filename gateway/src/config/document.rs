//! `docs/configuration.md`, written from the declarations; a test keeps the committed page current.

use super::Settings;
use super::section::{Form, KeyText, Section, SectionText};
use super::template::join;

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
