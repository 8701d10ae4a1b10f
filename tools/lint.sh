#!/usr/bin/env bash
# Lints C++ sources with the pinned clang-tidy, after a build (it needs build/release/compile_commands.json).
#   tools/lint.sh [FILE...]      default: the sources that differ from main
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=23.1.4
venv=${XDG_CACHE_HOME:-$HOME/.cache}/isoflop/clang-tidy-$version

if [[ ! -x $venv/bin/clang-tidy ]]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q "clang-tidy==$version" ||
    { rm -rf "$venv"; echo "lint: clang-tidy $version could not be installed with pip" >&2; exit 1; }
fi

omp=$venv/omp   # Kokkos includes omp.h, which the wheel lacks: gcc's alone, none of its other headers
mkdir -p "$omp"
ln -sf "$(g++ -print-file-name=include/omp.h)" "$omp/omp.h"
files=("$@")
if [[ ${#files[@]} == 0 ]]; then mapfile -t files < <(git diff --name-only main -- '*.cpp'); fi
if [[ ${#files[@]} == 0 ]]; then echo "lint: nothing differs from main"; exit 0; fi
exec "$venv/bin/clang-tidy" -p build/release --quiet --extra-arg=-isystem"$omp" --extra-arg=-Wno-unknown-warning-option "${files[@]}"
