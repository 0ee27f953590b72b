//! Programs that people read mail with: mbsync keeps a folder tree in step; tokens log in; a mail program finds its
//! settings.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::Mail;
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{must, run, script};
use std::path::{Path, PathBuf};

/// A folder whose name is not ASCII, as this program writes it (RFC 3501 §5.1.3): "Dossiers été".
const OWN: &str = "Dossiers &AOk-t&AOk-";
const BOB: &str = "bob@example.test";
/// Messages put into one folder.
const MANY: usize = 300;

struct Mbsync {
    file: PathBuf,
    tree: PathBuf,
}

impl Mbsync {
    fn new(demo: &Demo) -> Result<Self> {
        let (alice, ports) = (demo.account("alice"), &demo.about.ports);
        let (file, tree) = (demo.dir.join("mbsyncrc"), demo.dir.join("maildir"));
        std::fs::create_dir(&tree)?;
        let (port, login, password) = (ports.imaps, &alice.login, &alice.app_password);
        let (ca, maildir) = (demo.about.ca.display(), tree.display());
        std::fs::write(
            &file,
            format!(
                "IMAPAccount a\nHost localhost\nPort {port}\nUser {login}\nPass {password}\nSSLType IMAPS\n\
                 CertificateFile {ca}\n\nIMAPStore r\nAccount a\n\nMaildirStore l\nPath {maildir}/\n\
                 Inbox {maildir}/INBOX\nSubFolders Verbatim\n\nChannel c\nFar :r:\nNear :l:\nPatterns *\n\
                 Create Both\nExpunge Both\nSyncState *\n"
            ),
        )?;
        Ok(Self { file, tree })
    }
    fn sync(&self) -> Result<()> {
        let done = run("mbsync", &["-c", &self.file.to_string_lossy(), "-a"])?;
        let said = String::from_utf8_lossy(&done.stderr);
        let harmless = |line: &str| line.contains("no UIDVALIDITY, creating new");
        ensure!(done.status.success() && said.lines().all(harmless), "mbsync: {}\n{said}", done.status);
        Ok(())
    }
    fn mails(&self, folder: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for kind in ["cur", "new"] {
            let place = self.tree.join(folder).join(kind);
            for entry in std::fs::read_dir(&place).with_context(|| place.display().to_string())? {
                found.push(entry?.path());
            }
        }
        found.sort();
        Ok(found)
    }
}

fn put(folder: &Path, n: usize) -> Result<()> {
    let text = format!(
        "From: a@example.test\nSubject: number {n}\nMessage-ID: <{n}@example.test>\n\
         Date: Sun, 22 Nov 2026 08:00:00 +0000\n\nbody {n}\n"
    );
    Ok(std::fs::write(folder.join("new").join(format!("17000000{n:04}.x")), text)?)
}

#[test]
fn mbsync_keeps_a_tree_in_step() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let mail = Mail::new(&[BOB], "Copie");
    Place::new(&demo, "alice")?.send(&[BOB], &mail.bytes())?;
    let mbsync = Mbsync::new(&demo)?;
    mbsync.sync()?;
    let [copy] = &mbsync.mails("Sent")?[..] else { anyhow::bail!("not one copy") };
    let plain = String::from_utf8(std::fs::read(copy)?)?;
    let plain: String =
        plain.lines().filter(|l| !l.starts_with("X-TUID: ")).map(|l| format!("{l}\r\n")).collect();
    ensure!(plain.into_bytes() == mail.bytes(), "the copy differs");
    // A folder of one's own, filled from here.
    let own = mbsync.tree.join(OWN);
    for kind in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(own.join(kind))?;
    }
    (0..MANY).try_for_each(|n| put(&own, n))?;
    mbsync.sync()?;
    mbsync.sync()?;
    ensure!(mbsync.mails(OWN)?.len() == MANY);
    // A second copy of the tree gets the same, and its deletions come back to the first.
    let again = Mbsync { file: mbsync.file.with_extension("second"), tree: demo.dir.join("second") };
    std::fs::create_dir(&again.tree)?;
    let (first, second) =
        (mbsync.tree.to_string_lossy().into_owned(), again.tree.to_string_lossy().into_owned());
    std::fs::write(&again.file, std::fs::read_to_string(&mbsync.file)?.replace(&first, &second))?;
    again.sync()?;
    let all = again.mails(OWN)?;
    ensure!(all.len() == MANY, "{} arrived", all.len());
    all.iter().take(10).try_for_each(std::fs::remove_file)?;
    again.sync()?;
    mbsync.sync()?;
    let left = mbsync.mails(OWN)?.len();
    ensure!(left == MANY - 10, "{left} are left");
    Ok(())
}

#[test]
fn programs_find_their_settings_and_log_in_by_token() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let login = demo.account("alice").login.clone();
    let told = demo.sealpost(&["user", "token", "create", &login, "--label", "mail", "--scope", "mail"])?;
    let at = told.find("sealpost_").with_context(|| told.clone())?;
    let token: String =
        told[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect();
    let ports = &demo.about.ports;
    let (smtp, imap) = (ports.submissions.to_string(), ports.imaps.to_string());
    let ca = demo.about.ca.to_string_lossy().into_owned();
    must("python3", &[&script("bearer.py"), &smtp, &imap, &ca, &login, &token])?;

    let fetch = |path: &str, more: &[&str]| {
        let url = format!("{}{path}", demo.url());
        let mut args = vec!["-sS", "--fail", "--noproxy", "*", "--cacert", &ca];
        args.extend(more);
        args.push(&url);
        must("curl", &args)
    };
    // People who do not exist are answered like those who do.
    let one = fetch(&format!("/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress={login}"), &[])?;
    let other = fetch("/mail/config-v1.1.xml?emailaddress=nobody@sealpost.test", &[])?;
    ensure!(one == other && one.contains(&format!("<port>{imap}</port>")), "{one}\n{other}");
    let file = demo.dir.join("autoconfig.xml");
    std::fs::write(&file, one)?;
    must("xmllint", &["--noout", &file.to_string_lossy()])?;
    let ask = |address: &str| {
        format!("<Autodiscover><Request><EMailAddress>{address}</EMailAddress></Request></Autodiscover>")
    };
    let path = "/autodiscover/autodiscover.xml";
    let one = fetch(path, &["-d", &ask(&login)])?;
    let other = fetch(path, &["-d", &ask("nobody@sealpost.test")])?;
    ensure!(one.replace(&login, "nobody@sealpost.test") == other, "{one}\n{other}");
    ensure!(one.contains("<Type>IMAP</Type>") && one.contains(&format!("<Port>{smtp}</Port>")), "{one}");
    let hostile = fetch(path, &["-d", "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><x>&e;</x>"])?;
    ensure!(hostile.contains("<ErrorCode>600</ErrorCode>"), "{hostile}");
    Ok(())
}
