"""Writes the models of fixtures/families as GGUF files with packed matrices, and one of K-types, with transformers'
numbers for each in f32 on the file's own values as gguf-py decodes them.

pip install torch transformers safetensors tokenizers gguf numpy; after make_family_goldens.py:
python scripts/make_family_ggufs.py fixtures/tiny-prose.txt fixtures/families

NAME.gguf has llama.cpp's names, metadata and order of q's and k's rows (Llama's halves of a head interleaved), Llama
3's scaling as the tensor rope_freqs.weight, norms in F32, matrices in turn in Q4_0, Q8_0, Q5_0 and F16. Mistral's has
llama.attention.sliding_window, which llama.cpp's own converter leaves out. qwen2-k.gguf is a Qwen2 with 256 columns
everywhere, of random blocks in Q2_K to Q6_K (gguf-py reads these types and does not write them), with norms and biases
that bf16 cannot hold. NAME-gguf.safetensors has the tensors of golden.safetensors; those of the tokenizer and the
template are the folder's golden.json (but Mistral's text that begins with a space: its `sentencepiece_ids`).
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, normalizers

sys.path.insert(0, str(Path(__file__).parent / "families"))
import blocks  # noqa: E402
import vocabulary  # noqa: E402
from golden import LENGTHS, golden  # noqa: E402

NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}
OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}

# Architecture and pre-tokenizer of each folder's file.
FILES = {
    "qwen3": ("qwen3", "qwen2"), "llama3.1": ("llama", "llama-bpe"), "llama3.2": ("llama", "llama-bpe"),
    "llama2": ("llama", None), "mistral": ("llama", None),
}
TURN = [Type.Q4_0, Type.Q8_0, Type.Q5_0, Type.F16]

K_CONFIG = {
    "hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 320, "rms_norm_eps": 1e-6, "max_position_embeddings": 512,
    "tie_word_embeddings": False, "rope_parameters": {"rope_theta": 1e6, "rope_type": "default"},
}
K_SEED = 6
K_TYPES = {
    "token_embd": [Type.Q6_K], "output": [Type.Q4_K],
    "attn_q": [Type.Q4_K, Type.Q2_K], "attn_k": [Type.Q5_K, Type.Q3_K], "attn_v": [Type.Q6_K, Type.Q5_K],
    "attn_output": [Type.Q3_K, Type.Q4_K], "ffn_gate": [Type.Q2_K, Type.Q6_K], "ffn_up": [Type.Q4_K, Type.Q3_K],
    "ffn_down": [Type.Q5_K, Type.Q2_K],
}


def gguf_name(name):
    prefix, kind = name.rsplit(".", 1)
    if prefix in OUTER:
        return f"{OUTER[prefix]}.{kind}"
    _, _, layer, part = prefix.split(".", 3)
    return f"blk.{layer}.{NAMES[part]}.{kind}"


def order(name, config, heads):
    """Rows of a Llama's q or k in the file's order: within a head, first and second half take turns."""
    rows = np.arange(heads * config.head_dim).reshape(heads, 2, config.head_dim // 2)
    return rows.swapaxes(1, 2).reshape(-1)


def rope_factors(config):
    """What divides each frequency, by the formula of Llama 3.1's release."""
    rope, half = config.rope_parameters, config.head_dim // 2
    factor, original = rope["factor"], rope["original_max_position_embeddings"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    waves = 2 * np.pi * np.float64(rope["rope_theta"]) ** (np.arange(half) / half)
    smooth = np.clip((original / waves - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


def write_keys(writer, arch, config, window):
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    if arch == "llama":
        writer.add_vocab_size(config.vocab_size)
        writer.add_rope_dimension_count(config.head_dim)
    if getattr(config, "head_dim", None) and config.head_dim * config.num_attention_heads != config.hidden_size:
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if window:
        writer.add_sliding_window(window)


def write_tokens(writer, folder, tokenizer, pre, size, prose):
    """The tokenizer; rows of the embedding that no token has are filled up as the converter does."""
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    saved = json.loads(tokenizer.to_str())
    added = {token["id"]: token for token in saved["added_tokens"]}
    names = {i: name for name, i in tokenizer.get_vocab().items()}
    tokens, types = [], []
    for i in range(size):
        tokens.append(names.get(i, f"[PAD{i}]"))
        if i not in names:
            kind = gguf.TokenType.UNUSED
        elif tokens[-1] == "<unk>":
            kind = gguf.TokenType.UNKNOWN
        elif i in added:
            kind = gguf.TokenType.CONTROL if added[i]["special"] else gguf.TokenType.USER_DEFINED
        elif pre is None and tokens[-1].startswith("<0x"):
            kind = gguf.TokenType.BYTE
        else:
            kind = gguf.TokenType.NORMAL
        types.append(kind)
    writer.add_tokenizer_model("gpt2" if pre else "llama")
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    if pre:
        writer.add_token_types(types)
        writer.add_token_merges([" ".join(pair) for pair in saved["model"]["merges"]])
    else:
        family = {"llama2": vocabulary.llama2, "mistral": vocabulary.mistral}[folder.name]
        writer.add_token_scores(family(prose.splitlines())[2])
        writer.add_token_types(types)
    for key, add in [("bos_token", writer.add_bos_token_id), ("eos_token", writer.add_eos_token_id),
                     ("unk_token", writer.add_unk_token_id), ("pad_token", writer.add_pad_token_id)]:
        if config.get(key):
            add(tokenizer.token_to_id(config[key]))
    writer.add_add_bos_token(tokenizer.encode("a").ids != tokenizer.encode("a", add_special_tokens=False).ids)
    if not pre:
        writer.add_add_eos_token(False)
    writer.add_chat_template(config["chat_template"])


def write_folder(target, name, prose):
    """A folder's model as a GGUF; the model with the file's values."""
    folder, (arch, pre) = target / name, FILES[name]
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()
    config, values = model.config, {}
    writer = gguf.GGUFWriter(target / f"{name}.gguf", arch)
    writer.add_name(f"tiny random {name}")
    write_keys(writer, arch, config, getattr(config, "sliding_window", None))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    write_tokens(writer, folder, tokenizer, pre, config.vocab_size, prose)
    if config.rope_parameters["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", rope_factors(config))
    turn = 0
    for ours, tensor in load_file(folder / "model.safetensors").items():
        weight = tensor.float().numpy()
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(ours.split(".")[-2])
        rows = order(ours, config, heads) if arch == "llama" and heads else np.arange(len(weight))
        kind = Type.F32
        if weight.ndim == 2:
            kind, turn = TURN[turn % len(TURN)], turn + 1
        packed = gguf.quants.quantize(weight[rows], kind)
        writer.add_tensor(gguf_name(ours), packed, raw_dtype=kind)
        values[ours] = np.empty_like(weight)
        values[ours][rows] = gguf.quants.dequantize(packed, kind)
    finish(writer)
    return with_values(model, values), tokenizer


def write_k_types(target, prose):
    """A Qwen2 of random blocks of the K-types; the model with the file's values."""
    config = transformers.Qwen2Config(**K_CONFIG)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).float().eval()
    writer = gguf.GGUFWriter(target / "qwen2-k.gguf", "qwen2")
    writer.add_name("tiny random qwen2 in K-types")
    write_keys(writer, "qwen2", config, None)
    tokenizer = vocabulary.byte_level(
        prose.splitlines(), 300, r"\p{N}", normalizers.NFC(), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], [])
    write_tokens(writer, target / "qwen3", tokenizer, "qwen2", config.vocab_size, prose)
    draw, values = np.random.default_rng(K_SEED), {}
    for ours, parameter in model.named_parameters():
        name = gguf_name(ours)
        if parameter.dim() == 2:
            kinds = K_TYPES[name.split(".")[-2]]
            kind = kinds[int(name.split(".")[1]) % 2 if len(kinds) == 2 else 0]
            std = 1.0 if "token_embd" in name else (3.0 if name == "output.weight" else 1.3) / parameter.shape[1] ** 0.5
            packed = blocks.random(draw, kind, *parameter.shape, std)
            values[ours] = gguf.quants.dequantize(packed, kind)
            writer.add_tensor(name, packed, raw_dtype=kind)
        else:
            drawn = draw.standard_normal(parameter.shape)
            values[ours] = (0.5 * drawn if name.endswith("bias") else 1 + 0.2 * drawn).astype(np.float32)
            writer.add_tensor(name, values[ours])
    finish(writer)
    return with_values(model, values), tokenizer


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def with_values(model, values):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(values[name]))
    return model


def main(prose, target):
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    prose, target = Path(prose).read_text(encoding="utf-8"), Path(target)
    for name in [*FILES, "qwen2-k"]:
        model, tokenizer = write_k_types(target, prose) if name == "qwen2-k" else write_folder(target, name, prose)
        file = target / f"{name}.gguf"
        print(f"{name}: {file.stat().st_size} bytes")
        out = golden(model, tokenizer.encode(prose).ids[: LENGTHS[-1]])
        save_file(out, target / f"{name}-gguf.safetensors", {"format": "pt", "gguf": gguf_version()})
        for path in [file, target / f"{name}-gguf.safetensors"]:
            path.chmod(0o644)


def gguf_version():
    from importlib.metadata import version
    return version("gguf")


if __name__ == "__main__":
    main(*sys.argv[1:])
