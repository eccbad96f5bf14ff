"""The strongest PyTorch peer that we know on CPU: Transformers' model with PEFT's adapter in a loop of its own.

Rows of equal length without padding, attention by sdpa with keys and values repeated (faster here than enable_gqa), the
loss by chunks of rows with its gradient in the same pass and no logits kept, one all-reduce of all gradients (gloo) under
torchrun. In bf16 everything but the optimizer's copy of A and B is bf16.

    train_torch.py --model FOLDER --data ROWS.jsonl --length N --batch ROWS --micro-batch ROWS --steps N ...
"""
import argparse
import json
import os
import time

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--length", type=int, required=True)
parser.add_argument("--batch", type=int, required=True, help="rows of a step, over all processes")
parser.add_argument("--micro-batch", type=int, required=True, help="rows that a process computes at once")
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--dtype", choices=["fp32", "bf16"], required=True)
parser.add_argument("--rank", type=int, required=True)
parser.add_argument("--targets", required=True)
args = parser.parse_args()
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", CUDA_VISIBLE_DEVICES="")

import torch
import torch.distributed as dist
import transformers.integrations.sdpa_attention as sdpa
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

sdpa.use_gqa_in_sdpa = lambda *_: False
rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
if world > 1:
    dist.init_process_group("gloo")
torch.manual_seed(42)

tokenizer = AutoTokenizer.from_pretrained(args.model)
with open(args.data, encoding="utf-8") as lines:
    rows = [tokenizer.encode(json.loads(line)["text"], add_special_tokens=False) for line in lines]
rows = torch.tensor([row + [tokenizer.eos_token_id] for row in rows])
assert rows.shape[1] == args.length and len(rows) >= args.steps * args.batch, rows.shape

dtype = torch.float32 if args.dtype == "fp32" else torch.bfloat16
model = AutoModelForCausalLM.from_pretrained(args.model, dtype=dtype, attn_implementation="sdpa")
model.config.use_cache = False
model = get_peft_model(
    model,
    LoraConfig(r=args.rank, lora_alpha=2 * args.rank, lora_dropout=0.0, target_modules=args.targets.split(","),
               task_type="CAUSAL_LM", bias="none"),
    autocast_adapter_dtype=False)
model.train()
body, head = model.get_base_model().model, model.get_base_model().get_output_embeddings().weight.detach()
params = [p for p in model.parameters() if p.requires_grad]
for p in params:
    if world > 1:
        dist.broadcast(p.data, 0)
master = params if dtype == torch.float32 else [p.detach().float().requires_grad_() for p in params]
optimizer = torch.optim.AdamW(master, lr=2e-4, weight_decay=0.0, fused=True)


class ChunkedLoss(torch.autograd.Function):
    """Sum of −log p over rows of h, and its gradient, by chunks that share one buffer of logits."""
    buffer = None
    chunk = 256

    @staticmethod
    def forward(ctx, h, targets):
        if ChunkedLoss.buffer is None:
            ChunkedLoss.buffer = h.new_empty(ChunkedLoss.chunk, head.shape[0])
        gradient, loss = torch.empty_like(h), torch.zeros((), dtype=torch.float64)
        for start in range(0, len(h), ChunkedLoss.chunk):
            part, target = h[start:start + ChunkedLoss.chunk], targets[start:start + ChunkedLoss.chunk, None]
            z = torch.mm(part, head.t(), out=ChunkedLoss.buffer[:len(part)])
            chosen = z.gather(-1, target).float()
            z = z.float()
            largest = z.amax(-1, keepdim=True)
            z.sub_(largest).exp_()
            total = z.sum(-1, keepdim=True)
            loss += (total.log() + largest - chosen).sum().double()
            z.div_(total).scatter_add_(-1, target, torch.full_like(total, -1.0))
            torch.mm(z.to(head.dtype), head, out=gradient[start:start + ChunkedLoss.chunk])
        ctx.save_for_backward(gradient)
        return loss.float()

    @staticmethod
    def backward(ctx, d):
        return ctx.saved_tensors[0].mul_(d.to(ctx.saved_tensors[0].dtype)), None


def step(index):
    batch = rows[index * args.batch:(index + 1) * args.batch][rank * args.batch // world:(rank + 1) * args.batch // world]
    trained = args.batch * (args.length - 1)
    loss = torch.zeros(())
    for micro in batch.split(args.micro_batch):
        h = body(input_ids=micro, use_cache=False).last_hidden_state[:, :-1]
        part = ChunkedLoss.apply(h.reshape(-1, h.shape[-1]), micro[:, 1:].reshape(-1)) / trained
        part.backward()
        loss += part.detach()
    gradient = torch.cat([p.grad.reshape(-1).float() for p in params])
    if world > 1:
        dist.all_reduce(gradient)
        dist.all_reduce(loss)
    gradient.mul_(torch.clamp(1 / (gradient.norm() + 1e-6), max=1.0))
    place = 0
    for p, q in zip(params, master):
        q.grad = gradient[place:place + p.numel()].view_as(p)
        place += p.numel()
    optimizer.step()
    for p, q in zip(params, master):
        if p is not q:
            p.data.copy_(q.data)
        p.grad = None
    return loss.item()


def report(**line):
    if rank == 0:
        print(json.dumps(line), flush=True)


report(event="started", time=time.time())
for index in range(args.steps):
    begin = time.perf_counter()
    loss = step(index)
    report(event="step", loss=loss, seconds=time.perf_counter() - begin, tokens=args.batch * args.length, examples=args.batch)
if world > 1:
    dist.destroy_process_group()
