"""Makes variants/NAME for DoRA and PiSSA, as generate.py makes the others (whose helpers and pins it takes).

    python generate_dora_pissa.py [NAME ...]        (all when no name is given; offline, seeded, one thread, fp32)

    variants/NAME/adapter/               the adapter that training begins with, as PEFT saves it; for PiSSA with pissa_init/ in it
    variants/NAME/oracle.json            model, training (as in the others), fp32_error, and for PiSSA `converted`: r and lora_alpha of
                                         the plain adapter that PEFT's save_pretrained makes of the trained one
    variants/NAME/oracle.safetensors     F32:
        logits                           of row 6 with adapter/
        gradient.TENSOR                  d loss of the first batch / d TENSOR at adapter/, computed in float64
        trained.TENSOR                   after the last step
        norm.TENSOR                      for DoRA: magnitudes as PEFT makes them for A and B of adapter/; adapter/ has others
        trained.logits                   of row 6 with the trained adapter
        converted.logits                 for PiSSA: of row 6 with the plain adapter on the model as it is
"""

import os
import shutil
import sys

import generate as g  # starts again with a fixed hash seed
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file

# model, options of LoraConfig, ratio of LoRA+, random B
VARIANTS = {
    "dora": ("tied", dict(r=4, lora_alpha=8, target_modules="all-linear", use_dora=True), 1),
    "dora-biases": ("biases", dict(r=3, lora_alpha=4, target_modules=["q_proj", "v_proj", "o_proj", "up_proj", "down_proj"],
                                   use_rslora=True, rank_pattern={"up_proj": 5}, use_dora=True), 4.0),
    "pissa": ("tied", dict(r=4, lora_alpha=6, target_modules="all-linear", init_lora_weights="pissa",
                           rank_pattern={"down_proj": 2}, alpha_pattern={"v_proj": 3}), 1),
    "pissa-rslora": ("biases", dict(r=4, lora_alpha=6, target_modules=["q_proj", "v_proj", "up_proj", "down_proj"],
                                    use_rslora=True, init_lora_weights="pissa"), 1),
    "pissa-dora": ("tied", dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"],
                                init_lora_weights="pissa", use_dora=True), 1),
}


def saved_name(key):
    """The name in adapter_model.safetensors: magnitudes have no .weight there."""
    key = key.replace(".default", "")
    return key.removesuffix(".weight") if "lora_magnitude_vector" in key else key


g.saved_name = saved_name


def make(name):
    model, options, ratio = VARIANTS[name]
    number, is_pissa = list(VARIANTS).index(name), "pissa" in name
    folder = os.path.join(g.HERE, "variants", name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    generator = g.np.random.Generator(g.np.random.PCG64(9100 + number))
    tensors = {}

    def fresh(dtype=torch.float32):
        torch.manual_seed(5100 + number)
        adapted = get_peft_model(g.load(os.path.join(g.HERE, model)), LoraConfig(task_type="CAUSAL_LM", **options))
        with torch.no_grad():
            for key, tensor in adapted.named_parameters():
                if "lora_B" in key and not is_pissa:
                    tensor.copy_(0.3 * torch.randn(tensor.shape))
            for key, module in adapted.named_modules():
                if getattr(module, "lora_magnitude_vector", None):
                    layer = module.lora_magnitude_vector["default"]
                    a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
                    norm = layer.get_weight_norm(module.get_base_layer().weight, b @ a, module.scaling["default"])
                    tensors[f"norm.{key}.lora_magnitude_vector"] = norm.clone()
                    layer.weight.copy_(norm * (1 + 0.2 * torch.randn(norm.shape)))
        return adapted.to(dtype)

    adapted = fresh().eval()
    g.save_adapter(adapted, os.path.join(folder, "adapter"))
    if is_pissa:
        adapted.peft_config["default"].init_lora_weights = True
        g.save_adapter(adapted, os.path.join(folder, "adapter", "pissa_init"))
    all_rows = g.rows(generator, g.SHAPE["vocab_size"], (6, 11, 2, 20, 14, 9, 25, 4, 7, 16))
    batches = [sorted(generator.choice(len(all_rows), size, replace=False).tolist())
               for size in (4, 3, 5, 4, 2, 4, 6, 3, 4, 5)]
    ids = all_rows[6]["tokens"]
    tensors["logits"] = g.logits(adapted, ids)
    with g.float64():
        _, gradient = g.gradients(fresh(torch.float64), [all_rows[i] for i in batches[0]])
        error = g.distance(g.train(fresh(), all_rows, batches, ratio)[3],
                           g.train(fresh(torch.float64), all_rows, batches, ratio)[3])
    tensors |= {f"gradient.{k}": t.float() for k, t in gradient.items()}
    trained = fresh()
    losses, norms, rates, final = g.train(trained, all_rows, batches, ratio)
    tensors |= {f"trained.{k}": t for k, t in final.items()}
    tensors["trained.logits"] = g.logits(trained.eval(), ids)
    numbers = {"model": model, "training": {
        "hyperparameters": g.HYPER | {"loraplus_lr_ratio": ratio}, "rows": all_rows, "batches": batches, "losses": losses,
        "gradient_norms": norms, "learning_rates": rates}, "fp32_error": error}
    if is_pissa and "dora" not in name:  # PEFT's conversion leaves magnitudes out
        plain, start = os.path.join(folder, "plain"), os.path.join(folder, "start", "pissa_init")
        shutil.copytree(os.path.join(folder, "adapter", "pissa_init"), start)
        trained.save_pretrained(plain, path_initial_model_for_weight_conversion=start, save_embedding_layers=False)
        converted = PeftModel.from_pretrained(g.load(os.path.join(g.HERE, model)), plain).eval()
        tensors["converted.logits"] = g.logits(converted, ids)
        config = converted.peft_config["default"]
        numbers["converted"] = {"r": config.r, "lora_alpha": config.lora_alpha,
                                "difference": (tensors["converted.logits"] - tensors["trained.logits"]).abs().max().item()}
        shutil.rmtree(plain)
        shutil.rmtree(os.path.dirname(start))
    save_file({k: t.detach().contiguous() for k, t in tensors.items()}, os.path.join(folder, "oracle.safetensors"))
    g.write_json(os.path.join(folder, "oracle.json"), numbers)
    print(name, f"{error:.2g}", numbers.get("converted"), [round(n, 2) for n in norms])


if __name__ == "__main__":
    torch.set_num_threads(1)
    g.transformers.utils.logging.disable_progress_bar()
    torch.use_deterministic_algorithms(True)
    for name in sys.argv[1:] or VARIANTS:
        make(name)
