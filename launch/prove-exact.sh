#!/usr/bin/env bash
# Shows that neither ranks nor threads nor a resume leave a trace: trains 12 steps in every way and prints the SHA-256 of each
# adapter, which must be one for each precision. The table of the README.
#
#   launch/prove-exact.sh [tiny|real|all]     a model of two layers in 40 ways (default), SmolLM2 in 4 for each precision, or both
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

which=${1:-tiny}
[[ $which == tiny || $which == real || $which == all ]] || fail "\"$which\" is no part" "launch/prove-exact.sh tiny | real | all"
install_what_is_missing
check_swift
program=${LORA_DIST:-$(build_release)}
model=$(launch/model.sh)
exec python3 launch/prove_exact.py "$which" "$(realpath "$program")" "$model"
