#!/bin/sh
# `make bench`: Sealpost beside Postfix, nginx and Dovecot in one run; see docs/performance.md.
# Everything runs on 127.0.0.1 from private directories; the machine's own services stay as they are.
set -eu
cd "$(dirname "$0")/../.."

tests/load/install.sh
cargo build --release --locked --bin sealpost
cargo build --release --locked -p sealpost-load
target="${CARGO_TARGET_DIR:-target}/release"
exec "$target/sealpost-load" --sealpost "$target/sealpost" "$@"
