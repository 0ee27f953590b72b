//! How many connections strangers may hold, in all and per address.
//!
//! **Failure.** Over the limit a connection is told so, where its protocol has words for it, and closed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Files beside connections: databases, blobs, logs, outgoing mail.
const OTHER_FILES: u64 = 512;

/// Lets the process open as many files as the connections allowed, of all listeners, need, and says so where the system gives
/// less: then connections beyond it wait to be accepted.
pub fn make_room_for(connections: u32) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    // A connection under way may read or write one file.
    let wanted = u64::from(connections) * 2 + OTHER_FILES;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|now| now >= wanted) {
        return;
    }
    let most = limit.maximum.unwrap_or(u64::MAX);
    limit.current = Some(wanted.min(most));
    let set = setrlimit(Resource::Nofile, limit);
    if most < wanted || set.is_err() {
        tracing::warn!(wanted, most, "fewer open files than `limits.connections` may need (LimitNOFILE)");
    }
}

/// Counts connections of all listeners that share it: those for mail. A flood of mail leaves the pages reachable, where
/// people see what goes on, and the other way round.
#[derive(Debug)]
pub struct Connections {
    counts: Mutex<Counts>,
    all: u32,
    per_address: u32,
}

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    by_address: HashMap<IpAddr, u32>,
}

/// A counted connection; gives its place back when dropped.
#[derive(Debug)]
pub struct Place {
    of: Arc<Connections>,
    address: IpAddr,
}

impl Connections {
    /// Limits in all and per address; IPv6 addresses count by /64, since one host owns that many.
    pub fn new(all: u32, per_address: u32) -> Arc<Self> {
        Arc::new(Self { counts: Mutex::default(), all, per_address })
    }

    /// A place for a connection from `address`, or nothing when there is none left.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = counts.by_address.get(&address).copied().unwrap_or(0);
        if counts.all >= self.all || mine >= self.per_address {
            return None;
        }
        counts.all += 1;
        counts.by_address.insert(address, mine + 1);
        Some(Place { of: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.of.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(mine) = counts.by_address.get_mut(&self.address) {
            *mine -= 1;
            if *mine == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets[8..].fill(0);
            IpAddr::from(octets)
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back() {
        let limits = Connections::new(3, 2);
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let first = limits.enter(a).unwrap();
        let _second = limits.enter(a).unwrap();
        assert!(limits.enter(a).is_none(), "two per address");
        let _third = limits.enter(b).unwrap();
        assert!(limits.enter(neighbour).is_none(), "three in all");
        drop(first);
        assert!(limits.enter(neighbour).is_some());
        assert_eq!(network(b), network(neighbour));
    }
}
