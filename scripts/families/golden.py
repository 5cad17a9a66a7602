"""What transformers computes in f32 with a model: logits and greedy continuations of prompts of several lengths."""

import torch

GREEDY = 16
# Below and above the sliding window (24) and the original context (64) of the models that have one; the
# continuations of 20 and of 60 tokens cross them.
LENGTHS = [9, 20, 25, 60, 150]
# Positions of the longest prompt: a causal model's logits there are those of every shorter prompt.
POSITIONS = [0, 1, 22, 23, 24, 25, 47, 62, 63, 64, 65, 100, 148, 149]


def greedy(model, ids):
    chosen, gaps = [], []
    for _ in range(GREEDY):
        best = model(ids[None], use_cache=False).logits[0, -1].topk(2)
        chosen.append(best.indices[0])
        gaps.append(best.values[0] - best.values[1])
        ids = torch.cat([ids, best.indices[:1]])
    return torch.stack(chosen), torch.stack(gaps)


@torch.no_grad()
def golden(model, ids):
    """Tensors of prompts that are the first tokens of `ids`, one for each length."""
    out, smallest = {}, []
    for length in LENGTHS:
        prompt, name = torch.tensor(ids[:length]), f"n{length}"
        assert len(prompt) == length
        positions = torch.tensor(POSITIONS if length == LENGTHS[-1] else [length - 1])
        out[name + ".input_ids"], out[name + ".positions"] = prompt, positions
        out[name + ".logits"] = model(prompt[None], use_cache=False).logits[0, positions]
        out[name + ".greedy_ids"], out[name + ".greedy_gap"] = greedy(model, prompt)
        smallest.append(out[name + ".greedy_gap"].min())
    last = out[f"n{LENGTHS[-1]}.logits"]
    different = len(set(out[f"n{LENGTHS[-1]}.greedy_ids"].tolist()))
    print(f"    logits: std {last.std():.2f}, largest {last.abs().max():.1f}; smallest gaps "
          f"{[round(float(gap), 4) for gap in smallest]}, {different} different tokens in the longest continuation")
    assert min(smallest) > 2e-3, "a greedy choice is nearly a tie: take another seed"
    return {name: tensor.contiguous() for name, tensor in out.items()}
