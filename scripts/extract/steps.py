"""Records sampled optimizer steps of a PyTorch training run as tensor-step.v1, for `bp step verify`.

    recorder = StepRecorder(model, optimizer, "steps", run="my-run", steps=sample(1000, 12, seed=7))
    ... train as before ...
    recorder.close()

or, with the Trainer of transformers (and those of TRL, which are Trainers):

    trainer.add_callback(trainer_callback("steps", run="my-run", count=12, seed=7))

Each sampled step becomes `step-NNNNNN.json` and `step-NNNNNN.safetensors`: what the optimizer read (parameters, gradients
after accumulation and clipping, its state) and what it left. With `linear=[names]` the inputs, outputs and gradients of
those modules are kept too. With `commit=True` every step, sampled or not, is hashed into `commits.jsonl`, to be published
before anybody says which steps are asked for; that reads all parameters at every step, and costs accordingly.

What it cannot see truly it refuses, with `Refused`: gradients that are still scaled, sharded, sparse or half-precision
tensors, amsgrad, maximize, capturable, optimizers whose arithmetic no rule derives, several processes.

`python steps.py --selftest [BP]` records small runs here; with the path of `bp`, it verifies each.
"""

import hashlib
import json
import os
import random
import struct
import sys

import torch

FORMAT = "tensor-step.v1"
DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16"}
ADAM = (torch.optim.Adam, torch.optim.AdamW)


class Refused(Exception):
    """Why a run, or a step of it, is not recorded."""


def sample(total, count, seed, warmup=0):
    """`count` of the steps 1 to `total`: the ends, one of the warm-up, and pairs of neighbours."""
    draw = random.Random(seed)
    steps = {1, total}
    if warmup > 1:
        steps.add(draw.randint(1, min(warmup, total)))
    while len(steps) < min(count, total):
        first = draw.randint(1, total - 1)
        steps |= {first, first + 1}
    return steps


def raw(tensor):
    """The bytes of a tensor, little endian."""
    tensor = tensor.detach().contiguous().cpu()
    if sys.byteorder != "little":
        raise Refused("a machine of big endian")
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def leaf(key, dtype, shape, digest):
    return f"{key}\n{dtype}\n{','.join(map(str, shape))}\n{digest}\n".encode()


def write_safetensors(path, tensors):
    """Writes tensors by name, whole or not at all; the file's digest and the root of its leaves."""
    header, offset, leaves = {}, 0, hashlib.sha256()
    # Of one width each, so that the order of names is one of alignment too.
    for name in sorted(tensors):
        tensor = tensors[name]
        size = tensor.numel() * tensor.element_size()
        entry = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        header[name] = entry
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    whole = hashlib.sha256()
    with open(path + ".part", "wb") as file:
        for data in [struct.pack("<Q", len(text)), text]:
            whole.update(data)
            file.write(data)
        for name in sorted(tensors):
            data = raw(tensors[name])
            whole.update(data)
            file.write(data)
            leaves.update(leaf(name, header[name]["dtype"], header[name]["shape"], sha256(data)))
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".part", path)
    return whole.hexdigest(), leaves.hexdigest()


