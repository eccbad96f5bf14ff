#!/usr/bin/env bash
# The table of the README that compares LoRA with its variants: the same base in bf16, the same rows in the same order,
# as many steps at the same learning rate, and the held-out loss at the end. About half an hour on two cores.
#
#   launch/variants-table.sh --data FILE --eval FILE [--steps N] [--learning-rate X] [--rows N] [--ranks N] [--out DIR]
#
#   --data FILE   rows to train on (JSONL)
#   --eval FILE   rows to evaluate on; the first 200 count (--rows N for another number)
#   --steps N     updates of 16 rows (default: 60)
#   --learning-rate X  of all of them (default: 3e-3, where LoRA ends lower than at 1e-3 and at 2e-4)
#   --ranks N     ranks of every run (default: 1); the result does not depend on it
#   --out DIR     where runs are kept (default: runs/variants); those that are whole are not run again
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

help_if_asked "$@"
install_what_is_missing
check_swift
program=${LORA_DIST:-$(build_release)}
model=$(launch/model.sh)
exec python3 launch/variants_table.py --program "$(realpath "$program")" --model "$model" "$@"
