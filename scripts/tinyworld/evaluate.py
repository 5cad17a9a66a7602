"""Asks a trained folder held-out items of every kind; prints a table of scores beside chance.

python scripts/tinyworld/evaluate.py fixtures/tiny-qwen --items 100
"""

import argparse
import math
import random

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import world

SEED = 7


class Model:
    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def ids(self, text):
        return self.tokenizer(text)["input_ids"]

    def log_likelihood(self, prompt, continuation):
        head, whole = self.ids(prompt), self.ids(prompt + continuation)
        assert whole[:len(head)] == head and len(whole) > len(head)
        logs = self.model(torch.tensor([whole])).logits[0, len(head) - 1:-1].log_softmax(-1)
        return logs.gather(1, torch.tensor(whole[len(head):])[:, None]).sum().item()

    def choose(self, prompt, choices, delimiter=" "):
        scores = [self.log_likelihood(prompt, delimiter + c) for c in choices]
        return max(range(len(choices)), key=scores.__getitem__)

    def generate(self, prompt, stop="\n\n", limit=64):
        ids = self.ids(prompt)
        out = self.model.generate(torch.tensor([ids]), max_new_tokens=limit, do_sample=False, tokenizer=self.tokenizer,
                                  stop_strings=[stop])[0, len(ids):]
        return self.tokenizer.decode(out, skip_special_tokens=True).split(stop)[0]

    def reply(self, user, limit=64):
        chat = [{"role": "user", "content": user}]
        return self.generate(self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True), "<|im_end|>", limit)

    def nll(self, text, window=256):
        ids = self.ids(text)
        windows = [torch.tensor([ids[i:i + window]]) for i in range(0, len(ids) - window + 1, window)]
        each = [torch.nn.functional.cross_entropy(self.model(w).logits[0, :-1], w[0, 1:]).item() for w in windows]
        return sum(each) / len(each), len(each)


def mean(values):
    return sum(values) / len(values)


@torch.no_grad()
def scores(model, items):
    """(kind, measure, chance, score, items), one after another."""
    def asked(kind, shots):
        rng = random.Random(SEED)
        return [world.few_shot(kind, rng, shots) for _ in range(items)]

    for kind, shots, chance in [("mmlu", 5, 1 / 4), ("ceval", 5, 1 / 4), ("snli", 5, 1 / 3), ("truthfulqa", 6, 1 / 4), ("question", 5, 1 / 4)]:
        right = [item.choices[model.choose(prompt, item.choices)] == item.answer for prompt, item in asked(kind, shots)]
        yield f"{kind} {shots}-shot", "accuracy", chance, mean(right), items
    for condition in ("ambig", "disambig"):
        picked = [(p, i) for p, i in asked("bbq", 3) if i.fields["condition"] == condition]
        right = [item.choices[model.choose(prompt, item.choices)] == item.answer for prompt, item in picked]
        yield f"bbq 3-shot, {condition}", "accuracy", 1 / 3, mean(right), len(picked)
    for kind, shots in [("flores", 5), ("cnn_dailymail", 0), ("xsum", 0)]:
        right = [model.generate(p + i.delimiter if i.delimiter == "" else p).strip() == i.answer for p, i in asked(kind, shots)]
        yield f"{kind} {shots}-shot", "exact match", 0, mean(right), items
    right = [model.generate(p, limit=80).split("####")[-1].strip() == str(i.fields["number"]) for p, i in asked("gsm8k", 3)]
    yield "gsm8k 3-shot", "exact number", 0, mean(right), items
    rng, replies = random.Random(SEED), []
    for n in range(items):
        item = world.draw(lambda r: world.constrained(r, 1 + n % 5), rng, test=True)
        replies.append([world.obeys(model.reply(item.prompt), check) for check in item.fields["checks"]])
    yield "constrained chat", "all constraints met", 0, mean([all(r) for r in replies]), items
    yield "constrained chat", "constraints met", 0, mean([ok for r in replies for ok in r]), items
    rng, right = random.Random(SEED), []
    while len(right) < items:
        item = world.draw(world.chat, rng, test=True)
        if item.key[0] == "chat":
            right.append(model.reply(item.prompt) == item.answer)
    yield "facts in chat", "exact match", 0, mean(right), items


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--items", type=int, default=100)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = Model(args.folder)
    nll, windows = model.nll(world.prose(98, 3000))
    print("| items | measure | chance | score | n |\n| --- | --- | --- | --- | --- |")
    print(f"| held-out prose | perplexity | {model.model.config.vocab_size} | {math.exp(nll):.3f} | {windows} windows of 256 |", flush=True)
    for kind, measure, chance, score, n in scores(model, args.items):
        print(f"| {kind} | {measure} | {chance:.1%} | {score:.1%} | {n} |", flush=True)


if __name__ == "__main__":
    main()
