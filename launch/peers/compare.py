"""Runs lora-dist and its peers in turn on the same rows and prints ratios. Started by launch/compare-peers.sh."""
import argparse
import glob
import json
import os
import shutil
import signal
import statistics
import sys
from dataclasses import dataclass, field

import measure
import rows as make_rows

HERE = os.path.dirname(os.path.abspath(__file__))
SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LENGTH, ROWS, BATCH = 512, 4, 8  # packed: tokens of a row, rows of a micro-batch, rows of a step
CHATS = 16  # chat: examples of a step

parser = argparse.ArgumentParser(prog="launch/compare-peers.sh", usage="%(prog)s [packed|chat|memory|start|all] [options]")
parser.add_argument("case", nargs="?", default="packed", choices=["packed", "chat", "memory", "start", "all"])
parser.add_argument("--dtype", choices=["bf16", "fp32"], default="bf16")
parser.add_argument("--target", choices=["all", "qv"], default="all")
parser.add_argument("--data")
parser.add_argument("--system", type=int, default=0)
parser.add_argument("--steps", type=int, default=6)
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--out", default="runs/compare-peers")
for name in ("--binary", "--model", "--peer-model"):
    parser.add_argument(name, required=True, help=argparse.SUPPRESS)
args = parser.parse_args()
if args.steps < 3 or args.repeats < 1 or args.system < 0:
    parser.error("--steps must be at least 3 and --repeats at least 1; --system must not be negative")
if args.data and not os.path.isfile(args.data):
    parser.error(f"--data {args.data} is no file")

os.makedirs(args.out, exist_ok=True)
rank, targets = (16, SEVEN) if args.target == "all" else (8, ["q_proj", "v_proj"])
allocator = next(iter(glob.glob("/usr/lib/*/libtcmalloc_minimal.so.4")), None)


@dataclass
class Side:
    """One way to run one trainer, and what its runs gave."""
    name: str
    is_ours: bool
    processes: int
    command: list
    environment: dict = field(default_factory=dict)
    events: str = None
    results: list = field(default_factory=list)
    error: str = None


def processes_of_ours(processes, threads, folder, settings):
    command = [args.binary, "train", "--threads", str(threads)]
    for key, value in {
        "model.path": args.model, "lora.r": rank, "lora.lora_alpha": 2 * rank, "lora.lora_dropout": 0.0,
        "lora.target_modules": "[" + ", ".join(targets) + "]", "training.logging_steps": 1,
        "training.max_steps": args.steps, "output.dir": folder, **settings,
    }.items():
        command += ["--set", f"{key}={value}"]
    if processes > 1:
        command = ["mpirun", "-n", str(processes), "--bind-to", "none", "--oversubscribe"] + command
    return command


def ours(name, processes, threads, settings):
    folder = os.path.join(args.out, "run")
    return Side(
        name, True, processes, processes_of_ours(processes, threads, folder, settings),
        events=os.path.join(folder, "metrics.jsonl"))


