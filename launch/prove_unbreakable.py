"""A storm of interruptions over the training of a tiny model. Started by launch/prove-unbreakable.sh."""
import collections
import glob
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import proof

count, seed, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
chance = random.Random(seed)
begin = time.monotonic()
TIMEOUT = 3  # training.collective_timeout
LONGEST = 8 * TIMEOUT  # seconds that a run may take to end once it is interrupted, on a busy machine
SETTINGS = {
    "model.path": "model", "data.train": "rows.jsonl", "data.eval": "rows.jsonl", "data.template_date": "2025-01-01",
    "lora.r": 4, "lora.lora_dropout": 0.1, "training.max_steps": 2000, "training.learning_rate": 1e-3,
    "training.global_batch_size": 16, "training.eval_steps": 100, "training.save_steps": 40,
    "training.save_total_limit": 6, "training.logging_steps": 1000, "training.threads": 1,
    "training.collective_timeout": TIMEOUT, "training.stop_grace": 2, "output.dir": "run"}
KINDS = ["kill", "kill in a save", "wish to stop", "SIGTERM", "SIGSTOP", "full disk", "truncated", "flipped bit"]


class Broken(Exception):
    """Something that must not happen has happened."""


class Run:
    """One launch of the program on so many ranks."""

    def __init__(self, work, ranks, limit=None, **more):
        self.log = open(os.path.join(work, "log"), "w+", encoding="utf-8")
        command = proof.command(program, ranks, {**SETTINGS, **more}, "--resume", "auto")
        if limit:
            # Writing beyond the limit is an error then, not a signal.
            command = ["bash", "-c", f"trap '' XFSZ; ulimit -f {limit}; exec \"$@\"", "bash"] + command
        self.process = subprocess.Popen(
            command, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log, start_new_session=True)

    def ranks(self):
        """The processes of the ranks."""
        found = []
        for path in glob.glob("/proc/[0-9]*/exe"):
            pid = int(path.split("/")[2])
            if self.is_child(pid):
                found.append(pid)
        return sorted(found)

    def is_child(self, pid):
        try:
            if os.readlink(f"/proc/{pid}/exe") != program:
                return False
            while pid > 1:
                if pid == self.process.pid:
                    return True
                with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                    pid = int(stat.read().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            pass
        return False

    @staticmethod
    def writer(ranks):
        """The process of rank 0, which alone writes."""
        for pid in ranks:
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if b"OMPI_COMM_WORLD_RANK=0" in file.read().split(b"\0"):
                        return pid
            except OSError:
                pass
        return ranks[0] if ranks else None

    def wait(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            for pid in self.ranks() + [self.process.pid]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            raise Broken(f"the run still went on after {seconds} s:\n{self.text()}") from None

    def text(self):
        self.log.seek(0)
        return self.log.read()


def newest(work):
    """The checkpoint with the most steps."""
    found = [p for p in glob.glob(os.path.join(work, "run/checkpoints/step-*")) if re.search(r"step-\d+$", p)]
    return max(found, key=lambda p: int(p.rsplit("-", 1)[1]), default=None)


def tell(kind, text):
    print(f"  {time.monotonic() - begin:6.1f} s  {kind:16} {text}", file=sys.stderr, flush=True)


def is_whole(folder):
    return subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, capture_output=True, check=False).returncode == 0


def damage(work, kind):
    """Spoils a file of the newest checkpoint."""
    folder = newest(work)
    if not folder:
        return None
    path = os.path.join(folder, chance.choice(sorted(os.listdir(folder))))
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        if kind == "truncated" or size == 0:
            file.truncate(chance.randrange(size) if size else 0)
        else:
            place = chance.randrange(size)
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1 << chance.randrange(8)]))
    return folder


def interrupt(run, kind, work):
    """Does to a run what ends it; returns the exit codes that may follow."""
    ranks = run.ranks()
    writer = run.writer(ranks) if kind == "kill in a save" else None
    if writer:
        # Looks often: a save of so small a model takes milliseconds.
        end = time.monotonic() + 3
        place = os.path.join(work, "run/checkpoints")
        while time.monotonic() < end:
            try:
                if any(name.endswith(".partial") for name in os.listdir(place)):
                    break
            except OSError:
                pass
    if not ranks:
        return None
    try:
        if kind == "kill in a save":
            os.kill(writer, signal.SIGKILL)
        elif kind == "kill":
            os.kill(chance.choice(ranks), signal.SIGKILL)
        elif kind == "wish to stop":
            os.kill(run.process.pid if len(ranks) > 1 else ranks[0], signal.SIGUSR1)
        elif kind == "SIGTERM":
            os.kill(run.process.pid, signal.SIGTERM)
        elif kind == "SIGSTOP":
            # One process by itself has nobody who could see it hang.
            os.kill(chance.choice(ranks), signal.SIGSTOP if len(ranks) > 1 else signal.SIGKILL)
    except ProcessLookupError:
        return None
    return kind