def merkle(leaves):
    """RFC 6962, 2.1, over hashed leaves."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + merkle(leaves[:half]) + merkle(leaves[half:])).digest()


def bits(value):
    return struct.pack(">d", float(value)).hex()


def settings(record):
    """The settings as a commitment holds them."""
    lines = [f"run {sha256(record['run'].encode())}", f"step {record['step']}", f"optimizer {record['optimizer']['cls']}"]
    word = {True: "true", False: "false"}
    for group in record["optimizer"]["groups"]:
        head = f"{bits(group['lr'])} {bits(group['weight_decay'])}"
        if record["optimizer"]["kind"] == "adam":
            rest = f"{bits(group['beta1'])} {bits(group['beta2'])} {bits(group['eps'])} {word[group['decoupled']]}"
        else:
            rest = f"{bits(group['momentum'])} {bits(group['dampening'])} {word[group['nesterov']]}"
        lines.append(f"{record['optimizer']['kind']} {head} {rest}")
    if record["clip"]:
        lines.append(f"clip {bits(record['clip']['max_norm'])} {bits(record['clip']['total_norm'])}")
    lines += [f"param {param['name']} {param['group']} {param['t']}" for param in record["params"]]
    return "".join(line + "\n" for line in lines)


def root(record, tensors):
    """What a step commits to."""
    rows = []
    for key in sorted(key for key in tensors if key.split("/")[0] in ("p1", "m1", "v1", "b1", "g")):
        tensor = tensors[key]
        rows.append(leaf(key, DTYPES[tensor.dtype], tensor.shape, sha256(raw(tensor))))
    rows.append(leaf("frozen", "", [], record["frozen"]["root1"]))
    rows.append(leaf("settings", "", [], sha256(settings(record).encode())))
    rows.append(leaf("batch", "", [], record.get("batch", sha256(b""))))
    return merkle([hashlib.sha256(b"\x00" + row).digest() for row in rows])


class StepRecorder:
    """Records the steps of one optimizer. `steps` is what is sampled, counted from 1; `schedule` is
    `{"kind", "warmup", "total", "base_lr"}` where the rates follow one."""

    def __init__(self, model, optimizer, out, run, steps, schedule=None, profile=None, linear=(), commit=False):
        while hasattr(optimizer, "optimizer"):
            optimizer = optimizer.optimizer
        self.optimizer, self.out, self.run, self.schedule = optimizer, out, run, schedule
        self.steps = set(steps)
        self.model, self.count, self.history, self.before, self.commit = model, 0, [], None, commit
        self.graw, self.clip, self.batch = None, None, None
        self.names = {id(param): name for name, param in model.named_parameters()}
        self.refuse_what_is_not_judged()
        self.profile = profile or self.known_profile()
        os.makedirs(out, exist_ok=True)
        self.hooks = [
            optimizer.register_step_pre_hook(self.pre),
            optimizer.register_step_post_hook(self.post),
        ]
        self.clip_grad_norm, self.clip_grad_value = torch.nn.utils.clip_grad_norm_, torch.nn.utils.clip_grad_value_
        torch.nn.utils.clip_grad_norm_ = self.clipping
        torch.nn.utils.clip_grad_value_ = self.clipping_by_value
        self.linear = {name: {"X": [], "Y": [], "dY": [], "dW": [], "W": None} for name in linear}
        for name in linear:
            self.watch(name, model.get_submodule(name))
        if commit:
            self.commits = open(os.path.join(out, "commits.jsonl"), "w", encoding="utf-8")
            head = {"format": "tensor-step-commits.v1", "run": run, "warmup": (schedule or {}).get("warmup", 0)}
            trained = [self.names[id(p)] for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
            head |= {"tensors": trained, "modules": list(linear)}
            head = json.dumps(head)
            self.commits.write(head + "\n")
            self.chain = hashlib.sha256(b"tensor-step.v1 chain\n" + head.encode()).digest()

    def close(self):
        """Takes every hook off again."""
        for hook in self.hooks:
            hook.remove()
        self.hooks = []
        torch.nn.utils.clip_grad_norm_, torch.nn.utils.clip_grad_value_ = self.clip_grad_norm, self.clip_grad_value
        if self.commit:
            self.commits.close()

    # What is refused.

    def refuse_what_is_not_judged(self):
        optimizer = self.optimizer
        if type(optimizer) not in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD):
            raise Refused(f"{type(optimizer).__module__}.{type(optimizer).__name__}: no rule derives its arithmetic")
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            if torch.distributed.get_world_size() > 1:
                raise Refused("several processes: what one sees of a step is not the step")
        for group in optimizer.param_groups:
            for switch in ("amsgrad", "maximize", "capturable", "differentiable"):
                if group.get(switch):
                    raise Refused(f"{switch} is not judged")
            if isinstance(group["lr"], torch.Tensor):
                raise Refused("a rate that is a tensor")
            for param in group["params"]:
                if id(param) not in self.names:
                    raise Refused("a parameter that the model does not name")
                if param.requires_grad and (param.dtype not in DTYPES or param.layout != torch.strided):
                    raise Refused(f"{self.names[id(param)]} is {param.dtype}, {param.layout}")
                if hasattr(param, "_local_tensor") or type(param).__name__ in ("DTensor", "FlatParameter"):
                    raise Refused(f"{self.names[id(param)]} is sharded")

    def known_profile(self):
        """The kernel that a processor runs here, where it is one that can be replayed."""
        params = [param for group in self.optimizer.param_groups for param in group["params"]]
        plain = all(param.device.type == "cpu" and param.dtype == torch.float32 for param in params)
        if not plain or self.flushes():
            return "bounded"
        if isinstance(self.optimizer, ADAM) and not all(group.get("fused") for group in self.optimizer.param_groups):
            return "torch-cpu-mkl-sqrt"
        return "torch-cpu-fused"

    @staticmethod
    def flushes():
        return bool((torch.tensor([1e-40]) * 1.0).item() == 0.0)

    # What is seen.

    def sampled(self):
        return self.count + 1 in self.steps

    def kept(self):
        return self.sampled() or self.commit

    def trained(self):
        for index, group in enumerate(self.optimizer.param_groups):
            for param in group["params"]:
                if param.grad is not None:
                    yield index, self.names[id(param)], param

    def clipping_by_value(self, *arguments, **named):
        raise Refused("clipping by value is not judged")

    def clipping(self, parameters, max_norm, norm_type=2.0, *arguments, **named):
        parameters = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
        if self.kept():
            if float(norm_type) != 2.0:
                raise Refused("only the Euclidean norm is judged")
            if self.clip is not None:
                raise Refused("gradients are clipped twice before one step")
            covered = {id(param) for param in parameters if param.grad is not None}
            if any(id(param) not in covered for _, _, param in self.trained()):
                raise Refused("a part of the gradients is clipped by itself")
            self.graw = {name: param.grad.detach().clone() for _, name, param in self.trained()}
        total = self.clip_grad_norm(parameters, max_norm, norm_type, *arguments, **named)
        if self.kept():
            self.clip = {"max_norm": float(max_norm), "norm_type": 2.0, "total_norm": float(total)}
        return total

    def frozen(self):
        trained = {id(param) for _, _, param in self.trained()}
        rows, count = hashlib.sha256(), 0
        for name, param in sorted(self.model.named_parameters()):
            if id(param) not in trained:
                data = raw(param)
                rows.update(leaf(name, str(param.dtype).removeprefix("torch."), param.shape, sha256(data)))
                count += 1
        return count, rows.hexdigest()

    def state(self, tensors, param, name, end):
        state = self.optimizer.state.get(param, {})
        roles = {"m": "exp_avg", "v": "exp_avg_sq"} if isinstance(self.optimizer, ADAM) else {"b": "momentum_buffer"}
        for role, key in roles.items():
            if state.get(key) is not None:
                tensors[f"{role}{end}/{name}"] = state[key].detach().clone()

    def pre(self, optimizer, arguments, named):
        self.history.append([float(group["lr"]) for group in optimizer.param_groups])
        if not self.kept():
            return
        if getattr(optimizer, "grad_scale", None) is not None:
            raise Refused("gradients are still scaled")
        tensors = {}
        for _, name, param in self.trained():
            if param.grad.is_sparse or param.grad.dtype != param.dtype:
                raise Refused(f"the gradient of {name} is sparse or of another type")
            tensors[f"p0/{name}"] = param.detach().clone()
            tensors[f"g/{name}"] = param.grad.detach().clone()
            self.state(tensors, param, name, 0)
            if self.graw is not None:
                tensors[f"graw/{name}"] = self.graw[name]
        self.before = (tensors, self.frozen(), [(index, name, param) for index, name, param in self.trained()])

    def post(self, optimizer, arguments, named):
        kept, sampled = self.kept(), self.sampled()
        self.count += 1
        if not kept:
            return
        tensors, (count, root0), trained = self.before
        for _, name, param in trained:
            tensors[f"p1/{name}"] = param.detach().clone()
            self.state(tensors, param, name, 1)
        record = self.record(tensors, trained, count, root0, self.frozen()[1])
        if self.commit:
            self.commits_to(record, tensors)
        if sampled:
            self.write(record, tensors)
        self.before, self.graw, self.clip, self.batch = None, None, None, None
        for seen in self.linear.values():
            seen.update({key: None if key == "W" else [] for key in seen if key != "compute"})

    def record(self, tensors, trained, count, root0, root1):
        adam = isinstance(self.optimizer, ADAM)
        groups = []
        for group in self.optimizer.param_groups:
            row = {"lr": float(group["lr"]), "weight_decay": float(group["weight_decay"]), "maximize": False}
            if "initial_lr" in group:
                row["initial_lr"] = float(group["initial_lr"])
            row |= {"foreach": group.get("foreach"), "fused": group.get("fused")}
            if adam:
                beta1, beta2 = group["betas"]
                decoupled = group.get("decoupled_weight_decay", isinstance(self.optimizer, torch.optim.AdamW))
                row |= {"beta1": float(beta1), "beta2": float(beta2), "eps": float(group["eps"])}
                row |= {"decoupled": bool(decoupled), "amsgrad": False}
            else:
                row |= {"momentum": float(group["momentum"]), "dampening": float(group["dampening"])}
                row["nesterov"] = bool(group["nesterov"])
            groups.append(row)
        params = []
        for index, name, param in trained:
            t = int(self.optimizer.state[param]["step"]) if adam else self.count
            row = {"name": name, "group": index, "t": t, "dtype": DTYPES[param.dtype], "shape": list(param.shape)}
            if t < self.count:
                row["t_offset"] = self.count - t
            params.append(row)
        matmul = {"highest": "ieee", "high": "tf32", "medium": "bf16"}[torch.get_float32_matmul_precision()]
        schedule = self.schedule and {**self.schedule, "lr_history": [list(row) for row in self.history]}
        cls = f"torch.optim.{type(self.optimizer).__name__}"
        record = {
            "format": FORMAT,
            "run": self.run,
            "step": self.count,
            "optimizer": {"kind": "adam" if adam else "sgd", "cls": cls, "groups": groups},
            "arith": {"profile": self.profile, "grad_scale": None, "ftz": self.flushes(), "matmul": matmul},
            "clip": self.clip,
            "schedule": schedule,
            "params": params,
            "manifest": {"count": len(self.names)},
            "frozen": {"count": count, "root0": root0, "root1": root1},
            "tool": {"torch": torch.__version__, "device": trained[0][2].device.type if trained else "none"},
        }
        if self.batch:
            record["batch"] = self.batch
        return record

    def write(self, record, tensors):
        stem = f"step-{record['step']:06d}"
        path = os.path.join(self.out, stem)
        whole, leaves = write_safetensors(path + ".safetensors", tensors)
        record["payload"] = {"file": stem + ".safetensors", "sha256": whole, "leaf_root": leaves}
        modules, shown = self.modules()
        if modules:
            whole, _ = write_safetensors(path + ".linear.safetensors", shown)
            record["linear"] = modules
            record["linear_payload"] = {"file": stem + ".linear.safetensors", "sha256": whole}
        with open(path + ".json.part", "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(path + ".json.part", path + ".json")

    def commits_to(self, record, tensors):
        digest = root(record, tensors)
        self.chain = hashlib.sha256(self.chain + digest + struct.pack(">Q", record["step"])).digest()
        line = {"step": record["step"], "root": digest.hex(), "chain": self.chain.hex()}
        self.commits.write(json.dumps(line) + "\n")
        self.commits.flush()

    # Modules.

    def watch(self, name, module):
        seen = self.linear[name]
        flat = lambda tensor: tensor.detach().reshape(-1, tensor.shape[-1]).clone()

        def forward(module, inputs, output):
            if self.sampled() and torch.is_grad_enabled() and output.requires_grad:
                seen["X"].append(flat(inputs[0]))
                seen["Y"].append(flat(output))
                seen["compute"] = output.dtype
                if seen["W"] is None:
                    seen["W"] = module.weight.detach().clone()
                output.register_hook(lambda gradient: seen["dY"].append(flat(gradient)))

        def backward(gradient):
            if self.sampled():
                seen["dW"].append(gradient.detach().clone())

        self.hooks += [module.register_forward_hook(forward), module.weight.register_hook(backward)]
        if self.adapter(name) is not None:
            self.watch_scale(seen, self.adapter(name))

    def adapter(self, name):
        """The layer of peft that a low-rank B is part of; None for any other module."""
        parent, found, _ = name.rpartition(".lora_B.")
        return self.model.get_submodule(parent) if found else None

    def watch_scale(self, seen, layer):
        """Keeps the gradient of an adapter's output: times the scale, it is what comes to B."""
        seen["dOut"] = []

        def forward(module, inputs, output):
            if self.sampled() and torch.is_grad_enabled() and output.requires_grad:
                output.register_hook(lambda gradient: seen["dOut"].append(gradient.detach().reshape(-1, gradient.shape[-1]).clone()))

        self.hooks.append(layer.register_forward_hook(forward))

    def modules(self):
        rows, shown = [], {}
        for name, seen in self.linear.items():
            module = self.model.get_submodule(name)
            if len({len(seen[key]) for key in ("X", "Y", "dY", "dW")}) != 1:
                raise Refused(f"{name} ran forward and back another number of times (is it checkpointed?)")
            row = {"module": name, "weight": self.names[id(module.weight)], "micro": len(seen["X"])}
            row |= {"compute": DTYPES[seen["compute"]], "bias": module.bias is not None, "scaling": None}
            layer = self.adapter(name)
            if layer is not None:
                row["scaling"] = float(layer.scaling[name.rpartition(".")[2]])
            row["lora"] = "A" if "lora_A" in name else "B" if "lora_B" in name else None
            rows.append(row)
            shown[f"lin/{name}/W"] = seen["W"]
            for index in range(len(seen["X"])):
                shown |= {f"lin/{name}/{index}/{key}": seen[key][index] for key in ("X", "Y", "dY", "dW")}
            # A gradient of another type, or one that did not come back once for each micro-batch, shows no scale.
            out = seen.get("dOut", [])
            if len(out) == len(seen["dY"]) and all(a.dtype == b.dtype for a, b in zip(out, seen["dY"])):
                shown |= {f"lin/{name}/{index}/dOut": gradient for index, gradient in enumerate(out)}
        return rows, shown


