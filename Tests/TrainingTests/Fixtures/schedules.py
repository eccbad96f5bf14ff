"""The learning rates of Transformers' schedules, for ScheduleTests.

    python schedules.py

schedules.json: kinds of schedule, for each of them cases of warm-up steps, all steps, and the factors of the peak learning
rate at every step, as get_scheduler gives them to an optimizer that is stepped after each.
"""

import importlib.metadata
import json
import os
import sys

PINS = {"torch": "2.15.0", "transformers": "5.23.0"}
for package, version in PINS.items():
    found = importlib.metadata.version(package).split("+")[0]
    if found != version:
        sys.exit(f"schedules.py: {package} is {found}, pinned is {version}: pip install {package}=={version}")

import torch
from transformers import get_scheduler

KINDS = ("linear", "cosine", "constant", "constant_with_warmup")
CASES = ((0, 1), (0, 7), (1, 7), (3, 10), (5, 24), (7, 7), (9, 4))


def factors(kind, warmup, steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return rates


if __name__ == "__main__":
    table = [{"kind": kind, "warmup": warmup, "steps": steps, "factors": factors(kind, warmup, steps)}
             for kind in KINDS for warmup, steps in CASES]
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "schedules.json"), "w") as file:
        file.write("[\n" + ",\n".join("  " + json.dumps(case) for case in table) + "\n]\n")
