#!/usr/bin/env bash
# Lints C++ sources with the pinned clang-tidy, after a build (it needs compile_commands.json).
#   tools/lint.sh [-p BUILD] [all | FILE...]   BUILD: default the one configured last; without FILE what differs from main;
#                                              all: every source of the build; those that passed before are not asked again
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=23.1.4
cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
[[ -n $cache ]] || { echo "lint: HOME and XDG_CACHE_HOME are not set, needed one of them: clang-tidy is kept below it" >&2; exit 1; }
venv=$cache/isoflop/clang-tidy-$version

if [[ ${1-} == -p ]]; then build=${2:?lint: -p needs a BUILD}; shift 2
else build=$(dirname "$(ls -t build/*/compile_commands.json 2>/dev/null | head -n 1)"); fi
[[ -f $build/compile_commands.json ]] || { echo "lint: $build has no compile_commands.json: build first, or name one with -p" >&2; exit 1; }

if [[ ! -x $venv/bin/clang-tidy ]]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q "clang-tidy==$version" ||
    { rm -rf "$venv"; echo "lint: clang-tidy $version could not be installed with pip" >&2; exit 1; }
fi

omp=$venv/omp   # Kokkos includes omp.h, which the wheel lacks: gcc's alone, none of its other headers
mkdir -p "$omp"
ln -sf "$(g++ -print-file-name=include/omp.h)" "$omp/omp.h"
# Deprecated: the compiler tells where we use such things; clang tells that libstdc++ does.
arguments=(--quiet --extra-arg=-isystem"$omp" --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-deprecated-declarations)
files=("$@")
if [[ ${#files[@]} == 0 ]]; then
  mapfile -t files < <(git diff --name-only --diff-filter=d main -- '*.cpp')
  if [[ ${#files[@]} == 0 ]]; then echo "lint: nothing differs from main"; exit 0; fi
fi
if [[ ${files[0]} == all ]]; then files=(); fi
exec python3 tools/lint.py "$venv" "$build" "${files[@]}" -- "${arguments[@]}"
