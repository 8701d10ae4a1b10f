#!/usr/bin/env bash
# tools/python.sh with a requirements file of no packages: made once, whole after a kill, safe for two at once.
set -euo pipefail
repository=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tree/tools" "$work/tree/analysis/probe"
cp "$repository/tools/python.sh" "$work/tree/tools/"
echo "# none" >"$work/tree/analysis/requirements.txt"
echo 'print("analysis is importable")' >"$work/tree/analysis/probe/__main__.py"
export XDG_CACHE_HOME=$work/cache
fail() { echo "python_environment_test: $*" >&2; exit 1; }

for script in quickstart.sh tools/python.sh tools/dependencies.sh tools/format.sh tools/lint.sh "experiments/quickstart/prepare_corpus.sh corpus"; do
  ! (cd "$repository" && env -u HOME -u XDG_CACHE_HOME bash -c "./$script") 2>"$work/homeless" || fail "$script has a cache without a home"
  [[ $(wc -l <"$work/homeless") == 1 && $(<"$work/homeless") == *"HOME and XDG_CACHE_HOME are not set"* ]] \
    || fail "$script without a home: $(cat "$work/homeless")"
done

setsid "$work/tree/tools/python.sh" >/dev/null 2>&1 &
group=$!
for _ in $(seq 100); do compgen -G "$XDG_CACHE_HOME/isoflop/python-*/pyvenv.cfg" >/dev/null && break; sleep 0.1; done
kill -9 -- "-$group"
wait "$group" 2>/dev/null || true
! compgen -G "$XDG_CACHE_HOME/isoflop/python-*/finished" >/dev/null || fail "killed too late to test anything"

"$work/tree/tools/python.sh" >"$work/first" 2>"$work/first.log" &
first=$!
"$work/tree/tools/python.sh" >"$work/second" 2>"$work/second.log" || fail "the second of two failed"
wait "$first" || fail "the first of two failed"
cmp "$work/first" "$work/second" || fail "two set-ups gave two directories"
[[ $(cat "$work"/*.log | grep -c 'into') == 1 ]] || fail "the environment was made twice"
environment=$(cat "$work/first")
"$environment/bin/python" -m pip --version >/dev/null || fail "the environment does not work"

mark=$(stat -c %y "$environment/finished")
[[ $("$work/tree/tools/python.sh" -m probe) == "analysis is importable" ]] || fail "analysis/ is not importable"
[[ $(stat -c %y "$environment/finished") == "$mark" ]] || fail "a second call made the environment again"