def trainer_callback(out, run, count=12, seed=0, steps=None, **more):
    """A callback for the Trainer of transformers: records `count` steps drawn by `seed`, or those of `steps`."""
    from transformers import TrainerCallback

    class Steps(TrainerCallback):
        recorder = None

        def on_train_begin(self, args, state, control, model=None, optimizer=None, lr_scheduler=None, **rest):
            if args.fp16:
                raise Refused("gradients are still scaled under fp16")
            kind = str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type))
            kind = {"constant_with_warmup": "constant"}.get(kind, kind)
            warmup = args.get_warmup_steps(state.max_steps)
            schedule = None
            if kind in ("linear", "cosine", "constant") and not args.lr_scheduler_kwargs:
                inner = optimizer
                while hasattr(inner, "optimizer"):
                    inner = inner.optimizer
                base = [float(group.get("initial_lr", group["lr"])) for group in inner.param_groups]
                warm = 0 if kind == "constant" and str(args.lr_scheduler_type).endswith("constant") else warmup
                schedule = {"kind": kind, "warmup": warm, "total": state.max_steps, "base_lr": base}
            chosen = steps if steps is not None else sample(state.max_steps, count, seed, warmup)
            self.recorder = StepRecorder(model, optimizer, out, run, chosen, schedule, **more)

        def on_train_end(self, args, state, control, **rest):
            self.recorder.close()

    return Steps()


