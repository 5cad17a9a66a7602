"""Writes fixtures/metrics/: what the Python originals say about made-up texts and numbers.

    python3.11 -m venv venv
    venv/bin/pip install lm_eval==0.4.13 sacrebleu==2.6.0 rouge_score==0.1.2 nltk==3.10.4 scipy==1.17.1 \
        statsmodels==0.15.0 numpy datasets
    venv/bin/python scripts/make_metric_goldens.py

CPython 3.11: `sum` of 3.12 and later rounds otherwise.
"""

import json
import math
import os
import pathlib
import random

os.environ["DISABLE_MULTIPROC"] = "1"

import numpy as np
from lm_eval.api import metrics as harness
from lm_eval.filters.extraction import RegexFilter
from lm_eval.tasks.bbq import utils as bbq
from nltk.stem.porter import PorterStemmer
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF
from scipy import special, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

OUT = pathlib.Path(__file__).parent.parent / "fixtures/metrics"

# Hypothesis and references.
TEXTS = [
    ["The cat sat on the mat.", "The cat is sitting on the mat."],
    ["It costs $1,234.50 -- really?", "It costs $1,234.50, really?"],
    ["", "An empty hypothesis."],
    ["An empty reference.", ""],
    ["", ""],
    ["   ", " \t "],
    ["cat", "cat"],
    ["cat", "dog"],
    ["two words", "two words", "other words here"],
    ["the the the the the the the", "the cat is on the mat", "there is a cat on the mat"],
    ["It is a guide to action which ensures that the military always obeys the commands of the party.",
     "It is a guide to action that ensures that the military will forever heed Party commands.",
     "It is the guiding principle which guarantees the military forces always being under the command of the Party.",
     "It is the practical guide for the army always to heed the directions of the party."],
    ["他去了北京大学学习物理。", "他在北京大学学习物理学。"],
    ["2024年3月，GDP增长了5.3%，达到1,234亿元。", "2024年3月，GDP增长5.3%，达1234亿元。", "GDP 在 2024 年 3 月增长 5.3%。"],
    ["“好的”——他说…", "“好”，他说……"],
    ["Er sagte: „Größe ist nicht alles“ – und ging.", "Er sagte: «Größe ist alles» – und ging fort."],
    ["naïve café résumé", "naïve cafe\u0301 re\u0301sume\u0301"],
    ["Don't stop-gap; it's (really) state-of-the-art!", "Do not stop-gap, it is really state of the art!"],
    ["AT&amp;T said &quot;5 &lt; 6&quot; &gt; <skipped>", 'AT&T said "5 < 6" >'],
    ["line one-\nline two\nline three", "line oneline two line three"],
    ["Price: 3.14, 2,718; 10-20 a-b 5.", "Price: 3.14 2718; 10 - 20 a-b 5"],
    ["x = y² + ½ € 5 ± 3 → ∞", "x = y² + ½ € 5 ± 3 ⇒ ∞"],
    ["१२,३ नमस्ते। दुनिया", "१२,३ नमस्ते दुनिया।"],
    ["Привет, мир! Как дела?", "Привет мир. Как твои дела?"],
    ["İstanbul ΣΑΣ STRASSE", "istanbul σας strasse"],
    ["(hi) [there] {you} '' `` _x_", "( hi ) [ there ] {you} _ x _"],
    ["A\u00a0B\u2003C\x1cD\x85E", "A B C D E"],
    ["🙂 ok 👍🏽!", "🙂 okay 👍!"],
    ["ﾊﾝｶｸ　ＡＢＣ，１２３", "半角 ABC,123"],
]

VOCABULARY = (
    "the a cat dogs running ran quickly 1,000 3.5 42 $5 10% (see) \"quoted\" it's can't well-known e.g. U.S. , . ; : ! ? "
    "- -- ... 中国 经济 增长，了 。 naïve über réunion & < > /path/to x=1 a/b happily organization nations' A B C"
).split()


def made_up(rng):
    """A hypothesis that shares much with its references."""
    reference = rng.choices(VOCABULARY, k=rng.randint(1, 14))
    texts = []
    for _ in range(rng.randint(2, 4)):
        words = [rng.choice(VOCABULARY) if rng.random() < 0.25 else word for word in reference if rng.random() > 0.1]
        texts.append(rng.choice([" ", " ", ""]).join(words))
    return texts


