"""What launch/prove_exact.py and launch/prove_unbreakable.py share."""
import hashlib
import json
import os
import shutil

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = os.path.join(HERE, "..", "Tests", "ModelsTests", "Fixtures", "chat")


def write_rows(path, count=25):
    """Conversations of very different lengths."""
    with open(path, "w", encoding="utf-8") as file:
        for row in range(count):
            messages = []
            for turn in range(1 + row % 3):
                messages.append({"role": "user", "content": f"why {row * 7 % 10} " * (1 + row * 5 % 7)})
                messages.append({"role": "assistant", "content": f"because {turn} " * (1 + row * 11 % 9)})
            file.write(json.dumps({"messages": messages}) + "\n")


def tiny_run(folder):
    """A folder with a model of two layers and its rows."""
    os.makedirs(folder, exist_ok=True)
    shutil.copytree(TINY, os.path.join(folder, "model"))
    write_rows(os.path.join(folder, "rows.jsonl"))


def command(program, ranks, settings, *more):
    start = ["mpirun", "-n", str(ranks), "--oversubscribe", "--bind-to", "none"] if ranks > 1 else []
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return start + [program, "train"] + words + list(more)


def digest(folder):
    with open(os.path.join(folder, "adapter", "adapter_model.safetensors"), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