def storm(work, left):
    """Interrupts one run until it has ended, or nothing is left to do; returns the kinds that were used."""
    used = []
    damaged = set()
    saved = set()
    while True:
        kind = chance.choice(KINDS) if len(used) < left else None
        if kind in ("truncated", "flipped bit"):
            folder = damage(work, kind)
            # One that is spoiled already, with no run in between, is no further interruption.
            if folder and folder not in damaged:
                damaged.add(folder)
                used.append(kind)
                tell(kind, os.path.relpath(folder, work))
            continue
        ranks = chance.randint(1, 4)
        fill = None
        if kind == "full disk" and os.path.ismount(os.path.join(work, "run")):
            fill = os.path.join(work, "run", "fill")
        run = Run(work, ranks, limit=20 if kind == "full disk" and not fill else None)
        if kind:
            time.sleep(0.4 + 1.2 * chance.random())
        if fill:
            # Without a buffer, whose rest would fail once more as the file is closed.
            with open(fill, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(65536))
                except OSError:
                    pass
            time.sleep(0.5)
            os.kill(run.process.pid, signal.SIGKILL if ranks == 1 else signal.SIGTERM)
        elif kind == "full disk":
            os.kill(run.process.pid, signal.SIGTERM)
        elif kind:
            interrupt(run, kind, work)
        code = run.wait(LONGEST if kind else 600)
        if fill:
            os.remove(fill)
        text = run.text()
        for path in re.findall(r"^saved (run/checkpoints/step-\d+)$", text, re.M):
            saved.add(os.path.join(work, path))
            damaged.discard(os.path.join(work, path))
        if code == 0:
            return used
        # A run that reaches its end on a full disk cannot save its adapter, and says so.
        if not kind or code in (2, 3) and kind != "full disk":
            raise Broken(f"the run ended with {code}:\n{text}")
        # The signal itself ends a program that has not begun to listen.
        if kind == "wish to stop" and code not in (75, 138):
            raise Broken(f"asked to stop, the run ended with {code}:\n{text}")
        if kind == "SIGSTOP" and ranks > 1 and code != 0 and "hangs" not in text:
            raise Broken(f"a rank was stopped, and nothing was said of it:\n{text}")
        used.append(kind)
        tell(kind, f"{ranks} rank{'s' if ranks > 1 else ''}, exit code {code}")
        # What was reported as saved is whole, but for what this storm spoiled and what the limit took away.
        for folder in sorted(saved - damaged):
            if os.path.isdir(folder) and not is_whole(folder):
                raise Broken(f"{folder} was reported as saved and is not whole:\n{text}")
        last = max(saved - damaged, key=lambda p: int(p.rsplit("-", 1)[1]), default=None)
        if last and not os.path.isdir(last):
            raise Broken(f"{last} was the last that was reported as saved, and is gone:\n{text}")


def main():
    used = collections.Counter()
    mounted = []
    with tempfile.TemporaryDirectory() as root:
        try:
            straight = os.path.join(root, "straight")
            proof.tiny_run(straight)
            if Run(straight, 1, **{"training.save_steps": 100_000}).wait(600) != 0:
                raise Broken("the run without interruption failed")
            expected = proof.digest(os.path.join(straight, "run"))
            print(f"without interruption: {expected}", flush=True)
            campaign = 0
            while sum(used.values()) < count:
                campaign += 1
                work = os.path.join(root, f"storm-{campaign}")
                proof.tiny_run(work)
                os.makedirs(os.path.join(work, "run"))
                mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", os.path.join(work, "run")]
                if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
                    mounted.append(os.path.join(work, "run"))
                kinds = storm(work, count - sum(used.values()))
                used.update(kinds)
                found = proof.digest(os.path.join(work, "run"))
                print(f"after {len(kinds):3} interruptions: {found}", flush=True)
                if found != expected:
                    raise Broken("the adapters differ")
        finally:
            for path in mounted:
                subprocess.run(["umount", "-l", path], check=False)
    for kind in KINDS:
        print(f"{kind:16} {used[kind]:4}")
    print(f"{sum(used.values())} interruptions in {time.monotonic() - begin:.0f} s, seed {seed}: every adapter is the same, byte by byte")


try:
    main()
except Broken as error:
    sys.exit(f"BROKEN (seed {seed}): {error}")
