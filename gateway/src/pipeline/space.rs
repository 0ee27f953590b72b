//! Room on the disk and in memory: asked before a message is taken and while it arrives, so that a machine
//! that runs short refuses early and breaks nothing.
//!
//! **Job.** [`Room`] knows the file systems of the blobs and of the database, and what is kept free of them
//! (`limits.disk_reserve`); [`memory_is_short`] compares what the kernel and the process's control group could
//! still give with `limits.memory_reserve`.
//!
//! **Standards.** RFC 1870 §5 (a declared size is refused in time), RFC 5321 §4.2.3 (`452`).
//!
//! **Failure.** What cannot be asked is taken for roomy, and said in the log: the writes themselves still
//! answer for what they cannot store.

use crate::config::{Blobs, Config, Database};
use sealpost_smtp::Reply;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Octets of a message between two looks at the disk.
pub const LOOK: u64 = 8 << 20;
/// How long one look at the memory counts.
const FRESH: Duration = Duration::from_millis(500);

/// The disks that a message needs.
#[derive(Debug, Clone)]
pub struct Room {
    places: Vec<PathBuf>,
    reserve: u64,
}

impl Room {
    /// As configured.
    pub fn new(config: &Config) -> Self {
        let mut places = Vec::new();
        if let Blobs::Files(directory) = &config.store.blobs {
            places.push(directory.clone());
        }
        if let Database::Sqlite(file) = &config.store.database {
            places.extend(file.parent().map(Path::to_owned));
        }
        Self { places, reserve: config.limits.disk_reserve.0 }
    }

    /// The disks on which little more than the reserve is left, with what is free there; for the administrator.
    pub fn short(&self) -> Vec<String> {
        let free = |place: &PathBuf| {
            let fs = rustix::fs::statvfs(place).ok()?;
            let free = fs.f_bavail.saturating_mul(fs.f_frsize);
            // A tenth of the disk, or the reserve once more, whichever is less.
            let margin = self.reserve.min(fs.f_blocks.saturating_mul(fs.f_frsize) / 10);
            (free < self.reserve.saturating_add(margin))
                .then(|| format!("{}: {} MiB", place.display(), free >> 20))
        };
        self.places.iter().filter_map(free).collect()
    }

    /// Whether `octets` more fit and leave the reserve untouched. Base64 shrinks when stored, so the declared
    /// size of a message is more than enough.
    pub fn has(&self, octets: u64) -> bool {
        self.places.iter().all(|place| match rustix::fs::statvfs(place) {
            Ok(fs) => {
                let free = fs.f_bavail.saturating_mul(fs.f_frsize);
                let enough = free > self.reserve.saturating_add(octets);
                if !enough {
                    tracing::error!(free, octets, place = %place.display(), "storage is short");
                }
                enough
            }
            Err(error) => {
                tracing::warn!(%error, place = %place.display(), "the free space cannot be read");
                true
            }
        })
    }
}

/// `452 4.3.1` when a message of `declared` octets (RFC 1870) might not fit, or memory is short.
pub fn enough_for(config: &Config, declared: u64) -> Result<(), Reply> {
    if !Room::new(config).has(declared) {
        return Err(full());
    }
    if memory_is_short(config) {
        return Err(Reply::new(452, 3, 1, "Memory is short at the moment, try again later"));
    }
    Ok(())
}

/// What a client reads when the disk is full.
pub fn full() -> Reply {
    Reply::new(452, 3, 1, "Storage is short at the moment, try again later")
}

/// The last look at the memory; the machine has one.
static LAST: Mutex<Option<(Instant, u64)>> = Mutex::new(None);

/// Whether less memory is left than `limits.memory_reserve`.
pub fn memory_is_short(config: &Config) -> bool {
    let reserve = config.limits.memory_reserve.0;
    if reserve == 0 {
        return false;
    }
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let left = match *last {
        Some((at, left)) if at.elapsed() < FRESH => left,
        _ => {
            let left = memory_left(Path::new("/proc"), Path::new("/sys/fs/cgroup"));
            *last = Some((Instant::now(), left));
            left
        }
    };
    if left < reserve {
        tracing::error!(left, reserve, "memory is short");
    }
    left < reserve
}

/// What the machine and the process's control group (version 2) could still give; everything where neither
/// says anything.
fn memory_left(proc: &Path, groups: &Path) -> u64 {
    let read = |path: PathBuf| std::fs::read_to_string(path).ok();
    let machine = read(proc.join("meminfo")).and_then(|text| {
        let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    });
    let group = read(proc.join("self/cgroup")).and_then(|text| {
        let own = text.lines().find_map(|l| l.strip_prefix("0::/"))?;
        let folder = groups.join(own);
        let number = |name: &str| read(folder.join(name))?.trim().parse::<u64>().ok();
        Some(number("memory.max")?.saturating_sub(number("memory.current")?))
    });
    machine.unwrap_or(u64::MAX).min(group.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_machine_and_group() {
        let dir = tempfile::tempdir().unwrap();
        let (proc, groups) = (dir.path().join("proc"), dir.path().join("groups"));
        assert_eq!(memory_left(&proc, &groups), u64::MAX, "nobody says anything");
        std::fs::create_dir_all(proc.join("self")).unwrap();
        std::fs::write(proc.join("meminfo"), "MemTotal: 900 kB\nMemAvailable:     300 kB\n").unwrap();
        assert_eq!(memory_left(&proc, &groups), 300 * 1024);
        std::fs::create_dir_all(groups.join("system/mail")).unwrap();
        std::fs::write(proc.join("self/cgroup"), "0::/system/mail\n").unwrap();
        for (max, current, left) in [
            ("max", "5000", 300 * 1024),
            ("9000", "5000", 4000),
            ("5000", "6000", 0),
            ("9999999", "5000", 300 * 1024),
        ] {
            std::fs::write(groups.join("system/mail/memory.max"), format!("{max}\n")).unwrap();
            std::fs::write(groups.join("system/mail/memory.current"), format!("{current}\n")).unwrap();
            assert_eq!(memory_left(&proc, &groups), left, "{max} {current}");
        }
    }

    #[test]
    fn a_reserve_larger_than_the_disk_leaves_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let room = |reserve| Room { places: vec![dir.path().to_owned()], reserve };
        assert!(room(0).has(0));
        assert!(!room(u64::MAX).has(0));
        assert!(!room(0).has(u64::MAX), "a declared size beyond the disk");
        let gone = Room { places: vec![dir.path().join("gone")], reserve: u64::MAX };
        assert!(gone.has(1), "what cannot be asked is taken for roomy");
    }
}
