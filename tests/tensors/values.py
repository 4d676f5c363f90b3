"""Every value of a capture as NumPy reads it: one JSON object, the bits of each float64 in hexadecimal, by stage.

    values.py FOLDER
"""

import json
import pathlib
import struct
import sys

import numpy as np

TYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2"}


def tensors(path):
    raw = path.read_bytes()
    if path.suffix == ".bin":
        _, layer, count = np.frombuffer(raw, "<u4", 3)
        yield None, np.frombuffer(raw, "<f4", int(count), 12)
    elif path.suffix == ".npy":
        yield None, np.load(path)
    elif path.suffix == ".safetensors":
        (length,) = struct.unpack("<Q", raw[:8])
        for name, entry in json.loads(raw[8 : 8 + length]).items():
            begin, end = entry["data_offsets"]
            data = raw[8 + length + begin : 8 + length + end]
            if entry["dtype"] == "BF16":
                yield name, (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
            else:
                yield name, np.frombuffer(data, TYPES[entry["dtype"]])


folder, found = pathlib.Path(sys.argv[1]), {}
for path in sorted(folder.rglob("*.*")):
    for name, array in tensors(path):
        name = name or path.relative_to(folder).with_suffix("").as_posix()
        found[name] = [f"{bits:016x}" for bits in array.astype("<f8").view("<u8").reshape(-1).tolist()]
print(json.dumps(found))
