//! An S3 server (s3rver) on loopback, behind a way that fails as told.

use crate::faults::Faulty;
use crate::{Demo, DemoOptions};
use anyhow::{Context, Result, ensure};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The server knows this access key, and the same as its secret.
const KEY: &str = "S3RVER";
const BUCKET: &str = "sealpost-test";

/// The server; killed when dropped.
pub struct S3 {
    child: Child,
    /// The way to it.
    pub way: Faulty,
    dir: tempfile::TempDir,
}

impl S3 {
    /// Starts it with an empty bucket.
    pub fn start() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let program =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/s3/node_modules/s3rver/bin/s3rver.js");
        ensure!(program.exists(), "{} is missing: run contrib/dev/install-deps.sh test", program.display());
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("node")
            .arg(program)
            .args([
                "--address",
                "127.0.0.1",
                "--silent",
                "--port",
                &port.to_string(),
                "--configure-bucket",
                BUCKET,
            ])
            .arg("--directory")
            .arg(dir.path())
            .stdin(Stdio::null())
            .spawn()
            .context("start s3rver")?;
        let this = Self { child, way: Faulty::towards(port)?, dir };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(begun.elapsed() < Duration::from_secs(30), "s3rver did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(this)
    }

    /// A demonstration in `dir` whose content lies in this bucket.
    pub fn demo(&self, dir: &Path, options: DemoOptions) -> Result<Demo> {
        let mut demo = Demo::start_in(dir, options)?;
        demo.terminate()?;
        let place =
            format!("s3://{BUCKET}/content?endpoint=http://127.0.0.1:{}&region=eu-west-3", self.way.port);
        demo.edit(|text| {
            let files = text.lines().find(|l| l.starts_with("blobs = ")).unwrap_or_default();
            let bucket = format!(
                "blobs = {place:?}\ns3_access_key = {KEY:?}\ns3_secret_key = \"env:SEALPOST_TEST_S3\""
            );
            text.replace(files, &bucket)
        })?;
        demo.set_env("SEALPOST_TEST_S3", Some(KEY));
        demo.restart()?;
        Ok(demo)
    }

    /// Octets in the bucket.
    pub fn stored(&self) -> Result<u64> {
        size(self.dir.path())
    }
}

fn size(dir: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(sum)
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
