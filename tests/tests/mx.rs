//! Delivery to recipients' own servers: MX, null MX, DANE and MTA-STS, decided against a real name server (BIND)
//! with a root zone of our own, signed.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::Mail;
use sealpost_tests::sending::Place;
use sealpost_tests::sink::Sink;
use sealpost_tests::tools::{must, run, wait_until};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Ended with the scenario.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where the policies are served: the port of HTTPS cannot be chosen (RFC 8461 §3.3), the address can.
const POLICIES: &str = "127.0.0.77";

/// Names that the mail servers' certificate carries.
const NAMES: [&str; 4] = ["mx.good.test", "mx.sts.test", "mta-sts.sts.test", "mta-sts.stsbad.test"];

fn certificates(dir: &Path) -> Result<()> {
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let mut args = vec!["req", "-x509", "-subj", "/CN=Trial CA", "-days", "30"];
    args.extend(new_key);
    let (ca, ca_key) = (path("ca.pem"), path("ca.key"));
    args.extend(["-keyout", &ca_key, "-out", &ca]);
    must("openssl", &args)?;
    let names = NAMES.map(|n| format!("DNS:{n}")).join(",");
    let (key, cert, alt) = (path("key.pem"), path("cert.pem"), format!("subjectAltName={names}"));
    let mut args = vec!["req", "-x509", "-subj", "/CN=mx", "-days", "30", "-CA", &ca, "-CAkey", &ca_key];
    args.extend(new_key);
    args.extend(["-addext", &alt, "-addext", "basicConstraints=critical,CA:FALSE"]);
    args.extend(["-keyout", &key, "-out", &cert]);
    must("openssl", &args)?;
    Ok(())
}

/// SHA-256 of the certificate's public key, as a TLSA record 3 1 1 carries it.
fn pin(dir: &Path) -> Result<String> {
    let file = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let pem = must("openssl", &["x509", "-in", &file("cert.pem"), "-noout", "-pubkey"])?;
    std::fs::write(dir.join("public.pem"), pem)?;
    must(
        "openssl",
        &["pkey", "-pubin", "-in", &file("public.pem"), "-outform", "DER", "-out", &file("public.der")],
    )?;
    Ok(sealpost_tests::mail::sha256(&std::fs::read(dir.join("public.der"))?))
}

