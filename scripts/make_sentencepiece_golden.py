"""Writes fixtures/metrics/pieces.model, a small SentencePiece model, and pieces.json: how SentencePiece takes texts apart
with it, and what sacreBLEU's spBLEU is with it.

    venv/bin/pip install sacrebleu==2.6.0 sentencepiece==0.2.3
    venv/bin/python scripts/make_sentencepiece_golden.py

With a folder behind it, it writes there instead a model with the character map of FLORES-200's (nmt_nfkc, which is too
large to keep) and ten thousand lines of random characters taken apart:

    venv/bin/python scripts/make_sentencepiece_golden.py /tmp/pieces
    QWGPU_PIECES=/tmp/pieces cargo test --release --test tasks -- reply::pieces
"""

import io
import json
import random
import sys
import tempfile
import unicodedata
from pathlib import Path

import sentencepiece
from sacrebleu.metrics import BLEU

sys.path.insert(0, str(Path(__file__).parent / "tinyworld"))
import world

FIXTURES = Path(__file__).parent.parent / "fixtures/metrics"

# Characters that become others: several to one, one to several, to a space, to nothing; the longest counts.
RULES = {"A": "a", "B": "b", "Ａ": "a", "ﬁ": "fi", "e\u0301": "é", "\u00a0": " ", "\t": " ", "\n": " ", "\u3000": " ",
         "\u00ad": "", "…": "...", "½": " 1/2 ", "，": ",", "！": "!", "xy": "z", "xyz": "w"}

TEXTS = ["", " ", "\t\u3000", "\u00ad", "\u00ad the", " The  bear\teats\u00a0fish. ", "the bear", "Ａ Bear", "ﬁsh…", "cafe\u0301 cafe", "½",
         "a½b", "xy xyz xyx x", "今天老熊吃鱼。", "老熊，鱼！", "bear鱼bear", "▁the▁bear▁", "the▁bear", "unknown: ЖЖЖ ж q#q", "<unk> <s> </s>",
         "\U0010ffff", "🙂🙂 bear", "\u0301", "e", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "The bear\r\nsleeps\x0bnow \u2028 ok"]


def sentences(seed, count):
    rng = random.Random(seed)
    return [text for _ in range(count) for text in world.pair(rng)]


def trained(**options):
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        if "normalization_rule_name" not in options:
            hexes = lambda text: " ".join(f"{ord(c):X}" for c in text)
            rules.write("".join(f"{hexes(a)}\t{hexes(b)}\n" for a, b in RULES.items()))
            rules.flush()
            options["normalization_rule_tsv"] = rules.name
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(sentences(1, 2000)), model_writer=model, vocab_size=280,
                                                 character_coverage=1.0, model_type="unigram", num_threads=1, **options)
    return model.getvalue()


def damaged(rng, text):
    """A translation not quite right."""
    return "".join(c for c in text if rng.random() > 0.08)


def golden(model, texts):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    tokenizer = lambda line: " ".join(processor.encode(line, out_type=str))
    spbleu = BLEU(tokenize="none")
    spbleu.tokenizer, spbleu.tokenizer_signature = tokenizer, "flores200"
    rng = random.Random(2)
    references = sentences(3, 10)
    replies = [damaged(rng, text) for text in references]
    score = spbleu.corpus_score(replies, [references]).score
    return {"texts": texts, "pieces": [tokenizer(text) for text in texts], "replies": replies, "references": references,
            "score": score, "signature": str(spbleu.get_signature())}


def random_lines(count):
    """Of all characters, most of them in runs of one script, so that marks follow what they combine with."""
    rng, known = random.Random(4), [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    lines = []
    for _ in range(count):
        line = []
        for _ in range(rng.randint(1, 6)):
            start = rng.choice([rng.randrange(len(known)), rng.randrange(1200)])
            line += rng.choices(known[start:start + 200], k=rng.randint(1, 8))
            line += rng.choice([[], [" "], ["  "], ["\u0301"], ["\u3099"]])
        lines.append("".join(line))
    return lines


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURES
    folder.mkdir(exist_ok=True)
    model = trained(normalization_rule_name="nmt_nfkc") if len(sys.argv) > 1 else trained()
    (folder / "pieces.model").write_bytes(model)
    texts = TEXTS + (random_lines(10000) if len(sys.argv) > 1 else sentences(5, 10))
    text = json.dumps(golden(model, texts), ensure_ascii=False, separators=(",", ":"))
    (folder / "pieces.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
