"""Trains 12 steps in many ways and compares the adapters. Started by launch/prove-exact.sh."""
import os
import subprocess
import sys
import tempfile

import proof

which, program, model = sys.argv[1:4]
STEPS, CUT = 12, 5
COMMON = {
    "data.template_date": "2025-01-01", "training.max_steps": STEPS, "training.warmup_steps": 3, "training.max_grad_norm": 0.5,
    "training.weight_decay": 0.1, "training.global_batch_size": 7, "training.micro_batches_per_step": 5,
    "lora.lora_dropout": 0.1, "lora.target_modules": "all-linear", "training.logging_steps": 1000}
TINY = {**COMMON, "model.path": "model", "data.train": "rows.jsonl", "data.eval": "rows.jsonl", "training.eval_steps": 4,
        "lora.r": 4, "training.learning_rate": 0.01, "training.micro_batch_tokens": 256}
REAL = {**COMMON, "model.path": model, "data.train": "rows.jsonl", "lora.r": 16, "training.micro_batch_tokens": 512}


def train(work, settings, ranks, threads, folder, *more):
    settings = {**settings, "training.threads": threads, "output.dir": folder}
    done = subprocess.run(
        proof.command(program, ranks, settings, *more), cwd=work, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(done.args)} ended with {done.returncode}:\n{done.stderr}")


def digest(work, settings, ranks, threads, resumed_by):
    """The adapter's digest after a run in one go, or one whose first steps were on another number of ranks."""
    name = f"run-{ranks}-{threads}-{resumed_by}"
    if resumed_by is None:
        train(work, settings, ranks, threads, name)
    else:
        # The schedule counts all steps, so the first part is one of the whole run, which keeps the checkpoint after `CUT`.
        train(work, {**settings, "training.save_steps": CUT}, resumed_by, threads, name + "-first")
        checkpoint = os.path.join(name + "-first", "checkpoints", f"step-{CUT}")
        train(work, settings, ranks, threads, name, "--resume", checkpoint)
    return proof.digest(os.path.join(work, name))


def prove(title, settings, ways):
    print(f"\n| {title} | ranks × threads | resumed after {CUT} | SHA-256 of the adapter |")
    print("|---|---|---|---|")
    same = True
    for dtype in ("fp32", "bf16"):
        found = set()
        with tempfile.TemporaryDirectory() as work:
            proof.tiny_run(work)
            for ranks, threads, other in ways:
                value = digest(work, {**settings, "model.dtype": dtype}, ranks, threads, other)
                found.add(value)
                how = f"from {other} rank{'s' if other > 1 else ''}" if other else "no"
                print(f"| {dtype} | {ranks} × {threads} | {how} | `{value[:16]}` |", flush=True)
        same = same and len(found) == 1
    return same


ALL_RANKS = [1, 2, 3, 4, 7]
every = [(ranks, threads, None) for ranks in ALL_RANKS for threads in (1, 2)]
every += [(ranks, threads, ALL_RANKS[(place + 1 + threads) % 5]) for place, ranks in enumerate(ALL_RANKS) for threads in (1, 2)]
results = []
if which in ("tiny", "all"):
    results.append(prove("two layers", TINY, every))
if which in ("real", "all"):
    results.append(prove("SmolLM2-135M", REAL, [(1, 2, None), (2, 1, None), (3, 1, 2), (4, 1, 1)]))
print("\none digest for each precision" if all(results) else "\nTHE DIGESTS DIFFER")
sys.exit(0 if all(results) else 1)
