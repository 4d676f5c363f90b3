"""Record the steps of a PyTorch training loop as sidecars, one JSON line each.

Save this file as record_pytorch.py beside your script. It needs nothing but
PyTorch (1.13 and later). Four lines are added to a loop:

    import torch
    from record_pytorch import Recorder

    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.Sigmoid(), torch.nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    recorder = Recorder("trace.jsonl", model, optimizer, loss="cross_entropy")
    for _ in range(5):
        x, y = torch.randn(16, 4), torch.randint(3, (16,))
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        recorder.watch(loss, y)
        loss.backward()
        optimizer.step()
    recorder.close()

Then:  bp import pytorch multi trace.jsonl --out receipts.jsonl

It records what PyTorch did, and computes no step of its own: parameters as the
forward pass found them and as the step left them; weighted sums and
activations, from hooks; error signals, from hooks of the backward pass; the
gradients and the learning rate that the optimizer was given; the state that it
stored. So a loop that does something else than it says is recorded doing it.
Softmax, each output's loss and the factors that the format asks for are worked
out from those.

What it takes: one hidden layer (two `torch.nn.Linear` with biases; sigmoid,
relu or none between them), on the CPU, in float32 or float64; loss
"cross_entropy" (the model ends in logits) or "half_squared_error" (0.5 * sum
of squares), over a batch its mean or sum; SGD with momentum, Nesterov,
dampening and weight decay; Adam; AdamW; any learning-rate schedule. Anything
else is refused, with the reason. A step of the optimizer without a `watch`
before it is not recorded.
"""
import hashlib
import json
import platform
import re
import types
import uuid
import warnings
from datetime import datetime, timezone

import torch

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
ACTIVATIONS = {"SigmoidBackward0": "sigmoid", "ReluBackward0": "relu"}
STATES = {"sgd_momentum": {"buffer": "momentum_buffer"}, "adam": {"m": "exp_avg", "v": "exp_avg_sq"}}
STATES["adamw"] = STATES["adam"]


