#!/usr/bin/env bash
# Installs what the build needs; running it again costs nothing and needs no network.
#   tools/dependencies.sh           install everything that is missing
#   tools/dependencies.sh prefix    print the private prefix (Kokkos, oneDNN) that the build looks in
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/dependencies" && pwd)

# Tried with these; of the same series any other is taken once the suite has them no more.
kokkos=5.2.2-2
kokkos_series=5.2
onednn=3.12.1+ds-3      # of matmul_bench alone, which does without
onednn_series=3.12
suite=sid

fail() { echo "dependencies: $*" >&2; exit 1; }

# Runs a command quietly; when it fails, one line says which and why.
quietly() {
  local log
  log=$("$@" 2>&1) || fail "failed: $* ($(grep -E '^E:|rror' <<<"$log" | head -n1 || true))"
}

as_root() {
  if [[ $(id -u) == 0 ]]; then quietly "$@"
  elif sudo -n true 2>/dev/null; then quietly sudo "$@"
  else fail "root or password-less sudo is needed for: $*"
  fi
}

# The prefix is named by everything that goes into it: another recipe is another directory.
recipe() { cat "$here"/{compat.cpp,relabel.py} "${BASH_SOURCE[0]}" | sha256sum | cut -c1-12; }
prefix=${XDG_CACHE_HOME:-$HOME/.cache}/isoflop/kokkos-$kokkos-$(recipe)

install_debian_packages() {
  local wanted missing
  wanted=$(sed 's/#.*//' "$here/packages.txt" | xargs)
  missing=$(comm -23 <(tr ' ' '\n' <<<"$wanted" | sort) \
    <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | awk '$1 == "ii" {print $2}' | sort -u) | xargs)
  [[ -z $missing ]] && return
  echo "dependencies: installing $missing"
  as_root apt-get update -qq
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $missing
}

# The version that was tried, if the suite has it, or another of its series, which is said.
version_of() {
  local package=$1 tried=$2 series=$3 there other
  there=$(apt-cache madison "$package" | awk '{print $3}')
  if grep -qxF "$tried" <<<"$there"; then echo "$tried"; return; fi
  other=$(grep -m1 "^${series//./\\.}\\." <<<"$there") || return 1
  echo "dependencies: $suite has $package $other in place of $tried, which was tried" >&2
  echo "$other"
}

# An own apt configuration, so that the system's suites stay what they are.
download_from_sid() {
  local work=$1 source keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  source=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
    "Codename: $(. /etc/os-release; echo "$VERSION_CODENAME")" | sort -u | head -n1)
  [[ -n $source ]] || fail "apt lists no Debian archive; install Kokkos >= 4.5 and set Kokkos_ROOT"
  mkdir -p "$work"/{lists/partial,cache/archives/partial,state,deb}
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$source" $suite $keyring >"$work/sid.sources"
  cat >"$work/apt.conf" <<END
Dir::State "$work/state"; Dir::State::lists "$work/lists"; Dir::State::status "/dev/null";
Dir::Cache "$work/cache"; Dir::Etc::sourcelist "$work/sid.sources"; Dir::Etc::sourceparts "-";
APT::Architectures { "$(dpkg --print-architecture)"; }; APT::Sandbox::User ""; APT::Update::Error-Mode "any";
Acquire::Languages "none"; Acquire::Check-Valid-Until "false";
END
  export APT_CONFIG=$work/apt.conf
  quietly apt-get update -qq
  cd "$work/deb"
  local version
  version=$(version_of libkokkos-dev $kokkos $kokkos_series) ||
    fail "$suite has no Kokkos $kokkos_series any more; install Kokkos >= 4.5 and set Kokkos_ROOT"
  quietly apt-get download -qq "libkokkos-dev=$version" "libkokkos$kokkos_series=$version"
  if version=$(version_of libdnnl-dev $onednn $onednn_series); then
    quietly apt-get download -qq "libdnnl-dev=$version" "libdnnl3.6=$version"
  else
    echo "dependencies: $suite has no oneDNN $onednn_series any more; matmul_bench does without (for its column set dnnl_ROOT)" >&2
  fi
  cd - >/dev/null
  unset APT_CONFIG
}

# What bookworm's libc and libstdc++ lack, see compat.cpp.
make_loadable() {
  local lib=$1 file
  g++ -std=c++20 -O2 -fPIC -shared -Wl,-soname,libkokkos-compat.so.1 -o "$lib/libkokkos-compat.so.1" "$here/compat.cpp"
  for file in "$lib"/lib{kokkoscore,kokkoscontainers,dnnl}.so.*.*; do
    [[ -f $file && ! -L $file ]] || continue
    if grep -qE 'GLIBC_2\.38|GLIBCXX_3\.4\.3[12]|CXXABI_1\.3\.15' <(objdump -T "$file"); then
      python3 "$here/relabel.py" "$file" GLIBC_2.38 GLIBCXX_3.4.31 GLIBCXX_3.4.32 CXXABI_1.3.15
      patchelf --add-needed libkokkos-compat.so.1 "$file"
    fi
    patchelf --set-rpath '$ORIGIN' "$file"
    ldd -r "$file" >"$lib/ldd.txt" 2>&1 || true
    ! grep -E 'not found|undefined symbol' "$lib/ldd.txt" || fail "$(basename "$file") still does not load"
    rm "$lib/ldd.txt"
  done
}

# Debian's KokkosConfig.cmake names /usr and two static libraries that the package does not hold (both are empty).
repair_kokkos_config() {
  local lib=$1 archive
  for archive in algorithms simd; do ar cr "$lib/libkokkos$archive.a"; done
  sed -i 's,"/usr/include/kokkos","${_IMPORT_PREFIX}/include/kokkos",' "$lib/cmake/Kokkos/KokkosTargets.cmake"
}

install_private_prefix() {
  [[ -n ${Kokkos_ROOT-} ]] && return   # the user's own
  [[ -e $prefix/finished ]] && return
  local work lib package
  mkdir -p "$(dirname "$prefix")"
  find "$(dirname "$prefix")" -maxdepth 1 -name 'kokkos-*.??????' -mmin +60 -exec rm -rf {} +   # killed runs
  work=$(mktemp -d "$prefix.XXXXXX")
  trap "rm -rf '$work'" EXIT
  echo "dependencies: Kokkos $kokkos and oneDNN $onednn into $prefix"
  download_from_sid "$work/apt"
  for package in "$work"/apt/deb/*.deb; do dpkg-deb -x "$package" "$work/root"; done
  lib=$(dirname "$(ls "$work"/root/usr/lib/*/libkokkoscore.so)")
  make_loadable "$lib"
  repair_kokkos_config "$lib"
  touch "$work/root/usr/finished"
  chmod -R a+rX "$work/root/usr"
  mv -T "$work/root/usr" "$prefix" 2>/dev/null || [[ -e $prefix/finished ]] || fail "cannot write $prefix"
}

case ${1-} in
  prefix) echo "$prefix" ;;
  "") install_debian_packages; install_private_prefix; echo "dependencies: ready" ;;
  *) fail "usage: tools/dependencies.sh [prefix]" ;;
esac