def peer(name, script, processes, options, with_allocator=True):
    threads = max(1, cores() // processes)
    python = [sys.executable]
    if processes > 1:
        python += ["-m", "torch.distributed.run", "--nnodes=1", f"--nproc_per_node={processes}", "--standalone"]
    environment = {"OMP_NUM_THREADS": str(threads), "GLOO_SOCKET_IFNAME": "lo", "TOKENIZERS_PARALLELISM": "false"}
    if with_allocator and allocator:
        environment["LD_PRELOAD"] = allocator
    command = python + [os.path.join(HERE, script), "--model", args.peer_model, "--targets", ",".join(targets), "--rank", str(rank)]
    return Side(name, False, processes, command + [str(x) for x in options], environment)


def cores():
    return len(os.sched_getaffinity(0))


def interleave(sides, repeats, samples_memory=False):
    """Runs the sides in turn, `repeats` times each. A side that fails is left out, and said to have failed."""
    for repeat in range(repeats):
        for side in sides:
            if side.error:
                continue
            if side.is_ours:
                shutil.rmtree(os.path.join(args.out, "run"), ignore_errors=True)
            log = os.path.join(args.out, side.name.replace(" ", "-").replace(",", "").replace("×", "x") + f"-{repeat + 1}.log")
            print(f"  run {repeat + 1} of {repeats}: {side.name}", file=sys.stderr, flush=True)
            try:
                side.results.append(measure.run(side.command, side.environment, log, side.events, samples_memory))
            except measure.Failed as error:
                side.error = str(error)
                print(f"  {side.name} failed: {error}", file=sys.stderr)


def middle(side, value):
    return statistics.median(value(result) for result in side.results) if side.results else None


def table(title, sides, columns):
    """Prints and returns the sides' figures: columns are (head, format, value of a result)."""
    print(f"\n{title}")
    print("  " + f"{'':34}" + "".join(f"{head:>16}" for head, _, _ in columns))
    found = {}
    for side in sides:
        values = [middle(side, value) for _, _, value in columns]
        cells = "".join(f"{format(v, form) if v is not None else 'failed':>16}" for v, (_, form, _) in zip(values, columns))
        print(f"  {side.name:34}{cells}")
        found[side.name] = {head: value for (head, _, _), value in zip(columns, values)}
    return found


def ratio(sides, value, text, best=max):
    """Our best side beside the peers' best."""
    own = [middle(side, value) for side in sides if side.is_ours and side.results]
    others = [middle(side, value) for side in sides if not side.is_ours and side.results]
    if not own or not others:
        print(f"  {text}: no ratio, since a side failed")
        return None
    result = best(own) / best(others)
    print(f"  {text}: {result:.2f}")
    return result


def write_rows(name, rows):
    path = os.path.join(args.out, name)
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


def tokenizer():
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    from transformers import AutoTokenizer
    return AutoTokenizer.from_pretrained(args.peer_model)


def packed_sides(micro_rows, batch, processes):
    """Text rows of one length: our runs and the loop of PyTorch and PEFT, on so many processes each."""
    data = write_rows("packed.jsonl", make_rows.packed(tokenizer(), LENGTH, args.steps * batch, args.data))
    sides = []
    for count in processes:
        threads = max(1, cores() // count)
        kind = f"{count} × {threads} threads" if threads > 1 else f"{count} × 1 thread"
        sides.append(ours(f"lora-dist, {kind}", count, threads, {
            "model.dtype": args.dtype, "data.train": data, "data.shuffle": "false", "data.max_length": LENGTH,
            "training.global_batch_size": batch, "training.micro_batch_tokens": micro_rows * LENGTH,
            "training.micro_batches_per_step": batch // micro_rows, "training.lr_scheduler_type": "constant"}))
        sides.append(peer(f"PyTorch + PEFT, {kind}", "train_torch.py", count, [
            "--data", data, "--length", LENGTH, "--batch", batch, "--micro-batch", micro_rows, "--steps", args.steps,
            "--dtype", args.dtype]))
    return sides


SPEED = [("tokens/s", ".1f", lambda r: r.rate("tokens")), ("first loss", ".4f", lambda r: r.losses[0]),
         ("last loss", ".4f", lambda r: r.losses[-1])]


def packed():
    sides = packed_sides(ROWS, BATCH, sorted({1, min(2, cores())}))
    interleave(sides, args.repeats)
    found = table(
        f"packed: {args.dtype}, LoRA r={rank} on {args.target}, rows of {LENGTH} tokens, {ROWS * LENGTH} tokens a micro-batch",
        sides, SPEED)
    return found, ratio(sides, lambda r: r.rate("tokens"), "tokens/s of lora-dist : of the best peer")


def memory():
    sides = packed_sides(2, 4, [2])
    interleave(sides, 1, samples_memory=True)
    found = table(f"memory: {args.dtype}, 2 processes, micro-batches of 2 × {LENGTH} tokens, all pages counted once",
                  sides, [("peak, GB", ".2f", lambda r: r.peak_bytes / 1e9)])
    return found, ratio(sides, lambda r: r.peak_bytes, "memory of lora-dist : of the peer", min)


def start():
    sides = packed_sides(ROWS, BATCH, [1])
    interleave(sides, args.repeats)
    found = table("start: from launch to the first forward pass, 1 process", sides,
                  [("seconds", ".2f", lambda r: r.start_seconds)])
    return found, ratio(sides, lambda r: r.start_seconds, "seconds of lora-dist : of the peer", min)


def chat():
    data = write_rows("chat.jsonl", make_rows.chats(tokenizer(), CHATS * args.steps, args.data, args.system))
    threads = cores()
    settings = {
        "data.train": data, "data.shuffle": "false", "data.max_length": 1024, "data.train_on": "assistant",
        "training.global_batch_size": CHATS}
    sides = [ours(f"lora-dist, 1 × {threads} threads", 1, threads, settings)]
    if args.system:
        sides.append(ours("lora-dist, prefix not shared", 1, threads, {**settings, "training.share_prefix": "false"}))
    if args.system:
        return shared_prompt(sides)
    options = ["--data", data, "--max-length", 1024, "--batch", CHATS, "--steps", args.steps, "--out", os.path.join(args.out, "trl")]
    sides += [
        peer("TRL as it comes", "train_trl.py", 1, options, with_allocator=False),
        peer("TRL, bf16, no checkpointing", "train_trl.py", 1, options + ["--fast"]),
        peer("TRL, bf16, 4 micro-batches", "train_trl.py", 1, options + ["--fast", "--split", 4]),
    ]
    if cores() > 1:
        sides.append(peer("TRL, bf16, 2 processes", "train_trl.py", 2, options + ["--fast"]))
    interleave(sides, args.repeats)
    rate, found = chat_table(sides)
    first = [side for side in sides if side.is_ours][:1]
    named = [side for side in sides if side.name == "TRL as it comes"]
    ratios = [ratio(first + named, rate[2], "examples/s of lora-dist : of TRL as it comes"),
              ratio(first + [s for s in sides if not s.is_ours], rate[2], "examples/s of lora-dist : of TRL at its best")]
    return found, ratios


def shared_prompt(sides):
    """lora-dist with and without the shared prefix computed once."""
    interleave(sides, args.repeats)
    rate, found = chat_table(sides)
    if not all(side.results for side in sides):
        return found, [None]
    result = middle(sides[0], rate[2]) / middle(sides[1], rate[2])
    print(f"  examples/s with the prefix shared : without: {result:.2f}")
    return found, [result]


def chat_table(sides):
    for side in sides:
        for result in side.results:
            for step in result.steps:
                step["examples"] = CHATS
    rate = ("examples/s", ".3f", lambda r: r.rate("examples"))
    kind = "rows of " + args.data if args.data else "generated chats"
    prompt = f", a shared system prompt of {args.system} tokens" if args.system else ""
    title = f"chat: {kind}, {CHATS} examples a step, loss on the assistant's turns{prompt}"
    return rate, table(title, sides, [rate] + SPEED[1:])


def main():
    if not allocator:
        print("tcmalloc is not there: the peers run with the C library's allocator, slower and larger", file=sys.stderr)
    report = {"command": sys.argv[1:], "cores": cores()}
    for name in ["packed", "chat", "memory", "start"] if args.case == "all" else [args.case]:
        found, ratios = {"packed": packed, "chat": chat, "memory": memory, "start": start}[name]()
        report[name] = {"sides": found, "ratios": ratios}
        with open(os.path.join(args.out, "results.json"), "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1, ensure_ascii=False)


def stop(*_):
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, stop)
try:
    main()
except KeyboardInterrupt:
    sys.exit(130)
