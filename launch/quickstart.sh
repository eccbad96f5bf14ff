#!/usr/bin/env bash
# From a fresh clone to a trained adapter: installs what is missing, builds lora-dist, fetches a small model, trains on
# 2 ranks from configs/quickstart.yaml, and shows held-out loss and answers before and after. Run again, it uses what
# is there: packages, build, model, finished run.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

config=configs/quickstart.yaml
run=runs/quickstart
ranks=2
most_tokens=25000

install_what_is_missing
check_swift
program=$(build_release)
model=$(launch/model.sh)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

lora_dist() { "$program" "$@" --config "$config" --set "model.path=$model"; }
on_ranks() {
  mpirun -n "$ranks" --oversubscribe --bind-to none "$program" "$@" --config "$config" --set "model.path=$model" </dev/null
}

# A run is finished if its metrics end so, and nothing that it came from is newer.
is_finished() {
  [ -f "$run/adapter/adapter_model.safetensors" ] || return 1
  [ "$(tail -n 1 "$run/metrics.jsonl" 2>/dev/null | python3 -c \
    'import json, sys; print(json.loads(sys.stdin.read() or "{}").get("event"))')" = finished ] || return 1
  local input
  for input in "$config" configs/quickstart/train.jsonl configs/quickstart/eval.jsonl "$model"; do
    [ "$run/metrics.jsonl" -nt "$input" ] || return 1
  done
}

if is_finished; then
  say "the run in $run is finished and is used as it is; rm -r $run to train again"
else
  say "counting tokens: one step with one example, in a folder that goes away"
  lora_dist train --set output.dir="$work/count" --set data.eval=null --set training.eval_steps=null \
    --set training.max_steps=1 --set training.global_batch_size=1 2>"$work/count.log" ||
    { cat "$work/count.log" >&2; fail "the tokens could not be counted" "mend what the lines above name"; }
  python3 - "$work/count/metrics.jsonl" "$config" "$most_tokens" <<'PYTHON' || fail \
    "training on more tokens than that takes too long for a quickstart" \
    "lower training.num_train_epochs in $config, or shorten its data"
import json, re, sys
metrics, config, most = sys.argv[1:]
started = next(e for e in map(json.loads, open(metrics)) if e["event"] == "started")
found = [re.search(r"of ([0-9]+) tokens trained", line) for line in started["data_report"]]
tokens = sum(int(match[1]) for match in found if match)
epochs = float(re.search(r"^ *num_train_epochs: *([0-9.]+)", open(config).read(), re.M)[1])
total = round(tokens * epochs)
print(f"==> {tokens:,} tokens × {epochs:g} epoch{'s' * (epochs != 1)} = {total:,} tokens to train on; at most {int(most):,} here", file=sys.stderr)
sys.exit(0 if 0 < total <= int(most) else 1)
PYTHON
  say "training on $ranks ranks (1 to 3 minutes on 2 cores)"
  begin=$SECONDS
  # A run that was stopped goes on; one that is done, and has new inputs, begins anew.
  mode=(--resume auto)
  if [ -d "$run/adapter" ]; then mode=(--overwrite); fi
  code=0
  run_stoppable mpirun -n "$ranks" --oversubscribe --bind-to none "$program" train --config "$config" \
    --set "model.path=$model" "${mode[@]}" || code=$?
  [ $code -ne 75 ] || fail "training was stopped" "run this script again to go on"
  [ $code -eq 0 ] || fail "training ended early" "mend what the lines above name, then run this script again"
  say "trained in $((SECONDS - begin)) s"
fi

say "loss on held-out questions"
on_ranks eval --adapter "$run/adapter" || fail "the evaluation failed" "mend what the lines above name"

say "answers to the first 10 held-out questions"
head -n 10 configs/quickstart/eval.jsonl >"$work/prompts.jsonl"
answer() { lora_dist generate --prompts "$work/prompts.jsonl" --max-new-tokens 64 --temperature 0 --json "$@"; }
answer >"$work/before.jsonl" || fail "the model gave no answers" "mend what the lines above name"
answer --adapter "$run/adapter" >"$work/after.jsonl" ||
  fail "the model with the adapter gave no answers" "mend what the lines above name; rm -r $run trains again"
python3 - "$work/prompts.jsonl" "$work/before.jsonl" "$work/after.jsonl" <<'PYTHON'
import json, sys

def rows(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]

def keys(text):
    """The keys of a JSON object, in order; nothing for any other text."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return list(value) if isinstance(value, dict) else None

prompts, before, after = map(rows, sys.argv[1:])
right = {"before": 0, "after": 0}
for prompt, *answers in zip(prompts, before, after, strict=True):
    expected = keys(prompt["messages"][-1]["content"])
    print(f"\n{prompt['messages'][-2]['content']}")
    for name, answer in zip(right, answers):
        text = answer["answer"]
        right[name] += keys(text) == expected
        shown = " ".join(text.split())
        print(f"  {name:>6}: {shown if len(shown) <= 100 else shown[:99] + '…'}")
names = ", ".join(keys(prompts[0]["messages"][-1]["content"]))
print(f"\nJSON with exactly the keys {names}: {right['before']} of {len(prompts)} before, {right['after']} after.")
print("The form is what so short a training teaches; of facts, a model of this size knows some.")
PYTHON
say "the adapter is in $run/adapter; ask it more:"
printf '%s generate --model %s --adapter %s --system "Elements as JSON." --prompt "What is platinum?"\n' \
  "$program" "$model" "$run/adapter" >&2