def save(name, data):
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    (OUT / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def corpus(metric, cases):
    width = max(len(case) for case in cases) - 1
    references = [[case[1 + i] if len(case) > 1 + i else None for case in cases] for i in range(width)]
    score = metric.corpus_score([case[0] for case in cases], references).score
    return {
        "sentences": [metric.sentence_score(case[0], case[1:]).score for case in cases],
        "corpus": score,
        "signature": (metric.corpus_score([case[0] for case in cases], references), str(metric.get_signature()))[1],
    }


def translation():
    rng = random.Random(5)
    cases = TEXTS + [made_up(rng) for _ in range(30)]
    settings = [{"tokenize": name} for name in ["13a", "intl", "zh", "char"]]
    bleu = [{"settings": chosen, **corpus(BLEU(**chosen), cases)} for chosen in settings]
    pieces = BLEU(tokenize="none")
    pieces.tokenizer = lambda line: " ".join(line[i : i + 2] for i in range(0, len(line), 2))
    pieces.tokenizer_signature = "flores200"
    bleu.append({"settings": {"tokenize": "flores200"}, **corpus(pieces, cases)})
    chrf = [
        {"settings": chosen, **corpus(CHRF(**chosen), cases)}
        for chosen in [{}, {"word_order": 2}]
    ]
    single = [case[:2] for case in cases]
    counts = {"nrefs": BLEU(), "chrf": CHRF()}
    for metric in counts.values():
        metric.corpus_score([case[0] for case in single], [[case[1] for case in single]])
    save("translation", {"cases": cases, "bleu": bleu, "chrf": chrf,
                         "one_reference": [str(metric.get_signature()) for metric in counts.values()]})


def summaries():
    rng = random.Random(6)
    pairs = [case[:2] for case in TEXTS] + [
        ["A quick brown fox jumps over lazy dogs. They run happily.",
         "The quick brown foxes jumped over the lazy dogs.\nThey were running happily."],
        ["first line here\nsecond one there\nthird", "second one\nfirst line\n\nthird and last line there"],
        ["a b c d\nb c d e\na c e", "a c b d e\ne d c b a\n"],
        ["\n\n", "\n"],
        ["K (Kelvin) İ", "k kelvin i"],
    ]
    for _ in range(40):
        words = "a b c d e running runs ran nation national nationality 7".split()
        pairs.append([
            "".join(rng.choice(words) + rng.choice("  \n") for _ in range(rng.randint(1, 18))) for _ in range(2)
        ])
    scores = []
    for stem in [False, True]:
        scorer = RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=stem)
        scores.append([
            [[round(x, 15) for x in score] for score in scorer.score(target, prediction).values()]
            for prediction, target in pairs
        ])
    save("summaries", {"pairs": pairs, "words": scores[0], "stems": scores[1]})


def stems():
    given = """sky skies dying lying tying news innings inning outing outings canning cannings howe proceed exceed succeed
    skying skyed dies died flies fled tied ties spied cried feed agreed agree plastered bled motoring sing singing
    conflated troubled sized hopping tanned falling hissing fizzed failing filing happy enjoy spy by say yes toy syzygy
    relational conditional rational valenci hesitanci digitizer conformabli radicalli differentli vileli analogousli
    vietnamization predication operator feudalism decisiveness hopefulness callousness formaliti sensitiviti sensibiliti
    triplicate formative formalize electriciti electrical hopeful goodness revival allowance inference airliner gyroscopic
    adjustable defensible irritant replacement adjustment dependent adoption homologou communism activate angulariti
    homologous effective bowdlerize probate rate cease controll roll caresses ponies caress cats geology theology
    archaeology logic analogy apology fully carefully wonderfully successfully internationally rationally really finally
    yyyy yyyyy ayyy xylophone yolk crying buying 1990s 3rd 100th 1st 2000 ees eed ing ed s ss sses ies ied bees need
    speed freed indeed exceeded proceeds succeeding aaa oed uing owed oxen boxes fixing snowing rows using used able
    element cement comment moment ion lion onion union million passion tension mission nation ration station""".split()
    bases = """relat nation oper happ hop run stopp controll fall miss fizz fil triv organ gener govern colon electr
    sens act creat decid agre try play enjo analog theo beauti care use box""".split()
    endings = """ s es ed ing er est ly y ied ies iness fulness ousness iveness ation ations ational tional ator izer
    ization izations ize izing alism aliti ality iviti bility able ible ably ance ence ancy ency ement ment ent ant ism
    ate iti ous ive ion ions logi logy fulli fully alli ally entli ently eli ousli ously ic ical icate icity al ful ness
    eed ll le e""".split()
    words = sorted(set(given + [base + ending for i, base in enumerate(bases) for ending in endings[i % 2 :: 2]]))
    stemmer = PorterStemmer()
    save("stems", [f"{word} {stemmer.stem(word)}" for word in words])


