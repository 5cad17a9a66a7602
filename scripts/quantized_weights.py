"""Weights of quantized folders, decoded from the formats' descriptions alone: no code of the tools that write them.

GPTQ: qweight I32 [C*b/32, R], codes a little-endian bit stream along C; qzeros I32 [G, R*b/32] along R, stored less
one unless checkpoint_format is gptq_v2; scales F16 [G, R]; g_idx I32 [C]; w[r, c] = s[g, r] * (q[c, r] - z[g, r]).
bitsandbytes: weight I8 [R, C], SCB F32 [R]; w = code * SCB / 127.
SpQR of qwgpu: see src/quant/file/spqr.rs.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.torch import load_file


def load_tensors(folder):
    """All tensors of a folder, of its index's shards or of its one file."""
    index = Path(folder) / "model.safetensors.index.json"
    if index.exists():
        files = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    else:
        files = [path.name for path in Path(folder).glob("*.safetensors")]
    return {name: tensor for file in files for name, tensor in load_file(Path(folder) / file).items()}


def fields(words, bits):
    """Codes of a bit stream: words [.., n] to codes [.., n * 32 / bits]."""
    words = np.asarray(words).astype(np.int64) & 0xFFFFFFFF
    stream = (words[..., None] >> np.arange(32)) & 1
    stream = stream.reshape(*words.shape[:-1], -1, bits)
    return (stream << np.arange(bits)).sum(-1)


def gptq(t, config):
    bits = config["bits"]
    codes = fields(t["qweight"].numpy().T, bits)
    words = t["qzeros"].numpy().astype(np.int64) & 0xFFFFFFFF
    if config.get("checkpoint_format", "gptq") == "gptq" and bits != 3:
        words = (words + 0xFFFFFFFF // (2**bits - 1)) & 0xFFFFFFFF
    zeros = fields(words, bits)
    if config.get("checkpoint_format", "gptq") == "gptq" and bits == 3:
        zeros = (zeros + 1) % 8
    g, scales = t["g_idx"].numpy(), t["scales"].numpy().astype(np.float32)
    return scales.T[:, g] * (codes - zeros.T[:, g]).astype(np.float32)


def int8(t, _config):
    return t["weight"].numpy().astype(np.float32) * (t["SCB"].numpy()[:, None] / np.float32(127))


def spqr(t, config):
    bits, group = config["bits"], config["group_size"]
    codes = fields(t["spqr_q"].numpy().astype(np.int64), bits).astype(np.float32)
    ss, sz, zs, zz = np.repeat(t["spqr_s2"].numpy().astype(np.float32), 16, axis=1).transpose(2, 0, 1)
    scale = (ss * (t["spqr_sc"].numpy().astype(np.float32) - sz)).T.repeat(group, 1)
    zero = (zs * (t["spqr_zc"].numpy().astype(np.float32) - zz)).T.repeat(group, 1)
    weight = scale * (codes - zero)
    starts = t["spqr_rows"].numpy().astype(np.int64)
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    weight[rows, t["spqr_cols"].numpy().astype(np.int64)] += t["spqr_vals"].numpy().astype(np.float32)
    if "spqr_perm" in t:
        turned = np.empty_like(weight)
        turned[:, t["spqr_perm"].numpy().astype(np.int64)] = weight
        weight = turned
    return weight


DECODE = {"gptq": ("qweight", gptq), "bitsandbytes": ("SCB", int8), "spqr": ("spqr_q", spqr)}


def linears(tensors, config):
    """The quantized linears of a folder by name, as float32 [R, C]."""
    part, decode = DECODE[config["quant_method"]]
    out = {}
    for name in tensors:
        prefix, _, end = name.rpartition(".")
        if end == part:
            own = {n[len(prefix) + 1:]: t for n, t in tensors.items() if n.startswith(prefix + ".")}
            out[prefix] = decode(own, config)
    return out
