#!/usr/bin/env bash
# Sets up what is missing, builds everything and runs every test; ends in ctest's summary.
#   ./test.sh [PRESET] [ctest arguments...]      PRESET: release (default), debug, sanitize, ci
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
preset=release
if [[ ${1--} != -* ]]; then preset=$1; shift; fi

tools/dependencies.sh
tools/build.sh "$preset" all
exec ctest --preset "$preset" "$@"
