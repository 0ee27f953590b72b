//! Fuzz targets: one function for each parser that reads strangers' bytes.
//!
//! **Job.** A [`Target`] takes any bytes and panics when a promise of its parser is broken: that it does not
//! panic, that its answer does not depend on how the bytes arrive, that what it wrote can be read again. The
//! engine in `engine/` searches with coverage; `tests/short.rs` runs all targets over the seeds and over
//! repeatable mutations of them, on the stable toolchain.
//!
//! **Seeds** stand in `seeds/TARGET/`. What the engine finds is added there once it is understood.

mod mail;
mod proofs;
mod rules;
mod wire;

pub mod mutate;

// The configuration and the balancer's header live in the binary: their source is compiled in here too.
#[rustfmt::skip]
#[allow(dead_code, unused_imports, missing_docs, clippy::all)]
#[path = "../../../gateway/src/config/mod.rs"]
mod config;
#[rustfmt::skip]
#[allow(dead_code, unused_imports, missing_docs, clippy::all)]
#[path = "../../../gateway/src/listeners/proxy.rs"]
mod proxy;

/// One parser under test.
#[derive(Clone, Copy)]
pub struct Target {
    /// Name, and the folder of its seeds.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// Rounds of the short run: fewer where one is slow.
    pub rounds: u32,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "mime_walk", run: mail::walk, rounds: 4000 },
    Target { name: "mime_header", run: mail::header, rounds: 4000 },
    Target { name: "mime_decoders", run: mail::decoders, rounds: 4000 },
    Target { name: "mime_present", run: mail::present, rounds: 1000 },
    Target { name: "tnef", run: mail::tnef, rounds: 6000 },
    Target { name: "skeleton", run: mail::skeleton, rounds: 6000 },
    Target { name: "address", run: mail::address, rounds: 6000 },
    Target { name: "smtp_session", run: wire::smtp_session, rounds: 3000 },
    Target { name: "smtp_client", run: wire::smtp_client, rounds: 3000 },
    Target { name: "sasl", run: wire::sasl, rounds: 4000 },
    Target { name: "imap_session", run: wire::imap_session, rounds: 1500 },
    Target { name: "imap_structure", run: wire::imap_structure, rounds: 3000 },
    Target { name: "proxy", run: wire::proxy, rounds: 6000 },
    Target { name: "web_request", run: wire::web_request, rounds: 4000 },
    Target { name: "cms", run: proofs::cms, rounds: 1500 },
    Target { name: "tsp", run: proofs::tsp, rounds: 1500 },
    Target { name: "certificate", run: proofs::certificate, rounds: 2000 },
    Target { name: "revocation", run: proofs::revocation, rounds: 3000 },
    Target { name: "proof", run: proofs::proof, rounds: 250 },
    Target { name: "journal", run: proofs::journal, rounds: 4000 },
    Target { name: "log", run: proofs::log, rounds: 4000 },
    Target { name: "evidence", run: proofs::evidence, rounds: 3000 },
    Target { name: "condition", run: rules::condition, rounds: 600 },
    Target { name: "hints", run: rules::hints, rounds: 4000 },
    Target { name: "configuration", run: rules::configuration, rounds: 600 },
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|t| t.name == name).copied()
}

/// The first byte, for choices, and the rest.
fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, &[]), |(first, rest)| (*first, rest))
}