def selftest(bp):
    """Small runs of every optimizer that is judged, recorded; verified where `bp` is given."""
    import subprocess
    import tempfile

    torch.manual_seed(0)
    adamw = lambda params, **more: torch.optim.AdamW(params, lr=1e-2, weight_decay=0.1, **more)
    kinds = {
        "adamw": adamw,
        "adamw-fused": lambda params: adamw(params, fused=True),
        "adamw-loop": lambda params: adamw(params, foreach=False),
        "adam-l2": lambda params: torch.optim.Adam(params, lr=1e-2, weight_decay=0.01, fused=True),
        "sgd": lambda params: torch.optim.SGD(params, lr=0.1),
        "sgd-nesterov": lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        "sgd-damped": lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9, dampening=0.1),
    }
    with tempfile.TemporaryDirectory() as place:
        for kind, make in kinds.items():
            model = torch.nn.Sequential(torch.nn.Linear(24, 48, bias=False), torch.nn.Tanh(), torch.nn.Linear(48, 5))
            optimizer = make(model.parameters())
            out = os.path.join(place, kind)
            recorder = StepRecorder(model, optimizer, out, kind, {1, 4, 5}, linear=["0", "2"], commit=True)
            for _ in range(5):
                optimizer.zero_grad()
                for _ in range(2):
                    (model(torch.randn(16, 24)).square().mean() / 2).backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 0.05)
                optimizer.step()
            recorder.close()
            records = sorted(name for name in os.listdir(out) if name.endswith(".json"))
            assert records == [f"step-{step:06d}.json" for step in (1, 4, 5)], records
            with open(os.path.join(out, "step-000004.json"), encoding="utf-8") as file:
                record = json.load(file)
            with open(os.path.join(out, "step-000004.safetensors"), "rb") as file:
                assert sha256(file.read()) == record["payload"]["sha256"]
            if bp:
                for name in records:
                    command = [bp, "step", "verify", os.path.join(out, name), "--commits", os.path.join(out, "commits.jsonl")]
                    subprocess.run(command + ["--quiet"], check=True)
                subprocess.run([bp, "step", "chain", out, "--quiet"], check=True)
            print(f"{kind}: {len(records)} steps {'verified' if bp else 'recorded'}")
        for wrong in ({"amsgrad": True}, {"maximize": True}):
            model = torch.nn.Linear(2, 2)
            try:
                StepRecorder(model, torch.optim.AdamW(model.parameters(), **wrong), place, "wrong", {1})
            except Refused as refused:
                print(f"refused: {refused}")
            else:
                raise AssertionError(f"{wrong} is recorded")
    print("selftest: ok")


if __name__ == "__main__":
    if sys.argv[1:2] != ["--selftest"] or len(sys.argv) > 3:
        sys.exit(__doc__)
    selftest(sys.argv[2] if len(sys.argv) == 3 else None)
