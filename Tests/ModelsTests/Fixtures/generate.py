"""Makes the tiny models of this folder and what PyTorch, Transformers and PEFT compute with them.

    python generate.py [NAME ...]        (all when no name is given; offline, seeded, one thread, fp32)

Layout, for each model NAME:

    NAME/config.json, model.safetensors        a Hugging Face folder (one has shards and an index)
    NAME/adapter/                              PEFT: all-linear, r 4, alpha 8, A and B random and not zero
    NAME/adapter-qv/                           PEFT: q_proj and v_proj, rsLoRA
    NAME/oracle.json                           integers and single numbers:
        examples            token ids of each example; each was run by itself
        gradient            rows (tokens, labels), trained (tokens counted), loss: sum of cross-entropies / trained
        training            rows, batches (row numbers of each step), hyperparameters, losses, gradient_norms (before
                            clipping) and learning_rates of each step
        fp32_error          distance of PyTorch's own fp32 results from its float64 results, to judge others by
    NAME/oracle.safetensors                    F32:
        logits.I                               (tokens, vocabulary) of example I, base model, computed in fp32
        adapter.logits.I, adapter-qv.logits.I  the same with an adapter (rsLoRA one: short examples only)
        gradient.TENSOR                        d loss / d TENSOR at adapter/, computed in float64
        initial.TENSOR                         lora_A at the start of the training run (lora_B is 0), as PEFT makes it
        trained.TENSOR                         lora_A and lora_B after the last step, computed in fp32

TENSOR is the name in adapter_model.safetensors. A label of -100 is not trained; labels[i] is the id of tokens[i] itself,
so label 0 of a row never counts. The weights are computed on as stored (F16 and BF16 widened to fp32).

    chat/                    no oracle: a folder with tokenizer and chat template, for runs of the whole program
    gguf/NAME-TYPE.gguf      the models as llama.cpp's converter writes them: q and k rows permuted, norms and biases F32,
                             llama3 rope factors as the tensor rope_freqs.weight. Equal weights, so NAME's logits hold,
                             except for Q8_0, whose logits are in gguf/untied-gqa-f16-Q8_0.safetensors (logits.I)
"""

import contextlib
import importlib.metadata
import json
import math
import os
import shutil
import sys

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
if os.environ.get("PYTHONHASHSEED") != "0":  # PEFT keeps target modules in a set, whose order follows the hash seed
    os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"PYTHONHASHSEED": "0"})
PINS = {"torch": "2.15.0", "transformers": "5.23.0", "peft": "0.21.2", "safetensors": "0.8.0", "gguf": "0.19.0",
        "tokenizers": "0.23.3", "numpy": "2.4.6", "bitsandbytes": "0.50.2"}
for package, version in PINS.items():
    found = importlib.metadata.version(package).split("+")[0]
    if found != version:
        sys.exit(f"generate.py: {package} is {found}, pinned is {version}: pip install {package}=={version}")

import gguf
import numpy as np
import torch
import torch.nn.functional as F
import transformers
from bitsandbytes import functional as bnb
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import load_file, save_file
from transformers import (AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM,
                          get_linear_schedule_with_warmup)

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPE = dict(vocab_size=56, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
             pad_token_id=None, tie_word_embeddings=False)
# Scaled so that short positions meet all three branches of the llama3 rule: wavelengths 6.3, 19.9, 62.8, 199.
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)

