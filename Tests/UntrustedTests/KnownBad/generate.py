#!/usr/bin/env python3
"""Writes the known-bad files beside this script: one folder for each parser, each file to be refused with an error.

Files named found-… are inputs that a fuzzer found; they are kept as they are. Needs Python's standard library only.
"""
import json
import struct
from pathlib import Path

HERE = Path(__file__).parent
MAX = 2**63 - 1


def write(parser, name, content):
    folder = HERE / parser
    folder.mkdir(exist_ok=True)
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    elif not isinstance(content, bytes):
        content = json.dumps(content).encode()
    (folder / name).write_bytes(content)


def jsons():
    write("json", "deep-arrays.json", "[" * 5000 + "]" * 5000)
    write("json", "deep-objects.json", '{"a":' * 2000)
    write("json", "lone-high-surrogate.json", '"\\ud800"')
    write("json", "lone-low-surrogate.json", '"\\udc00"')
    write("json", "swapped-surrogates.json", '"\\udc00\\ud800"')
    write("json", "raw-surrogate.json", '"\ud800"')
    write("json", "overlong.json", b'"\xc0\xaf"')
    write("json", "out-of-range.json", "1e999")
    write("json", "nul.json", b'{"a": 1}\0')
    write("json", "half-escape.json", '"\\u12')
    write("json", "control.json", '"\n"')