def draws():
    def one(seed):
        drawn = {}
        for name, call in [
            ("random", lambda r: [str(int(r.random() * 2**53)) for _ in range(5)]),
            ("bits", lambda r: [str(r.getrandbits(k)) for k in [0, 1, 7, 31, 32, 33, 53, 63, 64]]),
            ("below", lambda r: [str(r._randbelow(n)) for n in [1, 2, 3, 10, 1 << 20, (1 << 32) + 1, (1 << 63) + 1]]),
            ("int", lambda r: [r.randint(0, 356316), r.randint(-5, 5), r.randint(7, 7)]),
            ("sample", lambda r: [r.sample(range(n), k) for n, k in SAMPLES]),
            ("choices", lambda r: r.choices(range(10), k=8) + r.choices(range(7473), k=4)),
            ("shuffle", lambda r: (lambda x: (r.shuffle(x), x)[1])(list(range(12)))),
        ]:
            drawn[name] = call(random.Random(seed))
        late = random.Random(seed)
        drawn["after_2000"] = str([late.getrandbits(32) for _ in range(2001)][-1])
        return {"seed": str(seed), **drawn}

    seeds = [0, 1, 2, 42, 1234, 2**32 - 1, 2**32, 2**32 + 1, 2**64 - 1]
    save("draws", {"samples": SAMPLES, "seeds": [one(seed) for seed in seeds]})


# Around the sizes where CPython changes from a list to a set.
SAMPLES = [[5, 0], [5, 5], [21, 5], [22, 5], [100, 5], [7473, 5], [7473, 6], [84, 6], [85, 6], [86, 6], [277, 25], [278, 25],
           [1046, 86], [1045, 85], [300, 22], [40, 40]]


def replies():
    texts = [
        "The answer is $1,234.", "#### 1,000.00", "x = .5", "12, 13, and 14, done", "", "no number", "#### 18",
        "####18", "#### -5", "#### $5", "so #### 3 and #### 4", "#### 7.", "#### ,", "it is -3.50 or -7", "$", "$$ 5",
        "…", "5", "the 5", "-5", "--5", "1.2.3", "1,2,3", "#### 5\n\nQuestion: 6", "costs $12.00 each.\n", "1e5", "½ 3",
        "３ and ４", "The answer is 42.", "The answer is 42", "The answer is -1,000.5. The answer is 6.", "#### 1 234",
        "100%", "3-4", "a -4- b", "( 9 )", "#### 12abc", "....", ", , 55", "$.", "The answer is A.", "B) is correct",
        "#### 9\r\n", " 7 \x1c", "yes 8 no", "ab", "aab", "(A) (B)", "x\u2028 9\u00a0",
    ]
    filters = [
        ["#### (\\-?[0-9\\.\\,]+)", 0], ["(-?[$0-9.,]{2,})|(-?[0-9]+)", -1], ["The answer is (\\-?[0-9\\.\\,]+).", 0],
        ["(-?[$0-9.,]{2,})|(-?[0-9]+)", 0], ["[0-9]+", -1], ["a*", -1], ["(a)?b", 0], ["\\.$", 0], ["(x)|(y)|(no|es)", -1],
        ["\\s*[0-9]\\s*", -1], ["[$]\\$?", 0], ["(?<=is )\\S+", 0],
    ]
    filtered = [
        RegexFilter(pattern, select, "[invalid]").apply([[text] for text in texts], [{}] * len(texts))
        for pattern, select in filters
    ]
    golds = ["#### 1,000", "1000.00", "5", "A", "it's", "So 3.\n#### $1,234.", "", "42.", "ß", "É", "5\n", "5.\n", "a\0"]
    gold_settings = [
        {}, {"ignore_case": True}, {"ignore_punctuation": True}, {"ignore_case": True, "ignore_punctuation": True},
        {"regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"], "ignore_case": True},
        {"regexes_to_ignore": ["\\.$", "(?s).*#### ", "\\$", ","], "ignore_punctuation": True},
        {"regexes_to_ignore": ["\\s+", "$"]},
    ]
    answers = ["1000", "1000.00", "$5", "a", "Its", "its", "1234", " ", "42", "SS", "é", "5.", "5", "a", "##### 5", "x"]
    equal = [
        [[int(harness.exact_match_hf_evaluate([a], [g], **chosen)["exact_match"]) for g in golds] for a in answers]
        for chosen in gold_settings
    ]
    save("replies", {"texts": texts, "filters": filters, "filtered": [[x[0] for x in row] for row in filtered],
                     "answers": answers, "golds": golds, "settings": gold_settings, "equal": equal})