class Recorder:
    """Writes a sidecar to a new file `path` for every step of `optimizer` that a `watch` went before."""

    def __init__(self, path, model, optimizer, loss, reduction="mean", trace_id=None):
        if loss not in LOSSES or reduction not in ("mean", "sum"):
            raise Refusal(f"loss is one of {', '.join(LOSSES)}; reduction is mean or sum")
        self.loss, self.reduction, self.optimizer = LOSSES[loss], reduction, optimizer
        layers = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
        if len(layers) != 2:
            raise Refusal(f"{len(layers)} linear layers: the format carries two, with one hidden layer between them")
        first, second = layers
        if first.bias is None or second.bias is None:
            raise Refusal("a linear layer without a bias: the format carries one for each unit")
        self.parameters = {"w1": first.weight, "b1": first.bias, "w2": second.weight, "b2": second.bias}
        theirs = {id(parameter) for parameter in model.parameters()}
        if theirs != {id(parameter) for parameter in self.parameters.values()}:
            raise Refusal("the model has parameters beside its two linear layers; the format carries dense nets only")
        kinds = {(parameter.device.type, parameter.dtype) for parameter in self.parameters.values()}
        if kinds not in ({("cpu", torch.float32)}, {("cpu", torch.float64)}):
            raise Refusal(f"parameters are {kinds}: recorded are steps on the CPU in float32 or float64")
        self.dtype = str(first.weight.dtype).replace("torch.", "")
        learn = {name for name, parameter in self.parameters.items() if parameter.requires_grad}
        if learn not in ({"w1", "b1", "w2", "b2"}, {"w1", "w2"}):
            raise Refusal("all parameters learn, or all but the biases do")
        self.learn = sorted(learn)
        optimized = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
        if not {id(self.parameters[name]) for name in learn} <= set(optimized) <= theirs:
            raise Refusal("the optimizer's parameters are not the model's")
        self._config()
        deterministic = {"torch_use_deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
                         "cudnn_deterministic": torch.backends.cudnn.deterministic,
                         "cudnn_benchmark": torch.backends.cudnn.benchmark}
        runtime = {"torch_version": torch.__version__, "deterministic_mode": deterministic}
        self.trace = Trace(path, "pytorch", str(torch.__version__), runtime, trace_id)
        self.seen, self.watched = None, None
        self.hooks = [first.register_forward_hook(self._first), second.register_forward_hook(self._second),
                      model.register_forward_hook(self._whole)]
        self._wrap()

    def close(self):
        """Ends the recording; the loop goes on without it."""
        for hook in self.hooks:
            hook.remove()
        self.recording = False
        self.trace.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def watch(self, loss, targets):
        """Says what the forward pass came to: the loss that is about to be differentiated, and its targets."""
        if self.watched is not None:
            raise Refusal("a second loss before the optimizer's step: the format has no words for accumulated gradients")
        if self.seen is None or "model_out" not in self.seen:
            raise Refusal("no forward pass of the model, with gradients, went before this loss")
        self.watched = {"total": float(loss.detach()), "targets": targets.detach().clone()}

    # What PyTorch does, as it does it.

    def _first(self, _, inputs, net):
        if not torch.is_grad_enabled():
            return
        cpu = getattr(torch, "is_autocast_cpu_enabled", lambda: False)
        if torch.is_autocast_enabled() or cpu():
            raise Refusal("autocast is on: its precision changes within a step; record without it")
        if net.dtype != self.parameters["w1"].dtype or net.device.type != "cpu":
            raise Refusal(f"the forward pass runs in {net.dtype} on {net.device}: float32 or float64 on the CPU expected")
        self.seen = {"inputs": inputs[0].detach().clone(), "hidden_net": net.detach().clone(), "net": (net, net._version),
                     "before": self._values(), "grads": {}}
        net.register_hook(self._keep("hidden"))

    def _second(self, _, inputs, net):
        if not torch.is_grad_enabled() or self.seen is None:
            return
        self.seen["activation_hidden"] = self._activation("net", inputs[0], "the hidden layer")
        self.seen.update(hidden_out=inputs[0].detach().clone(), output_net=net.detach().clone(), logits=(net, net._version))
        if inputs[0] is not self.seen["net"][0]:
            inputs[0].register_hook(self._keep("hidden_out"))
        net.register_hook(self._keep("output"))

    def _whole(self, _, __, out):
        if not torch.is_grad_enabled() or self.seen is None or "logits" not in self.seen:
            return
        if self.loss == "cross_entropy_softmax":
            if out is not self.seen["logits"][0]:
                raise Refusal("for cross_entropy the model ends in logits, the second linear layer's output")
            self.seen.update(activation_output="softmax", model_out=torch.softmax(out.detach(), dim=-1))
            return
        kind = self._activation("logits", out, "the output layer")
        self.seen.update(activation_output=kind, model_out=out.detach().clone())

    def _activation(self, before, out, layer):
        net, version = self.seen[before]
        if net._version != version:
            raise Refusal(f"{layer}: its weighted sums are overwritten in place; record without inplace=True")
        if out is net:
            return "identity"
        made = out.grad_fn
        kind = ACTIVATIONS.get(type(made).__name__)
        direct = made is not None and made.next_functions and made.next_functions[0][0] is net.grad_fn
        if kind is None or not direct:
            raise Refusal(f"{layer}: after its weighted sums comes {type(made).__name__}, not a sigmoid, a relu or nothing")
        return kind

    def _keep(self, name):
        seen = self.seen

        def hook(gradient):
            seen["grads"][name] = gradient.detach().clone()
        return hook

    def _wrap(self):
        recorder, step, self.recording = self, self.optimizer.step, True

        def recorded(_, *arguments, **named_arguments):
            if not recorder.recording or recorder.watched is None:
                return step(*arguments, **named_arguments)
            # Some loops hand over a closure that is None.
            if any(value is not None for value in (*arguments, *named_arguments.values())):
                raise Refusal("a closure: the optimizer may run the model more than once in one step")
            given = recorder._given()
            result = step()
            recorder._ended(given)
            return result

        # A schedule marks the step that it wrapped, and warns without its mark.
        recorded.__dict__.update(getattr(step, "__dict__", {}))
        self.optimizer.step = types.MethodType(recorded, self.optimizer)

    def _config(self):
        optimizer, groups = self.optimizer, self.optimizer.param_groups
        group = {key: value for key, value in groups[0].items() if key != "params"}
        if any({key: value for key, value in other.items() if key != "params"} != group for other in groups[1:]):
            raise Refusal("parameter groups differ: the format has one learning rate and configuration for a step")
        if group.get("maximize"):
            raise Refusal("maximize: the format follows the direction of descent")
        rate = float(group["lr"])
        decay = {"weight_decay": float(group["weight_decay"])} if group["weight_decay"] else {}
        if type(optimizer) is torch.optim.SGD:
            if not group["momentum"]:
                return rate, {"name": "sgd", **decay}
            dampening = {"dampening": float(group["dampening"])} if group["dampening"] else {}
            nesterov = {"nesterov": True} if group["nesterov"] else {}
            return rate, {"name": "sgd_momentum", "momentum": float(group["momentum"]), **nesterov, **dampening, **decay}
        if type(optimizer) in (torch.optim.Adam, torch.optim.AdamW):
            if group["amsgrad"]:
                raise Refusal("AMSGrad keeps a maximum that the format has no words for")
            is_adamw = type(optimizer) is torch.optim.AdamW or group.get("decoupled_weight_decay", False)
            if decay and not is_adamw:
                raise Refusal("Adam with weight decay: the format carries decay with SGD (coupled) and AdamW (decoupled)")
            config = {"name": "adamw" if is_adamw else "adam", "beta1": float(group["betas"][0]),
                      "beta2": float(group["betas"][1]), "epsilon": float(group["eps"])}
            return rate, {**config, **({"weight_decay": float(group["weight_decay"])} if is_adamw else {})}
        raise Refusal(f"{type(optimizer).__name__} is not an optimizer of the format: SGD, Adam or AdamW")

    def _values(self):
        return {name: by_source(parameter) for name, parameter in self.parameters.items()}

    def _state(self, config):
        """The state as it is stored; zeros where nothing is stored yet, which is what the first step starts from."""
        def stored(name, key):
            parameter = self.parameters[name]
            value = self.optimizer.state.get(parameter, {}).get(key)
            return by_source(torch.zeros_like(parameter) if value is None else value)
        moments = STATES.get(config["name"], {})
        return {moment: {name: stored(name, key) for name in self.learn} for moment, key in moments.items()}

    def _given(self):
        """What the step starts from: gradients, learning rate and state."""
        rate, config = self._config()
        missing = [name for name in self.learn if self.parameters[name].grad is None]
        if missing:
            raise Refusal(f"no gradient of {', '.join(missing)} when the optimizer stepped")
        gradients = {name: by_source(self.parameters[name].grad) for name in self.learn}
        stores = self.optimizer.state.get(self.parameters["w1"], {})
        is_first = stores.get("momentum_buffer") is None and config["name"] == "sgd_momentum"
        return {"learning_rate": rate, "optimizer": config, "gradients": gradients,
                "state_before": self._state(config), "left_out": is_first and config.get("dampening")}

    def _ended(self, given):
        """The step has been taken: one line."""
        seen, watched = self.seen, self.watched
        self.seen = self.watched = None
        if given["left_out"]:
            warnings.warn("the first step is not recorded: PyTorch then stores the gradient without dampening, "
                          "which the format has no words for")
            return
        if {"hidden", "output"} - set(seen["grads"]):
            raise Refusal("the optimizer stepped and no gradient of the watched loss had reached both layers")
        config = given["optimizer"]
        if config["name"] in ("adam", "adamw"):
            config["t"] = int(self.optimizer.state[self.parameters["w1"]]["step"])
        inputs = rows(seen["inputs"])
        count = len(inputs)
        if self.loss == "cross_entropy_softmax":
            targets = watched["targets"]
            if not targets.is_floating_point():
                targets = torch.nn.functional.one_hot(targets, seen["output_net"].shape[-1])
            targets = targets.to(seen["output_net"].dtype).reshape(seen["output_net"].shape)
            per_output = -targets * torch.log_softmax(seen["output_net"], dim=-1)
        else:
            targets = watched["targets"].to(seen["model_out"].dtype).reshape(seen["model_out"].shape)
            per_output = 0.5 * (targets - seen["model_out"]) ** 2
        columns = zip(inputs, rows(targets), rows(seen["hidden_net"]), rows(seen["hidden_out"]),
                      rows(seen["output_net"]), rows(seen["model_out"]), rows(per_output))
        samples = [{"inputs": x, "targets": y, "hidden": list(zip(hidden, hidden_out)),
                    "output": list(zip(output, output_out)), "per_output": losses}
                   for x, y, hidden, hidden_out, output, output_out, losses in columns]
        # A mean's gradient holds each sample's share; the format asks for the first sample's own.
        share = -count if self.reduction == "mean" else -1
        grads = seen["grads"]
        signals = {name: [share * value for value in rows(gradient)[0]] for name, gradient in grads.items()}
        step = {**given, "loss": self.loss, "reduction": self.reduction, "samples": samples,
                "total": watched["total"], "before": seen["before"], "after": self._values(),
                "state_after": self._state(config), "biases_learn": "b1" in self.learn,
                "activation_hidden": seen["activation_hidden"], "activation_output": seen["activation_output"],
                "hidden_signals": signals["hidden"], "hidden_sums": signals.get("hidden_out", signals["hidden"]),
                "output_signals": signals["output"]}
        self.trace.write(step, self.dtype)


def by_source(tensor):
    """A parameter's numbers; a weight by the unit that it comes from, where PyTorch has the unit that it leads to."""
    tensor = tensor.detach()
    return (tensor.t() if tensor.dim() == 2 else tensor).tolist()


def rows(tensor):
    """A batch's samples; a sample by itself is a batch of one."""
    if tensor.dim() > 2:
        raise Refusal(f"a tensor of shape {tuple(tensor.shape)}: samples by units expected")
    return (tensor if tensor.dim() == 2 else tensor.reshape(1, -1)).tolist()
