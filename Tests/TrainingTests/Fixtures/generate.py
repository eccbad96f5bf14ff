"""What Transformers and PEFT compute with SmolLM2-135M-Instruct, for the tests that use the real model.

    python generate.py MODEL_FOLDER [MODEL.gguf]

MODEL_FOLDER is a Hugging Face folder with config, tokenizer and chat template; its weights must be those of the Q4_1
GGUF, dequantised to fp32 (checked against MODEL.gguf when that is given). About three minutes on one thread.

    smollm2-rows.jsonl           40 short chats: messages, and tokens and labels as the chat template makes them. A label
                                 is the id of its own token, -100 where it is not trained; trained are the assistant's
                                 words and the <|im_end|> that ends them.
    smollm2-logits.json          tokens (64), top1 (the id of the largest logit at each), largest (max |logit| over all)
    smollm2-logits.safetensors   grid (64, 506): logits of ids p, p + 97, p + 2 * 97, ... at position p;
                                 full (2, vocabulary): all logits at positions 20 and 63
    smollm2-losses.json          a PEFT run of ten steps over the rows in order, four rows a step, each row by itself:
                                 hyperparameters; losses (sum of cross-entropies / trained tokens of the step), trained,
                                 gradient_norms (before clipping), learning_rates; tensor_gradient_norms: of every tensor
                                 in the second step, the first in which A has a gradient (before clipping);
                                 tensor_norms: of every tensor after the last step

The run starts from lora_B = 0 and a lora_A that any program can make again: entry e (row-major) of module m is
(2 u - 1) / sqrt(inputs), in float64 and then rounded to fp32, where u = (splitmix64(m * 2^40 + e) >> 11) * 2^-53, and
m = 7 * layer + position in (q, k, v, o, gate, up, down). splitmix64(x) adds 0x9E3779B97F4A7C15 to x and mixes once.
"""

import importlib.metadata
import json
import os
import sys

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
PINS = {"torch": "2.15.0", "transformers": "5.23.0", "peft": "0.21.2", "safetensors": "0.8.0", "gguf": "0.19.0",
        "tokenizers": "0.23.3", "numpy": "2.4.6"}
for package, version in PINS.items():
    found = importlib.metadata.version(package).split("+")[0]
    if found != version:
        sys.exit(f"generate.py: {package} is {found}, pinned is {version}: pip install {package}=={version}")

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, get_linear_schedule_with_warmup

