"""Loads an adapter that lora-dist wrote in PEFT, with every warning about it an error, and compares logits.

    python check_in_peft.py MODEL_FOLDER ADAPTER_FOLDER [TOKENS.json LOGITS.safetensors [PREFIX]]

TOKENS.json has the token ids under "examples", a list for each example; LOGITS.safetensors has the logits that lora-dist
computes with the adapter as PREFIX.0, PREFIX.1, ... (PREFIX is "logits" unless given), of shape (tokens, vocabulary).
Without them it is only loaded, and every tensor must have found its place. `LORA_DIST_DUMP=FOLDER swift test --filter
'ReadByPEFTTests|TrainedPartsTests'` trains adapters and writes both files beside each. Fails above a difference of 1e-4. Needs torch,
transformers, peft and safetensors; computes in fp32 on one thread.
"""

import json
import os
import sys
import warnings

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

LIMIT = 1e-4


def name_in_file(key):
    """A parameter's name in adapter_model.safetensors, where DoRA's magnitudes have no .weight."""
    key = key.replace(".default", "")
    return key.removesuffix(".weight") if "lora_magnitude_vector" in key else key


def main(model_folder, adapter_folder, tokens=None, logits=None, prefix="logits"):
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    base = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32, attn_implementation="eager")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # PEFT 0.21.2 asks Transformers 5.23 for a renamed attribute, whatever the adapter.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        # What is trained whole of a tied table is a table of its own, and PEFT says so.
        warnings.filterwarnings("ignore", "Model has `tie_word_embeddings=True` and a tied layer", UserWarning)
        model = PeftModel.from_pretrained(base, adapter_folder).eval()
    saved = load_file(os.path.join(adapter_folder, "adapter_model.safetensors"))
    endings = {"none": (), "all": (".bias",), "lora_only": (".base_layer.bias",)}[model.peft_config["default"].bias]
    placed = {name_in_file(k.replace(".modules_to_save.default", "")): t for k, t in model.named_parameters()
              if "lora_" in k or "modules_to_save" in k or k.endswith(endings)}
    if saved.keys() != placed.keys():
        sys.exit(f"tensors differ from the modules that PEFT adapts: {sorted(saved.keys() ^ placed.keys())}")
    if not all(torch.equal(saved[k].float(), placed[k].float()) for k in saved):
        sys.exit("PEFT did not load the tensors as they are saved")
    print(f"PEFT loads {len(saved)} tensors of {adapter_folder} without a warning")
    if tokens is None:
        return
    expected, worst = load_file(logits), 0.0
    with open(tokens) as file:
        examples = json.load(file)["examples"]
    compared = 0
    for i, ids in enumerate(examples):
        if f"{prefix}.{i}" in expected:
            with torch.no_grad():
                found = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
            difference = (found - expected[f"{prefix}.{i}"]).abs().max().item()
            largest = found.abs().max().item()
            print(f"example {i}, {len(ids)} tokens: difference {difference:.3g}, {difference / largest:.1g} of the largest logit")
            worst = max(worst, difference)
            compared += 1
    print(f"{compared} examples, largest difference {worst:.3g}")
    if compared == 0 or not worst <= LIMIT:
        sys.exit(f"expected at least one example and no difference above {LIMIT}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 5, 6):
        sys.exit(__doc__)
    main(*sys.argv[1:])
