"""Goldens of the tasks that ask for a reply: fixtures/tasks/reply/.

Writes documents we made up, in the published formats, below data/; prompts.json, the prompts, targets and digests
that lm-evaluation-harness makes of them (for XSum and FLORES-200, whose forms it has not, the templates written out
here); scores.json, what the Python originals find in replies we made up.

lm_eval 0.4.13, datasets 5.2.0, sacrebleu 2.6.0, rouge_score 0.1.2, Python 3.11; and github.com/QwenLM/Qwen at 2df8e8a, as
a folder, of which only the functions that extract numbers are run.

    python scripts/make_reply_prompts.py QWEN_FOLDER
"""

import ast
import csv
import hashlib
import json
import math
import os
import random
import re
import shutil
import sys
import tempfile
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": tempfile.mkdtemp()}

import lm_eval
import sacrebleu
import yaml
from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.api.model import LM
from lm_eval.filters.extraction import RegexFilter
from lm_eval.tasks import TaskManager
from rouge_score import rouge_scorer

OUT = Path(__file__).resolve().parent.parent / "fixtures/tasks/reply"
STOCK = Path(lm_eval.__file__).parent / "tasks"

GSM8K = [
    ("Ana has 3 caf\u00e9 cups and buys 4 more.  How many cups has she?", "She has 3 + 4 = <<3+4=7>>7 cups.\n#### 7"),
    ("A hall has 25 rows of 40 seats. How many seats?", "25 * 40 = <<25*40=1000>>1,000 seats.\n#### 1,000"),
    ("It was 2 degrees and got 5 degrees colder. How warm is it?", "2 - 5 = <<2-5=-3>>-3 degrees.\n#### -3"),
]
TRAIN = [(f"Ben picks {n} pears a day for {n + 1} days. How many pears?", f"{n} * {n + 1} = <<{n}*{n + 1}={n * n + n}>>{n * n + n} pears.\n#### {n * n + n}") for n in range(2, 11)]
CNN = [
    ("(CNN)The town of Ulm has a new bridge. \"It is wide,\" said the mayor.\n\nIt opens on Monday.", "Ulm has a new bridge .\nIt opens on Monday .", "a" * 40),
    (" A cat  was found on a roof in Jos\u00e9's street, police said. ", "Police find cat on roof .", "b" * 40),
    ("Farmers expect a good harvest. Rain fell in May, and the sun shone in June.", "Farmers: harvest to be good .\nRain in May, sun in June helped .", "c" * 40),
]
XSUM = [
    ("The river rose after days of rain.\nSchools were closed on Friday.", "Schools have closed after a river rose.", 40000001),
    ("A baker from York has won a prize for \u00a32 bread.", "A York baker has won a prize.", 40000002),
    ("Trains will stop on Sunday, the operator said.\nBuses will run instead.", "Buses will replace trains on Sunday.", 40000003),
]
FLORES = {
    "devtest": {
        "eng_Latn": ["The cat sat on the mat.", "It costs $1,234.50 \u2014 really?", "He went to Peking University to study physics."],
        "zho_Hans": ["猫坐在垫子上。", "它要1,234.50美元——真的吗？", "他去北京大学学习物理。"],
        "deu_Latn": ["Die Katze saß auf der Matte.", "Es kostet 1.234,50 $ \u2013 wirklich?", "Er ging an die Universität Peking, um Physik zu studieren."],
    },
    "dev": {
        "eng_Latn": ["Good morning.", "The train is late.", "She sings.", "We have two dogs.", "Water is wet.", "Rain fell."],
        "zho_Hans": ["早上好。", "火车晚点了。", "她在唱歌。", "我们有两只狗。", "水是湿的。", "下雨了。"],
        "deu_Latn": ["Guten Morgen.", "Der Zug ist spät.", "Sie singt.", "Wir haben zwei Hunde.", "Wasser ist nass.", "Es regnete."],
    },
}
NAMES = {"eng_Latn": "English", "zho_Hans": "Chinese", "deu_Latn": "German"}
PAIRS = ["eng_Latn-zho_Hans", "zho_Hans-eng_Latn", "deu_Latn-eng_Latn"]
FLORES_REPLIES = {
    "eng_Latn-zho_Hans": [" 猫坐在垫子上", "它花1,234.50美元，真的吗？", "他在北京大学学习物理学。"],
    "zho_Hans-eng_Latn": [" The cat is sitting on the mat.", "It costs $1,234.50, really?", "He studied physics at Peking University."],
    "deu_Latn-eng_Latn": ["The cat sat on the mat.", "", "He went to the University of Peking to study physics. "],
}
CNN_REPLIES = [
    " Ulm has a new, wide bridge. It opens Monday.", "It opens on Monday. A new bridge is what Ulm has.", "The police found a cat\non the roof!", "", "Nothing   in common", "A good harvest is expected. Rain fell, sun shone? Yes.",
]
REPLIES = [
    (" 3 + 4 = <<3+4=7>>7\n#### 7", 0), ("#### 7.", 0), ("The answer is 7.", 0), ("7", 0), ("seven", 0), ("", 0), ("#### 7\n#### 8", 0), ("####7", 0), ("#### $7", 0),
    ("The answer is 7", 0), ("The answer is 7!\nThe answer is 8.", 0), ("The answer is $7.", 0), ("7.00", 0), ("7.00005", 0), ("07", 0), ("7 or 8 or 7", 0), ("+7", 0),
    ("The answer is $1,234.", 1), ("#### 1,000.00", 1), ("#### 1000", 1), ("1,000", 1), ("It is 1,000 seats, in 25 rows", 1), ("$1,000.00", 1), ("10,00", 1), ("1 000", 1),
    ("#### -3", 2), ("-3", 2), ("\u22123", 2), ("minus 3", 2), ("-3.0", 2), ("- 3", 2), ("2-5=-3 degrees", 2), ("x = .5", 2), ("12, 13, and 14, done", 2), ("#### ,", 2), ("...", 2),
    ("It is \uff13", 2), ("-3,", 2), ("(-3)", 2), ("$-3", 2), ("-$3", 2), ("\u0663", 0), ("1e3", 1), ("3-", 2), ("#### 7\u00a0", 0), ("0", 0), ("00", 0), (".", 0),
]