# name: (config class, changed shape, storage type, keys of config.json as older releases of Transformers write them)
MODELS = {
    "tied": (LlamaConfig, dict(tie_word_embeddings=True), torch.float32, None),
    "untied-gqa-f16": (LlamaConfig, dict(hidden_size=32, intermediate_size=64, num_attention_heads=8),
                       torch.float16, {}),
    "llama3-rope-bf16": (LlamaConfig, dict(hidden_size=16, intermediate_size=28, head_dim=8, tie_word_embeddings=True,
                                           rope_parameters=LLAMA3 | dict(rope_theta=100.0)), torch.bfloat16,
                         dict(rope_theta=100.0, rope_scaling=LLAMA3)),
    "linear-rope-sharded": (LlamaConfig, dict(num_key_value_heads=4,
                                              rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=10000.0)),
                            torch.float16, dict(rope_theta=10000.0, rope_scaling=dict(type="linear", factor=4.0))),
    "biases": (LlamaConfig, dict(hidden_size=20, intermediate_size=36, num_attention_heads=2, attention_bias=True,
                                 mlp_bias=True), torch.bfloat16, None),
    "mistral": (MistralConfig, dict(hidden_size=16, intermediate_size=28, num_hidden_layers=3, num_key_value_heads=1,
                                    sliding_window=None, rms_norm_eps=1e-6,
                                    rope_parameters=dict(rope_type="default", rope_theta=1000.0)), torch.float16,
                dict(rope_theta=1000.0)),
    "nf4": (LlamaConfig, {}, torch.float32, None),  # linear maps quantised by bitsandbytes, rows that are no whole blocks
}
TRAINED = ("tied", "llama3-rope-bf16", "biases", "nf4")  # models with a training run of ten steps
LENGTHS = (1, 3, 9, 40)


def make(name):
    """The model folder, with random weights large enough that attention and logits are far from uniform."""
    kind, changes, dtype, old_keys = MODELS[name]
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    config = kind(**(SHAPE | changes))
    model = (LlamaForCausalLM if kind is LlamaConfig else MistralForCausalLM)(config)
    torch.manual_seed(1000 + list(MODELS).index(name))
    randomize(model)
    if name == "nf4":
        quantize(model, folder)
    model.to(dtype).save_pretrained(folder, max_shard_size="12KB" if "sharded" in name else "1GB")
    os.remove(os.path.join(folder, "generation_config.json"))
    if old_keys is not None:
        path = os.path.join(folder, "config.json")
        written = json.load(open(path))
        for key in ("rope_parameters", "dtype"):
            written.pop(key, None)
        if "head_dim" not in changes:
            written.pop("head_dim", None)
        written |= {"torch_dtype": str(dtype).removeprefix("torch.")} | old_keys
        write_json(path, written)
    return folder


def randomize(model):
    with torch.no_grad():
        for key, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape)
            if "norm" in key:
                tensor.copy_(1 + 0.2 * noise)
            elif key.endswith("bias"):
                tensor.copy_(0.3 * noise)
            elif "embed" in key or "lm_head" in key:
                tensor.copy_(0.12 * noise)
            else:
                gain = 1.2 if "q_proj" in key or "k_proj" in key else 1.0
                tensor.copy_(gain * noise / math.sqrt(tensor.shape[1]))


def quantize(model, folder):
    """Gives the linear maps the values that they have in 4-bit NormalFloat; what stands for these goes to parts.safetensors."""
    parts = {}
    for key, tensor in model.named_parameters():
        if "_proj.weight" not in key:
            continue
        codes, state = bnb.quantize_4bit(tensor.data, blocksize=64, compress_statistics=True, quant_type="nf4")
        parts[key] = codes
        parts |= {f"{key}.{name}": value.contiguous() for name, value in state.as_dict(packed=True).items()}
        tensor.data = bnb.dequantize_4bit(codes, state)
    os.makedirs(folder)
    save_file(parts, os.path.join(folder, "parts.safetensors"))


def store_nf4(folder):
    """The model folder as Transformers and bitsandbytes keep it."""
    path, parts = os.path.join(folder, "model.safetensors"), os.path.join(folder, "parts.safetensors")
    save_file({k: t for k, t in load_file(path).items() if "_proj.weight" not in k} | load_file(parts), path,
              metadata={"format": "pt"})
    os.remove(parts)
    path = os.path.join(folder, "config.json")
    config = json.load(open(path))
    config["quantization_config"] = dict(
        quant_method="bitsandbytes", load_in_4bit=True, load_in_8bit=False, bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype="float32", bnb_4bit_quant_storage="uint8")
    write_json(path, config)


def load(folder, dtype=torch.float32):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    model.config.use_cache = False
    return model.to(dtype).eval()


