"""Renders the fixtures with jinja2 as Transformers sets it up.

Writes rendered.json (chat templates over conversations) and snippets.json (pieces of the language). Where TRL ships a
family's template, the one here must give the same text and the same generation ranges for every conversation.
Run: python generate.py
"""
import json
import pathlib
from datetime import datetime

import jinja2
import transformers
import trl
from transformers.utils import chat_template_utils

from snippet_sources import BLOCKS, SNIPPETS, VARIABLES

PINS = {jinja2: "3.1.6", transformers: "5.23.0", trl: "1.16.0"}
for module, version in PINS.items():
    assert module.__version__ == version, f"{module.__name__} is {module.__version__}, pinned to {version}"

HERE = pathlib.Path(__file__).parent
TRL = pathlib.Path(trl.__file__).parent / "chat_templates"


class FixedClock(datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 6, 15, 4, 9)


chat_template_utils.datetime = FixedClock

conversations = json.loads((HERE / "conversations.json").read_text())
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "Forecast for a city: \"temperature\" in °C",
     "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                    "required": ["city"]}}},
    {"type": "function", "function": {"name": "add", "description": "Adds", "parameters": {}}},
]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}

# Ours -> TRL's of the same behaviour.
COUNTERPARTS = {
    "llama3": "llama3", "llama3_training": "llama3_training", "llama3_1": "llama3_1", "phi3": "phi3",
    "phi3_training": "phi3_training", "gemma": "gemma", "gemma_training": "gemma_training", "qwen2_5": "qwen2_5",
    "qwen2_5_training": "qwen2_5_training", "qwen3": "qwen3", "qwen3_training": "qwen3_training",
    "deepseek_r1": "deepseek_r1_distill",
}


def render(source, messages, tools=None, **options):
    """{"text", "generations"} or {"raised"} (by the template) or {"fails"} (in Python)."""
    try:
        texts, ranges = chat_template_utils.render_jinja_template(
            conversations=[messages], tools=tools, chat_template=source, return_assistant_tokens_mask=True, **options)
        texts[0].encode()
    except Exception as error:
        if type(error) is jinja2.exceptions.TemplateError:
            return {"raised": str(error)}
        return {"fails": f"{type(error).__name__}: {error}"[:120]}
    return {"text": texts[0], "generations": [list(r) for r in ranges[0]]}


def in_bytes(text, ranges):
    return [[len(text[:a].encode()), len(text[:b].encode())] for a, b in ranges]


def said(source, messages, prompt, **options):
    """The byte ranges of what the assistant's plain contents become, found by rendering with each of their letters
    replaced by a private-use character that occurs nowhere else. None where this does not apply: tool calls, reasoning
    in or beside the content, or contents with white space at an end or none. `prompt` is what the template writes before
    it adds something of its own to what the assistant says (Qwen 3's empty reasoning)."""
    marked, owner = [], {}
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            marked.append(message)
            continue
        content = message.get("content")
        if set(message) - {"role", "content"} or not content or content != content.strip() or "<think>" in content:
            return None
        out = ""
        for character in content:
            if character.isspace():
                out += character
            else:
                out += chr(0xE000 + len(owner))
                owner[out[-1]] = index
        marked.append({**message, "content": out})
    got = render(source, marked, **options)
    text = render(source, messages, **options).get("text")
    if text is None or "text" not in got or len(got["text"]) != len(text):
        return None
    spans = []
    for position, character in enumerate(got["text"]):
        if character in owner:
            if spans and spans[-1][0] == owner[character]:
                spans[-1][2] = position + 1
            else:
                start = text.rfind(prompt, 0, position) + len(prompt) if prompt else position
                spans.append([owner[character], start, position + 1])
    return [[i, *in_bytes(text, [(a, b)])[0]] for i, a, b in spans]


def families():
    cases = []
    for path in sorted((HERE / "templates").glob("*.jinja")):
        source = path.read_text()
        counterpart = COUNTERPARTS.get(path.stem)
        assert counterpart is not None or not (TRL / path.name).exists(), path
        for name, messages in conversations.items():
            variants = [{"add_generation_prompt": not messages or messages[-1]["role"] != "assistant"}]
            if name == "plain":
                variants.append({"add_generation_prompt": True})
            if name == "question":
                variants.append({"add_generation_prompt": False})
                if path.stem.startswith("qwen3"):
                    variants.append({"add_generation_prompt": True, "enable_thinking": False})
            if name in ("call", "call with text") and path.stem.startswith(("qwen", "llama3_1", "mistral_v3")):
                variants.append({"add_generation_prompt": False, "tools": TOOLS})
                if path.stem == "llama3_1":
                    variants.append({"tools": TOOLS, "tools_in_user_message": False, "date_string": "1 Jan 2025"})
                    variants.append({"builtin_tools": ["weather", "code_interpreter"]})
            for options in variants:
                result = render(source, messages, **TOKENS, **options)
                if counterpart:
                    other = render((TRL / f"{counterpart}.jinja").read_text(), messages, **TOKENS, **options)
                    same = result == other or ("fails" in result and "fails" in other)
                    assert same, f"{path.stem}, {name}, {options}:\n{result}\n{other}"
                if "generations" in result:
                    ranges = in_bytes(result["text"], result.pop("generations"))
                    if path.stem.endswith("_training"):
                        result["generations"] = ranges
                    else:
                        prompt = "<|im_start|>assistant\n" if path.stem == "qwen3" else ""
                        spans = said(source, messages, prompt, **TOKENS, **options)
                        if spans is not None:
                            result["spans"] = spans
                if "tools" in options:
                    options = {**options, "tools": True}
                cases.append({"template": path.stem, "conversation": name, "options": options, **result})
    return {"tools": TOOLS, "cases": cases}


def snippets():
    sources = SNIPPETS.strip("\n").split("\n") + BLOCKS[1:-1].split("\n-----\n")
    out = []
    for source in sources:
        result = render(source, [], **VARIABLES)
        result.pop("generations", None)
        out.append({"source": source, **result})
    return {"variables": VARIABLES, "snippets": out}


def write(name, value, key):
    """One case a line, so that changes show."""
    lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in value.pop(key))
    head = json.dumps(value, ensure_ascii=False)[1:-1]
    (HERE / name).write_text("{" + head + f', "{key}": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    write("rendered.json", families(), "cases")
    write("snippets.json", snippets(), "snippets")
