//! Behind a load balancer: the client it names is the one that limits and logs know, and nobody else may name one.

use anyhow::{Result, ensure};
use sealpost_tests::tools::{must, script, wait_until};
use sealpost_tests::{Demo, DemoOptions};
use serde_json::Value;

#[test]
fn balancers_name_their_clients() -> Result<()> {
    let demo = Demo::start_edited(DemoOptions::default(), |config| {
        config.replacen("[listen]\n", "[listen]\nbalancers = [\"127.0.0.2/32\"]\n", 1)
    })?;
    let ports = &demo.about.ports;
    let [smtp, imap, smtps, https] =
        [ports.inbound, ports.imap, ports.submissions, ports.https].map(|p| p.to_string());
    let ca = demo.about.ca.to_string_lossy();
    let said: Value =
        serde_json::from_str(&must("python3", &[&script("proxy.py"), &smtp, &imap, &smtps, &ca, &https])?)?;
    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    for (name, begins) in [
        ("right", "220 "),
        ("health check", "220 "),
        ("imap", "* OK "),
        ("secured", "220 "),
        ("pages", "HTTP/1.1 200 "),
        // From elsewhere a header is nonsense in SMTP, not an address.
        ("not a balancer", "220 "),
    ] {
        ensure!(text(name).starts_with(begins), "{name}: {}", text(name));
    }
    for name in ["none", "pages without", "version 1", "cut off", "wrong version"] {
        assert_eq!(text(name), "", "{name}: closed without a word");
    }
    wait_until("the log names the client, not the balancer", || {
        let log = demo.log();
        Ok(log.contains("203.0.113.9:4711")
            && log.contains("a balancer sent no header of the PROXY protocol"))
    })?;
    ensure!(text("not a balancer").contains("\r\n500 "), "{}", text("not a balancer"));
    Ok(())
}