@contextlib.contextmanager
def float64():
    """Transformers computes RMSNorm and softmax in fp32 whatever the type; here they stay in float64. The cosines and
    sines of RoPE remain fp32 numbers."""
    import transformers.models.llama.modeling_llama as llama
    import transformers.models.mistral.modeling_mistral as mistral

    def norm(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))

    classes, softmax = (llama.LlamaRMSNorm, mistral.MistralRMSNorm), F.softmax
    forwards = [kind.forward for kind in classes]
    for kind in classes:
        kind.forward = norm
    F.softmax = lambda x, dim=None, dtype=None: softmax(x, dim=dim)
    try:
        yield
    finally:
        F.softmax = softmax
        for kind, forward in zip(classes, forwards):
            kind.forward = forward


def logits(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0]


def attach(model, targets, seed, rslora=False, random_b=True):
    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=targets, use_rslora=rslora, bias="none",
                        task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    if random_b:
        with torch.no_grad():
            for key, tensor in adapted.named_parameters():
                if "lora_B" in key:
                    tensor.copy_(0.3 * torch.randn(tensor.shape))
    return adapted.eval()


def rows(generator, vocabulary, lengths):
    """Rows with labels masked here and there; the first row has no label in its first half, the last starts unmasked."""
    made = []
    for number, length in enumerate(lengths):
        tokens = generator.integers(0, vocabulary, length).tolist()
        labels = [t if generator.random() < 0.6 else -100 for t in tokens]
        if number == 0:
            labels = [-100] * (length // 2) + tokens[length // 2:]
        if number == len(lengths) - 1:
            labels[0] = tokens[0]
        labels[-1] = tokens[-1]
        made.append({"tokens": tokens, "labels": labels})
    return made


def trained_count(batch):
    return sum(label != -100 for row in batch for label in row["labels"][1:])


def loss_of(model, batch):
    """Sum of the cross-entropies over the trained tokens, divided by their count; each row is run by itself."""
    total = 0
    for row in batch:
        z = model(input_ids=torch.tensor([row["tokens"]])).logits[0, :-1]
        total = total + F.cross_entropy(z, torch.tensor(row["labels"][1:]), ignore_index=-100, reduction="sum")
    return total / trained_count(batch)


def saved_name(key):
    return key.replace(".default", "")


def gradients(model, batch):
    model.zero_grad()
    for key, tensor in model.named_parameters():
        tensor.requires_grad_("lora_" in key)
    loss = loss_of(model, batch)
    loss.backward()
    return loss.item(), {saved_name(k): t.grad.clone() for k, t in model.named_parameters() if "lora_" in k}


HYPER = dict(learning_rate=2e-2, betas=[0.9, 0.999], epsilon=1e-8, weight_decay=0.1, warmup_steps=3, steps=10,
             max_grad_norm=0.9)


def train(model, all_rows, batches, ratio=1):
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    options = dict(lr=HYPER["learning_rate"], betas=tuple(HYPER["betas"]), eps=HYPER["epsilon"])
    if ratio == 1:
        optimizer = torch.optim.AdamW(parameters, weight_decay=HYPER["weight_decay"], **options)
    else:
        optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, loraplus_lr_ratio=ratio,
                                              loraplus_weight_decay=HYPER["weight_decay"], **options)
    schedule = get_linear_schedule_with_warmup(optimizer, HYPER["warmup_steps"], HYPER["steps"])
    losses, norms, rates = [], [], []
    for batch in batches:
        optimizer.zero_grad()
        loss = loss_of(model, [all_rows[i] for i in batch])
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, HYPER["max_grad_norm"]).item())
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses, norms, rates, {saved_name(k): t.detach().clone() for k, t in model.named_parameters() if "lora_" in k}


def distance(found, truth):
    """Largest relative L2 distance over tensors."""
    return max((torch.linalg.vector_norm(found[k].double() - truth[k].double()) /
                torch.linalg.vector_norm(truth[k].double())).item() for k in truth)


def write_json(path, value):
    """Objects by line, arrays of numbers in one line."""
    def text(value, indent):
        if isinstance(value, dict):
            inner = ",\n".join(f"{indent}  {json.dumps(k)}: {text(v, indent + '  ')}" for k, v in value.items())
            return "{\n" + inner + "\n" + indent + "}" if value else "{}"
        if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
            return "[\n" + ",\n".join(indent + "  " + json.dumps(v) for v in value) + "\n" + indent + "]"
        return json.dumps(value)
    with open(path, "w") as file:
        file.write(text(value, "") + "\n")


