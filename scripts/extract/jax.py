"""Record the steps of a JAX training loop as sidecars, one JSON line each.

Save this file as record_jax.py beside your script (a file named jax.py there
would hide JAX). It needs nothing but JAX (0.4 and later), in double precision
and on the CPU. Four values of the net are tapped, the gradient is taken
through the recorder, and the recorder is told what the step came to:

    import jax
    from jax import numpy as jnp
    from record_jax import Recorder

    jax.config.update("jax_enable_x64", True)
    keys = jax.random.split(jax.random.PRNGKey(1), 4)
    params = {"w1": jax.random.normal(keys[0], (4, 8)), "b1": jnp.zeros(8),
              "w2": jax.random.normal(keys[1], (8, 3)), "b2": jnp.zeros(3)}

    def loss(params, x, y, tap):
        hidden_net = tap("hidden_net", x @ params["w1"] + params["b1"])
        hidden = tap("hidden_out", jax.nn.sigmoid(hidden_net))
        logits = tap("output_net", hidden @ params["w2"] + params["b2"])
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(logits), axis=-1))

    recorder = Recorder("trace.jsonl", loss, "cross_entropy", hidden="sigmoid")
    for step in range(5):
        x = jax.random.normal(jax.random.fold_in(keys[2], step), (16, 4))
        y = jax.random.randint(jax.random.fold_in(keys[3], step), (16,), 0, 3)
        y = jax.nn.one_hot(y, 3)
        value, grads = recorder.value_and_grad(params, x, y)
        params = {name: params[name] - 0.1 * grads[name] for name in params}
        recorder.stepped(params, grads, {"name": "sgd", "learning_rate": 0.1})
    recorder.close()

Then:  bp import jax multi trace.jsonl --out receipts.jsonl

It records what JAX did, and computes no step of its own: the tapped values,
the gradients with respect to them (the error signals) and to the parameters as
the optimizer was given them, and parameters and state before and after.
Softmax, each output's loss and the factors that the format asks for are worked
out from those. The digest of the gradient's jaxpr stands in
`helper.source_uri`.

An optimizer is told by the format's names: {"name": "sgd", "weight_decay"},
{"name": "sgd_momentum", "momentum", "nesterov", "dampening", "weight_decay"},
{"name": "adam", "beta1", "beta2", "epsilon", "t"}, {"name": "adamw", ...,
"weight_decay"}, each with the "learning_rate" of the step. Its state is
{"buffer": tree} or {"m": tree, "v": tree}, as the framework's sign has it: of
optax, `trace`, or `mu` and `nu`.
"""
import hashlib
import json
import platform
import re
import uuid
from datetime import datetime, timezone

import jax
from jax import numpy as jnp

# == The sidecar: these lines are the same in pytorch.py and jax.py ====================================================
#
# From here on there are numbers only, as the framework left them. Signs: the format follows the direction of descent,
# so gradients, error signals and momentum are minus the framework's; Adam's second moment is a square and stays.

NAME, VERSION = "bp-extract", "0.1.0"


class Refusal(RuntimeError):
    """A step that the format has no words for."""


def named(trace_id):
    """The 32 hexadecimal digits by which all steps of a run are called: the run's own id, or a new one."""
    text = uuid.uuid4().hex if trace_id is None else str(trace_id).replace("-", "").lower()
    if not re.fullmatch("[0-9a-f]{32}", text):
        raise Refusal(f"trace_id {trace_id!r} is not 32 hexadecimal digits (a UUID is)")
    return text