fn zones(dir: &Path, port: u16) -> Result<()> {
    let pin = pin(dir)?;
    let wrong = "0".repeat(64);
    let head = |zone: &str| {
        format!("$TTL 60\n{zone} IN SOA ns.test. x.test. 1 3600 600 86400 60\n{zone} IN NS ns.test.\n")
    };
    let root = format!(
        "{}ns.test. A 127.0.0.1\n\
         good.test. MX 10 mx.good.test.\nmx.good.test. A 127.0.0.1\n_{port}._tcp.mx.good.test. TLSA 3 1 1 {pin}\n\
         wrong.test. MX 10 mx.wrong.test.\nmx.wrong.test. A 127.0.0.1\n_{port}._tcp.mx.wrong.test. TLSA 3 1 1 {wrong}\n\
         odd.test. MX 10 mx.odd.test.\nmx.odd.test. A 127.0.0.1\n_{port}._tcp.mx.odd.test. TLSA 0 0 1 {wrong}\n\
         open.test. MX 10 mx.open.test.\nmx.open.test. A 127.0.0.1\n\
         null.test. MX 0 .\n\
         alone.test. A 127.0.0.1\n\
         second.test. MX 10 dead.test.\nsecond.test. MX 20 mx.open.test.\ndead.test. A 127.0.0.99\n\
         sts.test. MX 10 mx.sts.test.\nmx.sts.test. A 127.0.0.1\n_mta-sts.sts.test. TXT \"v=STSv1; id=1;\"\n\
         mta-sts.sts.test. A {POLICIES}\n\
         stsbad.test. MX 10 mx.open.test.\n_mta-sts.stsbad.test. TXT \"v=STSv1; id=1;\"\n\
         mta-sts.stsbad.test. A {POLICIES}\n\
         plain.test. NS ns.test.\n\
         bogus.test. NS ns.test.\nbogus.test. DS 12345 13 2 {wrong}\n",
        head(".")
    );
    std::fs::write(dir.join("root.zone"), root)?;
    for zone in ["plain.test", "bogus.test"] {
        let text = format!(
            "{}{zone}. MX 10 mx.{zone}.\nmx.{zone}. A 127.0.0.1\n_{port}._tcp.mx.{zone}. TLSA 3 1 1 {wrong}\n",
            head(&format!("{zone}."))
        );
        std::fs::write(dir.join(format!("{zone}.zone")), text)?;
    }
    let place = dir.to_string_lossy();
    let key = must("dnssec-keygen", &["-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "-K", &place, "."])?;
    let key = dir.join(format!("{}.key", key.trim()));
    let public: String = std::fs::read_to_string(&key)?.lines().filter(|l| !l.starts_with(';')).collect();
    std::fs::write(dir.join("anchor.key"), format!("{public}\n"))?;
    let (from, to) = (dir.join("root.zone"), dir.join("root.signed"));
    let sign = [
        "-z",
        "-S",
        "-K",
        &place,
        "-d",
        &place,
        "-o",
        ".",
        "-f",
        &to.to_string_lossy(),
        &from.to_string_lossy(),
    ];
    must("dnssec-signzone", &sign)?;
    Ok(())
}

/// A port that is free for both protocols at this moment.
fn free_port() -> Result<u16> {
    let udp = UdpSocket::bind("127.0.0.1:0")?;
    let port = udp.local_addr()?.port();
    TcpListener::bind(("127.0.0.1", port))?;
    Ok(port)
}

fn name_server(dir: &Path) -> Result<(Server, u16)> {
    let port = free_port()?;
    let zone = |name: &str, file: &str| format!("zone \"{name}\" {{ type primary; file \"{file}\"; }};\n");
    let conf = format!(
        "options {{ directory \"{0}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no;\n\
         dnssec-validation no; pid-file \"{0}/named.pid\"; session-keyfile \"{0}/session.key\"; }};\ncontrols {{ }};\n{1}{2}{3}",
        dir.display(),
        zone(".", "root.signed"),
        zone("plain.test", "plain.test.zone"),
        zone("bogus.test", "bogus.test.zone"),
    );
    std::fs::write(dir.join("named.conf"), conf)?;
    let log = std::fs::File::create(dir.join("named.log"))?;
    let child = Command::new("named")
        .args(["-g", "-c", &dir.join("named.conf").to_string_lossy()])
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .context("start named")?;
    let server = Server(child);
    wait_until("the name server", || {
        let answer =
            run("dig", &["+short", "+time=1", "@127.0.0.1", "-p", &port.to_string(), "good.test", "MX"])?;
        Ok(String::from_utf8_lossy(&answer.stdout).contains("mx.good.test"))
    })
    .with_context(|| std::fs::read_to_string(dir.join("named.log")).unwrap_or_default())?;
    Ok((server, port))
}

/// The policy says that mail for the domain goes to `mx.sts.test`, which is not where `stsbad.test` leads.
fn policies(dir: &Path) -> Result<Server> {
    let place = dir.join("www/.well-known");
    std::fs::create_dir_all(&place)?;
    let policy = "version: STSv1\r\nmode: enforce\r\nmx: mx.sts.test\r\nmax_age: 86400\r\n";
    std::fs::write(place.join("mta-sts.txt"), policy)?;
    let file = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let child = Command::new("openssl")
        .args(["s_server", "-quiet", "-WWW", "-accept", &format!("{POLICIES}:443")])
        .args(["-cert", &file("cert.pem"), "-key", &file("key.pem")])
        .current_dir(dir.join("www"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("start openssl s_server")?;
    let server = Server(child);
    wait_until("the policies' server", || Ok(std::net::TcpStream::connect((POLICIES, 443)).is_ok()))?;
    Ok(server)
}

fn state(demo: &Demo, to: &str) -> Result<(String, String)> {
    for state in ["compose", "ready", "sent", "failed"] {
        let listed = demo.sealpost(&["--json", "queue", "list", "--state", state])?;
        for line in listed.lines() {
            let row: serde_json::Value = serde_json::from_str(line)?;
            if row["rcpt"] == to && row["attempts"].as_u64() > Some(0) {
                return Ok((state.to_owned(), row["last_reply"].as_str().unwrap_or_default().to_owned()));
            }
        }
    }
    Ok((String::new(), String::new()))
}

#[test]
fn mail_finds_its_server_and_nothing_weaker() -> Result<()> {
    let dir = tempfile::tempdir()?;
    certificates(dir.path())?;
    let sink = Sink::start(Some(dir.path()))?;
    let port: u16 = sink.address.rsplit(':').next().context("a port")?.parse()?;
    zones(dir.path(), port)?;
    let (_named, dns) = name_server(dir.path())?;
    let _policies = policies(dir.path())?;
    let file = |name: &str| dir.path().join(name).display().to_string();
    let options = DemoOptions { smarthost: Some("localhost:9".to_owned()), ..DemoOptions::default() };
    let demo = Demo::start_edited(options, |config| {
        let relay = format!(
            "\n[relay]\nmx_port = {port}\nsmarthost_ca = {:?}\nretry = [\"1 hour\"]\n",
            file("ca.pem")
        );
        let dns =
            format!("\n[dns]\nservers = [\"127.0.0.1:{dns}\"]\ntrust_anchor = {:?}\n", file("anchor.key"));
        let config = config.replace("\n[relay]\n", &relay).replace("\n[dns]\n", &dns);
        format!("{config}\n[[route]]\ndomains = [\"*.test\"]\nvia = \"mx\"\n")
    })?;
    let place = Place::new(&demo, "alice")?;
    // What becomes of a domain's mail: under which TLS it left, or why it waits or failed.
    let cases = [
        ("good.test", "sent", "dane"),
        ("odd.test", "sent", "encrypted"),
        ("open.test", "sent", "opportunistic"),
        ("plain.test", "sent", "opportunistic"),
        ("alone.test", "sent", "opportunistic"),
        ("second.test", "sent", "opportunistic"),
        ("sts.test", "sent", "required"),
        ("wrong.test", "ready", "TLS handshake"),
        ("bogus.test", "ready", "fails validation"),
        ("stsbad.test", "ready", "MTA-STS"),
        ("null.test", "failed", "5.1.10"),
        ("nowhere.test", "failed", "5.1.2"),
    ];
    let mut deposits = Vec::new();
    for (domain, ..) in cases {
        let to = format!("bob@{domain}");
        deposits.push(place.send(&[&to], &Mail::new(&[&to], domain).bytes())?);
    }
    for ((domain, want, why), id) in cases.into_iter().zip(&deposits) {
        let to = format!("bob@{domain}");
        let mut seen = Default::default();
        wait_until(domain, || {
            seen = state(&demo, &to)?;
            Ok(!seen.0.is_empty())
        })?;
        ensure!(seen.0 == want, "{domain}: {seen:?} instead of {want}");
        if want == "sent" {
            let event =
                demo.sealpost(&["journal", "search", "--deposit", id, "--event", "RelayToNonERDS"])?;
            ensure!(event.contains(&format!("\"tls_policy\":\"{why}\"")), "{domain}: {event}");
        } else {
            ensure!(seen.1.contains(why), "{domain}: {seen:?} does not speak of {why}");
        }
    }
    let took: Vec<String> = sink.accepted().into_iter().flat_map(|a| a.to).collect();
    for domain in ["wrong.test", "bogus.test", "stsbad.test", "null.test"] {
        ensure!(!took.iter().any(|to| to.ends_with(domain)), "mail for {domain} has left: {took:?}");
    }
    ensure!(sink.accepted().iter().all(|a| a.tls), "mail left in the clear although TLS was offered");
    Ok(())
}
