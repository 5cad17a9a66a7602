"""Writes fixtures/gguf_blocks: random blocks of each GGUF storage type, and gguf-py's decoding of them.

    python -m venv venv && venv/bin/pip install gguf numpy
    venv/bin/python scripts/make_gguf_blocks.py fixtures/gguf_blocks

For each type, <name>.blocks holds whole blocks and <name>.f32 the decoded little-endian f32 values.
Codes are random bits. The f16 scales run through zero, subnormals, the largest finite value, both
signs and random finite values; NaN and infinity are left out, since reading refuses them.
"""

import pathlib
import sys

import gguf
import numpy as np

# Type, blocks, and where in a block its f16 scales lie.
TYPES = [
    ("F32", 512, []),
    ("F16", 512, [0]),
    ("BF16", 512, []),
    ("Q4_0", 48, [0]),
    ("Q4_1", 48, [0, 2]),
    ("Q5_0", 48, [0]),
    ("Q5_1", 48, [0, 2]),
    ("Q8_0", 48, [0]),
    ("Q2_K", 10, [80, 82]),
    ("Q3_K", 10, [108]),
    ("Q4_K", 10, [0, 2]),
    ("Q5_K", 10, [0, 2]),
    ("Q6_K", 10, [208]),
]
SPECIAL = [0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00]


def main(folder):
    rng = np.random.default_rng(20240607)
    for name, count, scales in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        size = gguf.GGML_QUANT_SIZES[kind][1]
        blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
        for number, at in enumerate(scales):
            halves = rng.integers(0, 0x7C00, count) | rng.integers(0, 2, count) << 15
            # The second scale of a block takes the special values in another order than the first.
            halves[: len(SPECIAL)] = np.roll(SPECIAL, 3 * number)
            blocks[:, at : at + 2] = halves.astype("<u2").view(np.uint8).reshape(count, 2)
        if name == "F32":
            values = blocks.reshape(-1).view("<u4").copy()
            values[values & 0x7F800000 == 0x7F800000] &= 0x80FFFFFF
            blocks = values.view(np.uint8)
        if name == "BF16":
            values = blocks.reshape(-1).view("<u2").copy()
            values[values & 0x7F80 == 0x7F80] &= 0x80FF
            blocks = values.view(np.uint8)
        typed = blocks.reshape(-1)
        if name in ("F32", "F16"):
            typed = typed.view("<f4" if name == "F32" else "<f2")
        decoded = gguf.quants.dequantize(typed, kind).astype("<f4")
        assert np.isfinite(decoded).all(), name
        (folder / f"{name}.blocks").write_bytes(blocks.tobytes())
        (folder / f"{name}.f32").write_bytes(decoded.tobytes())
        print(name, blocks.size, "bytes,", decoded.size, "values")


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    main(target)
