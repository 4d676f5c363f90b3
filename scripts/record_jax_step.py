#!/usr/bin/env python3
"""Record one SGD step of a real JAX training loop as a framework sidecar (framework-trace 0.7.0).

Made for fixtures/good/jax-sgd-step.sidecar.jsonl, the step that `bp pack run` packs when nothing is named.
Needs the package jax; usage: record_jax_step.py OUT.jsonl
"""
import datetime
import hashlib
import json
import platform
import sys

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")
import jax.numpy as jnp  # noqa: E402  (after the precision is set)

SIZES = (4, 6, 3)
RATE = 0.2
WARM_UP_STEPS = 25
SAMPLES = 12


def loss(params, nudge, x, y):
    """Cross-entropy of a sigmoid/softmax net; `nudge` is added to both layers' weighted sums (it is zero)."""
    hidden_net = x @ params["w1"] + params["b1"] + nudge["hidden"]
    hidden_out = jax.nn.sigmoid(hidden_net)
    output_net = hidden_out @ params["w2"] + params["b2"] + nudge["output"]
    output_out = jax.nn.softmax(output_net)
    per_output = jnp.where(y == 0, 0.0, -y * jnp.log(jnp.where(y == 0, 1.0, output_out)))
    return per_output.sum(), (hidden_net, hidden_out, output_net, output_out, per_output)


