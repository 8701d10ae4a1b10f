#!/usr/bin/env bash
# From nothing to a verified scaling law on one machine: installs what is missing, builds, makes a corpus of real text, trains
# the quickstart study, fits the laws, predicts the target run, trains it and compares. Running it again trains nothing twice.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
study=experiments/quickstart/manifest.toml
results=results/quickstart
[[ -n ${XDG_CACHE_HOME:-${HOME:-}} ]] ||
  { echo "quickstart: HOME and XDG_CACHE_HOME are not set, needed one of them: libraries and text are kept below it" >&2; exit 1; }

tools/dependencies.sh
tools/build.sh release isoflop
tools/python.sh >/dev/null
isoflop=build/release/bin/isoflop

ISOFLOP_BINARY=$isoflop experiments/quickstart/prepare_corpus.sh corpus/quickstart
"$isoflop" sweep plan "$study" --out "$results"
"$isoflop" sweep run "$study" --out "$results"
"$isoflop" sweep collect "$study" --out "$results"
tools/python.sh -m isoflop_analysis "$results"
