"""Writes fixtures/report/: a small made-up study, and the results of the Python originals on it.

    python3.11 -m venv venv
    venv/bin/pip install numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0
    venv/bin/python scripts/make_report_study.py

No number in it was measured.
"""

import itertools
import json
import math
import pathlib
import random

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

FOLDER = pathlib.Path(__file__).parent.parent / "fixtures" / "report"
DOCUMENTS = 120
WINDOWS = 12
TEXTS = [("WikiText2", 1.0), ("PTB", 1.7), ("C4", 1.3)]
# Method, bits, true bits, purpose, options, outlier share, rise of ln perplexity, loss of skill, decode tok/s
FORMS = [
    ("bf16", 16, 16.0, "preset", [], None, 0.0, 0.0, 30.0),
    ("int8", 8, 8.02, "preset", [], 0.001, 0.004, 0.01, 22.0),
    ("gptq", 4, 4.25, "preset", [], None, 0.03, 0.02, 61.0),
    ("gptq", 2, 2.25, "preset", [], None, 7.0, 0.35, 75.0),
    ("spqr", 2, 6.25, "preset", [], 0.11336, 0.2, 0.09, 24.0),
    ("spqr", 2, 2.94, "equal-bits", [], 0.0098, 1.1, 0.24, 48.0),
]
LARGER = FORMS[:2] + [
    ("gptq", 3, 3.25, "preset", [], None, 0.12, 0.06, 68.0),
    FORMS[4],
    FORMS[5],
    ("spqr", 2, 2.62, "ablation", [{"name": "no outliers", "value": ""}], 0.0, 1.6, 0.3, 52.0),
]
MODELS = [("Made-up 1B", 1_000_000_000, 24, 0.45, 2.6), ("Made-up 4B", 4_000_000_000, 32, 0.62, 2.2)]


def items(random, hard, skill):
    """1 for documents easier than a skill, with a little luck."""
    return [int(h + random.gauss(0, 0.06) < skill) for h in hard]