HERE = os.path.dirname(os.path.abspath(__file__))
CHATS = [
    ["What is the boiling point of water at sea level?",
     "It is 100 degrees Celsius, or 212 degrees Fahrenheit. Higher up, where the air is thinner, water boils sooner."],
    ["Name three rivers in Africa.", "The Nile, the Congo and the Niger. The Nile is the longest of the three."],
    ["How do I keep basil fresh?",
     "Stand the stems in a glass of water, cover the leaves loosely with a bag and leave it on the counter."],
    ["Give me a word for a group of wolves.", "A group of wolves is called a pack."],
    ["Turn this into a question: The shop opens at nine.", "Does the shop open at nine?"],
    ["Why is the sky dark at night?",
     "Because this side of the Earth faces away from the Sun, and the stars are too faint and too few to fill the sky."],
    ["2, 4, 8, 16: what comes next?", "32. Each number is twice the one before it."],
    ["Who sits in the front of an orchestra?", "The strings: violins, violas, cellos and double basses, near the conductor."],
    ["Write one line about rain.", "Rain knocks softly on every roof and asks for nothing in return."],
    ["Is a tomato a fruit?", "Botanically yes: it grows from a flower and holds seeds. In the kitchen it is a vegetable."],
    ["What does CPU stand for?", "Central processing unit. It is the part of a computer that runs its instructions.",
     "And RAM?", "Random access memory."],
    ["Translate 'good morning' into Spanish.", "Buenos días."],
    ["How many minutes are in a day?", "There are 1,440 minutes in a day: 24 hours times 60 minutes."],
    ["Suggest a name for a grey cat.", "Pebble would suit a grey cat well: short, soft and easy to call."],
    ["What is an isthmus?", "A narrow strip of land with water on both sides that joins two larger pieces of land."],
    ["Sort these: pear, apple, fig.", "apple, fig, pear"],
    ["My screen is blank. What should I try first?",
     "Check that it has power and that the cable is firmly in at both ends. Then press a key in case it is asleep."],
    ["Who wrote Hamlet?", "William Shakespeare wrote Hamlet around the year 1600."],
    ["Explain gravity to a child.",
     "The Earth pulls on everything, a bit like a magnet. That is why a ball you throw up always comes back down."],
    ["What is 15 percent of 80?", "It is 12, because 80 times 0.15 is 12."],
    ["Which planet has the most moons?", "Saturn has the most known moons, well over one hundred."],
    ["Give an antonym of 'scarce'.", "Abundant.", "And of 'brief'?", "Lengthy."],
    ["What makes bread rise?", "Yeast eats sugar in the dough and gives off gas. The gas is caught in bubbles and lifts the dough."],
    ["Correct this: She go to school.", "She goes to school."],
    ["Where do penguins live?", "Almost all live in the southern half of the world, from Antarctica to the Galápagos Islands."],
    ["What is the capital of Kenya?", "Nairobi is the capital of Kenya."],
    ["How long should I boil an egg?",
     "Six minutes for a soft yolk, eight for a jammy one and eleven for a firm one. Cool it in cold water after."],
    ["What colour do blue and yellow make?", "Blue and yellow paint mixed together make green."],
    ["Give me a short weather report for a windy day.",
     "Strong winds from the west today, with clouds moving fast and a few showers. Hold on to your hat."],
    ["What is a haiku?", "A short poem from Japan, usually of three lines with five, seven and five syllables."],
    ["Complete: print('hello'", "print('hello')"],
    ["Which is heavier, a kilo of iron or a kilo of feathers?",
     "Neither: both weigh one kilo. The feathers just take up far more room."],
    ["What do bees make?", "Bees make honey and wax. They also carry pollen from flower to flower, which helps plants make seeds."],
    ["List two uses of a brick.", "1. Building a wall.\n2. Holding a door open."],
    ["What is the square root of 144?", "12, since 12 times 12 is 144."],
    ["How can I remember names better?",
     "Say the name aloud when you hear it, link it to a picture in your mind, and use it once more before you part."],
    ["What is the largest ocean?", "The Pacific Ocean, which covers about a third of the surface of the Earth."],
    ["Is zero even?", "Yes. Zero divided by two leaves no remainder, so zero is even.", "Is it prime?", "No."],
    ["Describe the taste of a lemon.", "Sharp and sour at first, with a clean, bright smell and a little bitterness in the peel."],
    ["What is a synonym for 'quick'?", "Fast, rapid, swift and speedy all mean much the same as quick."],
]
PASSAGE = (
    "The lighthouse keeper counted 17 ships on the morning of 3 March. Each one slowed near the rocks, blew its horn "
    "twice, and went on to the north. \"Strange,\" he wrote in the log; \"none of them carried a flag.\" By noon the fog "
    "had come back, and he lit the lamp again, though nobody had asked him to.")
HYPER = dict(r=16, lora_alpha=32, lora_dropout=0.0, learning_rate=2e-4, betas=[0.9, 0.999], epsilon=1e-8,
             weight_decay=0.0, warmup_steps=0, steps=10, rows_per_step=4, max_grad_norm=1.0)
MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
STRIDE, COLUMNS, FULL = 97, 506, (20, 63)


