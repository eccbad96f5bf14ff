#!/usr/bin/env bash
# A table that compares LoRA with its variants: the same base in bf16, the same rows in the same order, as many
# steps, and the held-out loss at the end.
#
#   launch/variants-table.sh --data FILE --eval FILE [--steps N] [--rows N] [--ranks N] [--out DIR]
#
#   --data FILE   rows to train on (JSONL)
#   --eval FILE   rows to evaluate on; the first 200 count (--rows N for another number)
#   --steps N     updates of 16 rows (default: 60)
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