def choices():
    rng = random.Random(8)
    cases = []
    for i in range(40):
        n = rng.randint(1, 6)
        sums = [-round(rng.uniform(0, 40), 1 if i % 3 == 0 else 6) for _ in range(n)]
        if i % 4 == 0 and n > 1:
            sums[-1] = sums[0] = max(sums)
        lengths = [rng.randint(1, 40) for _ in range(n)]
        labels = [1] + [rng.randint(0, 1) for _ in range(n - 1)]
        probs = np.exp(np.array(sums))
        cases.append({
            "sums": sums, "lengths": lengths, "labels": labels, "best": int(np.argmax(sums)),
            "tied": sums.count(max(sums)) > 1,
            "best_normalized": int(np.argmax(np.array(sums) / np.array(lengths, dtype=float))),
            "mc2": float(np.sum((probs / np.sum(probs))[np.array(labels) == 1])),
        })
    far = [-800.0, -801.0, -803.5]
    cases.append({"sums": far, "lengths": [1, 2, 3], "labels": [1, 0, 1], "best": 0, "tied": False, "best_normalized": 2,
                  "mc2": float(np.exp(special.logsumexp([far[0], far[2]]) - special.logsumexp(far)))})
    save("choices", cases)


def bias():
    rng = random.Random(9)

    def scores(rows):
        pick = lambda *fields: [tuple(row[field] for field in fields) for row in rows]
        ambiguous, clear = [row for row in rows if not row[3]], [row for row in rows if row[3]]
        found = [
            bbq.agg_accuracy_amb(pick(0, 3)) if ambiguous else math.nan,
            bbq.agg_accuracy_disamb(pick(0, 3)) if clear else math.nan,
            bbq.agg_amb_bias_scores(pick(0, 1, 2, 3)),
            bbq.agg_disamb_bias_scores(pick(0, 1, 2, 3)),
        ]
        return [None if math.isnan(x) else float(x) for x in found]

    sets = [[], [], []]
    for size in [1, 4, 40, 400]:
        for share in [0.0, 0.3, 0.9]:
            rows = []
            for _ in range(size):
                known = float(rng.random() < share)
                rows.append([float(rng.random() < 0.6), known * (rng.random() < 0.5), known, rng.random() < 0.5])
            sets.append(rows)
    sets = [rows for rows in sets if rows]
    sets.append([[0.0, 0.0, 1.0, True], [1.0, 0.0, 1.0, True], [1.0, 0.0, 0.0, False]])
    code = lambda row: "".join(str(int(x)) for x in row)
    save("bias", [{"rows": " ".join(map(code, rows)), "scores": scores(rows)} for rows in sets])


