//! What a newcomer reads when the demonstration is ready.

use super::cards::DemoCard;
use super::sample::Sample;
use super::{Demo, Secrets};
use std::fmt::Write;

/// The summary, for people.
pub fn text(demo: &Demo, secrets: &Secrets, cards: &[DemoCard], sample: Option<&Sample>) -> String {
    let mut out = String::new();
    let url = format!("https://localhost:{}", demo.port("https"));
    let line = "─".repeat(78);
    // Writing to memory cannot fail.
    let _ = writeln!(out, "\n{line}\nSealpost is ready. Everything listens on 127.0.0.1; Ctrl-C ends it.\n");
    let _ = writeln!(out, "SENDER'S SIDE (a mail program, or the commands in README.md)");
    if let Some(alice) = secrets.accounts.first() {
        let (login, password) = (&alice.login, &alice.app_password);
        let _ = writeln!(out, "  login {login}   password {password}");
    }
    let _ = writeln!(
        out,
        "  SMTP localhost:{} (STARTTLS) or :{} (TLS), IMAP localhost:{} (TLS)",
        demo.port("submission"),
        demo.port("submissions"),
        demo.port("imaps")
    );
    let _ = writeln!(out, "  trust the certificate authority {}\n", demo.dir.join("ca.pem").display());
    let _ = writeln!(out, "RECIPIENT'S SIDE (a browser; it will warn of a certificate it does not know)");
    let _ =
        writeln!(out, "  {url}/demo   the mailboxes of bob@example.test, dora@example.test and of anybody");
    let _ = writeln!(out, "  else outside whom you write to; the same by IMAP");
    if let Some(bob) = secrets.mailboxes.first() {
        let _ = writeln!(out, "  login {}   password {}\n", bob.login, bob.password);
    }
    if let Some(card) = cards.first() {
        let _ = writeln!(out, "A PROFESSIONAL'S CARD (none needed: it is a file for the browser)");
        let _ = writeln!(out, "  import {}   password {}", card.pkcs12.display(), card.password);
        let _ = writeln!(
            out,
            "  write to anybody at cabinet.test, open the link and choose the card of {}\n",
            card.holder
        );
    }
    if let Some(sample) = sample {
        let reference = &sample.reference;
        let config = demo.config_file();
        let config = config.display();
        let _ = writeln!(out, "SAMPLE");
        let _ =
            writeln!(out, "  Alice has sent Bob a 64 MiB file, reference {reference}. Open Bob's mailbox,");
        let _ = writeln!(
            out,
            "  follow the link, ask for a code, read it in the mailbox, open, download. Then:\n"
        );
        let _ = writeln!(out, "  sealpost --config {config} proof export {reference} --wait -o proof.asice");
        let _ = writeln!(
            out,
            "  sealpost proof verify proof.asice --trust {}\n",
            demo.dir.join("ca.pem").display()
        );
    }
    let _ = write!(out, "All of this, for programs: {}\n{line}", demo.dir.join("demo.json").display());
    out
}