def write_data(data):
    def lines(path, rows):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    lines(data / "gsm8k/test.jsonl", [{"question": q, "answer": a} for q, a in GSM8K])
    lines(data / "gsm8k/train.jsonl", [{"question": q, "answer": a} for q, a in TRAIN])
    lines(data / "xsum/test.jsonl", [{"document": d, "summary": s, "id": i} for d, s, i in XSUM])
    (data / "cnn_dailymail").mkdir(parents=True, exist_ok=True)
    with open(data / "cnn_dailymail/cnn_dailymail_test.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["article", "highlights", "id"])
        writer.writerows(CNN)
    for split, languages in FLORES.items():
        folder = data / "flores200/flores200_dataset" / split
        folder.mkdir(parents=True, exist_ok=True)
        for language, sentences in languages.items():
            (folder / f"{language}.{split}").write_text("\n".join(sentences) + "\n", encoding="utf-8")


class Silent(LM):
    """A model that says nothing: only its requests are of interest."""

    def generate_until(self, requests, **_):
        return ["" for _ in requests]

    loglikelihood = loglikelihood_rolling = generate_until


def harness_prompts(data):
    """Prompts of stock tasks over local files, by the harness itself."""
    yamls = Path(tempfile.mkdtemp())
    local = {
        "gsm8k": ("gsm8k/gsm8k.yaml", "json", {"train": "gsm8k/train.jsonl", "test": "gsm8k/test.jsonl"}),
        "gsm8k_cot": ("gsm8k/gsm8k-cot.yaml", "json", {"test": "gsm8k/test.jsonl"}),
        "cnn_dailymail": ("cnn_dailymail/cnn_dailymail.yaml", "csv", {"test": "cnn_dailymail/cnn_dailymail_test.csv"}),
    }
    for name, (stock, kind, files) in local.items():
        text = (STOCK / stock).read_text(encoding="utf-8")
        text = re.sub(r"(?m)^(task|dataset_path|dataset_name|tag|  - math_word_problems|- chain_of_thought).*\n(?:  - math_word_problems\n|- chain_of_thought\n)?", "", text)
        files = {split: str(data / path) for split, path in files.items()}
        text += f"\ntask: local_{name}\ndataset_path: {kind}\ndataset_kwargs:\n  data_files: {json.dumps(files)}\n"
        (yamls / f"{name}.yaml").write_text(text, encoding="utf-8")
    shutil.copy(STOCK / "cnn_dailymail/utils.py", yamls)
    manager = TaskManager(include_path=str(yamls), include_defaults=False)
    results = lm_eval.simple_evaluate(Silent(), tasks=[f"local_{name}" for name in local], task_manager=manager, log_samples=True, bootstrap_iters=0)
    # The stock task forbids other numbers of examples than its 0.
    text = (yamls / "cnn_dailymail.yaml").read_text(encoding="utf-8")
    (yamls / "cnn_dailymail.yaml").write_text(text.replace("num_fewshot: 0\n", ""), encoding="utf-8")
    manager = TaskManager(include_path=str(yamls), include_defaults=False)
    shots = lm_eval.simple_evaluate(Silent(), tasks=["local_cnn_dailymail"], num_fewshot=2, task_manager=manager, log_samples=True, bootstrap_iters=0)
    tasks = {"gsm8k": ("gsm8k", "lmh"), "gsm8k_cot": ("gsm8k", "cot"), "cnn_dailymail": ("cnn_dailymail", "lmh")}
    for name, (task, profile) in tasks.items():
        samples = {sample["doc_id"]: sample for sample in reversed(results["samples"][f"local_{name}"])}  # one for each filter
        cases = [({}, samples[doc_id]) for doc_id in sorted(samples)]
        if name == "cnn_dailymail":
            cases += [({"shots": 2}, sample) for sample in shots["samples"][f"local_{name}"]]
        for more, sample in cases:
            prompt, settings = sample["arguments"][0] if isinstance(sample["arguments"], (list, tuple)) else sample["arguments"]["gen_args_0"].values()
            yield {"task": task, "set": task, "profile": profile, **more, "doc_id": sample["doc_id"], "prompt": prompt, "target": sample["target"],
                   "until": settings["until"], "doc_hash": sample["doc_hash"], "prompt_hash": sample["prompt_hash"], "target_hash": sample["target_hash"]}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def written_out(task, set_, profile, doc_id, doc, prompt, target, until):
    doc_hash = digest(json.dumps(doc, indent=2, ensure_ascii=False))
    return {"task": task, "set": set_, "profile": profile, "doc_id": doc_id, "prompt": prompt, "target": target, "until": until,
            "doc_hash": doc_hash, "prompt_hash": digest(prompt), "target_hash": digest(target)}


def own_prompts(qwen):
    for doc_id, (document, summary, id_) in enumerate(XSUM):
        prompt = f"Summarize the following article in one sentence:\n\n{document}\n\nSummary:"
        doc = {"document": document, "summary": summary, "id": id_}
        yield written_out("xsum", "xsum", "own", doc_id, doc, prompt, summary, ["\n"])
    for pair in PAIRS:
        source, target = pair.split("-")
        def block(split, n):
            return f"{NAMES[source]} sentence: {FLORES[split][source][n]}\n{NAMES[target]} sentence:"
        generator = random.Random(1234)
        for doc_id in range(3):
            shots = generator.sample(range(6), 5)
            prompt = "".join(f"{block('dev', n)}{FLORES['dev'][target][n]}\n\n" for n in shots) + block("devtest", doc_id)
            doc = {f"sentence_{code}": FLORES["devtest"][code][doc_id] for code in (source, target)}
            yield written_out("flores", f"flores_{pair}", "lmh", doc_id, doc, prompt, FLORES["devtest"][target][doc_id], ["\n"])
    examples = (qwen / "eval/gsm8k_prompt.txt").read_text(encoding="utf-8")
    for doc_id, (question, answer) in enumerate(GSM8K):
        prompt = examples + "\nQuestion: " + question + "\nLet's think step by step\n"
        yield written_out("gsm8k", "gsm8k", "qwen", doc_id, {"question": question, "answer": answer}, prompt, answer, ["\n\n", "Question:"])
        chat = functions(qwen / "eval/evaluate_chat_gsm8k.py", ["doc_to_text"])["doc_to_text"]
        for profile, fewshot in [("chat", False), ("chat_4shot", True)]:
            prompt = chat({"question": question}, fewshot)
            yield written_out("gsm8k", "gsm8k", profile, doc_id, {"question": question, "answer": answer}, prompt, answer, [])


def functions(script, names):
    """Some functions of a script, without running the rest of it."""
    space = {"re": re, "math": math, "ANS_RE": re.compile(r"#### (\-?[0-9\.\,]+)"), "INVALID_ANS": "[invalid]"}
    tree = ast.parse(script.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
    exec(compile(tree, script.name, "exec"), space)
    return space


def gsm8k_scores(qwen):
    ignore = [",", "\\$", "(?s).*#### ", "\\.$"]
    base = functions(qwen / "eval/evaluate_gsm8k.py", ["extract_answer_hf", "extract_answer", "is_correct"])
    chat = functions(qwen / "eval/evaluate_chat_gsm8k.py", ["extract_answer", "is_correct"])
    stock = {name: yaml.load((STOCK / f"gsm8k/{file}.yaml").read_text(), yaml.BaseLoader) for name, file in [("lmh", "gsm8k"), ("cot", "gsm8k-cot")]}
    for reply, doc_id in REPLIES:
        answer = GSM8K[doc_id][1]
        case = {"reply": reply, "doc_id": doc_id, "found": []}
        for profile, config in stock.items():
            for entry in config["filter_list"]:
                settings = entry["filter"][0]
                filter_ = RegexFilter(settings["regex_pattern"], int(settings.get("group_select", 0)))
                found = filter_.apply([[reply]], [None])[0][0]
                gold = answer if profile == "lmh" else answer.split("####")[-1].strip()
                right = exact_match_hf_evaluate([found], [gold], regexes_to_ignore=ignore, ignore_case=True)["exact_match"]
                case["found"].append([profile, entry["name"], found, bool(right)])
        case["found"].append(["qwen", "last-number", None, bool(base["is_correct"](reply, answer))])
        case["found"].append(["chat", "last-number", chat["extract_answer"](reply), bool(chat["is_correct"](reply, answer))])
        yield case


def sentences(text):
    """A sentence on each line, as ours are."""
    return "\n".join(re.sub(r"([.!?]) ", r"\1\n", " ".join(line.split())) for line in text.splitlines())


def rouge_scores():
    whole = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    lines = rouge_scorer.RougeScorer(["rougeLsum"], use_stemmer=True)
    for doc_id, (_, highlights, _) in enumerate(CNN):
        for reply in CNN_REPLIES:
            scores = whole.score(" ".join(highlights.split()), " ".join(reply.split()))
            scores |= lines.score(sentences(highlights), sentences(reply))
            yield {"reply": reply, "doc_id": doc_id, **{name: score.fmeasure for name, score in scores.items()}}


def translation_scores():
    for pair, replies in FLORES_REPLIES.items():
        target = pair.split("-")[1]
        references = [FLORES["devtest"][target]]
        tokenizer = "zh" if target == "zho_Hans" else "13a"
        metrics = {f"bleu,{tokenizer}": sacrebleu.BLEU(tokenize=tokenizer), "chrf,none": sacrebleu.CHRF(), "chrf++,none": sacrebleu.CHRF(word_order=2), "bleu_lmh,none": sacrebleu.BLEU()}
        scores = {}
        for name, metric in metrics.items():
            score = metric.corpus_score(replies, references).score
            scores[name] = [score, str(metric.get_signature())]
        yield {"pair": pair, "replies": replies, "scores": scores}


def dump(name, value):
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in value)
    (OUT / name).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main():
    qwen = Path(sys.argv[1])
    write_data(OUT / "data")
    dump("prompts.json", [*harness_prompts(OUT / "data"), *own_prompts(qwen)])
    dump("gsm8k.json", list(gsm8k_scores(qwen)))
    dump("rouge.json", list(rouge_scores()))
    dump("translation.json", list(translation_scores()))


main()
