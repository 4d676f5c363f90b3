#!/usr/bin/env python3
"""Trains small real models, records every step, and has `bp` judge the recordings: honest runs hold, bugs are found.

    trainers.py pytorch|jax BP SCRATCH

Data are drawn here: clusters like irises (4-8-3) and noisy prototypes like digits (64-8-10). Exit 1 on any surprise.
"""
import json
import pathlib
import subprocess
import sys
import time

FRAMEWORK, BP, SCRATCH = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
EXTRACT = pathlib.Path(__file__).resolve().parent / "extract"
sys.dont_write_bytecode = True
sys.path.insert(0, str(EXTRACT))
STEPS = 50
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


def expect(name, trace, rules=()):
    """An honest run holds; of a bug, one of the rules is broken. `refused` stands for a stream that is not judged."""
    status, broken, message = imported(trace)
    if not rules:
        ok, wanted = status == 0, "holds"
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
    import pytorch as extract

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
            chosen.step()
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
            ("weights edited between steps", "adamw", "9"), ("label flipped", "sgd", "12"),
            ("momentum buffer sign", "momentum", "25"), ("loss halved", "sgd", "14"),
        ):
            for batch in (1, 8):
                trace = train(path, optimizer=optimizer, dtype=dtype, batch=batch, bug=bug, steps=12)
                expect(f"{bug}, {optimizer}, {str(dtype)[6:]}, batch of {batch}", trace, rules.split())
    files(lambda **options: train(path, steps=12, **options), path)


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
{"pytorch": pytorch}[FRAMEWORK]()
print(f"{time.monotonic() - began:.0f} s, of it {imported_s:.0f} s in bp")
if surprises:
    sys.exit("trainers: " + "; ".join(surprises))
