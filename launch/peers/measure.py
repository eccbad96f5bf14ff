"""Runs of a trainer: its steps, its start, its memory."""
import json
import os
import signal
import statistics
import subprocess
import threading
import time


class Failed(Exception):
    pass


def descendants(root):
    """The process and all below it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parent = int(file.read().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(name))
            except (OSError, IndexError, ValueError):
                pass
    found, queue = [], [root]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


def proportional_bytes(pids):
    """Memory of these processes; a page that n processes map counts 1/n for each (Linux's Pss)."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
        except (OSError, ValueError):
            pass
    return total


class Result:
    """What one run of a trainer reported."""

    def __init__(self, events, launched, peak):
        self.steps = [event for event in events if event["event"] == "step"]
        started = [event["time"] for event in events if event["event"] == "started"]
        if not self.steps or not started:
            raise Failed("it reported no step")
        self.start_seconds = started[0] - launched
        self.peak_bytes = peak
        self.losses = [step["loss"] for step in self.steps]

    def rate(self, what, warmup=2):
        """Median of `what` ("tokens", "examples") a second over the steps after the first ones."""
        return statistics.median(step[what] / step["seconds"] for step in self.steps[warmup:] or self.steps)


def run(command, environment, log, events_file=None, samples_memory=False):
    """Runs a command to its end and reads its events: lines of JSON in its output, or in a file of its own."""
    launched = time.time()
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment}, start_new_session=True)
    peak, done = 0, threading.Event()

    def sample():
        nonlocal peak
        while not done.wait(0.1):
            peak = max(peak, proportional_bytes(descendants(process.pid)))

    sampler = threading.Thread(target=sample, daemon=True)
    if samples_memory:
        sampler.start()
    try:
        code = process.wait()
    except BaseException:
        for pid in reversed(descendants(process.pid)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        raise
    finally:
        done.set()
    if code != 0:
        raise Failed(f"it ended with {code}; see {log}")
    events = []
    with open(events_file or log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith('{"event"'):
                events.append(json.loads(line))
    return Result(events, launched, peak)
