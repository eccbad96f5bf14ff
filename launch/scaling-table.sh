#!/usr/bin/env bash
# The table of the README that shows what dividing by r is for: ‖ΔW‖ after the same few steps, for ranks 4 to 64 and three ways
# to scale. All have scale 1 at r = 16.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

install_what_is_missing
check_swift
program=$(build_release)
model=$(launch/model.sh)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

# norm RANK ALPHA RSLORA: trains 8 steps and prints ‖ΔW‖.
norm() {
  "$program" train --config configs/quickstart.yaml --overwrite --set "model.path=$model" --set "output.dir=$work/run" \
    --set model.dtype=fp32 --set data.eval=null --set training.eval_steps=null --set training.max_steps=8 --set lora.lora_dropout=0 \
    --set training.lr_scheduler_type=constant --set training.warmup_steps=0 --set "lora.r=$1" \
    --set "lora.lora_alpha=$2" --set "lora.use_rslora=$3" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
  "$program" inspect "$work/run/adapter" --json | python3 -c 'import json, sys; print("%.3f" % json.load(sys.stdin)["update_norm"])'
}

echo "| r | α/r (α = 16) | α/√r (α = 4) | no scaling |"
echo "|---|---|---|---|"
for r in 4 8 16 32 64; do
  echo "| $r | $(norm $r 16 false) | $(norm $r 4 true) | $(norm $r $r false) |"
done
