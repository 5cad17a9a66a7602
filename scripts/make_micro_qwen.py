"""Writes fixtures/micro-qwen: two shards, untied head, padding rows after the last token, random weights.

python scripts/make_micro_qwen.py fixtures/micro-qwen
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent / "tinyworld"))
from folder import train_tokenizer, write_folder, write_json  # noqa: E402

CONFIG = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 320, "tie_word_embeddings": False, "max_position_embeddings": 512,
    # The newer spelling; tiny-qwen has the older top-level rope_theta.
    "rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default"},
}


def weights(config, seed):
    """Scaled so that every part shows in the logits: biases, norm weights and attention are far from trivial."""
    draw = torch.Generator().manual_seed(seed)
    normal = lambda std, *shape: std * torch.randn(*shape, generator=draw)
    hidden, inner, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    kv = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    out = {"model.embed_tokens.weight": normal(1.0, vocab, hidden)}
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        out[layer + "input_layernorm.weight"] = 1 + normal(0.2, hidden)
        out[layer + "post_attention_layernorm.weight"] = 1 + normal(0.2, hidden)
        for name, rows, cols in [("self_attn.q_proj", hidden, hidden), ("self_attn.k_proj", kv, hidden),
                                 ("self_attn.v_proj", kv, hidden), ("self_attn.o_proj", hidden, hidden),
                                 ("mlp.gate_proj", inner, hidden), ("mlp.up_proj", inner, hidden),
                                 ("mlp.down_proj", hidden, inner)]:
            out[f"{layer}{name}.weight"] = normal(1.2 / cols**0.5, rows, cols)
            if name[-6] in "qkv" and "attn" in name:
                out[f"{layer}{name}.bias"] = normal(0.5, rows)
    out["model.norm.weight"] = 1 + normal(0.2, hidden)
    out["lm_head.weight"] = normal(2.0 / hidden**0.5, vocab, hidden)
    return {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in out.items()}


def main(folder):
    folder = Path(folder)
    write_folder(folder, train_tokenizer([], 256 + 3), CONFIG)
    tensors = weights(CONFIG, seed=0)
    shard_of = lambda name: 2 if ".layers.1." in name or name in ("model.norm.weight", "lm_head.weight") else 1
    files = {name: f"model-{shard_of(name):05}-of-00002.safetensors" for name in tensors}
    for file in sorted(set(files.values())):
        save_file({n: t for n, t in tensors.items() if files[n] == file}, folder / file, {"format": "pt"})
    write_json(folder / "model.safetensors.index.json", {
        "metadata": {"total_size": sum(t.numel() * 2 for t in tensors.values())},
        "weight_map": dict(sorted(files.items())),
    })


if __name__ == "__main__":
    main(*sys.argv[1:])