def numbers():
    rng = random.Random(10)
    samples = [[1.0, 0.0, 1.0, 1.0], [3.5, 3.5], [rng.gauss(50, 12) for _ in range(30)]]
    groups = [[[0.01, 100], [0.05, 10], [0.02, 57]], [[0.1, 2]], [[0.0, 3], [0.3, 1]]]

    def pairs_mean(items):
        return sum(a for a, _ in items) / sum(b for _, b in items)

    items = [(round(rng.uniform(0, 9), 3), rng.randint(1, 9)) for _ in range(12)]
    boots = [[n, harness.bootstrap_stderr(pairs_mean, items, n)] for n in [2, 100, 1500, 2000]]
    x = [8, 8.1, 8.4, 9.3, 15]
    y = [58.2, 58, 57.1, 52, 31]
    sides = [[x, y], [list(map(math.log, x)), y], [[1, 2, 2, 3, 5, 5, 5], [2, 1, 4, 4, 9, 9, 3]], [[1, 2, 4], [1, 3, 2]],
             [[1e8 + i for i in range(9)], [i * i for i in range(9)]], [[1, 2, 3, 4], [2, 4, 6, 8]],
             [[rng.random() for _ in range(200)] for _ in range(2)]]
    correlations = []
    for a, b in sides:
        p, s = stats.pearsonr(a, b), stats.spearmanr(a, b)
        ci = [float(v) for v in p.confidence_interval()] if len(a) >= 4 else None
        correlations.append({"x": a, "y": b, "pearson": [float(p.statistic), float(p.pvalue)], "interval": ci,
                             "spearman": [float(s.statistic), float(s.pvalue)]})
    tables = [[12, 4], [0, 0], [0, 1], [1, 0], [7, 7], [24, 0], [12, 12], [13, 12], [25, 0], [20, 5], [100, 140], [300, 299]]
    tests = [[b, c, float(mcnemar([[9, b], [c, 9]], exact=b + c < 25, correction=True).pvalue)] for b, c in tables]
    families = [[0.01, 0.04, 0.03, 0.005], [0.5], [], [0.9, 0.8, 0.02, 0.02], [0.0, 1.0, 0.2]]
    holm = [[p, [float(v) for v in multipletests(p, method="holm")[1]] if p else []] for p in families]
    tost = []
    for n, shift, margin in [(2, 0.1, 1.0), (10, 0.0, 0.5), (50, 0.3, 1.0), (400, -0.9, 1.0), (30, 3.0, 1.0)]:
        d = [round(rng.gauss(shift, 2), 3) for _ in range(n)]
        tost.append([d, margin, float(ttost_paired(np.array(d), np.zeros(n), -margin, margin)[0])])
    a = [round(rng.gauss(60, 9), 2) for _ in range(25)]
    b = [round(v + rng.gauss(1, 3), 2) for v in a]
    paired = []
    for iterations, seed in [(1000, 7), (3000, 7)]:
        found = []
        for chunk in range(iterations // 1000):
            r = random.Random(seed + chunk)
            for _ in range(1000):
                drawn = r.choices(range(25), k=25)
                found.append(sum(a[i] - b[i] for i in drawn) / 25)
        found = np.array(found)
        low, high = np.percentile(found, [2.5, 97.5])
        p = min(1.0, 2 * min((found <= 0).sum() + 1, (found >= 0).sum() + 1) / (iterations + 1))
        paired.append([iterations, seed, sum(x - y for x, y in zip(a, b)) / 25, float(low), float(high), float(p)])
    student = [[t, df, float(2 * stats.t.sf(abs(t), df)), float(stats.t.sf(t, df))]
               for df in [1, 2, 3, 10, 30.5, 1000, 14041] for t in [-3.0, -0.5, 0.0, 1e-6, 0.7, 1.96, 5.0, 40.0]]
    normal = [[p, float(stats.norm.ppf(p))] for p in [1e-300, 1e-20, 1e-5, 0.025, 0.3, 0.5, 0.7, 0.975, 0.9999999]]
    normal_lower = [[z, float(stats.norm.cdf(z))] for z in [-30.0, -5.0, -1.0, 0.0, 0.3, 2.0, 9.0]]
    chi = [[v, float(stats.chi2.sf(v, 1))] for v in [0.0, 1e-8, 0.5, 3.84, 10.0, 100.0, 700.0]]
    values = [round(rng.expovariate(1), 4) for _ in range(37)]
    quantiles = [[q, float(np.quantile(values, q))] for q in [0, 0.001, 0.025, 0.5, 0.61, 0.975, 0.999, 1]]
    save("numbers", {
        "samples": [[s, harness.mean(s), harness.sample_stddev(s), harness.mean_stderr(s)] for s in samples],
        "groups": [[g, float(harness.pooled_sample_stderr([e for e, _ in g], [n for _, n in g]))] for g in groups],
        "bootstrap": {"items": items, "errors": boots}, "correlations": correlations, "mcnemar": tests, "holm": holm,
        "tost": tost, "paired": {"a": a, "b": b, "found": paired}, "student": student, "normal": normal,
        "normal_lower": normal_lower, "chi": chi, "quantiles": {"values": values, "found": quantiles},
    })


def information():
    rng = np.random.default_rng(11)
    cases = []
    for top in [1, 4, 16]:
        for noise in [0.0, 0.05, 2.0]:
            logits = rng.normal(0, 3, 40)
            p = special.log_softmax(logits)
            q = special.log_softmax(logits + rng.normal(0, noise, 40))
            order = np.argsort(-p)
            kept, others = order[:top], order[top:]
            rest = [float(np.exp(x[others]).sum()) for x in (p, q)]
            merged = [np.append(np.exp(x[kept]), r) for x, r in zip((p, q), rest)]
            cases.append({"p": p[kept].tolist(), "q": q[kept].tolist(), "rest": rest,
                          "divergence": float(special.rel_entr(*merged).sum()),
                          "whole": float(special.rel_entr(np.exp(p), np.exp(q)).sum())})
    kl = np.round(rng.exponential(0.01, 60), 6)
    dp = np.round(rng.normal(0, 0.02, 60), 6)
    save("information", {
        "cases": cases, "positions": [kl.tolist(), dp.tolist()],
        "summary": [float(kl.mean()), float(np.percentile(kl, 99.9)), float(np.sqrt((dp**2).mean()))],
    })


for make in [translation, summaries, stems, draws, replies, choices, bias, numbers, information]:
    make()
