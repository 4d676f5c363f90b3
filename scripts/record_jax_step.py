#!/usr/bin/env python3
"""Record one SGD step of a real JAX training loop with scripts/extract/jax.py: a net of 4-6-3 after 25 steps.

Such a step is what `bp pack run` packs when nothing is named. Needs the package jax; usage: record_jax_step.py OUT.jsonl
"""
import importlib.util
import pathlib
import sys

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")
from jax import numpy as jnp  # noqa: E402  (after the precision is set)

EXTRACT = pathlib.Path(__file__).resolve().parent / "extract" / "jax.py"
SIZES, RATE, WARM_UP_STEPS, SAMPLES = (4, 6, 3), 0.2, 25, 12


def loss(params, x, y, tap):
    hidden = tap("hidden_out", jax.nn.sigmoid(tap("hidden_net", x @ params["w1"] + params["b1"])))
    logits = tap("output_net", hidden @ params["w2"] + params["b2"])
    return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(logits), axis=-1))


def main(path):
    # By its path: as a module named jax it would hide JAX.
    spec = importlib.util.spec_from_file_location("record_jax", EXTRACT)
    extract = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extract)
    inputs, hidden, outputs = SIZES
    keys = jax.random.split(jax.random.PRNGKey(7), 4)
    params = {"w1": jax.random.normal(keys[0], (inputs, hidden)) * 0.5, "b1": jnp.zeros(hidden) + 0.05,
              "w2": jax.random.normal(keys[1], (hidden, outputs)) * 0.5, "b2": jnp.zeros(outputs) - 0.05}
    xs = jax.random.normal(keys[2], (SAMPLES, inputs))
    teacher = jax.random.normal(keys[3], (inputs, outputs))
    ys = jax.nn.one_hot(jnp.argmax(xs @ teacher, axis=1), outputs)

    def stepped(grads):
        return {name: params[name] - RATE * grads[name] for name in params}

    for step in range(WARM_UP_STEPS):
        at = step % SAMPLES
        params = stepped(jax.grad(lambda params: loss(params, xs[at], ys[at], lambda _, value: value))(params))
    at = WARM_UP_STEPS % SAMPLES
    with extract.Recorder(path, loss, "cross_entropy", hidden="sigmoid") as recorder:
        _, grads = recorder.value_and_grad(params, xs[at], ys[at])
        recorder.stepped(stepped(grads), grads, {"name": "sgd", "learning_rate": RATE})


if __name__ == "__main__":
    main(sys.argv[1])
