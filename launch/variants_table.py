"""Trains LoRA and its variants alike and prints their held-out losses. Started by launch/variants-table.sh."""
import argparse
import hashlib
import itertools
import json
import os
import subprocess
import sys

import proof

# What differs from LoRA with r = 16 on all linear maps, scaled by 2. rsLoRA with r = 64 has the same scale: 16 / √64.
VARIANTS = {
    "LoRA, r = 16": {},
    "QLoRA, r = 16 (NF4 base)": {"model.quantization": "nf4"},
    "DoRA, r = 16": {"lora.use_dora": "true"},
    "rsLoRA, r = 64": {"lora.r": 64, "lora.lora_alpha": 16, "lora.use_rslora": "true"},
    "PiSSA, r = 16": {"lora.init_lora_weights": "pissa"},
}

parser = argparse.ArgumentParser()
parser.add_argument("--program", required=True)
parser.add_argument("--model", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--eval", required=True)
parser.add_argument("--steps", type=int, default=60)
parser.add_argument("--rows", type=int, default=200)
parser.add_argument("--ranks", type=int, default=1)
parser.add_argument("--learning-rate", type=float, default=3e-3)
parser.add_argument("--out", default="runs/variants")
options = parser.parse_args()


def run(words, folder):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "log.txt"), "a", encoding="utf-8") as file:
        file.write(done.stderr)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def events(folder):
    path = os.path.join(folder, "metrics.jsonl")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def result(name, change, base, held_out):
    """The events of a variant's run, which is made unless it is there."""
    folder = os.path.join(options.out, name.split(",")[0].lower())
    found = events(folder)
    settings = {
        "model.path": base, "model.dtype": "bf16", "data.train": options.data, "data.eval": held_out,
        "data.template_date": "2025-01-01", "lora.r": 16, "lora.lora_alpha": 32, "training.max_steps": options.steps,
        "training.learning_rate": options.learning_rate,
        "training.global_batch_size": 16, "training.lr_scheduler_type": "cosine", "training.warmup_steps": 0.05,
        "training.logging_steps": 10, "output.dir": folder, **change}
    made_of = json.dumps([settings, digest(options.data), digest(held_out)])
    note = os.path.join(folder, "made-of.json")
    if not (found and found[-1]["event"] == "finished" and os.path.exists(note) and open(note).read() == made_of):
        run(proof.command(options.program, options.ranks, settings, "--overwrite"), folder)
        found = events(folder)
        with open(note, "w", encoding="utf-8") as file:
            file.write(made_of)
    return found


os.makedirs(options.out, exist_ok=True)
base = os.path.join(options.out, "base-bf16")
if not os.path.exists(os.path.join(base, "config.json")):
    run([options.program, "convert", options.model, base, "--dtype", "bf16"], options.out)
held_out = os.path.join(options.out, "held-out.jsonl")
with open(options.eval, encoding="utf-8") as rows, open(held_out, "w", encoding="utf-8") as some:
    some.writelines(itertools.islice(rows, options.rows))
print("| | trained parameters | held-out loss | beside LoRA | seconds a step |")
print("|---|---|---|---|---|")
first = None
for name, change in VARIANTS.items():
    found = result(name, change, base, held_out)
    loss = [event["loss"] for event in found if event["event"] == "evaluated"][-1]
    count = next(event["trainable_parameters"] for event in found if event["event"] == "started")
    steps = sorted(event["seconds"] for event in found if event["event"] == "step")
    first = loss if first is None else first
    print(f"| {name} | {count:,} | {loss:.4f} | {loss - first:+.4f} | {steps[len(steps) // 2]:.2f} |", flush=True)
