#!/usr/bin/env bash
# The Python of analysis/, with exactly the packages that analysis/requirements.txt names.
#   tools/python.sh             make it if it is not there, print its directory (PATH/bin/python)
#   tools/python.sh ARGUMENT... run it with analysis/ importable: tools/python.sh -m isoflop_analysis SWEEP_DIR
# Running it again costs nothing and needs no network; a killed or a second set-up at the same time does no harm.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
requirements=$repository/analysis/requirements.txt

fail() { echo "python: $*" >&2; exit 1; }

interpreter=${ISOFLOP_PYTHON:-python3}
command -v "$interpreter" >/dev/null || fail "no $interpreter; install python3 (>= 3.11) or set ISOFLOP_PYTHON"
identity=$("$interpreter" -c 'import sys; print(sys.version, sys.base_prefix)')
name=python-$( { cat "$requirements"; echo "$identity"; } | sha256sum | cut -c1-12)
cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
[[ -n $cache ]] || fail "HOME and XDG_CACHE_HOME are not set, needed one of them: the packages are kept below it"
cache=$cache/isoflop
environment=$cache/$name

# A virtual environment cannot be renamed (its scripts hold its path), so a mark inside says that it is whole,
# and a lock, which the system drops with its process, keeps a second set-up waiting.
make_environment() {
  mkdir -p "$cache" || fail "cannot write $cache; set XDG_CACHE_HOME"
  exec 9>"$cache/$name.lock"
  flock 9
  [[ -e $environment/finished ]] && return
  "$interpreter" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$interpreter is older than 3.11; set ISOFLOP_PYTHON"
  echo "python: packages of analysis/requirements.txt into $environment" >&2
  rm -rf "$environment"
  "$interpreter" -m venv "$environment" >&2 9>&- || fail "cannot make a virtual environment; install python3-venv"
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    -r "$requirements" >&2 9>&- || fail "pip could not install analysis/requirements.txt (network? proxy?)"
  "$environment/bin/python" -m pip check >/dev/null || fail "analysis/requirements.txt does not fit together"
  touch "$environment/finished"
}

[[ -e $environment/finished ]] || make_environment
if [[ $# == 0 ]]; then
  echo "$environment"
else
  PYTHONPATH=$repository/analysis${PYTHONPATH:+:$PYTHONPATH} PYTHONDONTWRITEBYTECODE=1 exec "$environment/bin/python" "$@"
fi
