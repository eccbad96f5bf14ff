"""Compares what lora-dist plan foretells with what training takes. Started by launch/check-plan.sh."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
QUICKSTART = os.path.join(HERE, "..", "configs", "quickstart")
MEMORY, TIME = 0.10, 0.20

parser = argparse.ArgumentParser(prog="launch/check-plan.sh", usage="%(prog)s [options]")
parser.add_argument("--steps", type=int, default=8)
parser.add_argument("--data", default=os.path.join(QUICKSTART, "train.jsonl"))
parser.add_argument("--only", default="")
parser.add_argument("--large")
for name in ("--program", "--model"):
    parser.add_argument(name, required=True, help=argparse.SUPPRESS)
args = parser.parse_args()
if args.steps < 3:
    parser.error("--steps must be at least 3")


def under_mpi(ranks):
    return ["mpirun", "-n", str(ranks), "--bind-to", "none", "--oversubscribe"] if ranks > 1 else []


def words(settings):
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


def output(command, codes=(0,)):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in codes:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def plan(ranks, settings):
    # 1 says that the run does not fit, which a plan foretells too.
    return json.loads(output(
        [args.program, "plan", "--json", "--ranks-per-node", str(ranks)] + words(settings), codes=(0, 1)))


def processes():
    """Those that run the program."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.path.realpath(f"/proc/{name}/exe") == args.program:
                found.append(name)
        except OSError:
            pass
    return found


def held(pids):
    """Anonymous and shared memory of these processes, each page counted once."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
                total += sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:"))) * 1024
        except OSError:
            pass
    return total


def train(ranks, settings, folder):
    """The most memory at one moment, without the base; and seconds for each token of a step."""
    command = under_mpi(ranks) + [args.program, "train", "--overwrite"] + words({**settings, "output.dir": folder})
    with open(folder + ".log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    peak, pids = 0, []
    # Seldom, as looking at a process's memory holds it up.
    while process.poll() is None:
        if len(pids) < ranks:
            pids = processes()
        peak = max(peak, held(pids))
        time.sleep(0.5)
    if process.returncode != 0:
        with open(folder + ".log", encoding="utf-8") as log:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{log.read()}")
    with open(os.path.join(folder, "metrics.jsonl"), encoding="utf-8") as lines:
        steps = [event for event in map(json.loads, lines) if event["event"] == "step"][1:]
    return peak, statistics.median(step["seconds"] / step["tokens"] for step in steps)


def bench(ranks, settings, tokens):
    """Memory of all ranks after some steps, and of the base what a step reads; and seconds of a step without a sum over ranks."""
    result = json.loads(output(
        under_mpi(ranks) + [args.program, "bench", "--json", "--steps", "2", "--tokens", str(tokens), "--example-tokens",
                            str(tokens)] + words(settings)))
    return result["node_bytes"], result["seconds"]


wrong = []


def report(name, memory, step):
    """Prints a line. `memory` and `step` are pairs: what was predicted, and what was measured."""
    ratios = [pair[0] / pair[1] for pair in (memory, step)]
    print(f"| {name} | {memory[0] / 1e9:.3f} | {memory[1] / 1e9:.3f} | {ratios[0]:.3f} "
          f"| {step[0]:.3f} | {step[1]:.3f} | {ratios[1]:.3f} |", flush=True)
    if abs(ratios[0] - 1) > MEMORY or abs(ratios[1] - 1) > TIME:
        wrong.append(name)


def small(work):
    folder = os.path.join(work, "model")
    output([args.program, "convert", args.model, folder, "--dtype", "bf16"])
    # The sum of a model's files is computed once beside the first run that sees them, which would count here.
    output([args.program, "train", "--verify-base"] + words({
        "model.path": folder, "data.train": args.data, "training.max_steps": 1, "output.dir": os.path.join(work, "first")}))
    for quantization in ("none", "nf4"):
        for ranks in (1, 2):
            for checkpointing in ("none", "block"):
                kind = "lora" if quantization == "none" else "qlora"
                name = f"{kind}, {ranks} rank{'s' if ranks > 1 else ''}, checkpointing {checkpointing}"
                if args.only not in name:
                    continue
                settings = {
                    "model.path": folder, "model.quantization": quantization, "data.train": args.data, "lora.r": 16,
                    "lora.lora_dropout": 0.05, "training.activation_checkpointing": checkpointing,
                    "training.max_steps": args.steps, "training.logging_steps": 1}
                told = plan(ranks, settings)
                peak, seconds = train(ranks, settings, os.path.join(work, "run"))
                row = next(row for row in told["scaling"] if row["ranks"] == ranks)
                base = told["memory"][told["configured"]]["base_bytes"]
                report(name, (row["node_bytes"], peak + base),
                       (row["step_seconds"], seconds * told["work"]["tokens_per_step"]))


def large(folder, tokens=512):
    for quantization in ("none", "nf4"):
        for ranks in (1, 2):
            kind = "lora" if quantization == "none" else "qlora"
            name = f"{os.path.basename(os.path.normpath(folder))}, {kind}, {ranks} rank{'s' if ranks > 1 else ''}"
            if args.only not in name:
                continue
            settings = {
                "model.path": folder, "model.quantization": quantization, "lora.r": 64, "lora.lora_alpha": 16,
                "lora.lora_dropout": 0.05, "training.activation_checkpointing": "block"}
            # One micro-batch for each rank.
            told = plan(ranks, {
                **settings, "data.max_length": tokens, "training.micro_batch_tokens": tokens,
                "training.global_batch_size": ranks, "training.micro_batches_per_step": ranks})
            held_bytes, seconds = bench(ranks, settings, tokens)
            row = next(row for row in told["scaling"] if row["ranks"] == ranks)
            memory = told["memory"][told["configured"]]
            report(name, (memory["node_bytes"], held_bytes),
                   (row["step_seconds"] - row["sum_seconds"], seconds))


print("| run | GB predicted | measured | ratio | s a step predicted | measured | ratio |")
print("|---|---|---|---|---|---|---|")
with tempfile.TemporaryDirectory() as directory:
    small(directory)
if args.large:
    large(args.large)
print(f"\nmore than {MEMORY:.0%} of memory or {TIME:.0%} of time off: {'; '.join(wrong)}" if wrong else "\nall within bounds")
sys.exit(1 if wrong else 0)
