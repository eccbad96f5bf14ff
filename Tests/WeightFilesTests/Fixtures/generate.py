"""Makes the files in this folder: small weight files and what the reference libraries read from them.

    python generate.py MODEL.gguf        (SmolLM2-135M-Instruct.Q4_1.gguf)

Needs exactly: numpy 2.4.6, gguf 0.19.0, safetensors 0.8.0, torch 2.15.0. Every random number is seeded.
"""

import json
import pathlib
import sys
from importlib.metadata import version

import gguf
import numpy as np
import safetensors.torch
import torch
from gguf import GGMLQuantizationType as Q
from gguf import GGUFValueType as V

for package, pin in {"numpy": "2.4.6", "gguf": "0.19.0", "safetensors": "0.8.0", "torch": "2.15.0"}.items():
    if version(package).split("+")[0] != pin:
        sys.exit(f"{package} {pin} is needed, {version(package)} is installed")

here = pathlib.Path(__file__).parent
random = np.random.default_rng(20)

# Byte offsets of the F16 numbers in a block of each quantised type.
SCALES = {
    Q.Q8_0: [0], Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2],
    Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208],
}
# Zeros, smallest subnormal, largest subnormal, smallest normal, one, largest; both signs.
EXTREMES = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x8400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF]


def finite_halves(count):
    bits = random.integers(0, 0x7C00, count, dtype=np.uint16) | random.integers(0, 2, count, dtype=np.uint16) << 15
    bits[: min(count, len(EXTREMES))] = EXTREMES[:count]
    return random.permutation(bits)


def blocks(kind, rows, row_blocks):
    """Random blocks with finite scales, as (rows, bytes of a row)."""
    size = gguf.GGML_QUANT_SIZES[kind][1]
    data = random.integers(0, 256, (rows * row_blocks, size), dtype=np.uint8)
    data[0, :] = 0
    data[1, :] = 255
    for offset in SCALES[kind]:
        data[:, offset : offset + 2] = finite_halves(len(data)).view(np.uint8).reshape(-1, 2)
    return data.reshape(rows, row_blocks * size)


def quants():
    """One tensor of each type that can be a weight, and every element as gguf-py decodes it."""
    writer = gguf.GGUFWriter(here / "quants.gguf", "llama")
    expected = {}
    floats = random.standard_normal((7, 5), dtype=np.float32)
    writer.add_tensor("t.F32", floats)
    expected["t.F32"] = floats
    halves = finite_halves(7 * 13).view(np.float16).reshape(7, 13)
    writer.add_tensor("t.F16", halves)
    expected["t.F16"] = halves.astype(np.float32)
    brains = random.integers(0, 0x7F80, (7, 11), dtype=np.uint16).view(np.uint8).reshape(7, 22)
    writer.add_tensor("t.BF16", brains, raw_dtype=Q.BF16)
    expected["t.BF16"] = gguf.quants.dequantize(brains, Q.BF16)
    for kind in SCALES:
        k = gguf.GGML_QUANT_SIZES[kind][0] == 256
        data = blocks(kind, 6 if k else 20, 2 if k else 3)
        writer.add_tensor(f"t.{kind.name}", data, raw_dtype=kind)
        expected[f"t.{kind.name}"] = gguf.quants.dequantize(data, kind)
    finish(writer)
    assert all(np.isfinite(e).all() for e in expected.values())
    safetensors.torch.save_file(
        {name: torch.from_numpy(np.ascontiguousarray(e)) for name, e in expected.items()},
        here / "quants.expected.safetensors")


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


NUMBERS = {
    V.UINT8: [0, 255], V.INT8: [-128, 127], V.UINT16: [0, 65535], V.INT16: [-32768, 32767],
    V.UINT32: [0, 2**32 - 1], V.INT32: [-(2**31), 2**31 - 1], V.UINT64: [0, 2**63 - 1, 2**64 - 1],
    V.INT64: [-(2**63), 2**63 - 1],
}


