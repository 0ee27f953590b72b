//! A disk of our own that can lose power, fill up and break: an ext4 file system in a file, mounted by loop.
//!
//! Needs root. Where nothing can be mounted, the scenario says so in its output.

use crate::tools::{must, run};
use anyhow::{Context, Result, ensure};
use std::io::Write;
use std::path::{Path, PathBuf};

/// EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: nothing that is only in memory is written any more.
const SHUTDOWN: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// The disk; unmounted when dropped.
#[derive(Debug)]
pub struct Image {
    file: PathBuf,
    /// Where it is mounted.
    pub root: PathBuf,
    mounted: bool,
    _dir: tempfile::TempDir,
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl Image {
    /// A new disk of so many MiB. `None`, told loudly, where nothing can be mounted.
    pub fn new(mib: u64) -> Result<Option<Self>> {
        let dir = tempfile::Builder::new().prefix("sealpost-disk").tempdir()?;
        let (file, root) = (dir.path().join("image"), dir.path().join("root"));
        std::fs::create_dir(&root)?;
        std::fs::File::create(&file)?.set_len(mib << 20)?;
        // A journal without delay, so that the image is small and the same every time.
        must("mkfs.ext4", &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", &text(&file)])?;
        let mut image = Self { file, root, mounted: false, _dir: dir };
        match image.mount() {
            Ok(()) => Ok(Some(image)),
            Err(error) => {
                eprintln!("NOT TESTED: no file system can be mounted here: {error:#}");
                Ok(None)
            }
        }
    }

    /// Mounts it; the file system repairs itself from its journal.
    pub fn mount(&mut self) -> Result<()> {
        must("mount", &["-o", "loop,errors=remount-ro", &text(&self.file), &text(&self.root)])?;
        self.mounted = true;
        Ok(())
    }

    /// Takes the power away. Processes that used it must be killed before [`Image::back`].
    pub fn cut_power(&self) -> Result<()> {
        must("python3", &["-c", SHUTDOWN, &text(&self.root)]).map(drop)
    }

    /// Comes back as after a power cut: unmounted, repaired, mounted.
    pub fn back(&mut self) -> Result<()> {
        must("umount", &[&text(&self.root)])?;
        self.mounted = false;
        // 1 stands for "errors were corrected".
        let checked = run("e2fsck", &["-p", &text(&self.file)])?;
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        ensure!(matches!(checked.status.code(), Some(0 | 1)), "e2fsck: {said}");
        self.mount()
    }

    /// A place for logs that outlives the disk.
    pub fn log(&self) -> PathBuf {
        self.file.with_file_name("demo.log")
    }

    /// Octets that can still be written by anybody.
    pub fn free(&self) -> Result<u64> {
        let told = must("stat", &["-f", "-c", "%a %S", &text(&self.root)])?;
        let (blocks, size) = told.trim().split_once(' ').context("stat")?;
        Ok(blocks.parse::<u64>()? * size.parse::<u64>()?)
    }

    fn filler(&self) -> PathBuf {
        self.root.join("filler")
    }

    /// Fills it to the last block.
    pub fn fill(&self) -> Result<()> {
        let mut filler = std::fs::File::options().create(true).append(true).open(self.filler())?;
        for size in [1 << 20, 4096, 1] {
            let block = vec![0; size];
            while filler.write_all(&block).is_ok() {}
        }
        Ok(())
    }

    /// Makes room again.
    pub fn clear(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    /// Has the kernel find an error on it, which makes it read-only.
    pub fn find_error(&self) -> Result<()> {
        let device = must("findmnt", &["-n", "-o", "SOURCE", &text(&self.root)])?;
        let name = device.trim().trim_start_matches("/dev/").to_owned();
        std::fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1")?;
        Ok(())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily, because a process of a scenario that failed may still use it.
            let _ = run("umount", &["-l", &text(&self.root)]);
        }
    }
}
