"""Makes the tokenizer fixtures: small trained tokenizers of each family, texts, and what the reference gives for them.

    HF_HUB_OFFLINE=1 python Tests/TokenizersTests/Fixtures/generate.py SMOLLM2_HF_FOLDER

Python 3.11; tokenizers, sentencepiece, gguf and transformers as pinned below. All is seeded: the same files come out.
SMOLLM2_HF_FOLDER holds the tokenizer.json of SmolLM2-135M-Instruct.
"""

import array
import base64
import io
import json
import pathlib
import random
import sys

import gguf
import sentencepiece
import tokenizers
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.convert_slow_tokenizer import generate_merges

import texts

PINNED = {tokenizers: "0.23.3", sentencepiece: "0.2.3", transformers: "5.23.0"}
HERE = pathlib.Path(__file__).resolve().parent
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def special(content, **flags):
    return AddedToken(content, special=True, normalized=False, **flags)


def split(pattern):
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def byte_level(pre_tokenizer, size, specials, normalizer=None, alphabet=BYTES, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, special_tokens=specials, show_progress=False, min_frequency=2
    )
    tokenizer.train_from_iterator(texts.TRAINING.splitlines(keepends=True), trainer)
    return tokenizer


def make_gpt2():
    tokenizer = byte_level(
        pre_tokenizers.ByteLevel(add_prefix_space=False), 700, ["<|endoftext|>"], unk_token="<|endoftext|>"
    )
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_tokens(
        [
            special("<mask>", lstrip=True),
            special("<sep>", rstrip=True),
            AddedToken("word", single_word=True, normalized=False),
            AddedToken("<|im_start|>", normalized=True),
        ]
    )
    return as_json(tokenizer, strings=True)


def make_prefix():
    """Spaces put before each stretch, and bytes that are missing in the vocabulary."""
    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), 500, ["<s>", "<unk>"], alphabet=[], unk_token="<unk>", fuse_unk=True)
    tokenizer.add_special_tokens([special("<sep>", rstrip=True, lstrip=True)])
    return as_json(tokenizer)


def make_smollm():
    pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return as_json(byte_level(pre_tokenizer, 700, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]))


def make_llama3():
    tokenizer = byte_level(split(LLAMA3), 700, [], ignore_merges=True)
    data = json.loads(as_json(tokenizer))
    vocab = data["model"]["vocab"]
    for word in ["xylophone", "Ġxylophones", "ĠWater", "\u0120\u00d0\u00b2\u00d0\u00be\u00d0\u00ba"]:
        vocab.setdefault(word, len(vocab))
    tokenizer = Tokenizer.from_str(json.dumps(data))
    names = ["begin_of_text", "end_of_text", "start_header_id", "end_header_id", "eot_id"]
    tokenizer.add_special_tokens([special(f"<|{name}|>") for name in names])
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B:1",
                special_tokens=[("<|begin_of_text|>", begin)],
            ),
        ]
    )
    return as_json(tokenizer)


def make_qwen2():
    tokenizer = byte_level(split(QWEN2), 700, [], normalizer=normalizers.NFC())
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([special(f"<|{name}|>") for name in ["endoftext", "im_start", "im_end"]])
    tokenizer.add_tokens([AddedToken("TOKEN", normalized=False)])
    return as_json(tokenizer)


