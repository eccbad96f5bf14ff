"""Makes masks.json and tokenizer/: labels by which this project's are judged, from TRL's training templates.

TRL ships, for some families of models, chat templates whose {% generation %} blocks say what the assistant says, and
Transformers turns the blocks into a mask over tokens. The templates in templates/ are this project's own; this script
checks that they give the same text as TRL's, with and without their {% generation %} tags, so that the masks belong to
them too.

Run: python generate.py (no network). Pinned: the versions below; the result depends on nothing else.
"""

import json
import os
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"

import trl  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

PINS = {"transformers": "5.23.0", "trl": "1.16.0", "tokenizers": "0.23.3"}
for package, pin in PINS.items():
    assert version(package) == pin, f"{package} is {version(package)}, expected {pin}"

HERE = Path(__file__).parent
TRL = Path(trl.__file__).parent / "chat_templates"
FAMILIES = ["llama3", "gemma", "phi3", "qwen2_5", "qwen3"]
SPECIAL = [
    "<|begin_of_text|>", "<|endoftext|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>",
    "<end_of_turn>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|im_start|>", "<|im_end|>",
]


def turns(*contents, system=None):
    roles = ["user", "assistant"] * len(contents)
    messages = [{"role": role, "content": content} for role, content in zip(roles, contents)]
    return ([{"role": "system", "content": system}] if system else []) + messages


CONVERSATIONS = {
    "one answer": turns("What is the sum of 17 and 25?", "The sum is 42."),
    "two answers": turns("Hello there", "Hello! What can I do?", "Count to three", "one\ntwo\nthree"),
    "system": turns("Hello", "Good day.", system="Be short and polite."),
    "ends with the user": turns("Hello", "Good day.", "And what next?"),
    "white space": turns("  a question \n", "\n\n  an answer  \n\n", "\n", "\tthe other\n"),
    "scripts": turns("Привет, 世界! ¿Qué tal?", "Ελλάδα 日本語 नमस्ते 👩‍👩‍👧 e\u0301"),
    "text like a header": turns("assistant\n", "assistant", "user", "user\nassistant\n"),
    "thought": turns("How many?", "<think>\nThree and four\nare seven.\n</think>\n\nSeven.", "Sure?", "Yes, seven."),
    "tool call": [
        {"role": "user", "content": "How warm is it in Rome?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"type": "function", "function": {"name": "weather", "arguments": {"city": "Rome", "days": 1}}}
            ],
        },
        {"role": "tool", "content": '{"warm": 21}'},
        {"role": "assistant", "content": "It is 21 degrees."},
    ],
}
LEFT_OUT = {
    "gemma": {"system", "tool call"}, "llama3": {"tool call"}, "phi3": {"tool call"}, "qwen3": {"tool call"},
}
CORPUS = [message["content"] for messages in CONVERSATIONS.values() for message in messages] + [
    "The quick brown fox jumps over the lazy dog. The answer is that the sum of all the parts is the whole.",
    "\n\n", "\n", "You are a helpful assistant. user assistant system model tool",
]


def make_tokenizer():
    """A byte-level BPE of a few hundred tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, min_frequency=1, special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    folder = HERE / "tokenizer"
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    names = {"bos_token": "<|begin_of_text|>", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(names, indent=1) + "\n")
    return PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **names)


def main():
    tokenizer = make_tokenizer()
    cases = []
    for family in FAMILIES:
        theirs = (TRL / f"{family}_training.jinja").read_text()
        ours = (HERE / "templates" / f"{family}.jinja").read_text()
        unmarked = ours.replace(" generation %}", " if true %}").replace(" endgeneration %}", " endif %}")
        for name, messages in CONVERSATIONS.items():
            if name in LEFT_OUT.get(family, ()):
                continue
            encoded = tokenizer.apply_chat_template(
                messages, chat_template=theirs, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
            text = tokenizer.apply_chat_template(messages, chat_template=theirs, tokenize=False)
            own = tokenizer.apply_chat_template(messages, chat_template=ours, tokenize=False)
            assert own == text, (family, name, own, text)
            own = tokenizer.apply_chat_template(messages, chat_template=unmarked, tokenize=False)
            assert own == text, (family, name, own, text)
            mask = encoded["assistant_masks"]
            assert any(mask), (family, name)
            cases.append({
                "family": family, "name": name, "messages": messages, "ids": encoded["input_ids"],
                "mask": "".join(map(str, mask)),
            })
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    (HERE / "masks.json").write_text(f"[\n{lines}\n]\n")
    print(len(cases), "cases")


main()
