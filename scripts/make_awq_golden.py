"""A tiny AWQ folder and what it holds, from AutoAWQ's published layout alone; torch is not needed.

pip install numpy safetensors ml_dtypes
python scripts/make_awq_golden.py fixtures/micro-qwen fixtures/quantized

fixtures/quantized:
  awq/                   4 bits, groups of 32, version gemm: the weights of micro-qwen with a tied output matrix, rounded
                         as AutoAWQ's pseudo_quantize_tensor does; layer 1's down_proj is left in f16
  awq.safetensors
    input_ids  I64 [24]
    logits     F32 [vocab_size]  of the last position; a forward pass in f64 on the decoded weights
    LINEAR     F32 [rows]        product of the decoded weight with x, x[j] = cos(j), in f64

The layout: qweight I32 [C, R/8], bits 4i to 4i+3 of word j are the code of output 8j + ORDER[i]; qzeros I32 [C/g, R/8]
likewise; scales F16 [C/g, R]; w[r, c] = (q[c, r] - z[c/g, r]) * s[c/g, r]. The decoder below is written the other way
round, by AutoAWQ's AWQ_REVERSE_ORDER. The forward pass is held to transformers' logits of fixtures/quantized/gptq.
"""

import json
import shutil
import sys
from pathlib import Path

import ml_dtypes  # registers bfloat16 for safetensors.numpy
import numpy as np
from safetensors.numpy import load_file, save_file

ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
REVERSE_ORDER = [0, 4, 1, 5, 2, 6, 3, 7]
GROUP = 32
SKIPPED = "model.layers.1.mlp.down_proj"


def load(folder):
    tensors = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        tensors.update(load_file(path))
    return tensors


