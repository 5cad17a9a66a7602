"""Writes fixtures/real: what transformers makes in f32 of a real GGUF's own values.

python scripts/make_real_goldens.py qwen2.5-coder-0.5b-instruct-q4_k_m.gguf prompts.json fixtures/real

Every tensor is decoded to f32 by gguf-py, and none is rounded further. Two numbers decide what is kept of the logits,
for all of them would be 1.8 MB: the TOP best tokens, and every STEP-th token, in the order of their ids.

logits_packed.safetensors, per prompt P of prompts.json:
  P.input_ids   I64 [n]
  P.ids         I64 [k]        tokens of P.logits, ascending
  P.logits      F32 [k]        of the last position
  P.greedy_ids  I64 [32]       greedy continuation, end tokens not obeyed
  P.greedy_gap  F32 [32]       best logit minus second best, where the id was chosen
Metadata: "sha256" of the GGUF, "vocab_size", versions.
"""

import hashlib
import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from transformers import Qwen2Config, Qwen2ForCausalLM

TOP, STEP, GREEDY = 4096, 37, 32

LAYER = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}
OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def hugging_face_name(name):
    """The name transformers has for a GGUF tensor."""
    if name.startswith("blk."):
        _, layer, part, kind = name.split(".")
        return f"model.layers.{layer}.{LAYER[part]}.{kind}"
    part, kind = name.split(".")
    return f"{OUTER[part]}.{kind}"


def load(path):
    """The Qwen2 of a GGUF in f32."""
    reader = gguf.GGUFReader(path)
    key = lambda name: reader.fields[f"qwen2.{name}"].contents()
    tensors = {hugging_face_name(t.name): gguf.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    embedding = tensors["model.embed_tokens.weight"]
    config = Qwen2Config(
        hidden_size=key("embedding_length"), intermediate_size=key("feed_forward_length"),
        num_hidden_layers=key("block_count"), num_attention_heads=key("attention.head_count"),
        num_key_value_heads=key("attention.head_count_kv"), vocab_size=embedding.shape[0],
        rms_norm_eps=float(key("attention.layer_norm_rms_epsilon")), max_position_embeddings=key("context_length"),
        rope_parameters={"rope_theta": float(key("rope.freq_base")), "rope_type": "default"},
        tie_word_embeddings="lm_head.weight" not in tensors, attn_implementation="eager",
    )
    with torch.device("meta"):
        model = Qwen2ForCausalLM(config)
    state = {name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in tensors.items()}
    model.load_state_dict(state, strict="lm_head.weight" in tensors, assign=True)
    model.tie_weights()
    # The rotation's frequencies are no weights: they are made anew off the meta device.
    model.model.rotary_emb = type(model.model.rotary_emb)(config)
    return model.eval()


@torch.no_grad()
def main(path, prompts, target):
    torch.set_num_threads(1)
    model, out = load(path), {}
    for name, prompt in json.loads(Path(prompts).read_text()).items():
        ids = torch.tensor(prompt["input_ids"])
        step = model(ids[None], use_cache=True)
        last = step.logits[0, -1]
        kept = torch.zeros(len(last), dtype=torch.bool)
        kept[last.topk(TOP).indices] = True
        kept[::STEP] = True
        kept = kept.nonzero()[:, 0]
        chosen, gaps = [], []
        for _ in range(GREEDY):
            best = step.logits[0, -1].topk(2)
            chosen.append(best.indices[0])
            gaps.append(best.values[0] - best.values[1])
            step = model(best.indices[:1][None], past_key_values=step.past_key_values, use_cache=True)
        out[f"{name}.input_ids"], out[f"{name}.ids"], out[f"{name}.logits"] = ids, kept, last[kept]
        out[f"{name}.greedy_ids"], out[f"{name}.greedy_gap"] = torch.stack(chosen), torch.stack(gaps)
        same = sum(a == b for a, b in zip(out[f"{name}.greedy_ids"].tolist(), prompt["greedy_ids"]))
        print(f"{name}: {len(ids)} tokens, {len(kept)} logits kept, smallest gap {min(gaps):.5f}, "
              f"{same} of {GREEDY} greedy ids as the bf16-rounded weights have them", flush=True)
    metadata = {
        "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(), "vocab_size": str(len(last)),
        "transformers": transformers.__version__, "torch": torch.__version__,
    }
    target = Path(target)
    target.mkdir(parents=True, exist_ok=True)
    file = target / "logits_packed.safetensors"
    save_file({n: t.contiguous() for n, t in out.items()}, file, metadata)
    print(f"{file}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
