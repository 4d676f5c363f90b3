#!/usr/bin/env python3
"""Trains small real models, records every step, and has `bp` judge the recordings: honest runs hold, bugs are found.
Of an honest run a pack is made too, and strictly verified.

    trainers.py pytorch|jax BP SCRATCH

Data are drawn here: clusters like irises (4-8-3) and noisy prototypes like digits (64-8-10). Exit 1 on any surprise.
"""
import ast
import json
import os
import math
import pathlib
import shutil
import subprocess
import sys
import time

FRAMEWORK, BP, SCRATCH = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
EXTRACT = pathlib.Path(__file__).resolve().parent / "extract" / f"{FRAMEWORK}.py"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SCRATCH))
# Under the name that its usage text gives it.
(SCRATCH / f"record_{FRAMEWORK}.py").write_bytes(EXTRACT.read_bytes())
# Steps of a run: enough for a schedule and for every bug to bite; more on demand.
STEPS = int(os.environ.get("BP_STEPS", "50"))
TIME = "2026-01-01T00:00:00Z"
surprises, imported_s = [], 0.0


def imported(trace):
    """What `bp import multi` makes of a trace: its status, and the rules that are broken."""
    global imported_s
    began = time.monotonic()
    ran = subprocess.run([BP, "--json", "import", FRAMEWORK, "multi", str(trace), "--out", str(trace) + ".receipts",
                          "--import-timestamp", TIME], capture_output=True, text=True)
    imported_s += time.monotonic() - began
    said = json.loads(ran.stdout)
    broken = set()
    for document in filter(None, (said.get("sidecars"), said.get("receipts"))):
        rules = document["cross_record_checks"] + [rule for placed in document["per_record"]
                                                   for rule in placed["record"]["rules"]]
        broken |= {str(rule["id"]) for rule in rules if rule["verdict"] == "broken"}
    return ran.returncode, broken, (said.get("error") or {}).get("message", "")


def packed(trace):
    """What strict verification makes of the pack of a trace: why it is not of proof grade, or nothing."""
    home = {**os.environ, "HOME": str(SCRATCH / "home"), "XDG_CONFIG_HOME": str(SCRATCH / "home" / ".config")}
    pack = SCRATCH / "packs" / "run"
    shutil.rmtree(pack, ignore_errors=True)
    (SCRATCH / "home").mkdir(exist_ok=True)
    for arguments in (["run", trace, "--out", pack.parent, "--name", pack.name], ["verify", "--strict", pack]):
        ran = subprocess.run([BP, "pack", *map(str, arguments)], capture_output=True, text=True, env=home)
        if ran.returncode != 0:
            return f"pack {arguments[0]}: exit {ran.returncode} {ran.stderr[-300:]}"
    return "" if "proof grade" in ran.stderr + ran.stdout else "not of proof grade"


def expect(name, trace, rules=()):
    """An honest run holds; of a bug, one of the rules is broken. `refused` stands for a stream that is not judged."""
    status, broken, message = imported(trace)
    if not rules:
        message = message or (packed(trace) if status == 0 else "")
        ok, wanted = status == 0 and not message, "holds, and so does its pack"
    elif "refused" in rules:
        ok, wanted = status == 2 and bool(message), "refused"
    else:
        ok, wanted = status == 1 and set(rules) <= broken, "breaks " + " ".join(rules)
    found = f"exit {status}, broken {' '.join(sorted(broken)) or 'none'} {message}".strip()
    print(f"  {'as expected' if ok else 'SURPRISE   '}  {name:<58} {wanted if ok else found}", flush=True)
    if not ok:
        surprises.append(name)
    for file in (trace, pathlib.Path(str(trace) + ".receipts")):
        if ok and file.exists():
            file.unlink()


def edited(trace, edit):
    """The trace with its records changed."""
    records = [json.loads(line) for line in trace.read_text().splitlines()]
    records = edit(records) or records
    trace.write_text("".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records))


def usage():
    """The loop of the usage text, run as it is printed."""
    text = ast.get_docstring(ast.parse(EXTRACT.read_text()), clean=False)
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ") or not line.strip()]
    (SCRATCH / "usage.py").write_text("\n".join(lines))
    (SCRATCH / "trace.jsonl").unlink(missing_ok=True)
    subprocess.run([sys.executable, "usage.py"], cwd=SCRATCH, check=True)
    recorded = json.loads((SCRATCH / "trace.jsonl").read_text().splitlines()[0])["helper"]["source_hash"]
    told = json.loads(subprocess.run([BP, "--json", "examples", FRAMEWORK], capture_output=True).stdout)
    if recorded != told["source_hash"]:
        surprises.append(f"recorded by {recorded}; bp examples has {told['source_hash']}")
    expect("the usage text, as printed", SCRATCH / "trace.jsonl")


