"""Ratios of gap to bound of a tensor-step.v1 record in F32, written from the format's page with NumPy alone:
{parameter: {rule: [largest, median]}} on standard output."""

import json
import os
import struct
import sys

import numpy

U = 2.0**-24
S = 1 + 256 * U
ETA = 2.0**-147


def tensors(path):
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    for name, entry in json.loads(data[8 : 8 + length]).items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        yield name, numpy.frombuffer(data[begin:end], "<f4").astype(numpy.float64)


def half_ulp(stored):
    """Half a unit in the last place, from the float32 neighbours in the binade of the value."""
    _, exponent = numpy.frexp(numpy.abs(stored))
    exponent = numpy.where(stored == 0, -125, numpy.maximum(exponent, -125))
    return numpy.ldexp(1.0, exponent - 25)


def ratios(stored, derived, bound):
    gap = numpy.abs(stored - derived)
    return numpy.where(gap == 0, 0.0, gap / bound)


def adam(group, t, of):
    lr, wd, beta1, beta2 = group["lr"], group["weight_decay"], group["beta1"], group["beta2"]
    w1, w2, bc1, bc2 = 1 - beta1, 1 - beta2, 1 - beta1**t, 1 - beta2**t
    p0, g = of("p0"), of("g")
    m0, v0 = (of("m0"), of("v0")) if of("m0") is not None else (0 * p0, 0 * p0)
    p1, m1, v1 = of("p1"), of("m1"), of("v1")
    eg = 0 * g
    if wd != 0 and not group["decoupled"]:
        g = g + wd * p0
        eg = S * (U * abs(g) + 2 * U * abs(wd * p0))
    m = m0 + w1 * (g - m0)
    em = half_ulp(m1) + ETA
    em += S * (U * numpy.maximum(3 * w1 * abs(g - m0), 2 * (abs(beta1 * m0) + abs(w1 * g))) + w1 * eg)
    v = beta2 * v0 + w2 * g**2
    ev = half_ulp(v1) + ETA
    ev += S * (U * ((2 * beta2 + 3 * w2) * v0 + 4 * w2 * g**2) + w2 * (2 * abs(g) * eg + eg**2))
    den = numpy.sqrt(v1 / bc2) + group["eps"]
    upd = (lr / bc1) * m1 / den
    q = p0 * (1 - lr * wd) if group["decoupled"] else p0
    ep = half_ulp(p1) + ETA + S * 10 * U * abs(upd)
    if group["decoupled"] and wd != 0:
        ep += S * 2 * U * abs(q)
    # Underflow of the numerator, through the quotient.
    ep += ETA * (1 + lr / bc1) / numpy.sqrt(bc2) / den
    return {"STEP-M": ratios(m1, m, em), "STEP-V": ratios(v1, v, ev), "STEP-P": ratios(p1, q - upd, ep)}


def sgd(group, of):
    lr, wd, mu, damp = group["lr"], group["weight_decay"], group["momentum"], group["dampening"]
    p0, g, b0, p1, b1 = of("p0"), of("g"), of("b0"), of("p1"), of("b1")
    eg = 0 * g
    if wd != 0:
        g = g + wd * p0
        eg = S * (U * abs(g) + 2 * U * abs(wd * p0))
    b = mu * b0 + (1 - damp) * g
    eb = half_ulp(b1) + ETA
    eb += S * (2 * U * abs(mu * b0) + (2 * U * abs((1 - damp) * g) if damp else 0) + (1 - damp) * eg)
    d, ed = b1, 0
    if group["nesterov"]:
        d = g + mu * b1
        ed = S * (U * abs(d) + 2 * U * abs(mu * b1) + eg)
    ep = half_ulp(p1) + S * (2 * U * lr * abs(d) + lr * ed) + ETA
    return {"STEP-B": ratios(b1, b, eb), "STEP-P": ratios(p1, p0 - lr * d, ep)}


def main(path):
    with open(path, encoding="utf-8") as file:
        record = json.load(file)
    data = dict(tensors(os.path.join(os.path.dirname(path), record["payload"]["file"])))
    found = {}
    for param in record["params"]:
        group = record["optimizer"]["groups"][param["group"]]
        of = lambda role: data.get(f"{role}/{param['name']}")
        stages = adam(group, param["t"], of) if record["optimizer"]["kind"] == "adam" else sgd(group, of)
        found[param["name"]] = {code: [values.max(), numpy.median(values)] for code, values in stages.items()}
    json.dump(found, sys.stdout)


main(sys.argv[1])
