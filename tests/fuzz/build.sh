#!/bin/sh
# Builds the fuzzing engine with coverage instrumentation, on the stable toolchain, and prints its path.
set -eu
cd "$(dirname "$0")/engine"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-/tmp/fuzztarget}"
# What cargo-fuzz passes, without its sanitizer: memory safety is the compiler's business here.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
# With a target named, build scripts and macros stay uninstrumented.
target="$(rustc -vV | sed -n 's/^host: //p')"
cargo build --release --quiet --target "$target" >&2
echo "$CARGO_TARGET_DIR/$target/release/sealpost-fuzz-engine"
