#!/usr/bin/env bash
# Fuzzes every reader for MINUTES each (default 10), at low priority, and fails when one crashes, hangs or leaks.
#   tests/fuzz/run.sh [MINUTES [TARGET...]]      TARGET: csv fit_json corpus_json config; default all
# New inputs go to build/fuzz/found/TARGET, crashes to build/fuzz/crashes; the seeds stay as they are.
# Needs clang with libFuzzer (Debian: clang-14 libclang-rt-14-dev).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
minutes=${1:-10}
shift || true
targets=("${@:-}")
[[ -n ${targets[0]} ]] || targets=(csv fit_json corpus_json config)

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "${ISOFLOP_JOBS:-$(nproc)}"
mkdir -p build/fuzz/crashes
for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/found/$target"
  echo "fuzz: $target, $minutes minutes"
  nice -n 19 "build/fuzz/bin/fuzz_$target" "build/fuzz/found/$target" "$here/$target" \
    -max_total_time=$((60 * minutes)) -timeout=10 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/crashes/$target-" 2>&1 | grep -vE '^#[0-9]+|^	NEW_FUNC|NEW_FUNC|REDUCE|pulse' | tail -n 60
done
echo "fuzz: no crash, no hang"
