"""A real fine-tune with the Trainer of transformers on a processor: recorded, verified, and its deliberate bugs rejected.

    steps_lora.py BP OUT [lora|full]

Needs torch, transformers, peft and accelerate of PyPI. The model is made from a configuration, the data are random:
nothing is downloaded. Run on demand; what it printed is told where its numbers are.
"""

import json
import os
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "extract"))

import numpy
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

import steps


# Far below the norm of the gradients, so that clipping acts at every step: B of an adapter begins at zero, and few
# parameters make a small norm.
MAX_NORM = {"lora": 0.02, "full": 0.5}


def train(out, kind, record=True, fused=True):
    transformers.set_seed(3)
    config = LlamaConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=256, max_position_embeddings=128,
    )
    model = LlamaForCausalLM(config)
    linear = ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"]
    if kind == "lora":
        from peft import LoraConfig, get_peft_model

        targets = ["q_proj", "v_proj", "down_proj"]
        model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=targets))
        base = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
        linear = [f"{base}A.default", f"{base}B.default"]
    data = [{"input_ids": row, "labels": row} for row in torch.randint(0, 256, (128, 32))]
    arguments = TrainingArguments(
        output_dir=os.path.join(out, "trainer"), per_device_train_batch_size=4, gradient_accumulation_steps=2,
        learning_rate=1e-3, weight_decay=0.1, max_grad_norm=MAX_NORM[kind], warmup_steps=3, max_steps=12,
        lr_scheduler_type="cosine", optim="adamw_torch_fused" if fused else "adamw_torch", use_cpu=True,
        report_to=[], save_strategy="no", disable_tqdm=True, logging_steps=100,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=data)
    folder = os.path.join(out, "steps")
    if record:
        trainer.add_callback(
            steps.trainer_callback(folder, f"{kind}-12", steps={1, 2, 6, 7, 12}, linear=linear, commit=True)
        )
    begin = time.perf_counter()
    trainer.train()
    return folder, time.perf_counter() - begin


def verify(bp, *arguments):
    """The exit status, and what is broken."""
    done = subprocess.run([bp, "step", "verify", *arguments, "--json"], capture_output=True, text=True)
    document = json.loads(done.stdout)
    rules = document.get("step", {}).get("rules", [])
    broken = [f"{row['code']}:{row['broken']}" for row in rules if row["state"] == "broken"]
    return done.returncode, broken, document


def tampered(folder, name, record=None, tensors=None):
    """A copy of a step with its record or its tensors changed, and digests made anew."""
    with open(os.path.join(folder, name + ".json"), encoding="utf-8") as file:
        document = json.load(file)
    with open(os.path.join(folder, name + ".safetensors"), "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    held = {}
    for key, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        held[key] = torch.from_numpy(numpy.frombuffer(data[begin:end], "<f4").copy()).reshape(entry["shape"])
    for change in filter(None, [record and (lambda: record(document)), tensors and (lambda: tensors(held, document))]):
        change()
    place = os.path.join(folder, "tampered")
    os.makedirs(place, exist_ok=True)
    for gone in ("linear", "linear_payload"):
        document.pop(gone, None)
    whole, leaves = steps.write_safetensors(os.path.join(place, name + ".safetensors"), held)
    document["payload"] |= {"sha256": whole, "leaf_root": leaves}
    path = os.path.join(place, name + ".json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file)
    return path


def groups(**change):
    def apply(document):
        for group in document["optimizer"]["groups"]:
            for key, value in change.items():
                group[key] = value(group[key]) if callable(value) else value

    return apply


def swap(role):
    def apply(tensors, document):
        first, second = [p["name"] for p in document["params"] if p["shape"] == document["params"][0]["shape"]][:2]
        a, b = f"{role}/{first}", f"{role}/{second}"
        tensors[a], tensors[b] = tensors[b], tensors[a]

    return apply


def not_updated(tensors, document):
    name = document["params"][0]["name"]
    tensors[f"p1/{name}"] = tensors[f"p0/{name}"].clone()


def nudged(ulps):
    def apply(tensors, document):
        flat = tensors[f"p1/{document['params'][0]['name']}"].reshape(-1).numpy().view(numpy.int32)
        flat[numpy.argmax(numpy.abs(flat.view(numpy.float32)))] += ulps

    return apply


def scaled(factor):
    def apply(tensors, document):
        for key in tensors:
            if key.startswith("g/"):
                tensors[key] *= factor

    return apply


def shift(document):
    for param in document["params"]:
        param["t"] += 1


BUGS = {
    "rate off by 4e-7": (groups(lr=lambda lr: lr * (1 + 4e-7)), None),
    "rate off by 1e-4": (groups(lr=lambda lr: lr * (1 + 1e-4)), None),
    "beta1 off by 1e-7": (groups(beta1=lambda beta: beta * (1 + 1e-7)), None),
    "beta2 off by 1e-8": (groups(beta2=lambda beta: beta * (1 + 1e-8)), None),
    "eps off by 1e-3": (groups(eps=lambda eps: eps * (1 + 1e-3)), None),
    "weight decay left out": (groups(weight_decay=0.0), None),
    "decay coupled": (groups(decoupled=False), None),
    "timestep off by one": (shift, None),
    "clipped to another norm": (lambda document: document["clip"].update(max_norm=1.2 * document["clip"]["max_norm"]), None),
    "one value, 4 units in the last place": (None, nudged(4)),
    "one value, 10 units in the last place": (None, nudged(10)),
    "gradients scaled by 1e-5": (None, scaled(1 + 1e-5)),
    "a tensor not updated": (None, not_updated),
    "two results swapped": (None, swap("p1")),
    "two gradients swapped": (None, swap("g")),
}


def main(bp, out, kind):
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    folder, seconds = train(out, kind)
    print(f"{kind}: 12 steps in {seconds:.1f} s, 5 of them recorded, all committed to")
    commits = os.path.join(folder, "commits.jsonl")
    for name in sorted(name for name in os.listdir(folder) if name.endswith(".json")):
        for profile in ("auto", "bounded"):
            more = ["--commits", commits, "--beacon", "5eed", "--profile", profile]
            status, broken, document = verify(bp, os.path.join(folder, name), *more)
            seen = document.get("step", document)
            print(f"  {name} {profile}: exit {status} {seen.get('verdict', seen)} {seen.get('class')} {broken}")
            assert (status, broken) == (0, []), document
    subprocess.run([bp, "step", "chain", folder, "--commits", commits, "--quiet"], check=True)
    print("  chain: accepted")
    wrong = []
    for bug, (record, tensors) in BUGS.items():
        for profile in ("auto", "bounded"):
            status, broken, document = verify(bp, tampered(folder, "step-000007", record, tensors), "--profile", profile)
            print(f"  {bug}, {profile}: exit {status} {' '.join(broken) or document.get('error', '')}")
            # A move of few units may lie within rounding: the bitwise class sees it, the bounded one need not.
            may_hold = profile == "bounded" and "units" in bug
            if status == 0 and not may_hold:
                wrong.append((bug, profile))
    previous = os.path.join(folder, "step-000006.json")
    status, broken, _ = verify(bp, os.path.join(folder, "step-000012.json"), "--prev", previous)
    print(f"  missing steps: exit {status} {' '.join(broken)}")
    if status == 0:
        wrong.append(("missing steps", "auto"))
    sys.exit(f"held though wrong: {wrong}" if wrong else 0)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) == 4 else "lora")
