"""Random blocks of GGUF's K-types: every bit of every field is used, and the values are spread like a weight's.

A super-block has 256 values in sub-blocks; a value is scale * code - minimum, where scale and minimum are small
integers of the sub-block times the super-block's d and dmin (Q3_K and Q6_K: scale * (code - middle), signed scales).
"""

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

# Bytes of a block; where its d and dmin are; largest code; for types with minima, the most an integer of a sub-block is.
LAYOUT = {
    Type.Q2_K: (84, 80, 82, 3), Type.Q3_K: (110, 108, None, 7), Type.Q4_K: (144, 0, 2, 15),
    Type.Q5_K: (176, 0, 2, 31), Type.Q6_K: (210, 208, None, 63),
}


def packed_six_bits(scales, minima):
    """Eight scales and eight minima of six bits in the twelve bytes of Q4_K and Q5_K."""
    out = np.empty((len(scales), 12), np.uint8)
    out[:, 0:4] = scales[:, :4] | (scales[:, 4:] >> 4) << 6
    out[:, 4:8] = minima[:, :4] | (minima[:, 4:] >> 4) << 6
    out[:, 8:12] = scales[:, 4:] & 15 | (minima[:, 4:] & 15) << 4
    return out


def random(draw, kind, rows, columns, std):
    """Packed rows [rows, bytes] of mean about 0 and the standard deviation `std`."""
    size, at_d, at_min, most = LAYOUT[kind]
    count = rows * columns // 256
    blocks = draw.integers(0, 256, (count, size), dtype=np.uint8)
    # Minima near the scales: with dmin half of d times the largest code, values lie on both sides of zero.
    if kind in (Type.Q4_K, Type.Q5_K):
        scales = draw.integers(8, 64, (count, 8))
        minima = np.clip(scales + draw.integers(-4, 5, (count, 8)), 0, 63)
        blocks[:, 4:16] = packed_six_bits(scales, minima)
    if kind == Type.Q2_K:
        scales = draw.integers(2, 16, (count, 16))
        blocks[:, 0:16] = scales | np.clip(scales + draw.integers(-1, 2, (count, 16)), 0, 15) << 4

    def fill(scale):
        d = (scale * spread).astype("<f2")
        blocks[:, at_d:at_d + 2] = d.view(np.uint8).reshape(count, 2)
        if at_min is not None:
            least = (scale * spread * most / 2).astype("<f2")
            blocks[:, at_min:at_min + 2] = least.view(np.uint8).reshape(count, 2)
        return gguf.quants.dequantize(blocks.reshape(rows, -1), kind)

    spread = draw.uniform(0.7, 1.3, count)
    first = 2.0**-6
    fill(first * std / fill(first).std())
    return blocks.reshape(rows, -1)