def metadata():
    """Every type of metadata value, alone and in arrays; what must be read from it is in metadata.json."""
    writer = gguf.GGUFWriter(here / "metadata.gguf", "llama")
    expected = {"general.architecture": "llama"}

    def add(key, value, kind, element=None, read=None):
        writer.add_key_value(key, value, kind, sub_type=element)
        expected[key] = value if read is None else read

    for kind, values in NUMBERS.items():
        for position, value in enumerate(values):
            add(f"one.{kind.name}.{position}", value, kind)
        add(f"many.{kind.name}", values, V.ARRAY, kind)
    add("one.FLOAT32", 0.1, V.FLOAT32, read=float(np.float32(0.1)))
    add("one.FLOAT64", 0.1, V.FLOAT64)
    add("many.FLOAT32", [0.5, -1.25, 3.0e38], V.ARRAY, V.FLOAT32, read=[0.5, -1.25, float(np.float32(3.0e38))])
    add("many.FLOAT64", [0.5, -1.25, 1.0e38], V.ARRAY, V.FLOAT64)
    add("one.BOOL.0", False, V.BOOL)
    add("one.BOOL.1", True, V.BOOL)
    add("many.BOOL", [True, False, True], V.ARRAY, V.BOOL)
    add("one.STRING", "héllo\u0000 😀", V.STRING)
    add("empty.STRING", "", V.STRING)
    add("many.STRING", ["", "a", "e\u0301", "\u00e9", "Ġthe"], V.ARRAY, V.STRING)
    writer.add_key_value("bytes.STRING", b"\xff\xfe\x80", V.STRING)
    writer.add_key_value("bytes.many", [b"\xff", b"ok"], V.ARRAY, sub_type=V.STRING)
    add("e\u0301", "decomposed", V.STRING)
    add("\u00e9", "composed", V.STRING)
    writer.add_tensor("scalar", np.arange(1, dtype=np.float32))
    writer.add_tensor("cube", np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    finish(writer)
    (here / "metadata.json").write_text(json.dumps(expected, indent=1) + "\n")


def alignments():
    """The same two tensors behind data that begin at multiples of 1, 8, 32 (unsaid) and 64; the last also as version 2."""
    for alignment in (1, 8, 32, 64):
        writer = gguf.GGUFWriter(here / f"align{alignment}.gguf", "llama")
        if alignment != 32:
            writer.add_custom_alignment(alignment)
        writer.add_string("pad", "x" * 12)
        writer.add_tensor("first", np.arange(3, dtype=np.float16))
        writer.add_tensor("second", np.arange(20, dtype=np.float32).reshape(4, 5))
        finish(writer)
    data = bytearray((here / "align64.gguf").read_bytes())
    data[4] = 2
    (here / "version2.gguf").write_bytes(data)


def tensors_of(seed, dtype):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(5, 3, generator=generator).to(dtype)


def safetensors_files():
    """A file of all dtypes, a sharded folder, and what the writer must write."""
    save = safetensors.torch.save_file
    weights = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
    mixed = {f"w.{name}": tensors_of(seed, dtype) for seed, (name, dtype) in enumerate(weights.items())}
    exact = {name: tensor.float() for name, tensor in mixed.items()}
    mixed |= {
        "position_ids": torch.arange(6).reshape(2, 3), "mask": torch.tensor([True, False, True]),
        "wide": torch.ones(2, dtype=torch.float64), "bytes": torch.arange(5, dtype=torch.uint8),
    }
    save(mixed, here / "mixed.safetensors", metadata={"note": "é\n\"quoted\""})
    save(exact, here / "mixed.expected.safetensors")

    folder = here / "sharded"
    folder.mkdir(exist_ok=True)
    names = [f"model-{i + 1:05}-of-00002.safetensors" for i in range(2)]
    first = {"a.weight": tensors_of(10, torch.float32), "b.weight": tensors_of(11, torch.bfloat16)}
    second = {"c.weight": tensors_of(12, torch.float16)}
    save(first, folder / names[0], metadata={"format": "pt"})
    save(second, folder / names[1], metadata={"format": "pt"})
    index = {
        "metadata": {"total_size": 120},
        "weight_map": {name: names[0] for name in first} | {name: names[1] for name in second},
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")

    written = {
        "z.lora_A.weight": tensors_of(20, torch.float32), "a.lora_B.weight": tensors_of(21, torch.float32),
        "scalar": torch.tensor(1.5), "empty": torch.zeros(0, 4), "Ünï \"q\" \\ \t\u0001\u007f😀": torch.tensor([-0.0, 1e-45]),
        "e\u0301": torch.tensor([1.0]), "\u00e9": torch.tensor([2.0]), "cube": torch.arange(24.0).reshape(2, 3, 4),
    }
    save(written, here / "written.safetensors", metadata={"format": "pt"})
    save({"one": torch.tensor([1.0])}, here / "written-without-metadata.safetensors")


def digest(values):
    """Σ word × (position × 0x9E3779B97F4A7C15 | 1) mod 2⁶⁴ over the 32-bit words: odd factors, so that any one word
    that differs shows."""
    words = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).ravel().astype(np.uint64)
    factors = np.arange(len(words), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) | np.uint64(1)
    return int((words * factors).sum(dtype=np.uint64))


def model(path):
    """A digest of every tensor of a real model as gguf-py decodes it."""
    reader = gguf.GGUFReader(path)
    entries = [
        {"name": t.name, "type": t.tensor_type.name, "shape": [int(d) for d in reversed(t.shape)],
         "digest": f"{digest(gguf.quants.dequantize(t.data, t.tensor_type)):016x}"}
        for t in reader.tensors
    ]
    lines = ",\n".join(json.dumps(e) for e in entries)
    (here / "smollm2.digests.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    quants()
    metadata()
    alignments()
    safetensors_files()
    model(sys.argv[1])