def run(model, form, hard, losses, seed):
    name, parameters, layers, skill, loss = model
    method, bits, true_bits, purpose, options, share, rise, lost, rate = form
    r = random.Random(seed)
    perplexities = []
    for (text, factor), base in zip(TEXTS, losses):
        windows = [round(b + rise + r.gauss(0, 0.01 * (rise > 0)), 5) for b in base]
        # One text on which the collapsed run gives no number.
        broken = (name, method, bits, text) == ("Made-up 1B", "gptq", 2, "C4")
        perplexities.append({
            "text": text, "protocol": "windows", "window": 2048, "tokens": WINDOWS * 2047,
            "value": "inf" if broken else round(math.exp(sum(windows) / WINDOWS), 6),
            "windows": ["inf"] * WINDOWS if broken else windows,
            "samples": f"samples/{name.replace(' ', '_')}/{method}{bits}/{text}.jsonl",
        })
        if method != "bf16" and not broken:
            perplexities[-1] |= {
                "distance": {
                    "positions": 511, "mean": round(rise * 1.5, 4), "quantile_999": round(rise * 20, 4),
                    "same_top": round(math.exp(-rise), 4), "rms_difference": round(1 - math.exp(-rise / 2), 4),
                },
                "distance_samples": f"samples/{name.replace(' ', '_')}/{method}{bits}/{text}-kl.json",
            }
    scores = []
    for task, metric, chance, profile, shots in [
        ("MMLU", "acc", 0.25, "lmh", 5), ("GSM8K", "exact_match, strict", None, "lmh", 5), ("SNLI", "acc", 1 / 3, "own", 0),
    ]:
        # What was not measured: GSM8K of one run.
        if task == "GSM8K" and purpose == "equal-bits" and name == "Made-up 4B":
            continue
        level = {"MMLU": 0.05, "GSM8K": -0.08, "SNLI": 0.12}[task]
        got = items(r, hard[task], skill + level - lost)
        if task == "GSM8K" and method == "int8":
            got[7] = None
        valid = [g for g in got if g is not None]
        value = sum(valid) / len(valid)
        scores.append({
            "task": task, "metric": metric, "primary": True, "profile": profile, "shots": shots,
            "documents": DOCUMENTS, "value": value,
            "stderr": float(np.std(valid, ddof=1) / math.sqrt(len(valid))), "chance": chance, "scale": 1,
            "higher_is_better": True, "items": got, "digest": task.lower(),
            "samples": f"samples/{name.replace(' ', '_')}/{method}{bits}/samples_{task.lower()}.jsonl",
            "ties": 2 if method == "gptq" and bits == 2 else 0, "errors": len(got) - len(valid), "truncated": 0,
        })
    summary = [round(min(max(0.16 + 0.2 * (skill - lost) - 0.1 * h + r.gauss(0, 0.02), 0), 1), 4) for h in hard["SNLI"][:60]]
    scores.append({
        "task": "XSum", "metric": "rougeL", "primary": True, "profile": "own", "shots": 0, "documents": 60,
        "value": sum(summary) / 60, "stderr": float(np.std(summary, ddof=1) / math.sqrt(60)), "scale": 1,
        "higher_is_better": True, "items": summary, "digest": "xsum",
    })
    scores.append({
        "task": "FLORES en-zh", "metric": "bleu", "primary": True, "profile": "lmh", "shots": 0, "documents": 60,
        "value": round(60 * (skill - lost) - 5 + r.gauss(0, 0.4), 3), "stderr": 1.1, "scale": 100,
        "higher_is_better": True,
    })
    size = int(parameters * true_bits / 8)
    speed = rate * (1.0 if parameters < 2e9 else 0.3)
    shake = 0.09 if (method, bits) == ("int8", 8) and parameters > 2e9 else 0.01
    full = {
        "model": name, "parameters": parameters, "method": method, "bits": bits, "true_bits": true_bits,
        "purpose": purpose, "options": options,
        "memory": {
            "weights": size, "kv": layers * 2048 * 1024, "scratch": 41_000_000,
            "host_rss_peak": 410_000_000 + parameters // 20,
            "samples": f"samples/{name.replace(' ', '_')}/{method}{bits}/memory.json",
        },
        "speeds": [{
            "prompt": 512, "generated": 128,
            "prefill": [round(speed * 9 * (1 + shake * x), 2) for x in (0, 0.7, -1, 0.4, -0.2)],
            "decode": [round(speed * (1 + shake * x), 3) for x in (0, 1, -1, 0.5, -0.3)],
            "bytes_per_token": size, "copy_bandwidth": 9.0e10,
            "first_token_cold": 2.4,
            "samples": f"samples/{name.replace(' ', '_')}/{method}{bits}/speed.json",
        }],
        "perplexities": perplexities, "scores": scores,
    }
    if share is not None:
        shares = [round(share * (0.4 + 1.2 * l / (layers - 1)), 8) for l in range(layers)]
        full["outliers"] = {"share": share, "layers": shares, "threshold": 0.2 if method == "spqr" else 6.0,
                            "samples": f"samples/{name.replace(' ', '_')}/{method}{bits}/quantize_report.json"}
    if method == "gptq" and parameters > 2e9:
        del full["memory"]["scratch"]
    if purpose == "equal-bits" and parameters > 2e9:
        full["speeds"] = []
    return full


def study():
    runs = []
    for index, model in enumerate(MODELS):
        r = random.Random(index)
        hard = {task: [r.random() for _ in range(DOCUMENTS)] for task in ("MMLU", "GSM8K", "SNLI")}
        losses = [[model[4] * f ** 0.3 + r.gauss(0, 0.1) for _ in range(WINDOWS)] for _, f in TEXTS]
        runs += [run(model, form, hard, losses, 100 * index + n) for n, form in enumerate(LARGER if index else FORMS)]
    digests = [{"name": m[0], "value": "sha256 of nothing"} for m in MODELS]
    return {
        "schema": 1, "title": "A made-up study", "note": "Every number here is made up, to test the report.",
        "conditions": {
            "command": "qwgpu study --preset correlation made-up-1b made-up-4b", "date": "2026-01-31",
            "qwgpu": "0.1.0 (0000000000)", "adapter": "No adapter", "path": "fast",
            "perplexity_protocol": "disjoint windows of 2,048 tokens, mean over windows",
            "speed_protocol": "512 tokens in, 128 out, one run to warm up, 5 repeats",
            "digests": digests, "seeds": [{"name": "few-shot", "value": "1234"}],
            "others": [{"name": "limits", "value": "adapter"}],
        },
        "runs": runs,
    }


def number(value):
    return float(value)