def safetensors(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(begin, end, shape, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def weights(parser):
    data = bytes(64)
    cases = {
        "overlapping": safetensors({"a": tensor(0, 32, [8]), "b": tensor(16, 64, [12])}, data),
        "same-range": safetensors({"a": tensor(0, 64, [16]), "b": tensor(0, 64, [16])}, data),
        "gap": safetensors({"a": tensor(0, 16, [4]), "b": tensor(32, 64, [8])}, data),
        "trailing-data": safetensors({"a": tensor(0, 16, [4])}, data),
        "beyond-end": safetensors({"a": tensor(0, 128, [32])}, data),
        "huge-end": safetensors({"a": tensor(0, MAX, [MAX // 4])}, data),
        "negative-offset": safetensors({"a": tensor(-64, 0, [16])}, data),
        "backwards": safetensors({"a": tensor(64, 0, [16])}, data),
        "absurd-shape": safetensors({"a": tensor(0, 64, [2**62, 2**62])}, data),
        "absurd-shape-with-zero": safetensors({"a": tensor(0, 64, [MAX, 0, MAX])}, data),
        "overflow-to-fit": safetensors({"a": tensor(0, 64, [2**32, 2**32, 16])}, data),
        "negative-shape": safetensors({"a": tensor(0, 64, [-4, -4])}, data),
        "fraction-offset": safetensors({"a": tensor(0.5, 64, [16])}, data),
        "number-beyond-64-bits": safetensors(b'{"a":{"dtype":"F32","shape":[16],"data_offsets":[0,18446744073709551615]}}', data),
        "many-dimensions": safetensors({"a": tensor(0, 64, [1] * 3000 + [17])}, data),
        "unknown-dtype": safetensors({"a": tensor(0, 64, [16], "Q4_0")}, data),
        "duplicate": safetensors(b'{"a":{"dtype":"F32","shape":[16],"data_offsets":[0,64]},"a":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}}', data),
        "deep-header": safetensors(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", data),
        "array-header": safetensors(b"[1, 2]", data),
        "truncated-header": safetensors(b'{"a": {"dty', b"", 4000),
        "header-length-minus-one": safetensors({"a": tensor(0, 64, [16])}, data, 2**64 - 1),
        "header-length-max": safetensors({"a": tensor(0, 64, [16])}, data, MAX),
        "short": b"\x08\0\0",
        "empty": b"",
        "metadata-not-text": safetensors({"__metadata__": {"a": 7}, "a": tensor(0, 64, [16])}, data),
        "escapes-in-name": safetensors({"\x1b]0;title\x07\u202e\n": tensor(0, 3, [16])}, data),
    }
    for name, content in cases.items():
        write(parser, name + ".safetensors", content)


def adapters():
    def matrices(a, b, a_shape, b_shape, dtype="F32", prefix="base_model.model."):
        name = prefix + "model.layers.0.self_attn.q_proj.lora_"
        return safetensors(
            {name + a: tensor(0, 64, a_shape, dtype), name + b: tensor(64, 128, b_shape, dtype)}, bytes(128))

    write("matrices", "two-a.safetensors", matrices("A.weight", "A.weights", [4, 4], [4, 4]))
    write("matrices", "vector.safetensors", matrices("A.weight", "B.weight", [16], [16]))
    write("matrices", "integers.safetensors", matrices("A.weight", "B.weight", [4, 4], [4, 4], "I32"))
    write("matrices", "other-rank.safetensors", matrices("A.weight", "B.weight", [1, 16], [16, 1]))
    write("matrices", "no-prefix.safetensors", matrices("A.weight", "B.weight", [4, 4], [4, 4], prefix=""))
    write("matrices", "no-tensors.safetensors", safetensors({}))
    good = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
    for name, change in {
        "r-zero": {"r": 0}, "r-negative": {"r": -1}, "r-max": {"r": MAX}, "r-beyond": {"r": 2**64}, "r-1e30": {"r": 1e30},
        "r-billion": {"r": 10**9}, "r-text": {"r": "8"}, "alpha-text": {"lora_alpha": [1]}, "dropout": {"lora_dropout": 2},
        "no-target": {"target_modules": None}, "number-target": {"target_modules": 7},
        "mixed-target": {"target_modules": ["q_proj", 7]}, "other-type": {"peft_type": "IA3"},
        "rank-pattern": {"rank_pattern": {"q_proj": 10**12}}, "escapes": {"bias": "\x1b[31m\u202e\x9b2J\n"},
    }.items():
        write("adapter", name + ".json", good | change)
    write("adapter", "alpha-infinite.json", json.dumps(good).replace("8", "1e999"))
    write("adapter", "deep.json", '{"target_modules": ' + "[" * 3000)


def indexes():
    for name, shard in {
        "up": "../../../../../../etc/passwd", "absolute": "/etc/passwd", "parent": "..", "here": ".", "empty": "",
        "nul": "model-00001-of-00003.safetensors\0/../../x", "below": "./model-00001-of-00003.safetensors",
        "missing": "model-00009-of-00003.safetensors", "itself": "model.safetensors.index.json", "long": "a" * 5000,
        "backslash": "..\\..\\secret",
    }.items():
        write("index", name + ".json", {"metadata": {}, "weight_map": {"model.norm.weight": shard}})
    write("index", "number.json", {"weight_map": {"model.norm.weight": 7}})
    write("index", "no-map.json", {"weight_map": []})
    write("index", "empty-map.json", {"weight_map": {}})
    write("index", "duplicate.json", '{"weight_map": {"a": "b.safetensors", "a": "c.safetensors"}}')


def string(text):
    text = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(text)) + text


def gguf(keys=(), tensors=(), key_count=None, tensor_count=None, data=bytes(1024), version=3):
    out = b"GGUF" + struct.pack(
        "<IQQ", version, len(tensors) if tensor_count is None else tensor_count, len(keys) if key_count is None else key_count)
    for key, kind, value in keys:
        out += string(key) + struct.pack("<I", kind) + value
    for name, shape, kind, offset in tensors:
        out += string(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in shape)
        out += struct.pack("<IQ", kind, offset)
    return out + bytes(-len(out) % 32) + data


U32, STRING, ARRAY, U64, BOOL = 4, 8, 9, 10, 7


def array(kind, count, content=b""):
    return struct.pack("<IQ", kind, count) + content


def ggufs():
    nest = b"".join(array(ARRAY, 1) for _ in range(2000)) + array(U32, 0)
    tokens = ("tokenizer.ggml.tokens", ARRAY, array(STRING, 2, string("a") + string("b")))
    model = ("tokenizer.ggml.model", STRING, string("gpt2"))
    pre = ("tokenizer.ggml.pre", STRING, string("gpt-2"))
    cases = {
        "absurd-tensor-count": gguf(tensor_count=2**63),
        "absurd-key-count": gguf(key_count=2**64 - 1),
        "counts-that-fit-the-file": gguf(key_count=70, data=bytes(1024)),
        "string-length": gguf([("a", STRING, struct.pack("<Q", 2**64 - 1))]),
        "key-length": gguf(key_count=1, data=struct.pack("<Q", 2**63) + bytes(64)),
        "array-count": gguf([("a", ARRAY, array(U64, 2**61))]),
        "string-array-count": gguf([("a", ARRAY, array(STRING, 2**60))]),
        "string-in-array-length": gguf([("a", ARRAY, array(STRING, 2, string("x") + struct.pack("<Q", MAX)))]),
        "nested-arrays": gguf([("a", ARRAY, array(ARRAY, 1) + nest)]),
        "unknown-value-type": gguf([("a", 99, bytes(8))]),
        "bool-of-two": gguf([("a", BOOL, b"\2")]),
        "alignment-zero": gguf([("general.alignment", U32, bytes(4))]),
        "alignment-three": gguf([("general.alignment", U32, struct.pack("<I", 3))]),
        "alignment-huge": gguf([("general.alignment", U64, struct.pack("<Q", 2**63))]),
        "duplicate-key": gguf([("a", U32, bytes(4)), ("a", U32, bytes(4))]),
        "key-not-utf8": gguf([(b"\xff", U32, bytes(4))]),
        "row-not-of-blocks": gguf(tensors=[("t", [33, 4], 2, 0)]),
        "row-not-of-superblocks": gguf(tensors=[("t", [128, 4], 12, 0)]),
        "shape-overflow": gguf(tensors=[("t", [2**40, 2**40], 0, 0)]),
        "shape-overflow-with-zero": gguf(tensors=[("t", [0, 2**40, 2**40], 0, 0)]),
        "shape-beyond-63-bits": gguf(tensors=[("t", [2**64 - 1], 24, 0)]),
        "five-dimensions": gguf(tensors=[("t", [1] * 5, 0, 0)]),
        "offset-overflow": gguf(tensors=[("t", [32], 0, 2**64 - 32)]),
        "beyond-end": gguf(tensors=[("t", [32, 32], 0, 0)]),
        "overlapping": gguf(tensors=[("t", [64], 0, 0), ("u", [64], 0, 128)]),
        "duplicate-tensor": gguf(tensors=[("t", [8], 0, 0), ("t", [8], 0, 32)]),
        "unknown-type": gguf(tensors=[("t", [32], 12345, 0)]),
        "truncated": gguf([("a", U32, bytes(4))])[:40],
        "version-one": gguf(version=1),
        "split": gguf([("split.count", U32, struct.pack("<I", 2**32 - 1))]),
        "merge-of-missing-tokens": gguf([model, pre, tokens, ("tokenizer.ggml.merges", ARRAY, array(STRING, 1, string("a c")))]),
        "types-too-few": gguf([model, pre, tokens, ("tokenizer.ggml.token_type", ARRAY, array(U32, 1, bytes(4)))]),
        "bos-beyond": gguf([model, pre, tokens, ("tokenizer.ggml.merges", ARRAY, array(STRING, 0)),
                            ("tokenizer.ggml.bos_token_id", U64, struct.pack("<Q", 2**63))]),
    }
    for name, content in cases.items():
        write("gguf", name + ".gguf", content)


def configs():
    good = {"model_type": "llama", "hidden_size": 24, "num_attention_heads": 4, "vocab_size": 61, "intermediate_size": 40,
            "num_hidden_layers": 2}
    for name, change in {
        "no-heads": {"num_attention_heads": 0}, "negative-heads": {"num_attention_heads": -4},
        "no-key-heads": {"num_key_value_heads": 0}, "min-hidden": {"hidden_size": -(2**63)},
        "max-hidden": {"hidden_size": MAX}, "beyond-hidden": {"hidden_size": 2**64}, "half-layer": {"num_hidden_layers": 1.5},
        "all-huge": {key: 2**28 - 2 for key in good if key != "model_type"}, "many-layers": {"num_hidden_layers": 2**27},
        "odd-head": {"head_dim": 3}, "id-beyond": {"eos_token_id": 2**31}, "rope-text": {"rope_scaling": "x" * 3000},
        "rope-zero": {"rope_scaling": {"type": "linear", "factor": 0}}, "theta": {"rope_theta": -1},
        "other": {"model_type": "\x1b[2J"}, "window": {"sliding_window": [0] * 20000},
    }.items():
        write("config", name + ".json", good | change)
    write("config", "array.json", "[]")


def tokenizers():
    def file(vocab={"a": 0, "b": 1, "ab": 2}, merges=["a b"], **parts):
        return {"decoder": {"type": "Fuse"}, "model": {"type": "BPE", "vocab": vocab, "merges": merges}} | parts

    def split(regex):
        return file(pre_tokenizer={"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated"})

    def added(**token):
        return file(added_tokens=[{"id": 3, "content": "<s>"} | token])

    double = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
    around = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "s"}}] * 200 + [{"Sequence": {"id": "A"}}],
              "special_tokens": {"s": {"ids": [0] * 200}}}
    cases = {
        "id-2-31": file({"a": 0, "b": 1, "ab": 2**31}), "id-max": file({"a": 0, "b": 1, "ab": MAX}),
        "id-beyond": file({"a": 2**64}), "id-negative": file({"a": 0, "b": 1, "ab": -1}),
        "id-twice": file({"a": 0, "b": 0}), "id-hole": file({"a": 0, "b": 2}), "no-tokens": file({}),
        "merge-of-missing": file(merges=["a c"]), "merge-into-missing": file(merges=["b a"]),
        "merge-of-three": file(merges=[["a", "b", "a"]]), "merge-of-one": file(merges=["ab"]), "merge-number": file(merges=[7]),
        "catastrophic-regex": split("(a+)+b"), "catastrophic-choice": split("(?:a|a|a)+b"),
        "catastrophic-lookahead": split("(?=(?:a+)+b)a"), "large-regex": split("(?:(?:ab){100}c){1000}"),
        "empty-regex-many-times": split("(?:(?:(?:){1000}){1000}){1000}"), "regex-of-nothing": split("(?:a*)*b"),
        "deep-regex": split("(" * 1000 + "a" + ")" * 1000), "unclosed-regex": split("[a"), "large-class": split("[" + "".join(chr(0x4E00 + 2 * i) for i in range(300)) + "]"), "backreference": split("(a)\\1"),
        "added-id-2-31": added(id=2**31), "added-id-hole": added(id=7), "added-empty": added(content=""),
        "added-other-id": added(id=0, content="b"), "added-long": added(content="a" * 2000),
        "growing-normalizer": file(normalizer={"type": "Sequence", "normalizers": [double] * 40}),
        "growing-decoder": file(decoder={"type": "Sequence", "decoders": [double] * 64}),
        "growing-pre-tokenizer": file(pre_tokenizer={"type": "Sequence", "pretokenizers": [
            {"type": "Metaspace", "replacement": "  ", "prepend_scheme": "always"}] * 40}),
        "many-tokens-around": file(post_processor=around),
        "deep-sequence": '{"normalizer":' + '{"type":"Sequence","normalizers":[' * 300,
    }
    for name, content in cases.items():
        write("tokenizer", name + ".json", content)
    write("tokenizer", "lone-surrogate.json", '{"decoder": {"type": "Fuse"}, "model": {"vocab": {"\\ud800": 0}, "merges": []}}')
    for name, content in {
        "unknown-bos": {"bos_token": "<none>"}, "bos-number": {"bos_token": 7}, "id-2-31": {"eos_token_id": 2**31},
        "id-beyond": {"bos_token_id": 10**6}, "no-default": {"chat_template": [{"name": "x", "template": ""}]},
        "template-number": {"chat_template": 7}, "template-loop": {"chat_template": "{% for x in y %}"},
    }.items():
        write("vocabulary", name + ".json", content)


def patterns():
    for name, regex in {
        "nested-plus": "(a+)+b", "nested-lazy": "(?:a+?)+?b", "nested-lookahead": "(?!(?:a+)+b)a", "choices": "(?:a|a)+b",
        "counted": "(?:a{1,30}){1,30}b", "lookbehind": "(?<=a)b", "empty": "a*", "recursion": "\\g<0>", "open": "(a",
        "range": "[z-a]", "count": "a{3,1}", "large-count": "a{99999999999}",
    }.items():
        write("pattern", name + ".txt", regex + "\n" + "a" * 60)


def templates():
    for name, source in {
        "range": "{% for x in range(10**9) %}x{% endfor %}",
        "range-of-ranges": "{% for x in range(99999) %}{% for y in range(99999) %}{% break %}{% endfor %}{% endfor %}",
        "doubling-text": "{% set n = namespace(s='ab') %}{% for x in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
        "doubling-list": "{% set n = namespace(l=[1]) %}{% for x in range(99) %}{% set n.l = n.l + n.l %}{% endfor %}",
        "doubling-nest": "{% set n = namespace(l=[1]) %}{% for x in range(99) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l }}",
        "deepening": "{% set n = namespace(l=1) %}{% for x in range(9999) %}{% set n.l = [n.l] %}{% endfor %}",
        "repeated-text": "{{ 'x' * 10**10 }}", "repeated-list": "{{ [1] * 10**10 }}", "power": "{{ 9 ** 9 ** 9 }}",
        "recursion": "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}",
        "two-macros": "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
        "silent-tree": "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(90) }}",
        "call-tree": "{% macro m(n) %}{% if n %}{% call m(n-1) %}{% endcall %}{% call m(n-1) %}{% endcall %}{% endif %}{% endmacro %}{{ m(90) }}",
        "mapped-texts": "{{ (['a'] * 60000) | map('center', 9999999) | list | length }}",
        "mapped-replacement": "{{ (['a' * 9999] * 9999) | map('replace', 'a', 'b' * 9999) | list | length }}",
        "summed-lists": "{{ ([['x'] * 999] * 3999) | sum(start=[]) | length }}",
        "sliced-text": "{% set s = 'x' * 9999999 %}{% for x in range(99999) %}{% set y = s[1:] %}{% endfor %}",
        "indexed-text": "{% set s = 'x' * 9999999 %}{% for x in range(99999) %}{{ s[5] }}{% endfor %}",
        "measured-text": "{% set s = 'x' * 9999999 %}{% for x in range(99999) %}{{ s | length }}{% endfor %}",
        "tested-text": "{% set s = 'x' * 9999999 %}{% for x in range(99999) %}{{ s is lower }}{% endfor %}",
        "searched-text": "{% set s = 'a' * 9999999 %}{{ (s ~ 'b') in (s ~ s) }}{% for x in range(99) %}{{ s in s ~ 'b' ~ x }}{% endfor %}",
        "sorted-texts": "{% set l = ['a' * 9999999] * 999 %}{{ l | sort | length }}",
        "compared-views": "{% set n = namespace(l=[]) %}{% for x in range(3000) %}{% set n.l = n.l + [(x, x)] %}{% endfor %}{% set d = dict(n.l) %}{% for x in range(9999) %}{{ d.items() == dict(d).items() }}{% endfor %}",
        "wide-namespace": "{% set n = namespace(l=[]) %}{% for x in range(3000) %}{% set n.l = n.l + [('a' ~ x, x)] %}{% endfor %}{{ namespace(dict(n.l)) }}",
        "width": "{{ '%999999999999d' | format(1) }}", "indent": "{{ messages | tojson(indent=999999999) }}",
        "indented": "{{ ('a\n' * 99999) | indent(99999) }}", "replaced": "{{ ('a' * 99999) | replace('a', 'a' * 99999) }}",
        "joined": "{{ (['a' * 99999] * 99999) | join }}", "zeros": "{{ '1'.zfill(10**12) }}",
        "overflow": "{{ 9223372036854775807 + 1 }}", "minimum": "{{ (-9223372036854775807 - 1) // -1 }}",
        "deep-parentheses": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "deep-lists": "{{ " + "[" * 3000 + "]" * 3000 + " }}",
        "deep-not": "{{ " + "not " * 3000 + "1 }}", "deep-minus": "{{ " + "-" * 3000 + "1 }}",
        "deep-conditional": "{{ " + "1 if 0 else " * 3000 + "1 }}", "deep-filters": "{{ 1" + "|abs" * 3000 + " }}",
        "deep-if": "{% if 1 %}" * 3000, "deep-for": "{% for x in [1] %}" * 3000, "deep-index": "{{ a" + "[a" * 3000 + "]" * 3000 + " }}",
        "deep-dictionaries": "{{ " + "{1:" * 3000 + "1" + "}" * 3000 + " }}", "raise": "{{ raise_exception('\x1b[2J\u202e') }}",
        "forbidden-name": "{{ ''.__class__.__mro__ }}{{ x.y }}", "lone-quote": "{{ '", "unclosed": "{{ 1",
    }.items():
        write("template", name + ".jinja", source)


def rows():
    good = '{"text": "a"}\n'
    for name, content in {
        "nuls": b"\0" * 3000, "nul-in-row": b'{"text": "a\0b"}\n', "nul-after-row": good.encode() + b"\0\n",
        "invalid-utf8": b'{"text": "\xff\xfe"}\n', "overlong": b'{"text": "\xc0\x80"}\n', "raw-surrogate": '{"text": "\ud800"}\n',
        "lone-surrogate": '{"text": "\\ud800"}\n', "deep": '{"text": ' + "[" * 5000 + "]" * 5000 + "}\n",
        "deep-messages": '{"messages": ' + '[{"role":"user","content":' * 200 + "1" + "}]" * 200 + "}\n",
        "array": "[" + good + "]", "two-values": good[:-1] + good, "cut": good + '{"text": "', "number": "7\n",
        "other-columns": good + '{"b": 1}\n', "other-type": good + '{"text": [1]}\n', "no-role": '{"messages": [{"content": "a"}]}\n',
        "role-number": '{"messages": [{"role": 7, "content": "a"}]}\n', "no-messages": '{"messages": []}\n',
        "messages-text": '{"messages": "a"}\n', "message-number": '{"messages": [7]}\n', "empty": b"", "blank": b"\n \n\t\r\n",
        "utf-16": '{"text": "a"}\n'.encode("utf-16"), "gzip": b"\x1f\x8b\x08\0", "carriage-returns": b'{"text": "a"}\r{"text": "b"}\r',
        "escapes": '{"\\u001b[2J\\u202e": 1}\n',
    }.items():
        write("rows", name + ".jsonl", content)


def texts():
    for name, content in {
        "overlong": b"\xc0\x80", "surrogate": b"a\xed\xa0\x80", "beyond": b"\xf4\x90\x80\x80", "cut": b"ab\xe2\x96", "stray": b"\x80",
        "byte-order-mark": b"\xff\xfea",
    }.items():
        write("text", name + ".txt", content)


for parser in ("safetensors", "matrices"):
    weights(parser)
for step in (jsons, adapters, indexes, ggufs, configs, tokenizers, patterns, templates, rows, texts):
    step()
