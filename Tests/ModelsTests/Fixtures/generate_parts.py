"""Makes parts/: what PEFT and Transformers make of biases, of modules that are trained whole and of label smoothing.

    python generate_parts.py        (offline, seeded, one thread, fp32; the models and versions of generate.py)

    parts/NAME/adapter/             PEFT: as it is before the first step, lora_B random and not zero
    parts/NAME/oracle.json          model (the folder beside), gradient and training as in generate.py's NAME/oracle.json;
                                    hyperparameters have label_smoothing_factor and loraplus_lr_ratio too
    parts/NAME/oracle.safetensors   F32: logits of row 6 before the first step; gradient.TENSOR, computed in float64, and
                                    trained.TENSOR after the last step, of every trained tensor under its saved name

Weight decay is that of Transformers' Trainer, which leaves biases out, or with a ratio that of PEFT's LoRA+. The loss is that of
Transformers' LabelSmoother.

No gradient that PyTorch itself computes in float32 may be further than 2e-6 from the one in float64: a case that magnifies rounding
more than that tells nothing about a bound of 1e-5, which some kernels of a BLAS then meet and others do not.
"""

import os
import shutil

import generate as g
import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import load_file, save_file
from transformers import Trainer, get_linear_schedule_with_warmup
from transformers.trainer_pt_utils import LabelSmoother

# name: (model, options of LoraConfig, label smoothing, ratio of LoRA+)
PARTS = {
    "bias-all": ("biases", dict(target_modules=["q_proj", "down_proj"], bias="all"), 0.0, 1),
    "bias-lora-only": ("biases", dict(target_modules=["v_proj", "up_proj"], bias="lora_only"), 0.0, 4.0),
    "embedding": ("tied", dict(target_modules=["q_proj", "down_proj"], modules_to_save=["embed_tokens"]), 0.0, 1),
    "head": ("tied", dict(target_modules=["v_proj"], modules_to_save=["lm_head"]), 0.0, 1),
    "ends-tied": ("tied", dict(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"]), 0.0, 4.0),
    "ends-smoothed": ("untied-gqa-f16", dict(target_modules=["o_proj"], modules_to_save=["lm_head", "embed_tokens"]), 0.2, 1),
    "smoothed": ("llama3-rope-bf16", dict(target_modules=["v_proj", "up_proj"]), 0.1, 1),
}


def saved_name(key):
    return key.replace(".modules_to_save.default", "").replace(".default", "")


def trained_tensors(model):
    return {saved_name(k): t for k, t in model.named_parameters() if t.requires_grad}


def loss_of(model, batch, smoothing):
    """Each row is run by itself; the sum over the trained tokens is divided by their count."""
    smoother, count = LabelSmoother(epsilon=smoothing), g.trained_count(batch)
    return sum(smoother({"logits": model(input_ids=torch.tensor([row["tokens"]])).logits},
                        torch.tensor([row["labels"]]), shift_labels=True, num_items_in_batch=count) for row in batch)


def train(model, rows, batches, smoothing, ratio):
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    hyper = g.HYPER
    options = dict(lr=hyper["learning_rate"], betas=tuple(hyper["betas"]), eps=hyper["epsilon"])
    if ratio == 1:
        decaying = set(Trainer.get_decay_parameter_names(None, model))
        named = [(k, p) for k, p in model.named_parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            [dict(params=[p for k, p in named if k in decaying], weight_decay=hyper["weight_decay"]),
             dict(params=[p for k, p in named if k not in decaying], weight_decay=0.0)], **options)
    else:
        optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, loraplus_lr_ratio=ratio,
                                              loraplus_weight_decay=hyper["weight_decay"], **options)
    schedule = get_linear_schedule_with_warmup(optimizer, hyper["warmup_steps"], hyper["steps"])
    losses, norms = [], []
    for batch in batches:
        optimizer.zero_grad()
        loss = loss_of(model, [rows[i] for i in batch], smoothing)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, hyper["max_grad_norm"]).item())
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses, norms, {k: t.detach().clone() for k, t in trained_tensors(model).items()}


def gradients(model, batch, smoothing):
    model.zero_grad()
    loss = loss_of(model, batch, smoothing)
    loss.backward()
    return loss.item(), {k: t.grad.clone() for k, t in trained_tensors(model).items()}


def part(number, name):
    model_name, options, smoothing, ratio = PARTS[name]
    folder = os.path.join(g.HERE, "parts", name)
    generator = np.random.Generator(np.random.PCG64(11000 + number))

    def fresh(dtype=torch.float32):
        torch.manual_seed(6000 + number)
        model = get_peft_model(g.load(os.path.join(g.HERE, model_name)),
                               LoraConfig(task_type="CAUSAL_LM", r=2, lora_alpha=4, **options))
        with torch.no_grad():
            for key, tensor in model.named_parameters():
                if "lora_B" in key:
                    tensor.copy_(0.3 * torch.randn(tensor.shape))
        return model.to(dtype)

    adapted = fresh().eval()
    rows = g.rows(generator, g.SHAPE["vocab_size"], (6, 11, 2, 20, 14, 9, 25, 4, 7, 16))
    batches = [sorted(generator.choice(len(rows), size, replace=False).tolist())
               for size in (4, 3, 5, 4, 2, 4, 6, 3, 4, 5)]
    tensors = {"logits": g.logits(adapted, rows[6]["tokens"])}
    loss, found = gradients(adapted, rows, smoothing)
    with g.float64():
        exact_loss, truth = gradients(fresh(torch.float64).eval(), rows, smoothing)
    errors = {"gradient_relative_l2": g.distance(found, truth), "loss": abs(loss - exact_loss)}
    assert errors["gradient_relative_l2"] <= 2e-6, (name, errors)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    g.save_adapter(adapted, os.path.join(folder, "adapter"))
    saved = load_file(os.path.join(folder, "adapter", "adapter_model.safetensors"))
    assert saved.keys() == trained_tensors(adapted).keys(), saved.keys() ^ trained_tensors(adapted).keys()
    tensors |= {f"gradient.{k}": t.float() for k, t in truth.items()}
    losses, norms, final = train(fresh(), rows, batches, smoothing, ratio)
    tensors |= {f"trained.{k}": t for k, t in final.items()}
    with g.float64():
        errors["training_relative_l2"] = g.distance(final, train(fresh(torch.float64), rows, batches, smoothing, ratio)[2])
    save_file({k: t.contiguous() for k, t in tensors.items()}, os.path.join(folder, "oracle.safetensors"))
    g.write_json(os.path.join(folder, "oracle.json"),
                 {"model": model_name, "gradient": {"trained": g.trained_count(rows), "loss": exact_loss},
                  "training": {"hyperparameters": g.HYPER | {"loraplus_lr_ratio": ratio,
                                                             "label_smoothing_factor": smoothing},
                               "rows": rows, "batches": batches, "losses": losses, "gradient_norms": norms},
                  "fp32_error": errors})
    print(name, sorted(saved)[:2], {k: float(f"{v:.2g}") for k, v in errors.items()})


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for number, name in enumerate(PARTS):
        part(number, name)
