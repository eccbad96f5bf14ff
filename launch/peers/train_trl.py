"""TRL's SFTTrainer with PEFT on chats, loss on the assistant's turns: as it comes, or with what is fast on CPU.

    train_trl.py --model FOLDER --data ROWS.jsonl --max-length N --batch ROWS --steps N --out DIR [--fast] [--split N]
"""
import argparse
import json
import os
import time

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--max-length", type=int, required=True)
parser.add_argument("--batch", type=int, required=True, help="rows of a step, over all processes")
parser.add_argument("--split", type=int, default=1, help="micro-batches of a step and process")
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--rank", type=int, required=True)
parser.add_argument("--targets", required=True)
parser.add_argument("--out", required=True)
parser.add_argument("--fast", action="store_true", help="bf16, no activation checkpointing")
args = parser.parse_args()
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", CUDA_VISIBLE_DEVICES="")

import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

# The model's own template, with marks around what is trained.
TEMPLATE = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
' }}{% endif %}{{ '<|im_start|>' + message['role'] + '
' }}{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{% else \
%}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '
' }}{% endfor %}"""
world = int(os.environ.get("WORLD_SIZE", 1))
tokenizer = AutoTokenizer.from_pretrained(args.model)
tokenizer.chat_template = TEMPLATE
settings = {}
model = args.model
if args.fast:
    settings = {"bf16": True, "gradient_checkpointing": False}
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.bfloat16)


class Report(TrainerCallback):
    def on_train_begin(self, *_, **__):
        self.print(event="started", time=time.time())
        self.begin = time.perf_counter()

    def on_log(self, options, state, control, logs=None, **_):
        if "loss" in (logs or {}):
            now = time.perf_counter()
            self.print(event="step", loss=float(logs["loss"]), seconds=now - self.begin, examples=args.batch)
            self.begin = now

    @staticmethod
    def print(**line):
        if os.environ.get("RANK", "0") == "0":
            print(json.dumps(line), flush=True)


trainer = SFTTrainer(
    model=model, processing_class=tokenizer, callbacks=[Report()],
    train_dataset=load_dataset("json", data_files=args.data, split="train"),
    peft_config=LoraConfig(r=args.rank, lora_alpha=2 * args.rank, target_modules=args.targets.split(","), task_type="CAUSAL_LM"),
    args=SFTConfig(
        output_dir=args.out, max_steps=args.steps, max_length=args.max_length, assistant_only_loss=True, use_cpu=True,
        per_device_train_batch_size=args.batch // world // args.split, gradient_accumulation_steps=args.split,
        logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True,
        ddp_backend="gloo" if world > 1 else None, **settings))
trainer.train()
