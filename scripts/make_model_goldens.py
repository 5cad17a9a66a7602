"""Golden data of a model folder, from transformers in f32 on the weights as stored.

python scripts/make_model_goldens.py fixtures/tiny-qwen fixtures/tiny-qwen-golden.safetensors --prose fixtures/tiny-prose.txt
python scripts/make_model_goldens.py fixtures/micro-qwen fixtures/micro-qwen-golden.safetensors

One safetensors file. Per prompt P:
  P.input_ids   I64 [n]
  P.logits      F32 [vocab_size]           of the last position
  P.hidden      F32 [layers + 2, hidden]   last position: after the embedding, after each layer, after the final norm
  P.greedy_ids  I64 [32]                   greedy continuation, end tokens not obeyed
  P.greedy_gap  F32 [32]                   best logit minus second best, where the id was chosen
With --prose, per window W of 256 tokens of that text (`window0` is its start, `window1` what follows):
  W.input_ids   I64 [256]
  W.nll         F32 [255]                  -ln p of tokens 1..255; the window's mean is its mean NLL
Metadata: the prompts' text ("P.text"; "P.messages" holds the JSON messages that the chat template turned into it).
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

GREEDY = 32
WINDOW = 256

RAW = "The fox lives in the"
CHAT = [{"role": "user", "content": "Where does the fox live?"}]
LONG_TOKENS = 300


def prompts(tokenizer, prose):
    yield "raw", RAW, None
    yield "chat", tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True), CHAT
    # The shortest start of the text, cut between words, that has LONG_TOKENS tokens.
    words, text = prose.split(" "), ""
    for n in range(1, len(words)):
        text = " ".join(words[:n])
        if len(tokenizer(text)["input_ids"]) >= LONG_TOKENS:
            break
    yield "long", text, None


def last_position(model, ids):
    """Logits and hidden states; the layers' outputs are hooked, since transformers reports the last one normed."""
    hidden = []
    hook = lambda _module, _args, out: hidden.append((out[0] if isinstance(out, tuple) else out)[0, -1].clone())
    parts = [model.model.embed_tokens, *model.model.layers, model.model.norm]
    handles = [part.register_forward_hook(hook) for part in parts]
    logits = model(ids[None]).logits[0, -1]
    for handle in handles:
        handle.remove()
    return logits, torch.stack(hidden)


def greedy(model, ids):
    out, gaps = [], []
    for _ in range(GREEDY):
        best = model(ids[None]).logits[0, -1].topk(2)
        out.append(best.indices[0])
        gaps.append(best.values[0] - best.values[1])
        ids = torch.cat([ids, best.indices[:1]])
    return torch.stack(out), torch.stack(gaps)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--prose", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    model = AutoModelForCausalLM.from_pretrained(args.folder, dtype=torch.float32, attn_implementation="eager").eval()
    if args.prose:
        prose = args.prose.read_text(encoding="utf-8")
    else:
        prose = "The fox lives in the forest. It eats mice, and 12 + 7 = 19. 狐狸住在森林里。 " * 6
    tensors, metadata = {}, {}
    for name, text, messages in prompts(tokenizer, prose):
        ids = torch.tensor(tokenizer(text)["input_ids"])
        tensors[name + ".input_ids"] = ids
        tensors[name + ".logits"], tensors[name + ".hidden"] = last_position(model, ids)
        tensors[name + ".greedy_ids"], tensors[name + ".greedy_gap"] = greedy(model, ids)
        metadata[name + ".text"] = text
        if messages:
            metadata[name + ".messages"] = json.dumps(messages)
        print(f"{name}: {len(ids)} tokens, smallest gap {tensors[name + '.greedy_gap'].min():.4f}")
        print("   ", repr(tokenizer.decode(tensors[name + ".greedy_ids"])))
    if args.prose:
        ids = torch.tensor(tokenizer(prose)["input_ids"])
        for i in range(2):
            window = ids[i * WINDOW:(i + 1) * WINDOW]
            assert len(window) == WINDOW, f"{args.prose} has only {len(ids)} tokens"
            nll = torch.nn.functional.cross_entropy(model(window[None]).logits[0, :-1], window[1:], reduction="none")
            tensors[f"window{i}.input_ids"], tensors[f"window{i}.nll"] = window, nll
            print(f"window{i}: mean nll {nll.mean():.6f}")
    save_file({n: t.contiguous() for n, t in tensors.items()}, args.out, {"format": "pt", **metadata})
    print(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
