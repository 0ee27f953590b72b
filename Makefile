# Sealpost's commands. `make run` and `make test` work on a fresh Debian 12, as root, with nothing but a
# Rust toolchain: each installs what it needs first.

.PHONY: run test bench deps-build deps-test lint unit e2e fmt

DEMO_DIR ?= var/demo

# The gateway with a demonstration installation around it; see README.md.
run: deps-build
	cargo build --release --locked --bin sealpost
	target/release/sealpost demo --dir $(DEMO_DIR)

# Everything that must hold, in the order in which it fails fastest.
test: deps-test lint unit e2e

# Sealpost beside Postfix and nginx, one run, ratios; see docs/performance.md.
bench: deps-build
	tests/load/run.sh

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

unit:
	cargo nextest run --workspace --locked --exclude sealpost-tests

# Real processes, a real browser, real mail tools.
e2e:
	cargo build --locked --bin sealpost
	cargo nextest run --locked -p sealpost-tests

fmt:
	cargo fmt --all

deps-build:
	@contrib/dev/install-deps.sh build

deps-test:
	@contrib/dev/install-deps.sh test
