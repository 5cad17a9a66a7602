"""Trains the small model of the repository on world.py's documents.

python scripts/tinyworld/train.py fixtures/tiny-qwen --loss docs/tinyworld-loss.csv
"""

import argparse
import csv
import math
import random
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

import world
from folder import train_tokenizer, write_folder
from model import Qwen2

CONFIG = {
    "hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4,
    "vocab_size": 1280, "tie_word_embeddings": True, "max_position_embeddings": 1024, "rope_theta": 10000.0,
}
KINDS = {"prose": world.PROSE, "answer": world.ANSWER, "letter": world.LETTER}  # what the log tells apart, by weight
LENGTH = 256  # tokens of a training row


def rows(tokenizer, seed, lists):
    """Endless (ids, weights) rows: documents end to end, cut at LENGTH + 1; the first `lists` of them lettered lists alone."""
    rng, end = random.Random(seed), tokenizer.token_to_id("<|endoftext|>")
    ids, weights, made = [], [], 0
    while True:
        spans = world.document(rng, rng.choice(["letters", "letters", "words"]) if made < lists else None)
        encoded = tokenizer.encode("".join(text for text, _ in spans))
        by_char = [weight for text, weight in spans for _ in text]
        ids += encoded.ids + [end]
        # A token weighs what its last character weighs.
        weights += [by_char[last - 1] for _, last in encoded.offsets] + [world.PROSE]
        while len(ids) > LENGTH:
            yield ids[:LENGTH + 1], weights[:LENGTH + 1]
            made += 1
            ids, weights = ids[LENGTH:], weights[LENGTH:]


def save(model, folder):
    tensors = {"model." + n: p.detach().to(torch.bfloat16).contiguous() for n, p in model.named_parameters()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--loss", type=Path, required=True, help="CSV of the loss curve")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=120, help="the schedule ends with the steps or with the time")
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--lists", type=int, default=300, help="steps at the start with lettered lists alone")
    parser.add_argument("--attention", type=float, default=0.15, help="the rate of attention, as a share of it")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)

    rng = random.Random(args.seed)
    texts = ["".join(text for text, _ in world.document(rng)) for _ in range(6000)]
    tokenizer = train_tokenizer(texts, CONFIG["vocab_size"])
    assert tokenizer.get_vocab_size() == CONFIG["vocab_size"]
    write_folder(args.folder, tokenizer, CONFIG)

    vocabulary = tokenizer.get_vocab()
    same = [(i, vocabulary["Ġ" + word]) for word, i in sorted(vocabulary.items()) if "Ġ" + word in vocabulary]
    model = Qwen2(CONFIG, LENGTH, same)
    print(sum(p.numel() for p in model.parameters()), "parameters", flush=True)
    loss_of = torch.compile(model)
    # Attention learns slowly, so that it keeps the heads that it starts from.
    slow = lambda name: args.attention if "self_attn" in name else 1.0
    optimizer = torch.optim.AdamW([{"params": [p], "weight_decay": 0.05 if p.dim() == 2 else 0.0, "factor": slow(name)}
                                   for name, p in model.named_parameters()], lr=args.rate, betas=(0.9, 0.95), fused=True)
    source, start, sums = rows(tokenizer, args.seed, args.lists * args.batch), time.time(), torch.zeros(len(KINDS), 2)
    with open(args.loss, "w", newline="") as file:
        log = csv.writer(file)
        log.writerow(["step", "tokens", "rate", *(f"{kind}_loss" for kind in KINDS)])
        for step in range(1, args.steps + 1):
            done = min(1, max(step / args.steps, (time.time() - start) / 60 / args.minutes))
            for group in optimizer.param_groups:
                group["lr"] = group["factor"] * args.rate * min(step / 100, 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
            batch = [next(source) for _ in range(args.batch)]
            ids, weights = torch.tensor([r[0] for r in batch]), torch.tensor([r[1] for r in batch])[:, 1:]
            each = loss_of(ids[:, :-1], ids[:, 1:])
            (each * weights).sum().div(weights.sum()).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            for i, weight in enumerate(KINDS.values()):
                picked = each.detach()[weights == weight]
                sums[i] += torch.tensor([picked.sum().item(), len(picked)])
            if step % 50 == 0:
                means = [f"{m:.4f}" if m == m else "" for m in (sums[:, 0] / sums[:, 1]).tolist()]
                log.writerow([step, step * args.batch * LENGTH, f"{optimizer.param_groups[0]['lr']:.6f}", *means])
                file.flush()
                sums.zero_()
                print(step, *means, f"{time.time() - start:.0f} s", flush=True)
            if step % 250 == 0 or done == 1:
                save(model, args.folder)
            if done == 1:
                break


if __name__ == "__main__":
    main()
