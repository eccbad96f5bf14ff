#!/usr/bin/env bash
# Compares lora-dist with PyTorch + PEFT and with TRL's SFTTrainer on this machine: the same model, rows and settings, runs
# interleaved, ratios at the end. Needs about 6 GB of disk for the peers, which it installs into a virtual environment.
#
#   launch/compare-peers.sh [packed|chat|memory|start|all] [options]
#
#   --dtype bf16|fp32      precision of both sides (default: bf16; chat: bf16 beside TRL's own default)
#   --target all|qv        LoRA on all seven linear maps with r=16, or on q and v with r=8 (default: all)
#   --data FILE            rows to take instead of generated ones: JSONL with messages, question and answer, or text
#   --system TOKENS        chat: rows share a system prompt of about so many tokens; lora-dist alone, with and without
#                          computing it once
#   --steps N              steps of a run; the first two do not count (default: 6)
#   --repeats N            runs of each side (default: 3)
#   --out DIR              logs and results.json (default: runs/compare-peers)
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

help_if_asked "$@"

peers=$(realpath -m -- "${LORA_DIST_PEERS:-$HOME/.cache/lora-dist-peers}")
python=$peers/venv/bin/python
pins=(torch==2.15.0 transformers==5.23.0 peft==0.21.2 trl==1.16.0 datasets==5.2.0 accelerate==1.15.0 gguf==0.19.0
  numpy safetensors sentencepiece)

install_what_is_missing
install_packages python3-venv libtcmalloc-minimal4
check_swift
mkdir -p -- "$peers"
[ -x "$python" ] || python3 -m venv "$peers/venv" || fail "no virtual environment could be made in $peers"
if ! "$python" launch/peers/check_versions.py "${pins[@]}"; then
  say "installing the peers into $peers/venv"
  "$python" -m pip install --quiet --disable-pip-version-check "${pins[@]}" ||
    fail "pip could not install the peers" "check the network and the free space in $peers, then run this script again"
fi
model=$(launch/model.sh)
binary=$(build_release)
if [ ! -f "$peers/smollm2-fp32/config.json" ]; then
  say "converting the model for the peers"
  "$python" launch/peers/convert_model.py "$model" "$peers/smollm2-fp32" ||
    fail "the model could not be converted" "see the lines above"
fi
exec "$python" launch/peers/compare.py --binary "$binary" --model "$model" --peer-model "$peers/smollm2-fp32" "$@"