def paired_shares(only_first, only_second, pairs):
    """The adjusted Wald interval of Bonett and Price (2012)."""
    n = pairs + 2
    first, second = (only_first + 1) / n, (only_second + 1) / n
    half = stats.norm.ppf(0.975) * math.sqrt((first + second - (second - first) ** 2) / n)
    return number(second - first - half), number(second - first + half)


def exact_rank_p(x, y):
    """Share of all orders of y whose |rho| is at least as large. scipy's permutation_test doubles one side instead."""
    u, v = stats.rankdata(x), stats.rankdata(y)
    u, v = u - u.mean(), v - v.mean()
    orders = np.array(list(itertools.permutations(v))) @ u
    least = abs(u @ v) - 1e-12 * math.sqrt((u @ u) * (v @ v))
    return number(np.mean(np.abs(orders) >= least))


def expected(study):
    """Comparisons and correlations of the first model."""
    runs = [r for r in study["runs"] if r["model"] == MODELS[0][0]]
    base = {s["task"]: s for s in runs[0]["scores"]}
    changes, ps = [], []
    for r in runs[1:]:
        for s in r["scores"]:
            before = base[s["task"]]
            entry = {"run": [r["method"], r["bits"], r["purpose"]], "task": s["task"]}
            if s["task"] in ("MMLU", "GSM8K", "SNLI"):
                pairs = [(a, b) for a, b in zip(s["items"], before["items"]) if a is not None and b is not None]
                d = np.array([a - b for a, b in pairs]) * 100.0
                up, down = int((d > 0).sum()), int((d < 0).sum())
                exact = up + down < 25
                p = mcnemar([[0, up], [down, 0]], exact=exact, correction=True).pvalue
                low, high = paired_shares(down, up, len(d))
                entry |= {
                    "test": "McNemar", "pairs": len(d), "difference": number(d.mean()),
                    "low": low * 100, "high": high * 100, "p": number(p),
                    "equivalence": number(ttost_paired(d, np.zeros(len(d)), -1.0, 1.0)[0]) if up + down else 0.99 ** len(d),
                }
            elif s["task"].startswith("FLORES"):
                error = math.hypot(s["stderr"], before["stderr"])
                d = s["value"] - before["value"]
                entry |= {
                    "test": "unpaired z", "pairs": 0, "difference": d, "low": d - stats.norm.ppf(0.975) * error,
                    "high": d + stats.norm.ppf(0.975) * error, "p": number(2 * stats.norm.sf(abs(d) / error)),
                }
            else:
                d = np.array(s["items"]) * 100.0 - np.array(before["items"]) * 100.0
                entry |= {
                    "test": "paired bootstrap", "pairs": 60, "difference": number(d.mean()),
                    "equivalence": number(ttost_paired(d, np.zeros(60), -1.0, 1.0)[0]),
                }
            changes.append(entry)
    relations = []
    for text, _ in TEXTS:
        for task in base:
            x, y = [], []
            for r in runs:
                ppl = next(p["value"] for p in r["perplexities"] if p["text"] == text)
                if ppl != "inf":
                    s = next(s for s in r["scores"] if s["task"] == task)
                    x.append(ppl)
                    y.append(s["value"] * 100 / s["scale"])
            sound = [(a, b) for a, b in zip(x, y) if a <= 10 * x[0]]
            entry = {"text": text, "task": task, "n": len(x), "sound_n": len(sound)}
            for name, (u, v) in {"all": (x, y), "sound": zip(*sound)}.items():
                for kind, found in {
                    "plain": stats.pearsonr(u, v), "logarithm": stats.pearsonr(np.log(u), v), "rank": stats.spearmanr(u, v),
                }.items():
                    p = exact_rank_p(u, v) if kind == "rank" else found.pvalue
                    entry[f"{name}_{kind}"] = [number(found.statistic), number(p)]
            relations.append(entry)
    decode = runs[1]["speeds"][0]["decode"]
    return {
        "changes": changes, "relations": relations,
        "holm_example": {"p": [0.01, 0.04, 0.03], "corrected": [number(v) for v in multipletests([0.01, 0.04, 0.03], method="holm")[1]]},
        "decode": {"median": number(np.median(decode)), "variation": number(np.std(decode, ddof=1) / np.mean(decode))},
    }


made = study()
FOLDER.mkdir(parents=True, exist_ok=True)
(FOLDER / "study.json").write_text(json.dumps(made) + "\n")
(FOLDER / "expected.json").write_text(json.dumps(expected(made)) + "\n")
