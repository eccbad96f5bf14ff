# Sourced by the scripts of this folder, which run with `set -euo pipefail`: what they all need.
# shellcheck shell=bash

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Where the model is kept, absolute, since the scripts change to the repository's folder.
LORA_DIST_CACHE=$(realpath -m -- "${LORA_DIST_CACHE:-$HOME/.cache/lora-dist}")
export LORA_DIST_CACHE
cd "$repository" || exit

# Open MPI starts nothing as root unless told twice.
if [ "$(id -u)" -eq 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

say() { printf '==> %s\n' "$*" >&2; }

# fail MESSAGE [WHAT TO DO]: ends the script.
fail() {
  printf 'Error: %s\n' "$1" >&2
  if [ $# -gt 1 ]; then printf '       %s\n' "${@:2}" >&2; fi
  exit 1
}

# help_if_asked "$@": shows what the script says of itself at its top, where that is asked for, and ends.
help_if_asked() {
  case "${1:-}" in
    -h | --help)
      sed -n '2,/^set /p' "$repository/launch/$(basename "$0")" | sed '$d; s/^# \{0,1\}//'
      exit 0
      ;;
  esac
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# install_packages NAME…: installs those Debian packages that are missing.
install_packages() {
  local package missing=()
  command -v dpkg-query >/dev/null ||
    fail "this script installs packages with apt, and this system has none" \
      "install by its own means what these Debian packages hold: $*"
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    fail "packages are missing, and only root may install them" "as root: apt-get install ${missing[*]}"
  fi
  as_root apt-get update -qq >&2 ||
    fail "apt-get update failed" "check the network and the lines above, then run this script again"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
    fail "apt-get could not install ${missing[*]}" "mend what the lines above name, then run this script again"
}

# What building, training and fetching the model need, apart from Swift.
install_what_is_missing() {
  install_packages libopenmpi-dev openmpi-bin libopenblas-dev pkg-config git ca-certificates python3 python3-pip unzip
}

# Swift 6.2 or newer.
check_swift() {
  local hint="install Swift 6.2 or newer: https://www.swift.org/install/linux/ (and put its bin folder on PATH)"
  command -v swift >/dev/null || fail "there is no swift on PATH" "$hint"
  local text version
  text=$(swift --version 2>&1) || fail "swift does not start: $text" "$hint"
  version=$(sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' <<<"$text" | head -n 1)
  [ -n "$version" ] || fail "swift --version names no version: $text" "$hint"
  if [ "$(printf '6.2\n%s\n' "$version" | sort -V | head -n 1)" != 6.2 ]; then
    fail "this is Swift $version" "$hint"
  fi
}

# Builds the program for use; prints its path, from the repository's folder.
build_release() {
  say "building lora-dist (some minutes the first time)"
  swift build -c release --product lora-dist >&2 ||
    fail "the build failed" "mend what the lines above name; rm -rf .build starts afresh"
  printf '.build/release/lora-dist\n'
}

# run_stoppable COMMAND…: runs mpirun (or lora-dist by itself) and hands it SIGUSR1 where this script gets SIGTERM, SIGINT or
# SIGUSR1: the run then saves a checkpoint and ends with exit code 75. SIGTERM itself would make mpirun kill its ranks.
run_stoppable() {
  local child code=0
  # A process group of its own, so that Ctrl-C reaches this script alone.
  set -m
  "$@" </dev/null &
  child=$!
  set +m
  # shellcheck disable=SC2064
  trap "kill -USR1 $child 2>/dev/null || true" TERM INT USR1
  # A signal ends `wait`, not the run; once the run has ended, `wait` tells its own exit code.
  while kill -0 "$child" 2>/dev/null; do wait "$child" || true; done
  wait "$child" || code=$?
  trap - TERM INT USR1
  return "$code"
}