def pack(codes):
    """Codes [n, R] to words [n, R/8]."""
    words = np.zeros((codes.shape[0], codes.shape[1] // 8), dtype=np.uint32)
    for i, output in enumerate(ORDER):
        words |= codes[:, output::8].astype(np.uint32) << np.uint32(4 * i)
    return words.view(np.int32)


def unpack(words):
    fields = (words.view(np.uint32)[:, :, None] >> np.arange(0, 32, 4, dtype=np.uint32)) & 15
    return fields[:, :, REVERSE_ORDER].reshape(len(words), -1).astype(np.int64)


def quantize(weight):
    """Tensors of a linear W [R, C]."""
    groups = weight.astype(np.float32).reshape(len(weight), -1, GROUP)
    high, low = groups.max(-1), groups.min(-1)
    scales = np.maximum(high - low, 1e-5) / 15
    zeros = np.clip(-np.round(low / scales), 0, 15)
    codes = np.clip(np.round(groups / scales[..., None]) + zeros[..., None], 0, 15)
    return {"qweight": pack(codes.reshape(len(weight), -1).T), "qzeros": pack(zeros.T),
            "scales": scales.T.astype(np.float16)}


def decode(qweight, qzeros, scales):
    repeat = lambda x: np.repeat(x, len(qweight) // len(scales), axis=0)
    return ((unpack(qweight) - repeat(unpack(qzeros))) * repeat(scales.astype(np.float64))).T


def decode_gptq(t):
    """4 bits, zeros as they are (gptq_v2) or less one."""
    fields = lambda words: (words.view(np.uint32)[..., None] >> np.arange(0, 32, 4, dtype=np.uint32)) & 15
    codes = fields(t["qweight"].T.copy()).reshape(t["scales"].shape[1], -1).astype(np.float64)
    zeros = fields((t["qzeros"].view(np.uint32) + np.uint32(t["plus"])).view(np.int32))
    zeros = zeros.reshape(len(t["scales"]), -1).astype(np.float64)
    g = t["g_idx"]
    return t["scales"].astype(np.float64).T[:, g] * (codes - zeros.T[:, g])


def last_logits(config, t, ids):
    """Qwen2 as its paper has it: t holds f64 weights, quantized ones decoded."""
    heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
    size, n = config["hidden_size"] // heads, len(ids)
    norm = lambda x, w: x / np.sqrt((x * x).mean(-1, keepdims=True) + config["rms_norm_eps"]) * w
    theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
    angles = np.arange(n)[:, None] * theta ** (-np.arange(0, size, 2) / size)
    cos, sin = np.cos(angles), np.sin(angles)

    def rope(x):
        a, b = x[..., : size // 2], x[..., size // 2:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    embedding = t["model.embed_tokens.weight"]
    x = embedding[ids]
    for i in range(config["num_hidden_layers"]):
        p = f"model.layers.{i}."
        y = norm(x, t[p + "input_layernorm.weight"])
        project = lambda name, count: (y @ t[f"{p}self_attn.{name}.weight"].T + t[f"{p}self_attn.{name}.bias"]
                                       ).reshape(n, count, size).transpose(1, 0, 2)
        q, k, v = rope(project("q_proj", heads)), rope(project("k_proj", kv)), project("v_proj", kv)
        k, v = np.repeat(k, heads // kv, 0), np.repeat(v, heads // kv, 0)
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(size) + np.triu(np.full((n, n), -np.inf), 1)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        attention = (scores / scores.sum(-1, keepdims=True)) @ v
        x = x + attention.transpose(1, 0, 2).reshape(n, -1) @ t[p + "self_attn.o_proj.weight"].T
        y = norm(x, t[p + "post_attention_layernorm.weight"])
        gate, up = y @ t[p + "mlp.gate_proj.weight"].T, y @ t[p + "mlp.up_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ t[p + "mlp.down_proj.weight"].T
    return norm(x[-1], t["model.norm.weight"]) @ embedding.T


def decoded(tensors, decode):
    """All weights in f64 by name, quantized ones decoded."""
    out = {name: t.astype(np.float64) for name, t in tensors.items() if t.dtype.kind != "i"}
    for name in tensors:
        prefix, _, end = name.rpartition(".")
        if end == "qweight":
            own = {n[len(prefix) + 1:]: t for n, t in tensors.items() if n.startswith(prefix + ".")}
            out[prefix + ".weight"] = decode(own)
    return out


def check_forward(target):
    """Holds the forward pass to transformers."""
    config = json.loads((target / "gptq/config.json").read_text())
    v2 = config["quantization_config"]["checkpoint_format"] == "gptq_v2"
    golden = load_file(target / "golden.safetensors")
    weights = decoded(load(target / "gptq"), lambda t: decode_gptq({**t, "plus": 0 if v2 else 0x11111111}))
    found = last_logits(config, weights, golden["gptq.input_ids"])
    off = np.abs(found - golden["gptq.logits"]).max()
    assert off < 1e-4, f"the forward pass is {off} off transformers'"
    print(f"within {off:.1e} of transformers' logits of {target / 'gptq'}")


def main(source, target):
    source, target = Path(source), Path(target)
    check_forward(target)
    folder = target / "awq"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]:
        shutil.copy(source / name, folder / name)
    config = json.loads((source / "config.json").read_text())
    config.update(tie_word_embeddings=True, torch_dtype="float16", dtype="float16", quantization_config={
        "bits": 4, "group_size": GROUP, "modules_to_not_convert": [SKIPPED], "quant_method": "awq",
        "version": "gemm", "zero_point": True})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tensors = {}
    for name, tensor in load(source).items():
        prefix = name.removesuffix(".weight")
        if name.endswith("_proj.weight") and prefix != SKIPPED:
            tensors.update({f"{prefix}.{part}": t for part, t in quantize(tensor).items()})
        elif name != "lm_head.weight":
            tensors[name] = tensor.astype(np.float16)
    save_file({n: np.ascontiguousarray(t) for n, t in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    weights = decoded(tensors, lambda t: decode(t["qweight"], t["qzeros"], t["scales"]))
    ids = np.arange(24) * 37 % 251
    out = {"input_ids": ids, "logits": last_logits(config, weights, ids).astype(np.float32)}
    for name in tensors:
        if name.endswith(".qweight"):
            weight = weights[name.removesuffix("qweight") + "weight"]
            out[name.removesuffix(".qweight")] = (weight @ np.cos(np.arange(weight.shape[1]))).astype(np.float32)
    save_file(out, target / "awq.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main(*sys.argv[1:])
