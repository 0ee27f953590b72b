//! The real clients that scenarios use: swaks, curl, Python's imaplib, openssl.

use crate::{Demo, Parsed};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Runs a program and returns its output; the program must exist.
pub fn run(program: &str, args: &[&str]) -> Result<Output> {
    Command::new(program).args(args).output().with_context(|| format!("run {program}"))
}

/// Runs a program that must succeed and returns its standard output.
pub fn must(program: &str, args: &[&str]) -> Result<String> {
    let output = run(program, args)?;
    ensure!(
        output.status.success(),
        "{program} {args:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A script of `tests/tools`.
pub fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(name).to_string_lossy().into_owned()
}

/// Sends a message file as Alice by curl over implicit TLS; returns the deposit id from the server's answer.
pub fn send_by_curl(demo: &Demo, to: &[&str], message: &Path) -> Result<String> {
    let alice = demo.account("alice");
    let url = format!("smtps://localhost:{}", demo.about.ports.submissions);
    let user = format!("{}:{}", alice.login, alice.app_password);
    let (ca, file) = (demo.about.ca.to_string_lossy(), message.to_string_lossy());
    let mut args = vec![
        "-sv",
        "--noproxy",
        "*",
        "--url",
        &url,
        "--cacert",
        &ca,
        "--user",
        &user,
        "--mail-from",
        &alice.login,
        "-T",
        &file,
    ];
    for recipient in to {
        args.extend(["--mail-rcpt", recipient]);
    }
    let output = run("curl", &args)?;
    let dialogue = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "curl: {}\n{dialogue}", output.status);
    deposit_id(&dialogue)
}

/// Finds `250 2.0.0 Deposited <uuid>` in a dialogue.
pub fn deposit_id(dialogue: &str) -> Result<String> {
    let at = dialogue.find("250 2.0.0 Deposited ").with_context(|| format!("no deposit in:\n{dialogue}"))?;
    Ok(dialogue[at + 20..].chars().take(36).collect())
}

/// The raw messages in the INBOX of `login`, newest first. Mailboxes of outside recipients begin with their first mail,
/// and have the password of the others.
pub fn inbox(demo: &Demo, login: &str) -> Result<Vec<Vec<u8>>> {
    let known = demo.known(login);
    let account = known.unwrap_or_else(|| demo.account("bob"));
    let password = if account.app_password.is_empty() { &account.password } else { &account.app_password };
    let login = known.map_or(login, |account| &account.login);
    let (port, ca) = (demo.about.ports.imaps.to_string(), demo.about.ca.to_string_lossy());
    let command = [&script("mailbox.py"), port.as_str(), &ca, login, password];
    if known.is_none() && !run("python3", &command)?.status.success() {
        return Ok(Vec::new());
    }
    let list = must("python3", &command)?;
    let list: Vec<String> = serde_json::from_str(&list)?;
    list.iter().map(|m| Ok(base64_simd::STANDARD.decode_to_vec(m)?)).collect()
}

/// Waits for a message in the INBOX of `login`; returns the newest that fits, raw.
pub fn wait_for_raw(demo: &Demo, login: &str, fits: &dyn Fn(&str) -> bool) -> Result<Vec<u8>> {
    let begun = Instant::now();
    loop {
        let all = inbox(demo, login)?;
        let count = all.len();
        if let Some(found) = all.into_iter().find(|m| fits(&String::from_utf8_lossy(m))) {
            return Ok(found);
        }
        ensure!(begun.elapsed() < PATIENCE, "none of the {count} messages for {login} is the awaited one");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The same as text.
pub fn wait_for_mail(demo: &Demo, login: &str, fits: &dyn Fn(&str) -> bool) -> Result<String> {
    Ok(String::from_utf8_lossy(&wait_for_raw(demo, login, fits)?).into_owned())
}

/// Waits for the mail of a deposit: every mail of ours names it.
pub fn wait_for_deposit(demo: &Demo, login: &str, deposit: &str) -> Result<String> {
    wait_for_mail(demo, login, &|mail| mail.contains(&format!("X-Sealpost-Deposit: {deposit}")))
}

/// Waits for a mail about a deposit whose text says these words, however its lines are broken; returns the text.
pub fn wait_for_words(demo: &Demo, login: &str, deposit: &str, words: &str) -> Result<String> {
    let text = |mail: &str| -> Option<String> {
        let text = Parsed::new(mail.as_bytes()).and_then(|p| p.body("text/plain")).ok()?;
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let fits = |mail: &str| mail.contains(deposit) && text(mail).is_some_and(|t| t.contains(words));
    let mail = wait_for_mail(demo, login, &fits).with_context(|| format!("{words:?} about {deposit}"))?;
    text(&mail).context("the mail has no text")
}

/// How long to wait for what should take a second, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// Polls until `condition` holds.
pub fn wait_until(what: &str, condition: impl FnMut() -> Result<bool>) -> Result<()> {
    wait_for(what, PATIENCE, condition)
}

/// The same with a patience of its own.
pub fn wait_for(what: &str, patience: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !condition()? {
        ensure!(begun.elapsed() < patience, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The one link `https://…/m/<token>`, or a guest's `https://…/g/<token>`, in a raw message.
pub fn link_in(mail: &str) -> Result<String> {
    let unfolded = mail.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
    // A signature may hold the same letters by chance.
    let mut addresses = unfolded.match_indices("https://").map(|(at, _)| {
        unfolded[at..].chars().take_while(|c| !c.is_whitespace() && !"<>\"'".contains(*c)).collect::<String>()
    });
    addresses
        .find(|address| address.contains("/m/") || address.contains("/g/"))
        .context("no link in the mail")
}