def make_tekken():
    """What has no hand-written form here, an added token that is normalized, and suffixes around a text."""
    steps = [normalizers.NFC(), normalizers.Replace(Regex(r"\t+"), " ")]
    tokenizer = byte_level(split(TEKKEN), 600, ["<s>", "</s>"], normalizer=normalizers.Sequence(steps))
    tokenizer.add_tokens([AddedToken("VIE\u0323\u0302T", normalized=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A $B </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return as_json(tokenizer)


def as_json(tokenizer, strings=False):
    """The file's text; merges as "a b" if `strings`, else as pairs."""
    data = json.loads(tokenizer.to_str())
    if strings:
        data["model"]["merges"] = [" ".join(pair) for pair in data["model"]["merges"]]
    return json.dumps(data, ensure_ascii=False)


def train_sentencepiece():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts.TRAINING.splitlines()), model_writer=model, model_type="bpe", vocab_size=950,
        character_coverage=0.98, byte_fallback=True, normalization_rule_name="identity",
        remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True,
        user_defined_symbols=["[INST]"], num_threads=1, minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def make_sentencepiece(pieces, metaspace):
    vocab = {pieces.id_to_piece(i): i for i in range(pieces.get_piece_size())}
    scores = {pieces.id_to_piece(i): pieces.get_score(i) for i in range(pieces.get_piece_size())}
    merges = generate_merges(vocab, scores)
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    if metaspace:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.add_special_tokens([special("<unk>"), special("<s>"), special("</s>")])
    tokenizer.add_tokens([AddedToken("[INST]", normalized=False)])
    if metaspace:
        tokenizer.add_tokens([AddedToken("Ünï TOKEN", normalized=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 1)]
    )
    return as_json(tokenizer, strings=not metaspace)


def make_split():
    """Metaspace that cuts words, as decoder too."""
    pieces = train_sentencepiece()
    data = json.loads(make_sentencepiece(pieces, True))
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    return as_json(tokenizer)


def write_gguf_sentencepiece(path, pieces):
    writer = gguf.GGUFWriter(path, "llama")
    count = pieces.get_piece_size()
    kinds = []
    for i in range(count):
        if pieces.is_unknown(i):
            kinds.append(gguf.TokenType.UNKNOWN)
        elif pieces.is_control(i):
            kinds.append(gguf.TokenType.CONTROL)
        elif pieces.is_byte(i):
            kinds.append(gguf.TokenType.BYTE)
        elif pieces.id_to_piece(i) == "[INST]":
            kinds.append(gguf.TokenType.USER_DEFINED)
        else:
            kinds.append(gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([pieces.id_to_piece(i) for i in range(count)])
    writer.add_token_scores([pieces.get_score(i) for i in range(count)])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_chat_template("{{ messages }}")
    finish(writer)


def write_gguf_byte_level(path, text, pre, **ids):
    data = json.loads(text)
    writer = gguf.GGUFWriter(path, "llama")
    tokens = dict(data["model"]["vocab"])
    added = {token["id"]: token for token in data["added_tokens"]}
    tokens.update({token["content"]: token["id"] for token in added.values()})
    names = sorted(tokens, key=tokens.get)
    kinds = [gguf.TokenType.NORMAL] * len(names)
    for i, token in added.items():
        kinds[i] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(names)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in data["model"]["merges"]])
    if "bos" in ids:
        writer.add_bos_token_id(tokens[ids["bos"]])
    writer.add_eos_token_id(tokens[ids["eos"]])
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def fuzz_texts(count=300):
    """Random strings: a few kinds of characters in each, weighted to what tokenizers treat in different ways."""
    rng = random.Random(20240611)
    words = ["the", "The", "'s", "'LL", "'re", "<s>", "</s>", "<|im_end|>", "<sep>", "<mask>", "word", "▁", "TOKEN", "[INST]", "\r\n"]
    ranges = [
        (0x20, 0x7E), (0x20, 0x7E), (0x00, 0x1F), (0x80, 0xFF), (0x100, 0x24F), (0x300, 0x36F), (0x370, 0x52F),
        (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0xFFF), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F),
        (0x2070, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7A3), (0xF900, 0xFFFF),
        (0x10000, 0x1FFFF), (0x1F300, 0x1FAFF), (0x20000, 0x323AF), (0xE0000, 0xE01EF), (0x0, 0x10FFFF),
    ]
    spaces = [" ", " ", " ", "  ", "\n", "\r", "\t", "\u00a0", "\u3000", "\u2028", "\u0085", "\u200b"]
    result = []
    for _ in range(count):
        kinds = rng.sample(ranges, rng.randint(1, 4))
        text = ""
        for _ in range(rng.randint(1, 14)):
            choice = rng.random()
            if choice < 0.2:
                text += rng.choice(spaces)
            elif choice < 0.3:
                text += rng.choice(words)
            elif choice < 0.4:
                text += str(rng.randint(0, 99999))
            else:
                low, high = rng.choice(kinds)
                scalar = rng.randint(low, high)
                text += chr(scalar) if not 0xD800 <= scalar < 0xE000 else "\ufffd"
        result.append(text)
    return result


def packed(numbers):
    """Base64 of 16-bit little-endian numbers."""
    return base64.b64encode(array.array("H", numbers).tobytes()).decode()


def packed_offsets(offsets):
    """Base64 of pairs of bytes: how far an offset starts after the one before it, and its length."""
    previous = [0] + [start for start, _ in offsets]
    pairs = [(start - before, end - start) for before, (start, end) in zip(previous, offsets)]
    return base64.b64encode(bytes(number % 256 for pair in pairs for number in pair)).decode()


def expected(tokenizer, corpus, fuzz):
    """Ids and character offsets with special tokens, and the decoded texts where they are not the text itself."""
    lines = []
    for text in corpus:
        encoding = tokenizer.encode(text)
        line = {"ids": packed(encoding.ids), "offsets": packed_offsets(encoding.offsets)}
        is_byte_level = isinstance(tokenizer.decoder, decoders.ByteLevel)
        if is_byte_level and tokenizer.normalizer and tokenizer.normalizer.normalize_str(text) != text:
            line["normalized"] = True
        for key, skips in [("decoded", False), ("skipped", True)]:
            decoded = tokenizer.decode(encoding.ids, skip_special_tokens=skips)
            if decoded != text:
                line[key] = decoded
        # The library counts offsets wrongly after bytes that the vocabulary lacks.
        plain = tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=False)
        if is_byte_level and tokenizer.model.unk_token is None and "normalized" not in line and plain != text:
            del line["offsets"]
        lines.append(line)
    return {"corpus": lines, "fuzz": [packed(tokenizer.encode(text).ids) for text in fuzz]}


