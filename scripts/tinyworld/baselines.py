"""What a fluent answer to the wrong question scores on the sets that a model writes for: each document is given the
reference of the next one. Chance is 0 there, but this is what a score must be above to mean anything.

python scripts/tinyworld/baselines.py fixtures/tiny-data

Needs sacrebleu 2.6.0 and rouge_score 0.1.2.
"""

import csv
import json
import sys
from pathlib import Path

import sacrebleu
from rouge_score.rouge_scorer import RougeScorer


def rotated(texts):
    return texts[1:] + texts[:1]


def rouge(references):
    references = [" ".join(text.split()) for text in references]
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    scores = [scorer.score(right, wrong)["rougeL"].fmeasure for right, wrong in zip(references, rotated(references))]
    return sum(scores) / len(scores)


def main():
    folder = Path(sys.argv[1])
    for language, tokenizer in [("eng_Latn", "13a"), ("zho_Hans", "zh")]:
        lines = (folder / f"flores200/flores200_dataset/devtest/{language}.devtest").read_text("utf-8").splitlines()
        print(f"flores into {language}: BLEU {sacrebleu.corpus_bleu(rotated(lines), [lines], tokenize=tokenizer).score:.1f}")
    with open(folder / "cnn_dailymail/cnn_dailymail_test.csv", newline="", encoding="utf-8") as file:
        print(f"cnn_dailymail: ROUGE-L {rouge([row['highlights'] for row in csv.DictReader(file)]):.3f}")
    with open(folder / "xsum/test.jsonl", encoding="utf-8") as file:
        print(f"xsum: ROUGE-L {rouge([json.loads(line)['summary'] for line in file]):.3f}")


if __name__ == "__main__":
    main()
