#!/usr/bin/env bash
# Lays out the C++ sources with the pinned clang-format.
#   tools/format.sh          rewrites what differs
#   tools/format.sh check    only says what differs; exit code 1 if anything does
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=23.1.5
cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
[[ -n $cache ]] || { echo "format: HOME and XDG_CACHE_HOME are not set, needed one of them: clang-format is kept below it" >&2; exit 1; }
venv=$cache/isoflop/clang-format-$version

if [[ ! -x $venv/bin/clang-format ]]; then
  work=$(mktemp -d "${TMPDIR:-/tmp}/isoflop-format.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$(dirname "$venv")"
  python3 -m pip download -q --no-deps -d "$work" "clang-format==$version" 2>/dev/null ||
    { python3 -m venv "$work/pip" && "$work/pip/bin/pip" download -q --no-deps -d "$work" "clang-format==$version"; } ||
    { echo "format: clang-format $version could not be downloaded with pip" >&2; exit 1; }
  python3 -m zipfile -e "$work"/clang_format-*.whl "$work/wheel"
  mkdir -p "$work/venv/bin"
  cp "$work/wheel/clang_format/data/bin/clang-format" "$work/venv/bin/"
  chmod +x "$work/venv/bin/clang-format"
  mv -T "$work/venv" "$venv" 2>/dev/null || [[ -x $venv/bin/clang-format ]]
fi

git ls-files -co --exclude-standard '*.cpp' '*.hpp' | sort -u | while read -r file; do if [[ -f $file ]]; then printf '%s\0' "$file"; fi; done |
  if [[ ${1-} == check ]]; then xargs -0 "$venv/bin/clang-format" --dry-run -Werror
  else xargs -0 "$venv/bin/clang-format" -i
  fi