def save_adapter(adapted, folder):
    """As PEFT saves it, without its model card, and with a name instead of this machine's path."""
    adapted.peft_config["default"].base_model_name_or_path = os.path.basename(os.path.dirname(folder))
    adapted.save_pretrained(folder, save_embedding_layers=False)
    os.remove(os.path.join(folder, "README.md"))


def oracle(name):
    folder, number = os.path.join(HERE, name), list(MODELS).index(name)
    generator = np.random.Generator(np.random.PCG64(7000 + number))
    vocabulary = SHAPE["vocab_size"]
    examples = [generator.integers(0, vocabulary, n).tolist() for n in LENGTHS]
    tensors, numbers, errors = {}, {"examples": examples}, {}

    with float64():
        exact = load(folder, torch.float64)
        exact_logits = [logits(exact, ids) for ids in examples]
    base = load(folder)
    for i, ids in enumerate(examples):
        tensors[f"logits.{i}"] = logits(base, ids)
    errors["logits_max_abs"] = max((tensors[f"logits.{i}"] - z).abs().max().item() for i, z in enumerate(exact_logits))
    errors["logits_largest"] = max(z.abs().max().item() for z in exact_logits)

    adapted = attach(base, "all-linear", 2000 + number)
    save_adapter(adapted, os.path.join(folder, "adapter"))
    for i, ids in enumerate(examples):
        tensors[f"adapter.logits.{i}"] = logits(adapted, ids)
    batch = rows(generator, vocabulary, (8, 2, 17, 5))
    loss, found = gradients(adapted, batch)
    with float64():
        exact_adapted = PeftModel.from_pretrained(load(folder), os.path.join(folder, "adapter")).double().eval()
        exact_loss, truth = gradients(exact_adapted, batch)
    errors |= {"gradient_relative_l2": distance(found, truth), "loss": abs(loss - exact_loss)}
    numbers["gradient"] = {"trained": trained_count(batch), "loss": exact_loss, "rows": batch}
    tensors |= {f"gradient.{k}": t.float() for k, t in truth.items()}

    qv = attach(load(folder), ["q_proj", "v_proj"], 3000 + number, rslora=True)
    save_adapter(qv, os.path.join(folder, "adapter-qv"))
    for i, ids in enumerate(examples[:3]):
        tensors[f"adapter-qv.logits.{i}"] = logits(qv, ids)

    if name in TRAINED:
        all_rows = rows(generator, vocabulary, (6, 11, 2, 20, 14, 9, 25, 4, 7, 16))
        batches = [sorted(generator.choice(len(all_rows), size, replace=False).tolist())
                   for size in (4, 3, 5, 4, 2, 4, 6, 3, 4, 5)]
        fresh = attach(load(folder), "all-linear", 4000 + number, random_b=False)
        tensors |= {f"initial.{saved_name(k)}": t.detach().clone() for k, t in fresh.named_parameters() if "lora_A" in k}
        with float64():
            _, _, _, truth = train(attach(load(folder), "all-linear", 4000 + number, random_b=False).double(),
                                   all_rows, batches)
        losses, norms, rates, final = train(fresh, all_rows, batches)
        assert min(norms) < HYPER["max_grad_norm"] < max(norms), norms
        errors["training_relative_l2"] = distance(final, truth)
        tensors |= {f"trained.{k}": t for k, t in final.items()}
        numbers["training"] = {"hyperparameters": HYPER, "rows": all_rows, "batches": batches, "losses": losses,
                               "gradient_norms": norms, "learning_rates": rates}
    numbers["fp32_error"] = errors
    save_file({k: t.contiguous() for k, t in tensors.items()}, os.path.join(folder, "oracle.safetensors"))
    write_json(os.path.join(folder, "oracle.json"), numbers)
    print(name, {k: float(f"{v:.2g}") for k, v in errors.items()},
          [round(n, 2) for n in numbers.get("training", {}).get("gradient_norms", [])])


