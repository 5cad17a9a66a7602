"""Writes fixtures/rope_frequencies.json: the rotation's frequencies of published models, scaled, in f64.

The formulas are written out again from their descriptions and not taken from this project's Rust:
- "linear" and "llama3": transformers, src/transformers/modeling_rope_utils.py,
  _compute_linear_scaling_rope_parameters and _compute_llama3_parameters;
- "factors": llama.cpp's rope_freqs.weight, which convert_hf_to_gguf.py makes of the same Llama 3 fields,
  and which ggml divides the angles by.

The models' numbers are those of their config.json. Python alone is enough: python3 scripts/make_rope_frequencies.py
"""

import json
import math
import pathlib


def default(head_dim, theta):
    return [theta ** (-2 * i / head_dim) for i in range(head_dim // 2)]


def llama3_divisor(frequency, factor, low, high, context):
    """What a frequency is divided by, as llama.cpp's converter has it."""
    turns = context * frequency / (2 * math.pi)  # of the pair over the original context
    if turns > high:
        return 1.0
    if turns < low:
        return float(factor)
    smooth = (turns - low) / (high - low)
    return 1.0 / ((1.0 - smooth) / factor + smooth)


LLAMA_3_1 = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192)
LLAMA_3_2 = dict(LLAMA_3_1, factor=32.0)

MODELS = [
    ("qwen3-8b", 128, 1e6, "default", {}),
    ("longchat-7b", 128, 1e4, "linear", dict(factor=8.0)),
    ("llama-3.1-8b", 128, 5e5, "llama3", LLAMA_3_1),
    ("llama-3.2-1b", 64, 5e5, "llama3", LLAMA_3_2),
    ("llama-3.1-8b as GGUF", 128, 5e5, "factors", LLAMA_3_1),
]

cases = []
for name, head_dim, theta, rope_type, fields in MODELS:
    frequencies = default(head_dim, theta)
    case = dict(name=name, head_dim=head_dim, rope_theta=theta, rope_type=rope_type)
    if rope_type == "linear":
        frequencies = [f / fields["factor"] for f in frequencies]
    if rope_type in ("llama3", "factors"):
        divisors = [llama3_divisor(f, *fields.values()) for f in frequencies]
        frequencies = [f / d for f, d in zip(frequencies, divisors)]
    case.update(dict(factors=divisors) if rope_type == "factors" else fields)
    cases.append(dict(case, frequencies=frequencies))

path = pathlib.Path(__file__).parent.parent / "fixtures" / "rope_frequencies.json"
path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