def classes():
    """Ranges of the scalars that the library's regular expressions count to a class: [first, last, first, last, …]."""
    scalars = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    text = "".join(map(chr, scalars))


    def ranges(found):
        result = []
        for scalar in sorted(found):
            if result and result[-1] == scalar - 1:
                result[-1] = scalar
            else:
                result += [scalar, scalar]
        return result

    # The pre-tokenizer Digits asks another library than the regular expressions.
    digits = pre_tokenizers.Digits(True)
    result = {"Digits": ranges(c for c in scalars if len(digits.pre_tokenize_str("a" + chr(c))) == 2)}
    for name in [r"\p{L}", r"\p{N}", r"\s", r"\p{Lu}", r"\p{Ll}", r"\p{M}", r"\p{P}", r"\p{S}"]:
        pieces = pre_tokenizers.Split(Regex(name + "+"), "removed", invert=True).pre_tokenize_str(text)
        result[name] = ranges(scalars[i] for _, (start, end) in pieces for i in range(start, end))
    return result


def compositions():
    """Lines of a text, a tab and its NFC: each scalar that NFC changes, each composite in parts, and random marks."""
    nfc, nfd = normalizers.NFC(), normalizers.NFD()
    scalars = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and not 0xAC00 <= c < 0xD700]
    changed = [c for c in scalars if nfc.normalize_str(c) != c]
    parts = [nfd.normalize_str(c) for c in scalars if nfd.normalize_str(c) != c]
    marks = [part[-1] for part in parts] + [chr(c) for c in (*range(0x300, 0x370), *range(0x897, 0x8A0), 0x10F82)]
    bases = [part[0] for part in parts] + [nfc.normalize_str(part[:-1]) for part in parts if len(part) > 1]
    bases += ["a", "\U00020057", "\U000c0055", "\uac00", "\uac01"]
    rng = random.Random(7)
    mixed = ["".join(rng.choice(rng.choice([bases, marks])) for _ in range(rng.randint(2, 9))) for _ in range(500)]
    return "".join(f"{text}\t{nfc.normalize_str(text)}\n" for text in changed + parts + mixed)


def patterns():
    """Regular expressions and what they cut texts into, with each behaviour."""
    cases = []
    for index, pattern in enumerate(texts.PATTERNS):
        for turn, text in enumerate(texts.PATTERN_TEXTS):
            behavior = texts.BEHAVIORS[(index + turn) % len(texts.BEHAVIORS)]
            invert = (index + turn) % 3 == 0
            splitter = pre_tokenizers.Split(Regex(pattern), behavior, invert=invert)
            pieces = [piece for piece, _ in splitter.pre_tokenize_str(text)]
            cases.append({"pattern": pattern, "text": text, "behavior": behavior, "invert": invert, "pieces": pieces})
    return cases


def check_sentencepiece(pieces, tokenizer, lines):
    """The conversion to merges must not change the ids."""
    names = ["<s>", "</s>", "<unk>"]
    for text in lines:
        if text and "\x00" not in text and not any(name in text for name in names):
            assert pieces.encode(text) == tokenizer.encode(text, add_special_tokens=False).ids, text


def main():
    for module, version in PINNED.items():
        assert module.__version__ == version, (module.__name__, module.__version__)
    pieces = train_sentencepiece()
    files = {
        "gpt2": make_gpt2(), "prefix": make_prefix(), "smollm": make_smollm(), "llama3": make_llama3(),
        "qwen2": make_qwen2(), "tekken": make_tekken(), "llama2": make_sentencepiece(pieces, False),
        "metaspace": make_sentencepiece(pieces, True), "split": make_split(),
    }
    fuzz = fuzz_texts()
    results = {}
    for name, text in files.items():
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        (folder / "tokenizer.json").write_text(text)
        results[name] = expected(Tokenizer.from_str(text), texts.CORPUS, fuzz)
    check_sentencepiece(pieces, Tokenizer.from_str(files["llama2"]), [t for t in texts.CORPUS + fuzz if "[INST]" not in t])
    write_gguf_sentencepiece(HERE / "llama2.gguf", pieces)
    write_gguf_byte_level(HERE / "llama3.gguf", files["llama3"], "llama-bpe", bos="<|begin_of_text|>", eos="<|eot_id|>")
    write_gguf_byte_level(HERE / "qwen2.gguf", files["qwen2"], "qwen2", eos="<|im_end|>")
    smollm2 = Tokenizer.from_file(str(pathlib.Path(sys.argv[1]) / "tokenizer.json"))
    results["smollm2"] = expected(smollm2, texts.CORPUS, fuzz)
    for name, result in results.items():
        (HERE / "expected" / f"{name}.json").parent.mkdir(exist_ok=True)
        (HERE / "expected" / f"{name}.json").write_text(json.dumps(result, separators=(",", ":")))
    (HERE / "texts.json").write_text(json.dumps({"corpus": texts.CORPUS, "fuzz": fuzz}, indent=0))
    (HERE / "classes.json").write_text(json.dumps(classes(), separators=(",", ":")))
    (HERE / "patterns.json").write_text(json.dumps(patterns(), separators=(",", ":")))
    (HERE / "compositions.txt").write_text(compositions())


main()
