"""A small decoder in NumPy: weights made from a seed, one forward pass in float32, every stage captured.

    forward.py FOLDER S,H,I,HEADS,KV_HEADS,V,L

Writes FOLDER/weights.safetensors; the capture three times, as FOLDER/aprt, FOLDER/npy and FOLDER/safetensors, each with its
index; and FOLDER/reference, the same pass in float64, rounded, with bounds in its index.
"""

import hashlib
import json
import pathlib
import struct
import sys

import numpy as np

EPSILON = 1e-6
TYPES = {"F32": np.float32, "F64": np.float64, "F16": np.float16}


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, (dtype, array) in tensors.items():
        size = array.nbytes
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(array.tobytes() for _, array in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def weights(draw, s, h, i, heads, kv_heads, v, layers):
    head = h // heads
    kv = head * kv_heads
    of = {"model.embed_tokens.weight": (v, h), "model.norm.weight": (h,), "lm_head.weight": (v, h)}
    for layer in range(layers):
        at = f"model.layers.{layer}."
        of |= {
            at + "input_layernorm.weight": (h,),
            at + "self_attn.q_proj.weight": (h, h),
            at + "self_attn.k_proj.weight": (kv, h),
            at + "self_attn.v_proj.weight": (kv, h),
            at + "self_attn.q_proj.bias": (h,),
            at + "self_attn.k_proj.bias": (kv,),
            at + "self_attn.v_proj.bias": (kv,),
            at + "self_attn.o_proj.weight": (h, h),
            at + "post_attention_layernorm.weight": (h,),
            at + "mlp.gate_proj.weight": (i, h),
            at + "mlp.up_proj.weight": (i, h),
            at + "mlp.down_proj.weight": (h, i),
        }
    made = {}
    for name, shape in of.items():
        values = draw.standard_normal(shape)
        norm = "norm.weight" in name
        made[name] = (1 + 0.1 * values if norm else values / np.sqrt(shape[-1])).astype(np.float32)
    return made


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def rotate(x, heads):
    """Rotary positions on rows of `heads` heads, halves against halves."""
    s, width = x.shape
    x = x.reshape(s, heads, width // heads)
    half = x.shape[-1] // 2
    angle = np.arange(s)[:, None] * 10000.0 ** (-np.arange(half)[None, :] / half)
    cos, sin = np.cos(angle).astype(x.dtype)[:, None, :], np.sin(angle).astype(x.dtype)[:, None, :]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def forward(w, ids, heads, kv_heads, layers, dtype):
    """Every stage of a pass in `dtype`, by (layer, stage); the layer is None for the whole model."""
    w = {name: value.astype(dtype) for name, value in w.items()}
    one = dtype(1)

    def norm(x, weight):
        mean = (x * x).mean(axis=-1, keepdims=True, dtype=dtype)
        return x / np.sqrt(mean + dtype(EPSILON)) * weight

    stages = {}
    x = w["model.embed_tokens.weight"][ids]
    stages[0, "embedding"] = x
    s, h = x.shape
    head = h // heads
    kv = head * kv_heads
    for layer in range(layers):
        of = {name.removeprefix(f"model.layers.{layer}."): value for name, value in w.items()}
        put = lambda stage, value: stages.__setitem__((layer, stage), value)
        normed = norm(x, of["input_layernorm.weight"])
        put("attn_norm", normed)
        three = [f"self_attn.{name}_proj" for name in "qkv"]
        qkv = np.concatenate([normed @ of[name + ".weight"].T for name in three], axis=-1)
        put("qkv_matmul", qkv)
        qkv = qkv + np.concatenate([of[name + ".bias"] for name in three])
        put("qkv_bias", qkv)
        q, k, v = qkv[:, :h], qkv[:, h : h + kv], qkv[:, h + kv :]
        q, k = rotate(q, heads), rotate(k, kv_heads)
        v = v.reshape(s, kv_heads, head)
        mask = np.where(np.tri(s, dtype=bool), dtype(0), dtype(-np.inf))
        out = np.empty((s, heads, head), dtype)
        for number in range(heads):
            group = number * kv_heads // heads
            scores = q[:, number] @ k[:, group].T / np.sqrt(dtype(head)) + mask
            out[:, number] = softmax(scores) @ v[:, group]
        put("attention", out.reshape(s, h))
        attn_out = out.reshape(s, h) @ of["self_attn.o_proj.weight"].T
        put("attn_out", attn_out)
        x = x + attn_out
        put("post_attn_residual", x)
        normed = norm(x, of["post_attention_layernorm.weight"])
        put("ffn_norm", normed)
        gate, up = normed @ of["mlp.gate_proj.weight"].T, normed @ of["mlp.up_proj.weight"].T
        put("ffn_gate", gate)
        put("ffn_up", up)
        silu = gate / (one + np.exp(-gate))
        put("ffn_silu", silu)
        put("ffn_swigl", silu * up)
        down = (silu * up) @ of["mlp.down_proj.weight"].T
        put("ffn_out", down)
        x = x + down
        put("post_ffn_residual", x)
    final = norm(x, w["model.norm.weight"])
    stages[None, "final_norm"] = final
    stages[None, "lm_head"] = final[-1] @ w["lm_head.weight"].T
    assert all(value.dtype == dtype for value in stages.values())
    return stages


def place(layer, stage):
    return stage if layer is None else f"layer-{layer}/{stage}"


def aprt(layer, array):
    number = 0xFFFFFFFF if layer is None else layer
    return b"APRT" + struct.pack("<II", number, array.size) + array.astype("<f4").tobytes()


def capture(folder, layout, stages, head, bound=None):
    folder.mkdir(parents=True)
    entries = []
    for (layer, stage), array in stages.items():
        name = place(layer, stage)
        file = {"aprt": name + ".bin", "npy": name + ".npy", "safetensors": "capture.safetensors"}[layout]
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        if layout == "aprt":
            path.write_bytes(aprt(layer, array))
        elif layout == "npy":
            np.save(path, array)
        entry = {"file": file, "stage": stage, "layer": layer, "shape": list(array.shape)}
        if layout == "safetensors":
            entry["tensor"] = name
        entry |= {"axis_order": "token-major", "token_scope": "last" if stage == "lm_head" else "all"}
        if bound:
            entry["bound"] = bound
        entries.append(entry)
    if layout == "safetensors":
        tensors = {place(*at): ("F32", array) for at, array in stages.items()}
        write_safetensors(folder / "capture.safetensors", tensors)
    for entry in entries:
        entry["sha256"] = hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest()
    (folder / "index.json").write_text(json.dumps(head | {"entries": entries}, indent=1) + "\n")


def main():
    folder, dims = pathlib.Path(sys.argv[1]), [int(side) for side in sys.argv[2].split(",")]
    s, h, i, heads, kv_heads, v, layers = dims
    draw = np.random.default_rng(7)
    made = weights(draw, *dims)
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "weights.safetensors", {name: ("F32", value) for name, value in made.items()})
    ids = draw.integers(0, v, s, dtype=np.uint32)
    head = {
        "format": "tensor-index.v1",
        "model": {
            "name": "small decoder",
            "sha256": hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest(),
        },
        "prompt": {"sha256": hashlib.sha256(ids.tobytes()).hexdigest(), "token_ids": ids.tolist()},
        "producer": {"tool": "forward.py", "version": "1"},
        "dims": {
            "tokens": s, "hidden": h, "intermediate": i, "heads": heads, "kv": h // heads * kv_heads, "vocab": v,
            "layers": layers,
        },
        "arithmetic": "float32",
        "rms_norm": {"epsilon": EPSILON},
    }  # fmt: skip
    stages = forward(made, ids, heads, kv_heads, layers, np.float32)
    for layout in ("aprt", "npy", "safetensors"):
        capture(folder / layout, layout, stages, head)
    wide = forward(made, ids, heads, kv_heads, layers, np.float64)
    wide = {at: value.astype(np.float32) for at, value in wide.items()}
    bound = {"abs": 1e-5, "rel": 1e-4, "reason": "float32 against float64 over few layers"}
    capture(folder / "reference", "aprt", wide, head | {"producer": {"tool": "forward.py in float64", "version": "1"}}, bound)


main()