def renumbered(records):
    for place, record in enumerate(records):
        record["step_index"], record["trace_id"] = place, records[0]["trace_id"]
        if "t" in record.get("optimizer", {}):
            record["optimizer"]["t"] = place + 1
    return records


def halved_rate(records):
    record = records[7]
    for block in [record, *[update["optimizer"] for update in record["updates"]]]:
        block["learning_rate"] /= 2
    if "optimizer" in record:
        record["optimizer"]["learning_rate"] /= 2


def turned_buffer(records):
    for update in records[7]["updates"]:
        update["optimizer"]["state_after"]["buffer"] *= -1


def pytorch():
    import torch
    import record_pytorch as extract

    print(f"PyTorch {torch.__version__}")
    torch.set_num_threads(1)

    def data(kind, dtype, count=64):
        generator = torch.Generator().manual_seed(11)
        inputs, classes = (4, 3) if kind == "iris" else (64, 10)
        centres = torch.rand(classes, inputs, generator=generator, dtype=torch.float64)
        y = torch.randint(classes, (count,), generator=generator)
        noise = torch.randn(count, inputs, generator=generator, dtype=torch.float64)
        return (centres[y] + 0.15 * noise).to(dtype), y

    optimizers = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
        "sgd, weight decay": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.01),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
        "momentum, nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
        "momentum, dampening": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.3),
        "momentum, weight decay": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
        "adam": lambda p: torch.optim.Adam(p, lr=0.01),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.05),
    }

    def train(trace, kind="iris", optimizer="sgd", dtype=torch.float64, batch=8, schedule=False, hidden="sigmoid",
              loss="cross_entropy", reduction="mean", steps=STEPS, bug=None, seed=5):
        torch.manual_seed(seed)
        x, y = data(kind, dtype)
        between = {"sigmoid": torch.nn.Sigmoid, "relu": torch.nn.ReLU, "identity": torch.nn.Identity}[hidden]()
        model = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 8), between, torch.nn.Linear(8, int(y.max()) + 1))
        model = model.to(dtype)
        chosen = optimizers[optimizer](model.parameters())
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(chosen, T_max=2 * steps) if schedule else None
        trace.unlink(missing_ok=True)
        recorder = extract.Recorder(trace, model, chosen, loss=loss, reduction=reduction)
        for step in range(steps):
            picked = torch.randint(len(x), (batch,))
            inputs, targets = (x[picked], y[picked]) if batch > 1 else (x[picked[0]], y[picked[0]])
            at_fault = bug is not None and step == 7
            if not (at_fault and bug == "zero_grad forgotten"):
                chosen.zero_grad()
            used = targets
            if at_fault and bug == "label flipped":
                used = (targets + 1) % (int(y.max()) + 1)
            out = model(inputs)
            if loss == "cross_entropy":
                value = torch.nn.functional.cross_entropy(out, used, reduction=reduction)
                told = targets
            else:
                told = torch.nn.functional.one_hot(targets, out.shape[-1]).to(dtype)
                value = 0.5 * ((out - told) ** 2).sum() / (batch if reduction == "mean" else 1)
            recorder.watch(value, told)
            (value / 2 if at_fault and bug == "loss halved" else value).backward()
            if at_fault and bug == "clipping undeclared":
                torch.nn.utils.clip_grad_norm_(model.parameters(), 0.05)
            # Trainers that may have a closure hand over one that is None.
            chosen.step(*([None] if step % 2 else []))
            if at_fault and bug == "optimizer stepped twice":
                chosen.step()
            if at_fault and bug == "weights edited between steps":
                with torch.no_grad():
                    model[0].weight[0, 0] += 1e-6
            if at_fault and bug == "momentum buffer sign":
                chosen.state[model[0].weight]["momentum_buffer"].neg_()
            if scheduler:
                scheduler.step()
        recorder.close()
        return trace

    path = SCRATCH / "trace.jsonl"
    print("honest runs")
    usage()
    for dtype in (torch.float64, torch.float32):
        for optimizer in optimizers:
            for batch, schedule in ((1, False), (8, False), (1, True), (8, True)):
                name = f"iris, {optimizer}, {str(dtype)[6:]}, batch of {batch}" + (", schedule" if schedule else "")
                expect(name, train(path, optimizer=optimizer, dtype=dtype, batch=batch, schedule=schedule))
    for place, optimizer in enumerate(optimizers):
        dtype = (torch.float32, torch.float64)[place % 2]
        batch = (16, 1)[place // 2 % 2]
        name = f"digits, {optimizer}, {str(dtype)[6:]}, batch of {batch}"
        expect(name, train(path, kind="digits", optimizer=optimizer, dtype=dtype, batch=batch))
    for hidden in ("relu", "identity"):
        for loss in ("cross_entropy", "half_squared_error"):
            for reduction in ("mean", "sum"):
                name = f"iris, {hidden}, {loss}, {reduction}, float32"
                expect(name, train(path, hidden=hidden, loss=loss, reduction=reduction, dtype=torch.float32))
    print("bugs in the loop")
    for dtype in (torch.float64, torch.float32):
        for bug, optimizer, rules in (
            ("optimizer stepped twice", "sgd", "9"), ("optimizer stepped twice", "adam", "9 25"),
            ("zero_grad forgotten", "momentum", "14"), ("clipping undeclared", "sgd", "14"),
            ("weights edited between steps", "adamw", "9"), ("label flipped", "sgd", "14"),
            ("momentum buffer sign", "momentum", "25"), ("loss halved", "sgd", "14"),
        ):
            for batch in (1, 8):
                trace = train(path, optimizer=optimizer, dtype=dtype, batch=batch, bug=bug, steps=12)
                expect(f"{bug}, {optimizer}, {str(dtype)[6:]}, batch of {batch}", trace, rules.split())
    files(lambda **options: train(path, steps=12, **options), path)


def jax():
    import jax
    import record_jax as extract

    jax.config.update("jax_enable_x64", True)
    from jax import numpy as jnp

    print(f"JAX {jax.__version__}")
    path = SCRATCH / "trace.jsonl"
    tree_map = jax.tree_util.tree_map

    def update(config, params, grads, state):
        """One step of an optimizer, written out: JAX has none of its own."""
        rate, decay = config["learning_rate"], config.get("weight_decay", 0.0)
        if config["name"] == "sgd":
            return tree_map(lambda p, g: p - rate * (g + decay * p), params, grads), {}
        if config["name"] == "sgd_momentum":
            mu, keep = config["momentum"], 1 - config.get("dampening", 0.0)
            grads = tree_map(lambda p, g: g + decay * p, params, grads)
            buffer = tree_map(lambda b, g: mu * b + keep * g, state["buffer"], grads)
            used = tree_map(lambda b, g: g + mu * b, buffer, grads) if config.get("nesterov") else buffer
            return tree_map(lambda p, u: p - rate * u, params, used), {"buffer": buffer}
        beta1, beta2, t = config["beta1"], config["beta2"], config["t"]
        m = tree_map(lambda m, g: beta1 * m + (1 - beta1) * g, state["m"], grads)
        v = tree_map(lambda v, g: beta2 * v + (1 - beta2) * g * g, state["v"], grads)
        moved = tree_map(lambda m, v: rate * (m / (1 - beta1**t)) / (jnp.sqrt(v / (1 - beta2**t)) + config["epsilon"]), m, v)
        return tree_map(lambda p, u: p * (1 - rate * decay) - u, params, moved), {"m": m, "v": v}

    adam = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    optimizers = {
        "sgd": {"name": "sgd", "learning_rate": 0.1},
        "sgd, weight decay": {"name": "sgd", "learning_rate": 0.1, "weight_decay": 0.01},
        "momentum": {"name": "sgd_momentum", "learning_rate": 0.05, "momentum": 0.9},
        "momentum, nesterov": {"name": "sgd_momentum", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
        "momentum, dampening": {"name": "sgd_momentum", "learning_rate": 0.05, "momentum": 0.9, "dampening": 0.3},
        "adam": {"name": "adam", "learning_rate": 0.01, **adam},
        "adamw": {"name": "adamw", "learning_rate": 0.01, "weight_decay": 0.05, **adam},
    }

    def train(kind="iris", optimizer="sgd", batch=8, schedule=False, loss="cross_entropy", steps=STEPS, bug=None, seed=5):
        inputs, classes = (4, 3) if kind == "iris" else (64, 10)
        keys = jax.random.split(jax.random.PRNGKey(seed), 6)
        centres = jax.random.uniform(keys[0], (classes, inputs))
        labels = jax.random.randint(keys[1], (64,), 0, classes)
        data = centres[labels] + 0.15 * jax.random.normal(keys[2], (64, inputs))
        params = {"w1": jax.random.normal(keys[3], (inputs, 8)) / inputs**0.5, "b1": jnp.zeros(8) + 0.05,
                  "w2": jax.random.normal(keys[4], (8, classes)) / 8**0.5, "b2": jnp.zeros(classes) - 0.05}

        def entropy(params, x, y, tap):
            hidden = tap("hidden_out", jax.nn.sigmoid(tap("hidden_net", x @ params["w1"] + params["b1"])))
            logits = tap("output_net", hidden @ params["w2"] + params["b2"])
            return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(logits), axis=-1))

        def squares(params, x, y, tap):
            hidden = tap("hidden_out", jax.nn.relu(tap("hidden_net", x @ params["w1"] + params["b1"])))
            out = tap("output_out", jax.nn.sigmoid(tap("output_net", hidden @ params["w2"] + params["b2"])))
            return jnp.mean(jnp.sum(0.5 * (y - out) ** 2, axis=-1))

        path.unlink(missing_ok=True)
        if loss == "cross_entropy":
            recorder = extract.Recorder(path, entropy, kind=loss, hidden="sigmoid")
        else:
            recorder = extract.Recorder(path, squares, kind=loss, hidden="relu", output="sigmoid")
        zeros = tree_map(jnp.zeros_like, params)
        state = {key: zeros for key in extract.MOMENTS[optimizers[optimizer]["name"]]}
        for step in range(steps):
            at_fault = bug is not None and step == 7
            config = dict(optimizers[optimizer])
            if "t" not in config and "beta1" in config:
                config["t"] = step + 1
            if schedule:
                config["learning_rate"] *= 0.5 * (1 + math.cos(math.pi * step / (2 * steps)))
            picked = jax.random.randint(jax.random.fold_in(keys[5], step), (batch,), 0, 64)
            _, grads = recorder.value_and_grad(params, data[picked], jax.nn.one_hot(labels[picked], classes))
            if at_fault and bug == "clipping undeclared":
                grads = tree_map(lambda g: 0.5 * g, grads)
            before, after = state, {}
            params, after = update(config, params, grads, state)
            if at_fault and bug == "optimizer stepped twice":
                params, after = update(config, params, grads, after)
            recorder.stepped(params, grads, config, before, after)
            state = after
            if at_fault and bug == "weights edited between steps":
                params = {**params, "w1": params["w1"].at[0, 0].add(1e-6)}
            if at_fault and bug == "momentum buffer sign":
                state = tree_map(lambda b: -b, state)
        recorder.close()
        return path

    print("honest runs")
    usage()
    for optimizer in optimizers:
        for batch, schedule in ((1, False), (8, True)):
            name = f"iris, {optimizer}, batch of {batch}" + (", schedule" if schedule else "")
            expect(name, train(optimizer=optimizer, batch=batch, schedule=schedule))
    expect("iris, relu and sigmoid, half squared error", train(loss="half_squared_error"))
    for optimizer in ("momentum", "adam"):
        expect(f"digits, {optimizer}", train(kind="digits", optimizer=optimizer, batch=16))
    print("bugs in the loop")
    for bug, optimizer, rules in (
        ("optimizer stepped twice", "sgd", "14"), ("optimizer stepped twice", "adam", "14"),
        ("clipping undeclared", "sgd", "14"), ("weights edited between steps", "adamw", "9"),
        ("momentum buffer sign", "momentum", "25"),
    ):
        expect(f"{bug}, {optimizer}", train(optimizer=optimizer, bug=bug, steps=12), rules.split())
    files(lambda **options: train(steps=12, **options), path)


def files(train, path):
    """Recordings that were edited afterwards."""
    print("edited recordings")
    edited(train(optimizer="momentum"), halved_rate)
    expect("learning rate edited", path, ["14"])
    edited(train(optimizer="momentum"), turned_buffer)
    expect("momentum buffer turned", path, ["21"])
    for optimizer in ("sgd", "adam"):
        edited(train(optimizer=optimizer), lambda records: renumbered(records[:6] + records[7:]))
        expect(f"one step dropped and the rest renumbered, {optimizer}", path, ["9"])
    other = [json.loads(line) for line in train(seed=6).read_text().splitlines()]
    edited(train(), lambda records: renumbered(records[:6] + other[6:]))
    expect("two runs spliced under one name", path, ["9"])
    edited(train(), lambda records: records[:6] + other[6:])
    expect("two runs spliced", path, ["refused"])
    train()
    path.write_text(path.read_text()[:-200])
    expect("last line cut off", path, ["refused"])


began = time.monotonic()
{"pytorch": pytorch, "jax": jax}[FRAMEWORK]()
print(f"{time.monotonic() - began:.0f} s, of it {imported_s:.0f} s in bp")
if surprises:
    sys.exit("trainers: " + "; ".join(surprises))
