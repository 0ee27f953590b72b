//! Every target over its seeds and over repeatable mutations of them: a few seconds each, the same everywhere.
//!
//! A failure names the seed, the round and where the input was written; `SEALPOST_FUZZ_ROUNDS=100` multiplies
//! the rounds.
// The lint spares test functions only, not their helpers.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use sealpost_fuzz::mutate::{Numbers, mutate};
use sealpost_fuzz::{TARGETS, Target, target};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Inputs longer than this tell nothing new.
const MOST: usize = 16 << 10;

fn seeds(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let name = |p: &Path| p.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|p| (name(p), std::fs::read(p).unwrap())).collect()
}

fn attempt(target: &Target, input: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let path = std::env::temp_dir().join(format!("sealpost-{}-{what}", target.name));
        std::fs::write(&path, input).unwrap();
        panic!("{} fails on {what}: the input is {}", target.name, path.display());
    }
}

fn run(name: &str) {
    let target = target(name).unwrap();
    let seeds = seeds(name);
    assert!(seeds.len() >= 3, "{name} has {} seeds", seeds.len());
    for (seed, bytes) in &seeds {
        attempt(&target, bytes, seed);
    }
    attempt(&target, b"", "nothing");
    let times: u32 = std::env::var("SEALPOST_FUZZ_ROUNDS").map_or(1, |n| n.parse().unwrap());
    for round in 0..target.rounds * times {
        let mut numbers = Numbers::new(u64::from(round) + 1);
        let (seed, bytes) = &seeds[numbers.below(seeds.len())];
        let (_, other) = &seeds[numbers.below(seeds.len())];
        let input = mutate(bytes, other, &mut numbers, MOST.max(bytes.len()));
        attempt(&target, &input, &format!("round {round}, from {seed}"));
    }
}

macro_rules! targets {
    ($($name:ident),*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        $( #[test] fn $name() { run(stringify!($name)); } )*
    };
}
targets!(
    mime_walk,
    mime_header,
    mime_decoders,
    mime_present,
    tnef,
    skeleton,
    address,
    smtp_session,
    smtp_client,
    sasl,
    imap_session,
    imap_structure,
    proxy,
    web_request,
    cms,
    tsp,
    certificate,
    revocation,
    proof,
    journal,
    log,
    evidence,
    condition,
    hints,
    configuration
);

#[test]
fn every_target_is_tested() {
    let names: Vec<_> = TARGETS.iter().map(|t| t.name).collect();
    assert_eq!(names, TESTED);
}
