"""What the scripts that measure share: processes with what they cost, and records of any size to measure with."""

import json
import random
import shutil
import subprocess
import sys
from typing import NamedTuple


class Cost(NamedTuple):
    """Wall seconds, CPU seconds and peak resident MiB of a process and those that it waited for."""

    wall: float
    cpu: float
    rss: float


def run(command, **more):
    """The output of a command that has to succeed."""
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


# Runs a command from a small process: what a process held before it became another counts as its peak.
LAUNCH = """
import os, sys, time
begin = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - begin
print(os.waitstatus_to_exitcode(status), wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
"""


def measured(command, statuses=(0, 1), **more):
    """The cost of a command, a list or a line for bash, that has to come to one of these statuses.

    1 is a verdict: two programs need not agree for their time to be compared.
    """
    if isinstance(command, str):
        command = ["bash", "-o", "pipefail", "-c", command]
    command = [shutil.which(command[0]), *map(str, command[1:])]
    launch = [sys.executable, "-I", "-S", "-c", LAUNCH, *command]
    done = subprocess.run(launch, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", **more)
    status, *cost = done.stdout.split() or ["none"]
    if status not in map(str, statuses):
        sys.exit(f"{' '.join(command)}: exit {status}\n{done.stderr[-2000:]}")
    return Cost(*map(float, cost))


def net(inputs, hidden, outputs):
    """The topology input of a step of a net of this size, its numbers drawn with a fixed seed."""
    draw = random.Random(0)
    order = {
        "input": [f"i{n}" for n in range(1, inputs + 1)],
        "hidden": [f"h{n}" for n in range(1, hidden + 1)],
        "output": [f"o{n}" for n in range(1, outputs + 1)],
    }
    weights = [
        {"id": f"w_{a}_{b}", "role": role, "from_unit": a, "to_unit": b}
        for role, source, target in [
            ("input_to_hidden_weight", "input", "hidden"),
            ("hidden_to_output_weight", "hidden", "output"),
        ]
        for b in order[target]
        for a in order[source]
    ]
    biases = [
        {"id": "b_hidden", "role": "hidden_bias", "applies_to_units": order["hidden"]},
        {"id": "b_output", "role": "output_bias", "applies_to_units": order["output"]},
    ]
    parameters = weights + biases
    return {
        "topology": {
            "layers": ["input", "hidden", "output"],
            "unit_order": order,
            "parameter_order": [one["id"] for one in parameters],
            "parameters": parameters,
            "activation_hidden": "sigmoid",
            "activation_output": "sigmoid",
            "loss": "half_squared_error",
            "bias_sharing": "per_layer",
            "input_size": inputs,
            "hidden_size": hidden,
            "output_size": outputs,
        },
        "learning_rate": 0.1,
        "inputs": {unit: round(draw.uniform(-1, 1), 6) for unit in order["input"]},
        "targets": {unit: float(index == 0) for index, unit in enumerate(order["output"])},
        "parameters_before": {one["id"]: round(draw.uniform(-0.5, 0.5), 6) for one in parameters},
    }


def still(bp, scratch):
    """The receipt of a step that moves no digit of a parameter, around its two numbers: any count of them is a trace."""
    template = json.loads(run([bp, "scaffold", "topology", "--topology", "xor"]))
    config = scratch / "still.json"
    config.write_text(json.dumps(template | {"learning_rate": 1e-9, "fixture": "measured", "trace_id": "0" * 31 + "1", "step_index": 0}))
    line = run([bp, "generate", "from-config", config])
    before, after = line.split('"step":1,')
    between, after = after.split('"step_index":0')
    return lambda index: f'{before}"step":{index + 1},{between}"step_index":{index}{after}'


def trace(bp, scratch, records, shape=(9, 16, 4)):
    """Receipts of consecutive steps of a net: each starts where the one before left its parameters."""
    template = json.loads(run([bp, "scaffold", "topology", "--topology", "iris"]))
    step = template | net(*shape) | {"fixture": "measured", "trace_id": "0" * 31 + "1"}
    config = scratch / "step.json"
    for index in range(records):
        config.write_text(json.dumps(step | {"step_index": index}))
        line = run([bp, "generate", "from-config", config])
        yield line
        step["parameters_before"] = json.loads(line)["parameters_after"]