class Trace:
    """A file of sidecars, one per line. It is new, and each line is written whole as its step ends."""

    def __init__(self, path, framework, version, runtime, trace_id):
        self.framework, self.version, self.runtime = framework, version, runtime
        self.trace_id, self.steps = named(trace_id), 0
        with open(__file__, "rb") as source:
            self.source_hash = "sha256:" + hashlib.sha256(source.read()).hexdigest()
        self.file = open(path, "x", encoding="utf-8")

    def close(self):
        self.file.close()

    def write(self, step, dtype, detail=""):
        record = sidecar(step)
        decay = record.get("optimizer", {}).get("weight_decay", 0)
        coupled = decay != 0 and record["optimizer"]["name"] in ("sgd", "sgd_momentum")
        head = {
            "format": "framework-trace.v0.8.0" if coupled else "framework-trace.v0.7.0",
            "source_framework": {"name": self.framework, "version": self.version,
                                 "extractor": {"name": f"{NAME}-{self.framework}", "version": VERSION}},
            "helper": {
                "name": f"{NAME}-{self.framework}", "version": VERSION, "distribution": "repo-script",
                "source_hash": self.source_hash,
                "source_uri": f"urn:bp:extract:{self.framework}#dtype={dtype}{detail}",
                "framework": {"name": self.framework, "version": self.version},
                "runtime": {"python_version": platform.python_version(), **self.runtime},
                "extraction": {"timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                               "device": "cpu"},
            },
            "trace_id": self.trace_id, "step_index": self.steps,
        }
        line = json.dumps({**head, **record}, separators=(",", ":"), allow_nan=False)
        self.file.write(line + "\n")
        self.file.flush()
        self.steps += 1


def sidecar(step):
    """The record of one step. Weights are lists by the unit they come from, then by the unit they lead to."""
    first, samples = step["samples"][0], step["samples"]
    units = {layer: [f"{layer}{place + 1}" for place in range(size)]
             for layer, size in zip("iho", (len(first["inputs"]), len(first["hidden"]), len(first["output"])))}
    if max(map(len, units.values())) > 64:
        raise Refusal("the format carries layers of up to 64 units")
    hidden, output, rate = units["h"], units["o"], step["learning_rate"]
    if not rate > 0:
        raise Refusal(f"the learning rate of this step is {rate}; the format calls for one above 0")
    batched, parameters, before, after, updates = len(samples) > 1, [], {}, {}, []

    def parameter(name, role, ends, place, edge, factors):
        kind = "bias" if edge == "bias_to_layer" else "weight"
        source, target = ends
        units_of = {"applies_to_units": [target]} if kind == "bias" else {"from_unit": source, "to_unit": target}
        parameters.append({"id": name, "role": role, **units_of})
        (block, path), config = place, step["optimizer"]

        def value(values):
            values = values[block]
            for index in path:
                values = values[index]
            return values

        before[name], after[name] = value(step["before"]), value(step["after"])
        if kind == "bias" and not step["biases_learn"]:
            return
        gradient = -value(step["gradients"])
        decayed = before[name]
        if config["name"] == "adamw":
            decayed *= 1 - rate * config["weight_decay"]
        if batched:
            factors = [{"name": "batch_reduced_gradient", "value": gradient}]
        optimizer = {"name": config["name"], "learning_rate": rate, "factors": factors,
                     "product_order": "left_to_right"}
        for key in ("state_before", "state_after") if step["state_before"] else ():
            state = {moment: value(values) for moment, values in step[key].items()}
            optimizer[key] = {moment: stored if moment == "v" else -stored for moment, stored in state.items()}
        updates.append({
            "parameter_id": name, "kind": kind, "layer_edge": edge,
            "parameter_role": role if kind == "bias" else f"{source}_to_{target}",
            "from_unit": source, "to_unit": target, "weight_before": before[name], "optimizer": optimizer,
            "gradient": gradient, "update": after[name] - decayed, "weight_after": after[name],
        })

    def layer(edge, sources, targets, weights, biases, signal, signals, upstream, upstream_path):
        def factor(target):
            return {"name": f"{signal}_error_signal", "value": signals[target],
                    "from": f"backward.{signal}_error_signals.{units[signal[0]][target]}.signal_value"}
        for i, source in enumerate(sources):
            for j, target in enumerate(targets):
                activation = {"name": "upstream_activation", "from": upstream_path.format(source), "value": upstream[i]}
                parameter(f"w_{source}_{target}", f"{edge}_weight", (source, target), (weights, (i, j)), edge,
                          [factor(j), activation])
        for j, target in enumerate(targets):
            parameter(f"b_{target}", f"{signal}_bias", (target, target), (biases, (j,)), "bias_to_layer", [factor(j)])

    hidden_out = [out for _, out in first["hidden"]]
    layer("input_to_hidden", units["i"], hidden, "w1", "b1", "hidden", step["hidden_signals"], first["inputs"],
          "inputs.{}")
    layer("hidden_to_output", hidden, output, "w2", "b2", "output", step["output_signals"], hidden_out,
          "forward.{}.out")

    def maps(sample):
        cells = zip(hidden + output, sample["hidden"] + sample["output"])
        return {"inputs": dict(zip(units["i"], sample["inputs"])), "targets": dict(zip(output, sample["targets"])),
                "forward": {unit: {"net": net, "out": out} for unit, (net, out) in cells},
                "loss": {"per_output": dict(zip(output, sample["per_output"])), "total": sum(sample["per_output"])}}

    def derivative(kind, out):
        return {"sigmoid": out * (1 - out), "relu": float(out > 0), "identity": 1.0}[kind]

    def output_factors(place):
        miss = first["targets"][place] - first["output"][place][1]
        if step["loss"] == "cross_entropy_softmax":
            return [{"name": "target_minus_probability", "value": miss}]
        slope = derivative(step["activation_output"], first["output"][place][1])
        return [{"name": "target_minus_output", "value": miss}, {"name": "activation_derivative", "value": slope}]

    def hidden_signal(h):
        def contribution(o):
            signal, weight = step["output_signals"][o], step["before"]["w2"][h][o]
            return {"from": output[o], "downstream_signal": signal, "via_weight": f"w_{hidden[h]}_{output[o]}",
                    "weight_value": weight, "value": signal * weight}
        return {"downstream_contributions": [contribution(o) for o in range(len(output))], "summation_order": output,
                "backpropagated_sum": step["hidden_sums"][h],
                "activation_derivative": derivative(step["activation_hidden"], hidden_out[h]),
                "product_order": "left_to_right", "signal_value": step["hidden_signals"][h]}

    names = [f"s{place}" for place in range(len(samples))]
    by_sample = {name: maps(sample) for name, sample in zip(names, samples)}
    whole = by_sample["s0"]
    loss = {"per_output": whole["loss"]["per_output"], "total": step["total"]}
    if batched:
        share = 1 / len(samples) if step["reduction"] == "mean" else 1
        loss["per_output"] = {unit: share * sum(sample["loss"]["per_output"][unit] for sample in by_sample.values())
                              for unit in output}
        loss["per_sample"] = {name: sample["loss"]["total"] for name, sample in by_sample.items()}
        loss["reduction"] = step["reduction"]
    config = step["optimizer"]
    plain = config["name"] == "sgd" and not config.get("weight_decay")
    return {
        "topology": {
            "layers": ["input", "hidden", "output"], "input_size": len(units["i"]), "hidden_size": len(hidden),
            "output_size": len(output), "unit_order": {"input": units["i"], "hidden": hidden, "output": output},
            "parameter_order": list(before), "parameters": parameters,
            "activation_hidden": step["activation_hidden"], "activation_output": step["activation_output"],
            "loss": step["loss"], "bias_sharing": "per_neuron",
        },
        "learning_rate": rate,
        **({} if plain else {"optimizer": {**config, "learning_rate": rate}}),
        "bias_policy": {"mode": "sgd" if step["biases_learn"] else "constant", "updated_in_step": step["biases_learn"]},
        **({"batch": {"size": len(samples), "sample_order": names, "reduction": step["reduction"]},
            "per_sample": by_sample} if batched else {}),
        "inputs": whole["inputs"], "targets": whole["targets"], "parameters_before": before,
        "forward": whole["forward"], "loss": loss,
        "backward": {
            "output_error_signals": {unit: {"factors": output_factors(place), "product_order": "left_to_right",
                                            "signal_value": step["output_signals"][place]}
                                     for place, unit in enumerate(output)},
            "hidden_error_signals": {unit: hidden_signal(place) for place, unit in enumerate(hidden)},
        },
        "updates": updates, "parameters_after": after,
    }


# == End of the sidecar ================================================================================================

LOSSES = {"cross_entropy": "cross_entropy_softmax", "half_squared_error": "half_squared_error"}
SLOTS = ("w1", "b1", "w2", "b2")
MOMENTS = {"sgd": (), "sgd_momentum": ("buffer",), "adam": ("m", "v"), "adamw": ("m", "v")}


class Recorder:
    """Writes a sidecar to a new file `path` for every step that is told to it.

    `loss(params, x, y, tap)` is differentiated as it is; `kind` says which loss it is, `hidden` and `output` which
    activations it has, `reduction` how it joins a batch. With "half_squared_error", `output_out` is tapped too.
    """

    def __init__(self, path, loss, kind, hidden, output=None, reduction="mean", trace_id=None):
        if not jax.config.jax_enable_x64:
            raise Refusal('jax_enable_x64 is off: jax.config.update("jax_enable_x64", True) before the first array')
        if jax.default_backend() != "cpu":
            raise Refusal(f"the backend is {jax.default_backend()}: recorded are steps on the CPU")
        if kind not in LOSSES or reduction not in ("mean", "sum"):
            raise Refusal(f"kind is one of {', '.join(LOSSES)}; reduction is mean or sum")
        output = "softmax" if kind == "cross_entropy" else output
        if hidden not in ("sigmoid", "relu", "identity") or output not in ("sigmoid", "relu", "identity", "softmax"):
            raise Refusal("activations are sigmoid, relu or identity; softmax at the output under cross_entropy")
        self.loss, self.kind, self.reduction, self.activations = loss, LOSSES[kind], reduction, (hidden, output)
        self.taps = ["hidden_net", "hidden_out", "output_net"] + ([] if output == "softmax" else ["output_out"])
        self.trace = Trace(path, "jax", jax.__version__, {}, trace_id)
        self.seen, self.jaxpr, self.compiled = None, None, jax.jit(jax.value_and_grad(self._tapped, (0, 1), has_aux=True))

    def close(self):
        """Ends the recording."""
        self.trace.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _tapped(self, params, nudge, x, y):
        """The loss, with zeros added where it is tapped: the gradient with respect to them is the error signal."""
        values = {}

        def tap(name, value):
            if name not in self.taps or name in values:
                raise Refusal(f"tap {name!r}: each of {', '.join(self.taps)} is tapped once")
            values[name] = value + nudge[name]
            return values[name]
        total = self.loss(params, x, y, tap)
        if set(values) != set(self.taps):
            raise Refusal(f"not tapped: {', '.join(sorted(set(self.taps) - set(values)))}")
        return total, values

    def value_and_grad(self, params, x, y):
        """The loss and its gradients with respect to the parameters, as `jax.value_and_grad` has them."""
        if self.seen is not None:
            raise Refusal("a second gradient before the step: the format has no words for accumulated gradients")
        if set(params) != set(SLOTS):
            raise Refusal(f"parameters are {', '.join(params)}; the format carries {', '.join(SLOTS)}: one hidden layer")
        leaves = {name: jnp.asarray(value) for name, value in params.items()}
        for name, value in {**leaves, "x": jnp.asarray(x), "y": jnp.asarray(y)}.items():
            if value.dtype != jnp.float64:
                raise Refusal(f"{name} is {value.dtype}: float64 expected")
        x, y = jnp.atleast_2d(jnp.asarray(x)), jnp.atleast_2d(jnp.asarray(y))
        widths = dict.fromkeys(("hidden_net", "hidden_out"), leaves["w1"].shape[1])
        nudge = {tap: jnp.zeros((len(x), widths.get(tap, leaves["w2"].shape[1]))) for tap in self.taps}
        if self.jaxpr is None:
            plain = jax.grad(lambda params: self.loss(params, x, y, lambda _, value: value))
            self.jaxpr = hashlib.sha256(str(jax.make_jaxpr(plain)(leaves)).encode()).hexdigest()
        (total, values), (grads, signals) = self.compiled(leaves, nudge, x, y)
        self.seen = {"before": leaves, "values": values, "signals": signals, "total": total, "x": x, "y": y}
        return total, grads

    def stepped(self, params, grads, optimizer, before=None, after=None):
        """Says what the step came to: new parameters, the gradients that the optimizer was given, its configuration at
        this step, and its state before and after."""
        if self.seen is None:
            raise Refusal("no gradient was taken through the recorder for this step")
        seen, self.seen = self.seen, None
        config = dict(optimizer)
        name, rate = config.get("name"), float(config.pop("learning_rate", 0))
        moments = MOMENTS.get(name)
        if moments is None:
            raise Refusal(f"{name} is not an optimizer of the format: {', '.join(MOMENTS)}")
        if any(set(state or {}) != set(moments) for state in (before, after)):
            raise Refusal(f"the state of {name} before and after the step is {', '.join(moments) or 'none'}")
        output_net = seen["values"]["output_net"]
        if self.kind == "cross_entropy_softmax":
            output_out = jax.nn.softmax(output_net)
            per_output = -seen["y"] * jax.nn.log_softmax(output_net)
        else:
            output_out = seen["values"]["output_out"]
            per_output = 0.5 * (seen["y"] - output_out) ** 2
        values = [seen["values"][tap].tolist() for tap in ("hidden_net", "hidden_out", "output_net")]
        columns = zip(seen["x"].tolist(), seen["y"].tolist(), *values, output_out.tolist(), per_output.tolist())
        samples = [{"inputs": x, "targets": y, "hidden": list(zip(hidden, hidden_out)),
                    "output": list(zip(output, out)), "per_output": losses}
                   for x, y, hidden, hidden_out, output, out, losses in columns]
        # A mean's gradient holds each sample's share; the format asks for the first sample's own.
        share = -len(samples) if self.reduction == "mean" else -1
        signals = {tap: [share * value for value in signal[0].tolist()] for tap, signal in seen["signals"].items()}
        hidden, output = self.activations
        self.trace.write({
            "learning_rate": rate, "optimizer": config, "loss": self.kind, "reduction": self.reduction,
            "samples": samples, "total": float(seen["total"]), "before": lists(seen["before"]), "after": lists(params),
            "gradients": lists(grads), "state_before": {key: lists(tree) for key, tree in (before or {}).items()},
            "state_after": {key: lists(tree) for key, tree in (after or {}).items()}, "biases_learn": True,
            "activation_hidden": hidden, "activation_output": output, "hidden_signals": signals["hidden_net"],
            "hidden_sums": signals["hidden_out"], "output_signals": signals["output_net"],
        }, "float64", f"&jaxpr_sha256={self.jaxpr}")


def lists(tree):
    """The numbers of a tree of parameters."""
    return {name: jnp.asarray(tree[name]).tolist() for name in SLOTS}
