#!/usr/bin/env bash
# Makes the quickstart corpus: English documentation and C++ headers from ordinary Debian packages.
#
#   prepare_corpus.sh OUT [TOKENIZER]        TOKENIZER: bytes | bpe:VOCAB, default bpe:1024
#
# Packages come from whatever `apt-get download` is set up with (no root needed) and are unpacked, not
# installed, below ${XDG_CACHE_HOME:-~/.cache}/isoflop/quickstart-text. Running it again downloads and
# encodes nothing. Package versions change with time: the corpus fingerprint says which text it was.
set -euo pipefail

[[ $# -ge 1 && $# -le 2 ]] || { echo "usage: $0 OUT [bytes|bpe:VOCAB]" >&2; exit 2; }
out=$1
tokenizer=${2:-bpe:1024}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
isoflop=${ISOFLOP_BINARY:-$root/build/release/bin/isoflop}

fail() { echo "prepare_corpus.sh: $1" >&2; exit 1; }

cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
[[ -n $cache ]] || fail "HOME and XDG_CACHE_HOME are not set, needed one of them: the text is kept below it"
text=$cache/isoflop/quickstart-text

[[ -x $isoflop ]] || fail "$isoflop is missing: build it first, or set ISOFLOP_BINARY"
{ command -v apt-get && command -v dpkg-deb; } > /dev/null ||
  fail "apt-get and dpkg-deb are missing (this is no Debian): run '$isoflop data prepare' on your own text instead"

# Leaves the package's text in $text/PACKAGE; complete or not there. Other languages and generated headers stay out.
fetch() {
  local package=$1 work
  [[ -d $text/$package ]] && return
  mkdir -p "$text"
  find "$text" -maxdepth 1 -name 'partial.??????' -mmin +60 -exec rm -rf {} +   # killed runs
  work=$(mktemp -d "$text/partial.XXXXXX")
  (cd "$work" && apt-get download -q "$package" > log 2>&1) ||
    { rm -rf "$work"; fail "package $package cannot be downloaded: is there a network, and has 'apt-get update' run?"; }
  mkdir "$work/files"
  dpkg-deb --fsys-tarfile "$work"/*.deb | tar -x -C "$work/files" --wildcards \
    --exclude='*/translations/*' --exclude='*/devicetree/*' --exclude='*/preprocessed/*'
  mv -T "$work/files" "$text/$package" 2> /dev/null || [[ -d $text/$package ]]   # another run may have been faster
  rm -rf "$work"
}

packages=(linux-doc-6.1 python3.11-doc vim-runtime perl-doc git-doc cmake-doc python-sqlalchemy-doc
          libboost1.74-dev libstdc++-12-dev libeigen3-dev)
for package in "${packages[@]}"; do
  [[ -d $text/$package ]] || echo "downloading $package"
  fetch "$package"
done

english=(
  "$text/linux-doc-6.1/usr/share/doc/linux-doc-6.1/Documentation/**/*.rst*"
  "$text/linux-doc-6.1/usr/share/doc/linux-doc-6.1/Documentation/**/*.txt*"
  "$text/python3.11-doc/usr/share/doc/**/*.txt"
  "$text/vim-runtime/usr/share/vim/vim*/doc/*.txt"
  "$text/perl-doc/usr/share/perl/**/*.pod"
  "$text/git-doc/usr/share/doc/**/*.txt"
  "$text/cmake-doc/usr/share/doc/**/*.txt"
  "$text/python-sqlalchemy-doc/usr/share/doc/**/*.txt"
)
cxx=(
  "$text/libboost1.74-dev/usr/include/**/*.hpp"
  "$text/libstdc++-12-dev/usr/include"
  "$text/libeigen3-dev/usr/include"
)
"$isoflop" data prepare --source "english=${english[0]}" "${english[@]:1}" --source "cxx=${cxx[0]}" "${cxx[@]:1}" \
  --tokenizer "$tokenizer" --out "$out"
