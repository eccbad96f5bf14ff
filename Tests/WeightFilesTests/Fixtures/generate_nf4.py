"""Makes nf4.safetensors and nf4.smollm2.json in this folder: what bitsandbytes makes of matrices on a CPU, from fp32.

    python generate_nf4.py MODEL.gguf        (SmolLM2-135M-Instruct.Q4_1.gguf)

Needs exactly: numpy 2.4.6, gguf 0.19.0, safetensors 0.8.0, torch 2.15.0, bitsandbytes 0.50.2. Every random number is seeded.

nf4.safetensors holds for each NAME (blocks: 1,000 blocks of 64; ragged: rows that are no whole blocks; edges: zeros, subnormal
numbers, ties, one large number in a block) NAME.input, NAME.codes, NAME.absmax (of each block), NAME.scales, NAME.groups,
NAME.offset and NAME.output (widened again), and the map of scales. nf4.smollm2.json has a digest of each of these of a layer.
"""
import json
import pathlib
import sys
from importlib.metadata import version

import gguf
import numpy as np
import safetensors.torch
import torch
from bitsandbytes import functional as bnb

PINS = {"numpy": "2.4.6", "gguf": "0.19.0", "safetensors": "0.8.0", "torch": "2.15.0", "bitsandbytes": "0.50.2"}
for package, pin in PINS.items():
    if version(package).split("+")[0] != pin:
        sys.exit(f"{package} {pin} is needed, {version(package)} is installed")

here = pathlib.Path(__file__).parent
torch.manual_seed(50)


def quantized(x):
    """Parts by name; the scales of blocks before their own quantisation come from a run without it."""
    codes, state = bnb.quantize_4bit(x, blocksize=64, compress_statistics=True, quant_type="nf4")
    plain_codes, plain = bnb.quantize_4bit(x, blocksize=64, compress_statistics=False, quant_type="nf4")
    assert torch.equal(codes, plain_codes) and state.state2.blocksize == 256
    return {
        "codes": codes.flatten(), "absmax": plain.absmax, "scales": state.absmax, "groups": state.state2.absmax,
        "offset": state.offset.reshape(1), "output": bnb.dequantize_4bit(codes, state),
        "plain": bnb.dequantize_4bit(plain_codes, plain)}, state.state2.code


def edges():
    x = torch.randn(16, 64)
    x[0] = 0
    x[1] *= 1e-38
    x[2] = 1e-45
    x[3, 5] = 3e38
    levels = torch.tensor(bnb.get_4bit_type("nf4", device="cpu").tolist())
    x[4, :16] = levels
    x[4, 16:31] = (levels[1:] + levels[:-1]) / 2  # as near to one level as to the next
    x[4, 31:] = 0
    x[5] = -x[4]
    x[6] = 7
    return x


tensors = {}
inputs = {"blocks": torch.randn(100, 640) * torch.rand(100, 1) * 0.1, "ragged": torch.randn(13, 37), "edges": edges()}
for name, x in inputs.items():
    parts, scale_map = quantized(x)
    tensors |= {f"{name}.{key}": value.contiguous() for key, value in parts.items()} | {f"{name}.input": x}
tensors["scale_map"] = scale_map
safetensors.torch.save_file(tensors, here / "nf4.safetensors")


def digest(tensor):
    """The digest of generate.py, of numbers as fp32."""
    words = np.ascontiguousarray(tensor.numpy().ravel(), dtype=np.float32).view(np.uint32).astype(np.uint64)
    factors = np.arange(len(words), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) | np.uint64(1)
    return f"{int((words * factors).sum(dtype=np.uint64)):016x}"


tensor = next(t for t in gguf.GGUFReader(sys.argv[1]).tensors if t.name == "blk.0.ffn_gate.weight")
weight = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
parts, _ = quantized(weight)
found = {key: digest(parts[key]) for key in ("codes", "absmax", "scales", "groups", "output")}
text = json.dumps(found | {"offset": parts["offset"].item(), "shape": list(weight.shape)}, indent=2)
(here / "nf4.smollm2.json").write_text(text + "\n")
