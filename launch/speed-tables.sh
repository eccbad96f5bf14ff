#!/usr/bin/env bash
# The tables of the README on how speed goes with the length of examples, with the rank of the adapter, and with cores:
#
#   launch/speed-tables.sh [lengths|cores] [REPEATS]     (default: lengths, 3 runs of each)
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

table=${1:-lengths}
repeats=${2:-3}
[[ $table == lengths || $table == cores ]] || fail "\"$table\" is no table" "launch/speed-tables.sh lengths | cores"
[[ $repeats =~ ^[1-9][0-9]*$ ]] || fail "\"$repeats\" is no number of runs" "launch/speed-tables.sh $table 3"
install_what_is_missing
check_swift
program=$(build_release)
model=$(launch/model.sh)
exec python3 launch/speed_tables.py "$table" "$repeats" "$program" "$model"