# Options of LoraConfig, and the ratio of LoRA+, on the model "tied". Starting values are random, of B too.
VARIANTS = {
    "patterns": (dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "down_proj"],
                      rank_pattern={"down_proj": 2, "layers.1.self_attn.q_proj": 6, "^model.layers.0.*.v_proj": 3},
                      alpha_pattern={"[qv]_proj": 5.0, "model.layers.0.mlp.down_proj": 3.0},
                      exclude_modules=["layers.0.self_attn.k_proj"]), 1),
    "layers": (dict(r=4, lora_alpha=8, use_rslora=True, layers_to_transform=[1], rank_pattern={"o_proj": 9},
                    target_modules=["q_proj", "o_proj", "up_proj", "model.layers.0.mlp.gate_proj"]), 1),
    "excluded": (dict(r=4, lora_alpha=6, target_modules=r".*\.(self_attn|mlp)\..*_proj",
                      exclude_modules=r".*layers\.0.*(up|down)_proj"), 1),
    "loraplus": (dict(r=4, lora_alpha=8, target_modules="all-linear"), 4.0),
}


def variants():
    for number, (name, (options, ratio)) in enumerate(VARIANTS.items()):
        folder = os.path.join(HERE, "variants", name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        generator = np.random.Generator(np.random.PCG64(9000 + number))

        def fresh(dtype=torch.float32):
            torch.manual_seed(5000 + number)
            model = get_peft_model(load(os.path.join(HERE, "tied")), LoraConfig(task_type="CAUSAL_LM", **options))
            with torch.no_grad():
                for key, tensor in model.named_parameters():
                    if "lora_B" in key:
                        tensor.copy_(0.3 * torch.randn(tensor.shape))
            return model.to(dtype)

        adapted = fresh().eval()
        save_adapter(adapted, os.path.join(folder, "adapter"))
        all_rows = rows(generator, SHAPE["vocab_size"], (6, 11, 2, 20, 14, 9, 25, 4, 7, 16))
        batches = [sorted(generator.choice(len(all_rows), size, replace=False).tolist())
                   for size in (4, 3, 5, 4, 2, 4, 6, 3, 4, 5)]
        tensors = {"logits": logits(adapted, all_rows[6]["tokens"])}
        losses, norms, rates, final = train(fresh(), all_rows, batches, ratio)
        tensors |= {f"trained.{k}": t for k, t in final.items()}
        with float64():
            error = distance(final, train(fresh(torch.float64), all_rows, batches, ratio)[3])
        save_file({k: t.contiguous() for k, t in tensors.items()}, os.path.join(folder, "oracle.safetensors"))
        write_json(os.path.join(folder, "oracle.json"),
                   {"training": {"hyperparameters": HYPER | {"loraplus_lr_ratio": ratio}, "rows": all_rows,
                                 "batches": batches, "losses": losses, "gradient_norms": norms,
                                 "learning_rates": rates}, "fp32_error": error})
        print(name, sorted(saved_name(k) for k in final if "lora_A" in k)[:3], f"{error:.2g}")


CHAT_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nBe brief.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
MERGES = ["t h", "i n", "th e", "Ġ a", "Ġ the"]


def chat():
    """A model with a byte-level vocabulary: three special tokens, the 256 bytes, five merges; digits one by one."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    folder = os.path.join(HERE, "chat")
    shutil.rmtree(folder, ignore_errors=True)
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens = specials + sorted(pre_tokenizers.ByteLevel.alphabet()) + [m.replace(" ", "") for m in MERGES]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in MERGES]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in specials])
    config = LlamaConfig(**(SHAPE | dict(vocab_size=len(tokens), intermediate_size=32, tie_word_embeddings=True,
                                         max_position_embeddings=512, bos_token_id=1, eos_token_id=2)))
    model = LlamaForCausalLM(config)
    torch.manual_seed(1100)
    randomize(model)
    model.to(torch.bfloat16).save_pretrained(folder)
    os.remove(os.path.join(folder, "generation_config.json"))
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    write_json(os.path.join(folder, "tokenizer_config.json"), {
        "tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False, "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>", "pad_token": "<|im_end|>",
        "clean_up_tokenization_spaces": False, "model_max_length": 512, "chat_template": CHAT_TEMPLATE})
    write_gguf("chat", "BF16", vocabulary=tokens)


QUANTIZATION = {"F32": gguf.GGMLQuantizationType.F32, "F16": gguf.GGMLQuantizationType.F16,
                "BF16": gguf.GGMLQuantizationType.BF16, "Q8_0": gguf.GGMLQuantizationType.Q8_0}
LAYER = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def gguf_name(key):
    stem, kind = key.rsplit(".", 1)
    whole = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    if stem in whole:
        return f"{whole[stem]}.{kind}"
    _, _, layer, rest = stem.split(".", 3)
    return f"blk.{layer}.{LAYER[rest]}.{kind}"


def permute(rows, heads):
    """GGUF's order of the q and k rows: in each head the two halves interleaved."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def rope_factors(rope, head_dim):
    """What each frequency is divided by under llama3 scaling, in fp32 as the converter stores it."""
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    context, factors = rope["original_max_position_embeddings"], []
    for i in range(0, head_dim, 2):
        wavelength = 2 * math.pi * rope["rope_theta"] ** (i / head_dim)
        if wavelength < context / high:
            factors.append(1.0)
        elif wavelength > context / low:
            factors.append(rope["factor"])
        else:
            smooth = (context / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def write_gguf(name, kind, vocabulary=None):
    """The model folder `name` as GGUF; returns the path and the matrices as Q8_0 stores them."""
    model = load(os.path.join(HERE, name))
    config = model.config
    heads, kv_heads, head_dim = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    head_dim = head_dim or config.hidden_size // heads
    os.makedirs(os.path.join(HERE, "gguf"), exist_ok=True)
    path = os.path.join(HERE, "gguf", f"{name}-{kind}.gguf")
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(head_dim)
    if head_dim != config.hidden_size // heads:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if config.rope_parameters["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_parameters["factor"])
    if config.rope_parameters["rope_type"] == "llama3":
        factors = rope_factors(config.rope_parameters, head_dim)
        plain = config.rope_parameters["rope_theta"] ** -(np.arange(0, head_dim, 2) / head_dim)
        assert np.allclose(plain / factors, model.model.rotary_emb.inv_freq.numpy(), rtol=1e-6)
        writer.add_tensor("rope_freqs.weight", factors)
    if vocabulary is not None:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("smollm")
        writer.add_token_list(vocabulary)
        writer.add_token_types([gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(vocabulary) - 3))
        writer.add_token_merges(MERGES)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_pad_token_id(2)
        writer.add_add_bos_token(False)
        writer.add_chat_template(CHAT_TEMPLATE)
    stored = {}
    for key, tensor in model.state_dict().items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        rows = tensor.numpy()
        if "q_proj" in key or "k_proj" in key:
            rows = permute(rows, heads if "q_proj" in key else kv_heads)
        # Norms and biases are F32 in every GGUF.
        quantization = QUANTIZATION[kind if rows.ndim == 2 else "F32"]
        data = gguf.quants.quantize(rows, quantization)
        writer.add_tensor(gguf_name(key), data, raw_dtype=quantization)
        stored[key] = torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(tensor.numpy(), quantization),
                                                              quantization).copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, stored


def write_ggufs():
    for name, kind in (("tied", "F32"), ("llama3-rope-bf16", "BF16"), ("biases", "BF16")):
        write_gguf(name, kind)
    path, stored = write_gguf("untied-gqa-f16", "Q8_0")
    model = load(os.path.join(HERE, "untied-gqa-f16"))
    model.load_state_dict(stored)
    examples = json.load(open(os.path.join(HERE, "untied-gqa-f16", "oracle.json")))["examples"]
    save_file({f"logits.{i}": logits(model, ids) for i, ids in enumerate(examples)},
              path.replace(".gguf", ".safetensors"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    torch.use_deterministic_algorithms(True)
    chosen = sys.argv[1:] or [*MODELS, "chat", "gguf", "variants"]
    for name in chosen:
        if name == "chat":
            chat()
        elif name == "gguf":
            write_ggufs()
        elif name == "variants":
            variants()
        else:
            make(name)
            oracle(name)
            if name == "nf4":
                store_nf4(os.path.join(HERE, name))