def encode(tokenizer, texts):
    """The chat as messages, tokens and labels."""
    messages = [{"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(texts)]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    spans, position = [], 0
    for message in messages:
        start = text.index(message["content"], position)
        position = start + len(message["content"])
        if message["role"] == "assistant":
            spans.append((start, position + len("<|im_end|>")))
    labels = [token if any(a < end and start < b for a, b in spans) else -100
              for token, (start, end) in zip(encoding["input_ids"], encoding["offset_mapping"])]
    return {"messages": messages, "tokens": encoding["input_ids"], "labels": labels}


def initial_a(module, rows, inputs):
    with np.errstate(over="ignore"):
        x = np.arange(rows * inputs, dtype=np.uint64) + np.uint64(module << 40) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    u = (x >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return torch.from_numpy(((2 * u - 1) / np.sqrt(np.float64(inputs))).astype(np.float32).reshape(rows, inputs))


def adapter(model):
    config = LoraConfig(r=HYPER["r"], lora_alpha=HYPER["lora_alpha"], lora_dropout=HYPER["lora_dropout"],
                        target_modules="all-linear", bias="none", task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    with torch.no_grad():
        for key, tensor in adapted.named_parameters():
            if "lora_A" in key:
                parts = key.split(".")
                module = 7 * int(parts[parts.index("layers") + 1]) + MODULES.index(parts[-4])
                tensor.copy_(initial_a(module, *tensor.shape))
            elif "lora_B" in key:
                assert not tensor.any()
    return adapted


def train(model, rows):
    model.train()
    named = {k.replace(".default", ""): p for k, p in model.named_parameters() if p.requires_grad}
    parameters = list(named.values())
    optimizer = torch.optim.AdamW(parameters, lr=HYPER["learning_rate"], betas=tuple(HYPER["betas"]),
                                  eps=HYPER["epsilon"], weight_decay=HYPER["weight_decay"])
    schedule = get_linear_schedule_with_warmup(optimizer, HYPER["warmup_steps"], HYPER["steps"])
    result = {"hyperparameters": HYPER, "losses": [], "trained": [], "gradient_norms": [], "learning_rates": []}
    for step in range(HYPER["steps"]):
        batch = rows[step * HYPER["rows_per_step"]:(step + 1) * HYPER["rows_per_step"]]
        trained = sum(label != -100 for row in batch for label in row["labels"][1:])
        optimizer.zero_grad()
        total = 0.0
        for row in batch:
            z = model(input_ids=torch.tensor([row["tokens"]])).logits[0, :-1]
            loss = F.cross_entropy(z, torch.tensor(row["labels"][1:]), ignore_index=-100, reduction="sum") / trained
            loss.backward()
            total += loss.item()
        if step == 1:
            result["tensor_gradient_norms"] = {k: p.grad.double().norm().item() for k, p in named.items()}
        result["gradient_norms"].append(torch.nn.utils.clip_grad_norm_(parameters, HYPER["max_grad_norm"]).item())
        result["learning_rates"].append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        result["losses"].append(total)
        result["trained"].append(trained)
        print(step, total, trained, result["gradient_norms"][-1], flush=True)
    result["tensor_norms"] = {k: p.detach().double().norm().item() for k, p in named.items()}
    return result


def check_against_gguf(model, path):
    """Every weight of the folder equals the GGUF's, dequantised (q and k rows in Hugging Face order)."""
    import gguf
    weights = model.state_dict()
    heads = {"attn_q": model.config.num_attention_heads, "attn_k": model.config.num_key_value_heads}
    names = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_output": "self_attn.o_proj",
             "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    names |= {f"attn_{m}": f"self_attn.{m}_proj" for m in "qkv"} | {f"ffn_{m}": f"mlp.{m}_proj" for m in ("gate", "up", "down")}
    for tensor in gguf.GGUFReader(path).tensors:
        parts = tensor.name.split(".")
        rows = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        stem = names[parts[-2]]
        key = f"model.layers.{parts[1]}.{stem}.weight" if parts[0] == "blk" else f"{stem}.weight"
        if parts[-2] in heads:
            n = heads[parts[-2]]
            rows = rows.reshape(n, rows.shape[0] // n // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)
        if not torch.equal(weights[key], torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))):
            sys.exit(f"generate.py: {key} of the folder is not {tensor.name} of {path}")
    print("weights equal", path)


def write_json(name, value):
    with open(os.path.join(HERE, name), "w") as file:
        file.write("{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()) + "\n}\n")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.utils.logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32, attn_implementation="eager").eval()
    model.config.use_cache = False
    if len(sys.argv) == 3:
        check_against_gguf(model, sys.argv[2])

    rows = [encode(tokenizer, texts) for texts in CHATS]
    assert len(rows) == HYPER["steps"] * HYPER["rows_per_step"]
    with open(os.path.join(HERE, "smollm2-rows.jsonl"), "w") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    lengths = [len(row["tokens"]) for row in rows]
    print("rows", min(lengths), max(lengths), sum(lengths))

    tokens = tokenizer(PASSAGE, add_special_tokens=False)["input_ids"][:64]
    assert len(tokens) == 64
    with torch.no_grad():
        z = model(input_ids=torch.tensor([tokens])).logits[0]
    ids = torch.arange(64)[:, None] + STRIDE * torch.arange(COLUMNS)[None, :]
    assert ids.max() < z.shape[1]
    save_file({"grid": z.gather(1, ids).contiguous(), "full": z[list(FULL)].contiguous()},
              os.path.join(HERE, "smollm2-logits.safetensors"))
    two = z.topk(2).values
    print("smallest gap between first and second", (two[:, 0] - two[:, 1]).min().item())
    write_json("smollm2-logits.json", {"tokens": tokens, "top1": z.argmax(-1).tolist(), "largest": z.abs().max().item(),
                                       "stride": STRIDE, "full_positions": list(FULL)})
    write_json("smollm2-losses.json", train(adapter(model), rows))
