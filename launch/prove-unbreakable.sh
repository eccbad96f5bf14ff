#!/usr/bin/env bash
# Interrupts training of a tiny model again and again, in every way that jobs end, goes on each time with --resume auto on another
# number of ranks, and compares the last adapter with that of a run without interruption, byte by byte.
#
#   launch/prove-unbreakable.sh [INTERRUPTIONS [SEED]]     (default: 100, 1)
#
# As root, full disks are a small tmpfs; otherwise a limit on the size of files.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

count=${1:-100}
seed=${2:-1}
[[ $count =~ ^[1-9][0-9]*$ && $seed =~ ^[0-9]+$ ]] || fail "\"$count $seed\" are no numbers" "launch/prove-unbreakable.sh 100 1"
install_what_is_missing
check_swift
program=${LORA_DIST:-$(build_release)}
exec python3 launch/prove_unbreakable.py "$count" "$seed" "$(realpath "$program")"
