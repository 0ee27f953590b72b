#!/bin/sh
# Fuzzes every target for SECONDS (600 when none are named), or those named, and prints a table.
#
#     tests/fuzz/run.sh [SECONDS [TARGET…]]
#
# What is found stands in $CARGO_TARGET_DIR/findings/TARGET; new inputs of interest in …/corpus/TARGET. Exit 1 when
# a target failed.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
seconds="${1:-600}"
[ "$#" -eq 0 ] || shift
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-/tmp/fuzztarget}"
engine="$("$here/build.sh")"
[ "$#" -gt 0 ] || set -- $(ls "$here/seeds")
status=0
table="$CARGO_TARGET_DIR/fuzz-table.txt"
printf '%-16s %7s %12s %9s %9s %8s  %s\n' target seconds runs runs/s coverage corpus result >"$table"
for target in "$@"; do
    corpus="$CARGO_TARGET_DIR/corpus/$target"
    findings="$CARGO_TARGET_DIR/findings/$target"
    log="$CARGO_TARGET_DIR/fuzz-$target.log"
    mkdir -p "$corpus" "$findings"
    result=clean
    # Longest input as in the short run; a single input that takes ten seconds or 1 GiB is a finding.
    SEALPOST_FUZZ_TARGET="$target" "$engine" -max_total_time="$seconds" -max_len=65536 -timeout=10 \
        -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$findings/" "$corpus" "$here/seeds/$target" \
        >"$log" 2>&1 || { result="FOUND: $findings"; status=1; }
    field() { sed -n "s/^stat::$1: *//p" "$log" | tail -1; }
    coverage="$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)"
    size="$(sed -n 's,.* corp: \([0-9]*\)/.*,\1,p' "$log" | tail -1)"
    printf '%-16s %7s %12s %9s %9s %8s  %s\n' "$target" "$seconds" "$(field number_of_executed_units)" \
        "$(field average_exec_per_sec)" "${coverage:--}" "${size:--}" "$result" >>"$table"
done
cat "$table"
exit "$status"
