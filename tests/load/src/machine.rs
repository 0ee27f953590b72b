//! What the figures were taken on.

use crate::process::run;
use crate::settings::Settings;
use serde_json::{Value, json};
use std::process::Command;

fn first_line(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output.map(|o| [o.stdout, o.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").trim().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn after<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find(|l| l.starts_with(key)).unwrap_or_default();
    line.split_once(':').map_or("unknown", |(_, v)| v.trim())
}

/// Processor, memory, kernel, file system, versions, and how busy the machine was at the start.
pub fn facts(settings: &Settings) -> Value {
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let dir = settings.dir.to_string_lossy().into_owned();
    let disk = run(Command::new("df").args(["--output=source,fstype", &dir]));
    let disk = disk.map(|(text, _)| text.lines().nth(1).unwrap_or_default().trim().to_owned());
    json!({
        "processor": after(&cpu, "model name"),
        "cores": cores,
        "memory": after(&memory, "MemTotal"),
        "kernel": first_line("uname", &["-sr"]),
        "disk": disk.unwrap_or_default(),
        "load before": read("/proc/loadavg").split(' ').next().unwrap_or_default(),
        "sealpost": first_line(&settings.sealpost.to_string_lossy(), &["--version"]),
        "commit": first_line("git", &["describe", "--always", "--dirty"]),
        "postfix": first_line("/usr/sbin/postconf", &["-d", "mail_version"]),
        "nginx": first_line("/usr/sbin/nginx", &["-v"]),
        "openssl": first_line("openssl", &["version"]),
    })
}
