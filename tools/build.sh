#!/usr/bin/env bash
# Configures and builds:  tools/build.sh PRESET TARGET
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1   # hits from any checkout
cmake --preset "$1" >build-configure.log 2>&1 || { cat build-configure.log >&2; exit 1; }
rm build-configure.log
cmake --build --preset "$1" --target "$2"