def main(path):
    inputs, hidden, outputs = SIZES
    keys = jax.random.split(jax.random.PRNGKey(7), 4)
    params = {
        "w1": jax.random.normal(keys[0], (inputs, hidden)) * 0.5,
        "b1": jnp.zeros(hidden) + 0.05,
        "w2": jax.random.normal(keys[1], (hidden, outputs)) * 0.5,
        "b2": jnp.zeros(outputs) - 0.05,
    }
    xs = jax.random.normal(keys[2], (SAMPLES, inputs))
    teacher = jax.random.normal(keys[3], (inputs, outputs))
    ys = jax.nn.one_hot(jnp.argmax(xs @ teacher, axis=1), outputs)
    nudge = {"hidden": jnp.zeros(hidden), "output": jnp.zeros(outputs)}
    step = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
    for index in range(WARM_UP_STEPS + 1):
        x, y = xs[index % SAMPLES], ys[index % SAMPLES]
        before = params
        (total, aux), (grads, signals) = step(params, nudge, x, y)
        params = jax.tree_util.tree_map(lambda p, g: p - RATE * g, params, grads)
    record = sidecar(before, params, grads, signals, x, y, float(total), aux)
    with open(path, "w", encoding="utf-8") as out:
        out.write(json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n")


def sidecar(before, after, grads, signals, x, y, total, aux):
    inputs, hidden, outputs = SIZES
    names = {
        "i": [f"i{n + 1}" for n in range(inputs)],
        "h": [f"h{n + 1}" for n in range(hidden)],
        "o": [f"o{n + 1}" for n in range(outputs)],
    }
    hidden_net, hidden_out, output_net, output_out, per_output = (jnp.asarray(part).tolist() for part in aux)
    # Receipts follow the descent direction: minus the framework's gradient.
    hidden_signal = [-value for value in signals["hidden"].tolist()]
    output_signal = [-value for value in signals["output"].tolist()]
    x, y = x.tolist(), y.tolist()
    old = {key: value.tolist() for key, value in before.items()}
    new = {key: value.tolist() for key, value in after.items()}
    grad = {key: value.tolist() for key, value in grads.items()}

    def source(name, place, value):
        return {"name": name, "from": place, "value": value}

    parameters, updates, values_before, values_after = [], [], {}, {}

    def learn(parameter, role, kind, edge, ends, w_before, w_after, gradient, factors):
        parameters.append({"id": parameter, "role": role, **ends["declared"]})
        values_before[parameter], values_after[parameter] = w_before, w_after
        updates.append({
            "parameter_id": parameter, "kind": kind, "weight_before": w_before,
            "optimizer": {"name": "sgd", "learning_rate": RATE, "factors": factors, "product_order": "left_to_right"},
            "gradient": -gradient, "update": w_after - w_before, "weight_after": w_after,
            "parameter_role": ends["role"], "from_unit": ends["from"], "to_unit": ends["to"], "layer_edge": edge,
        })

    def layer(sources, units, weights, biases, tag, role, bias_role, edge, signal_name, block, signal, upstream, path):
        for i, origin in enumerate(sources):
            for j, unit in enumerate(units):
                ends = {"declared": {"from_unit": origin, "to_unit": unit}, "role": f"{origin}_to_{unit}",
                        "from": origin, "to": unit}
                factors = [source(signal_name, f"backward.{block}.{unit}.signal_value", signal[j]),
                           source("upstream_activation", path.format(origin), upstream[i])]
                learn(f"w_{origin}_{unit}", role, "weight", edge, ends,
                      old[weights][i][j], new[weights][i][j], grad[weights][i][j], factors)
        for j, unit in enumerate(units):
            ends = {"declared": {"applies_to_units": [unit]}, "role": bias_role, "from": unit, "to": unit}
            factors = [source(signal_name, f"backward.{block}.{unit}.signal_value", signal[j])]
            learn(f"b_{unit}", bias_role, "bias", "bias_to_layer", ends,
                  old[biases][j], new[biases][j], grad[biases][j], factors)

    layer(names["i"], names["h"], "w1", "b1", "ih", "input_to_hidden_weight", "hidden_bias", "input_to_hidden",
          "hidden_error_signal", "hidden_error_signals", hidden_signal, x, "inputs.{}")
    layer(names["h"], names["o"], "w2", "b2", "ho", "hidden_to_output_weight", "output_bias", "hidden_to_output",
          "output_error_signal", "output_error_signals", output_signal, hidden_out, "forward.{}.out")

    derivative = [out * (1.0 - out) for out in hidden_out]
    contribution = [[output_signal[o] * old["w2"][h][o] for o in range(outputs)] for h in range(hidden)]
    return {
        "format": "framework-trace.v0.7.0",
        "source_framework": {"name": "jax", "version": jax.__version__,
                             "extractor": {"name": "bp-record-jax-step", "version": "0.1.0"}},
        "helper": {
            "name": "bp-record-jax-step", "version": "0.1.0", "distribution": "repo-script",
            "source_hash": "sha256:" + hashlib.sha256(open(__file__, "rb").read()).hexdigest(),
            "framework": {"name": "jax", "version": jax.__version__},
            "runtime": {"python_version": platform.python_version()},
            "extraction": {"timestamp": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                           "device": "cpu"},
        },
        "topology": {
            "layers": ["input", "hidden", "output"],
            "input_size": inputs, "hidden_size": hidden, "output_size": outputs,
            "unit_order": {"input": names["i"], "hidden": names["h"], "output": names["o"]},
            "parameter_order": [parameter["id"] for parameter in parameters], "parameters": parameters,
            "activation_hidden": "sigmoid", "activation_output": "softmax",
            "loss": "cross_entropy_softmax", "bias_sharing": "per_neuron",
        },
        "learning_rate": RATE,
        "inputs": dict(zip(names["i"], x)),
        "targets": dict(zip(names["o"], y)),
        "parameters_before": values_before,
        "forward": {unit: {"net": net, "out": out} for unit, net, out in
                    zip(names["h"] + names["o"], hidden_net + output_net, hidden_out + output_out)},
        "loss": {"per_output": dict(zip(names["o"], per_output)), "total": total},
        "backward": {
            "output_error_signals": {unit: {
                "factors": [{"name": "target_minus_probability", "value": y[o] - output_out[o]}],
                "product_order": "left_to_right", "signal_value": output_signal[o],
            } for o, unit in enumerate(names["o"])},
            "hidden_error_signals": {unit: {
                "downstream_contributions": [{
                    "from": names["o"][o], "downstream_signal": output_signal[o],
                    "via_weight": f"w_{unit}_{names['o'][o]}", "weight_value": old["w2"][h][o],
                    "value": contribution[h][o],
                } for o in range(outputs)],
                "summation_order": names["o"], "backpropagated_sum": sum(contribution[h]),
                "activation_derivative": derivative[h], "product_order": "left_to_right",
                "signal_value": hidden_signal[h],
            } for h, unit in enumerate(names["h"])},
        },
        "updates": updates,
        "parameters_after": values_after,
    }


if __name__ == "__main__":
    main(sys.argv[1])
