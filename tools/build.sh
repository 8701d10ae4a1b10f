#!/usr/bin/env bash
# Configures and builds:  tools/build.sh PRESET TARGET
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1   # hits from any checkout
log=$(cmake --preset "$1" 2>&1) || { echo "$log" >&2; exit 1; }
tail -n 12 <<<"$log"
cmake --build --preset "$1" --target "$2"
