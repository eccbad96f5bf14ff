#!/usr/bin/env bash
# Holds `lora-dist plan` against the runs that it foretells: SmolLM2 with LoRA and QLoRA, on 1 and 2 ranks, with and without
# activation checkpointing. Prints what was predicted, what was measured and their ratios, and ends with 1 where memory is off by
# more than 10 % or the time of a step by more than 20 %.
#
#   launch/check-plan.sh [--steps 8] [--data FILE] [--only TEXT] [--large FOLDER]
#
# --only takes the cases whose name holds a text, such as "lora, 1 rank". --large adds a model too large to be trained here for long,
# such as one that `lora-dist synth --shape llama-3.1-8b` has written: it has no tokenizer, so that lora-dist bench trains it.
# An idle machine is needed: whatever else runs counts as an error of the plan.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

help_if_asked "$@"
install_what_is_missing
check_swift
program=${LORA_DIST:-$(build_release)}
model=$(launch/model.sh)
exec python3 launch/check_plan.py --program "$(realpath "$program")" --model "$model" "$@"
