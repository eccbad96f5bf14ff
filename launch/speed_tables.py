"""Prints the tables of launch/speed-tables.sh, as Markdown: medians of runs that take turns."""
import json
import os
import statistics
import subprocess
import sys
import tempfile

table, repeats, program, model = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
cores = len(os.sched_getaffinity(0))
SHAPE = {"lora.target_modules": "all-linear", "lora.lora_dropout": 0}


def under_mpi(ranks):
    return ["mpirun", "-n", str(ranks), "--bind-to", "none", "--oversubscribe"] if ranks > 1 else []


def settings(values):
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def bench(ranks=1, threads=cores, rank=16, tokens=2048, example_tokens=512, steps=3):
    command = under_mpi(ranks) + [
        program, "bench", "--json", "--model", model, "--threads", str(threads), "--tokens", str(tokens),
        "--example-tokens", str(example_tokens), "--steps", str(steps)]
    command += settings({**SHAPE, "lora.r": rank, "lora.lora_alpha": 2 * rank})
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def raw(result):
    """The raw rate of one rank in the precision of the run."""
    return result["bf16_flops_per_second" if result["dtype"] == "bf16" else "sgemm_flops_per_second"]


def lengths():
    cases = [(512, 16), (2048, 16), (8192, 16), (2048, 4), (2048, 64), (2048, 256)]
    found = {case: [] for case in cases}
    for _ in range(repeats):
        for case in cases:
            length, rank = case
            found[case].append(bench(tokens=max(length, 2048), example_tokens=length, rank=rank))
    print("| tokens of an example | r | tokens/s | GFLOP/s | of the raw kernel | share of it at 2,048, r = 16 |")
    print("|---|---|---|---|---|---|")
    shares = {case: statistics.median(r["model_flops_per_second"] / raw(r) for r in runs) for case, runs in found.items()}
    for (length, rank), runs in found.items():
        speed, rate = (statistics.median(r[key] for r in runs) for key in ("tokens_per_second", "model_flops_per_second"))
        share = shares[length, rank]
        print(f"| {length:,} | {rank} | {speed:.0f} | {rate / 1e9:.0f} | {100 * share:.0f} % "
              f"| {100 * share / shares[2048, 16]:.0f} % |")


def train(ranks, threads, data, folder):
    """Tokens a second of the median step but the first: 8 micro-batches of 2,048 tokens."""
    command = under_mpi(ranks) + [program, "train", "--overwrite", "--threads", str(threads)] + settings({
        **SHAPE, "training.share_prefix": "false", "lora.r": 16, "model.path": model, "data.train": data, "data.max_length": 512, "data.train_on": "all",
        "training.max_steps": 2, "training.global_batch_size": 32, "training.micro_batch_tokens": 2048,
        "training.micro_batches_per_step": 8, "training.logging_steps": 1, "output.dir": folder})
    subprocess.run(command, check=True, capture_output=True)
    with open(os.path.join(folder, "metrics.jsonl"), encoding="utf-8") as lines:
        steps = [event for event in map(json.loads, lines) if event["event"] == "step"][1:]
    return statistics.median(step["tokens"] / step["seconds"] for step in steps)


def run_cores():
    if cores < 2:
        sys.exit("the table needs two cores")
    cases = [(1, 1), (1, 2), (2, 1)]
    kernel, speed = {case: [] for case in cases}, {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as work:
        data = os.path.join(work, "rows.jsonl")
        with open(data, "w", encoding="utf-8") as file:
            for row in range(96):
                # A word of one token, so that each row has 511 and the one that ends it.
                file.write(json.dumps({"text": " the" * 511}) + "\n")
        for _ in range(repeats):
            for ranks, threads in cases:
                kernel[ranks, threads].append(ranks * raw(bench(ranks, threads, steps=1)) / 1e9)
                speed[ranks, threads].append(train(ranks, threads, data, os.path.join(work, "run")))
    print("| | tokens/s | speed-up | raw kernel, GFLOP/s | speed-up | share |")
    print("|---|---|---|---|---|---|")
    for case in cases:
        own, ideal = (statistics.median(x[case]) / statistics.median(x[1, 1]) for x in (speed, kernel))
        print(f"| {case[0]} × {case[1]} | {statistics.median(speed[case]):.0f} | {own:.2f} "
              f"| {statistics.median(kernel[case]):.0f} | {ideal:.2f} | {own / ideal:.3f} |")


{"lengths": lengths, "cores": run_cores}[table]()
