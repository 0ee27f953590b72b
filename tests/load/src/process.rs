//! What the kernel says of a process: memory, CPU time; and how to end one.
//!
//! **Standards.** proc(5).

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Clock ticks per second, as Linux shows them to programs on every architecture we run on.
const TICKS: f64 = 100.0;

/// A server that we started; it ends with us.
pub struct Server {
    child: Child,
}

impl Server {
    /// Starts it with its output in `log`.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let log = std::fs::File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", command.get_program().to_string_lossy()))?;
        Ok(Self { child })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and its end.
    pub fn terminate(&mut self) -> Result<()> {
        let pid = self.pid().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(15) {
            if self.ended()? {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("process {pid} does not end")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status_number(pid: u32, field: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find(|l| l.starts_with(field)).with_context(|| format!("no {field}"))?;
    let number = line.split_whitespace().nth(1).context("no number")?;
    Ok(number.parse()?)
}

/// Highest resident memory since the start or the last [`forget_peak`], in MiB.
pub fn peak_mib(pid: u32) -> Result<f64> {
    Ok(status_number(pid, "VmHWM:")? as f64 / 1024.0)
}

/// Resident memory now, in MiB.
pub fn resident_mib(pid: u32) -> Result<f64> {
    Ok(status_number(pid, "VmRSS:")? as f64 / 1024.0)
}

/// Begins a new measurement of the peak.
pub fn forget_peak(pid: u32) -> Result<()> {
    Ok(std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// CPU seconds of a process, or with `children` of the children that it has waited for.
pub fn cpu_seconds(pid: &str, children: bool) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold blanks; fields are counted after it.
    let rest = text.rsplit_once(')').context("no stat")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let first = if children { 13 } else { 11 };
    let mut ticks = 0.0;
    for field in fields.get(first..first + 2).context("no times")? {
        ticks += field.parse::<f64>()?;
    }
    Ok(ticks / TICKS)
}

/// CPU seconds of a process and of all that it has started, living or waited for.
pub fn tree_cpu_seconds(pid: u32) -> Result<f64> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(child) = name.to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        // One that ends meanwhile is counted by its parent.
        if let Ok(parent) = status_number(child, "PPid:") {
            parents.push((child, parent));
        }
    }
    let (mut family, mut at, mut all) = (vec![pid], 0, 0.0);
    while let Some(member) = family.get(at).copied() {
        family.extend(parents.iter().filter(|(_, p)| *p == u64::from(member)).map(|(child, _)| *child));
        let member = member.to_string();
        all += cpu_seconds(&member, false).unwrap_or(0.0) + cpu_seconds(&member, true).unwrap_or(0.0);
        at += 1;
    }
    Ok(all)
}

/// Runs a command that must succeed; answers its standard output and CPU seconds.
pub fn run(command: &mut Command) -> Result<(String, f64)> {
    let before = cpu_seconds("self", true)?;
    let output = command.stdin(Stdio::null()).output()?;
    let cpu = cpu_seconds("self", true)? - before;
    if !output.status.success() {
        let name = command.get_program().to_string_lossy().into_owned();
        bail!("{name}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), cpu))
}
