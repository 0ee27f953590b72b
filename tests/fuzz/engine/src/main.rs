//! The engine: libFuzzer around one target, chosen by `SEALPOST_FUZZ_TARGET`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealpost_fuzz::{TARGETS, target};
use std::sync::OnceLock;

static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("SEALPOST_FUZZ_TARGET").unwrap_or_default();
        let names: Vec<_> = TARGETS.iter().map(|t| t.name).collect();
        let chosen = target(&name).unwrap_or_else(|| panic!("SEALPOST_FUZZ_TARGET is none of {names:?}"));
        RUN.get_or_init(|| chosen.run);
    },
    |data: &[u8]| {
        if let Some(run) = RUN.get() {
            run(data);
        }
    }
);
