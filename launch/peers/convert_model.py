"""Writes a GGUF file of Llama's architecture as a Hugging Face folder in fp32, with the values that gguf-py reads.

    convert_model.py FILE.gguf FOLDER
"""
import copy
import os
import sys

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", CUDA_VISIBLE_DEVICES="")
import torch
from gguf import GGUFReader
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging

logging.disable_progress_bar()
source, target = sys.argv[1:]
folder, name = os.path.split(source)
fields = {key: field.contents() for key, field in GGUFReader(source).fields.items()}

tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
if fields.get("tokenizer.ggml.pre") == "smollm":
    # Transformers leaves out that this tokenizer splits off every digit.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
tokenizer.chat_template = fields["tokenizer.chat_template"]

loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
config = copy.deepcopy(loaded.config)
if hasattr(config, "quantization_config"):
    del config.quantization_config  # Transformers saves no model that it took from a GGUF file
config.dtype = torch.float32
config.rms_norm_eps = 1e-5  # stored as a float, read as 9.999999747378752e-06
model = type(loaded)(config)
model.load_state_dict(loaded.state_dict())
model.tie_weights()
ids = {key: getattr(tokenizer, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
for key, value in ids.items():
    setattr(model.config, key, value)
model.generation_config = GenerationConfig(**ids)
model.save_pretrained(target)
tokenizer.save_pretrained(target)
