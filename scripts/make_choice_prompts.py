#!/usr/bin/env python3
"""Goldens of the tasks with choices: prompts and scores of lm-evaluation-harness over made-up documents.

Writes fixtures/tasks/choice: the documents in the formats the sets are given out in (data/), what the harness makes
of them (prompts.json) and sends behind a chat template (chat.json), its subjects (subjects.json), and one small table as Parquet (rows_*.parquet).

Also the letters that the chat scripts of the Qwen repository find in replies (letters.json), null where they would
ask thefuzz; for these it needs a copy of that repository (github.com/QwenLM/Qwen at 2df8e8a). Without one they stay.

A task is added here with documents of your own invention, an entry in `write_data` and one in `documents`.

Needs lm-eval 0.4.13, pyarrow 26.0.1, sacrebleu 2.6.0, rouge_score 0.1.2. Usage: make_choice_prompts.py [QWEN]
"""

import csv
import hashlib
import json
import math
import random
import re
import sys
import tempfile
import types
from pathlib import Path

import lm_eval.tasks
import pyarrow
import pyarrow.parquet
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml

HERE = Path(__file__).resolve().parent.parent / "fixtures/tasks/choice"
STOCK = Path(lm_eval.tasks.__file__).parent

MMLU = {
    "test": [
        ["  Which planet is red?\n(One only.) ", "Venus", "Mars", "the \"blue\" one, Earth", " Jupiter ", "B"],
        ["Which number is even?", "1", "3", "4", "5", "C"],
        ["Straße means", "street", "stress", "straw", "strand", "A"],
    ],
    "dev": [
        ["What is 1 + 1?", "1", "2", "3", "4", "B"],
        ["What is 2 + 2?", "4", "5", "6", "7", "A"],
        ["What is 3 + 3?", "3", "4", "5", "6", "D"],
    ],
}
CEVAL = {
    "val": [
        [0, " 下列行星中，最大的是____。", "地球", "火星", "木星", "金星", "C"],
        [2, "方程 $x^2=4$ 的解的个数是____", "0", "1", "2", "3", "C"],
        [4, "“他说：\"好\"，\n然后走了”中有____个引号", "两", "三", "四", "五", "A"],
    ],
    "dev": [
        [0, "一年有____个月。", "10", "11", "12", "13", "C", "一年有十二个月。"],
        [1, "一周有____天。", "5", "6", "8", "7", "D", "一周有七天，\n不多不少。"],
        [2, "水的化学式是____。", "H2O", "CO2", "O2", "N2", "A", ""],
    ],
}
SNLI = {
    "test": [
        ["A man, who is old, reads.", " A person reads ", 0],
        ["A \"dog\" runs.", "The dog is brown.", 1],
        ["Two girls sing.", "Nobody sings.", 2],
    ],
    "dev": [
        ["A cat sleeps.", "An animal sleeps.", "entailment"],
        ["A boy eats.", "The boy stands.", "contradiction"],
        ["A boy eats.", "The boy is thin.", "-"],
        ["A bird sings.", "The bird is happy.", "neutral"],
    ],
}
TRUTH = [
    {
        "question": "Is the sea made of tea?",
        "mc1_targets": {"No, it is salt water.": 1, "Yes, it is tea.": 0, "Only on Sundays.": 0},
        "mc2_targets": {"No, it is salt water.": 1, "It is not.": 1, "Yes, it is tea.": 0, "Only on Sundays.": 0},
    },
    {
        "question": "Who built the moon?",
        "mc1_targets": {"Nobody built the moon.": 1, "Caf\u00e9 owners.": 0},
        "mc2_targets": {"Nobody built the moon.": 1, "Caf\u00e9 owners.": 0, "The Romans built it.": 0},
    },
    {
        "question": "Do stones grow?",
        "mc1_targets": {"Stones do not grow.": 1, "They grow at night.": 0},
        "mc2_targets": {"Stones do not grow.": 1, "They do not.": 1, "They grow at night.": 0},
    },
]
TRUTH_CSV = [
    ["Type", "Category", "Question", "Best Answer", "Correct Answers", "Incorrect Answers", "Source"],
    ["Adversarial", "Sea", " Is the sea made of tea?", "No, it is salt water",
     "No, it is salt water; It is not.;", "Yes, it is tea; Only on Sundays", "https://example.org/1"],
    ["Non-Adversarial", "Moon", "Who built the moon?", "Nobody built the moon",
     "Nobody built the moon; I have no comment", "Café owners; The Romans built it", "https://example.org/2"],
    ["Adversarial", "Stones", "Do stones grow?", "Stones do not grow",
     "Stones do not grow; They do not", "They grow at night", "https://example.org/3"],
]
BBQ = [
    ["neg", "ambig", ["Ann", "Bob", "Not known"], [["Ann", "old"], ["Bob", "nonOld"], ["Not known", "unknown"]], 2],
    ["nonneg", "disambig", ["Can't be determined", "The tall woman", "The German man"],
     [["Can't be determined", "unknown"], ["woman", "old"], ["German man", "nonOld"]], 1],
    ["neg", "disambig", ["The grandmother", "Unknown", "The boy"],
     [["The grandmother", "old"], ["Unknown", "unknown"], ["boy", "nonOld"]], 2],
    # Enough rows that some draw of two takes the document itself.
    ["nonneg", "ambig", ["Eve", "Not known", "Max"], [["Eve", "old"], ["Not known", "unknown"], ["Max", "nonOld"]], 1],
    ["neg", "disambig", ["Unknown", "Ida", "Tom"], [["Unknown", "unknown"], ["Ida", "old"], ["Tom", "nonOld"]], 1],
    ["nonneg", "disambig", ["Leo", "Pia", "Cannot answer"],
     [["Leo", "nonOld"], ["Pia", "old"], ["Cannot answer", "unknown"]], 0],
    ["neg", "ambig", ["Jan", "Undetermined", "Uta"],
     [["Jan", "old"], ["Undetermined", "unknown"], ["Uta", "nonOld"]], 1],
    ["nonneg", "ambig", ["Ben", "Lea", "Not enough info"],
     [["Ben", "old"], ["Lea", "nonOld"], ["Not enough info", "unknown"]], 2],
]

HELLASWAG = {
    "val": [
        ["Polishing stones", "A woman holds a grey stone.", "she", 0, "activitynet",
         ["rubs it with a cloth.", "throws the cloth [laughs] into a lake.", "eats the stone  slowly.", "is a stone."]],
        ["Home and Garden", "[header] How to water a fern [title] Fill a can. [step] Use rain water.", "", 2, "wikihow",
         ["[title] Sell the fern. [step] Ferns are dear.", "Pour it into the sea.",
          "[title] Pour until the soil is wet. [step] Stop then.", " Drink it."]],
        ["Walking a GOAT", "A goat [a large one] waits.", "ANNA and the Goat", 3, "activitynet",
         ["fly away.", "become a song.", "are two goats.", "walk along a road."]],
    ],
    "train": [
        ["Baking bread", "Flour is in a bowl.", "water", 1, "activitynet",
         ["is baked dry.", "is poured into the bowl.", "sings.", "reads a book."]],
        ["Crafts", "[header] How to fold a boat [title] Take paper.", "", 0, "wikihow",
         ["[step] Fold it once.", "[step] Burn it.", "[step] Take a boat.", "[step] Row."]],
        ["Ringing a bell", "A boy sees a bell.", "he", 2, "activitynet",
         ["sees no bell.", "is rung.", "rings it.", "bells."]],
    ],
}


def hellaswag_rows(split):
    """Rows as the authors publish them; the hub has the fields in another order, and labels as texts."""
    for number, (activity, start, rest, label, source, endings) in enumerate(HELLASWAG[split]):
        yield {
            "ind": 7 * number + 3, "activity_label": activity, "ctx_a": start, "ctx_b": rest,
            "ctx": f"{start} {rest}".strip(), "split": split, "split_type": "indomain", "label": label,
            "endings": endings, "source_id": f"{source}~{number}",
        }


def bbq_rows():
    for number, (polarity, condition, answers, info, label) in enumerate(BBQ):
        yield {
            "example_id": number,
            "question_index": "1",
            "question_polarity": polarity,
            "context_condition": condition,
            "category": "Age",
            "answer_info": {f"ans{i}": pair for i, pair in enumerate(info)},
            "additional_metadata": {"subcategory": "None", "stereotyped_groups": ["old"], "version": "a", "source": "b"},
            "context": f"Two people met in room {number}.",
            "question": "Who forgot the name?",
            **{f"ans{i}": answer for i, answer in enumerate(answers)},
            "label": label,
        }


def write(path, text):
    path = HERE / "data" / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def rows(table, header=None, delimiter=",", end="\r\n", mark=""):
    lines = []

    class Out:
        write = staticmethod(lines.append)

    csv.writer(Out, delimiter=delimiter, lineterminator=end).writerows(([header] if header else []) + table)
    return mark + "".join(lines)


def write_data():
    letters = ["A", "B", "C", "D"]
    for split, table in MMLU.items():
        write(f"mmlu/{split}/SUBJECT_{split}.csv", rows(table, end="\r\n" if split == "test" else "\n").rstrip("\n"))
    for split, table in CEVAL.items():
        header = ["id", "question", *letters, "answer"] + (["explanation"] if split == "dev" else [])
        write(f"ceval/{split}/SUBJECT_{split}.csv", rows(table, header))
    write("snli/test.tsv", rows(SNLI["test"], ["premise", "hypothesis", "label"], "\t", "\n"))
    dev = [{"annotator_labels": [c], "gold_label": c, "sentence1": a, "sentence2": b} for a, b, c in SNLI["dev"]]
    write("snli/snli_1.0_dev.jsonl", "".join(json.dumps(row) + "\n" for row in dev))
    write("truthfulqa/data/mc_task.json", json.dumps(TRUTH, indent=2))
    write("truthfulqa/TruthfulQA.csv", rows(TRUTH_CSV, mark="\ufeff"))
    for split in HELLASWAG:
        lines = "".join(json.dumps(row) + "\n" for row in hellaswag_rows(split))
        write(f"hellaswag/hellaswag_{split}.jsonl", lines)
    write("bbq/data/Age.jsonl", "".join(json.dumps(row) + "\n" for row in bbq_rows()))


def documents():
    """The documents as the hub's rows, by task and split."""
    choices = lambda row: {"question": row[0], "subject": "abstract_algebra", "choices": row[1:5], "answer": "ABCD".index(row[5])}
    exam = lambda row: dict(zip(["id", "question", "A", "B", "C", "D", "answer", "explanation"], [*row, ""][:8]))
    mmlu = {split: [choices(row) for row in table] for split, table in MMLU.items()}
    ceval = {split: [exam(row) for row in table] for split, table in CEVAL.items()}
    label = {"entailment": 0, "neutral": 1, "contradiction": 2}
    pair = lambda a, b, c: {"premise": a, "hypothesis": b, "label": c}
    snli = {
        "test": [pair(*row) for row in SNLI["test"]],
        "dev": [pair(a, b, label[c]) for a, b, c in SNLI["dev"] if c in label],
    }
    lists = lambda targets: {"choices": list(targets), "labels": list(targets.values())}
    truth = [{**row, "mc1_targets": lists(row["mc1_targets"]), "mc2_targets": lists(row["mc2_targets"])} for row in TRUTH]
    split = lambda text: [part.strip() for part in text.strip().split(";")]
    fields = ["type", "category", "question", "best_answer", "correct_answers", "incorrect_answers", "source"]
    generation = [dict(zip(fields, [*row[:4], split(row[4]), split(row[5]), row[6]])) for row in TRUTH_CSV[1:]]
    bbq = {"test": list(bbq_rows())}
    order = ["ind", "activity_label", "ctx_a", "ctx_b", "ctx", "endings", "source_id", "split", "split_type", "label"]
    scene = lambda row: {**{name: row[name] for name in order}, "label": str(row["label"])}
    hellaswag = {hub: [scene(row) for row in hellaswag_rows(split)] for hub, split in [("validation", "val"), ("train", "train")]}
    return {
        "mmlu": ("mmlu/default/mmlu_abstract_algebra.yaml", mmlu, 2),
        "mmlu continuation": ("mmlu/continuation/mmlu_abstract_algebra.yaml", mmlu, 2),
        "mmlu generative": ("mmlu/generative/mmlu_abstract_algebra.yaml", mmlu, 2),
        "ceval": ("ceval/ceval-valid_law.yaml", ceval, 2),
        "snli": ("glue/mnli/default.yaml", snli, 2),
        "truthfulqa_mc1": ("truthfulqa/truthfulqa_mc1.yaml", {"validation": truth}, 0),
        "truthfulqa_mc2": ("truthfulqa/truthfulqa_mc2.yaml", {"validation": truth}, 1),
        "truthfulqa_gen": ("truthfulqa/truthfulqa_gen.yaml", {"validation": generation}, 0),
        "bbq": ("bbq/bbq_multiple_choice.yaml", bbq, 2),
        "bbq generative": ("bbq/bbq_generate.yaml", bbq, 2),
        "hellaswag": ("hellaswag/hellaswag.yaml", hellaswag, 2),
    }


REPLIES = {
    "mmlu generative": ["  b.\nBecause", "C", "the street"],
    "truthfulqa_gen": [" A: It is salt water.", "Nobody . The Romans built it .", ""],
    "bbq generative": ["Bob, the tall one", "It was the German man", "I do not know.",
                       "Eve", "Ida did.", "Not Pia", "Undetermined", "Lea or Ben"],
}


def task(config_file, splits, folder):
    config = load_yaml(STOCK / config_file)
    files = {}
    for split, table in splits.items():
        files[split] = str(folder / f"{split}.jsonl")
        Path(files[split]).write_text("".join(json.dumps(row) + "\n" for row in table))
    config.update(dataset_path="json", dataset_name=None, dataset_kwargs={"data_files": files})
    for name in ["training_split", "validation_split", "test_split", "fewshot_split"]:
        config.pop(name, None)
    config[{"val": "validation_split", "validation": "validation_split"}.get(next(iter(splits)), "test_split")] = next(iter(splits))
    for name in {"dev", "train"} & set(splits):
        config["fewshot_split"] = name
    for name in ["tag", "group"]:
        config.pop(name, None)
    built = ConfigurableTask(config=config)
    built.set_fewshot_seed(seed=1234)
    return built


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def number(value):
    return [number(v) for v in value] if isinstance(value, (list, tuple)) else float(value)


def prompts(name, config_file, splits, shots, folder):
    plain, single, turns = (task(config_file, splits, folder) for _ in range(3))
    show = lambda messages, add_generation_prompt: json.dumps(messages)
    draw = random.Random(f"{name} 5")
    records = []
    kept = {}
    for doc in list(plain.eval_docs):
        context = plain.fewshot_context(doc, shots)
        chat = dict(system_instruction=None, apply_chat_template=True, chat_template=show)
        one = json.loads(single.fewshot_context(doc, shots, fewshot_as_multiturn=False, **chat))
        each = json.loads(turns.fewshot_context(doc, shots, fewshot_as_multiturn=True, **chat))
        requests = plain.construct_requests(doc=doc, ctx=context)
        requests = requests if isinstance(requests, list) else [requests]
        record = {
            "document_hash": digest(json.dumps(doc, indent=2, ensure_ascii=False)),
            "context": context,
            "context_hash": digest(context),
            "target": str(plain.doc_to_target(doc)),
            "one_message": one,
            "turns": each,
        }
        if plain.OUTPUT_TYPE == "multiple_choice":
            record["continuations"] = [request.arguments[1] for request in requests]
            record["sums"] = [round(draw.uniform(-9, -1), 3) for _ in requests]
            # One of the first two: of twelve choices of BBQ, those that name someone.
            if draw.random() < 0.7:
                record["sums"][draw.randrange(2)] = -0.5
            results = [(value, False) for value in record["sums"]]
        else:
            record["until"] = requests[0].arguments[1]["until"]
            record["reply"] = REPLIES[name][len(records)]
            results = [record["reply"]]
            if name == "mmlu generative":
                results = ["" if not results[0] else filtered(plain, doc, results[0])]
        scores = plain.process_results(doc, results)
        for metric, value in scores.items():
            kept.setdefault(metric, []).append(value)
        record["scores"] = {k: float(v) for k, v in scores.items() if not isinstance(v, tuple) and not isinstance(v, list)}
        records.append(record)
    totals = {metric: float(plain.aggregation()[metric](values)) for metric, values in kept.items() if metric in plain.aggregation()}
    totals = {metric: value for metric, value in totals.items() if not math.isnan(value)}
    return {"shots": shots, "documents": records, "totals": totals}


# Any template with roles and a beginning of the reply will do; ours reads it, too.
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
CHAT = {"mmlu": "lmh_chat", "ceval": "lmh_chat", "bbq": "lmh_chat", "hellaswag": "chat", "truthfulqa_mc1": "chat", "truthfulqa_mc2": "chat"}


def chats(config_file, splits, shots, folder):
    """Contexts and continuations of choices as `--apply_chat_template` makes them."""
    built = task(config_file, splits, folder)
    template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(TEMPLATE)
    chat = dict(apply_chat_template=True, chat_template=lambda messages, **more: template.render(messages=messages, **more))
    records = []
    for doc in list(built.eval_docs):
        context = built.fewshot_context(doc, shots, system_instruction=None, fewshot_as_multiturn=False, **chat)
        requests = [request.arguments for request in built.construct_requests(doc=doc, ctx=context, **chat)]
        assert {context} == {context for context, _ in requests}
        records.append({"context": context, "continuations": [continuation for _, continuation in requests]})
    return {"shots": shots, "documents": records}


def filtered(built, doc, reply):
    """The reply after the task's own filters."""
    answers = [[reply]]
    for ensemble in built._filters:
        for step in ensemble.filters:
            answers = step().apply(answers, [doc])
    return list(answers)[0]


def subjects():
    source = (STOCK / "mmlu/_generate_configs.py").read_text()
    mmlu = eval(re.search(r"SUBJECTS = (\{.*?\})", source, re.DOTALL).group(1))
    ceval = {}
    for file in sorted((STOCK / "ceval").glob("ceval-valid_*.yaml")):
        config = yaml.safe_load(file.read_text())
        ceval[config["dataset_name"]] = config["description"]
    return {"mmlu": mmlu, "ceval": ceval}


ENGLISH = {
    "options": ["Mars.", "Venus", "the planet Venus", "Earth (or C)"],
    "replies": [
        "The answer is B.", "Answer: D", "The answer is not B, D is correct", "It must be the Planet VENUS.",
        "C.\nBecause of the heat", "A\n", "B\nA", "mars", "I would say D", "earth", "", "I choose C over A",
        "The correct answer isn't A. It's D.", "A is not right; B is right.", "(C)", "Option AB", "The choice be: A",
        "D, since Mars. is cold", "A=B? then C", "answer is\n\nB", "Venus, the planet Venus", "earth (OR c)",
    ],
}
CHINESE = {
    "question": "已知条件如下。太阳系中最大的行星是____，这一点没有争议。",
    "options": ["火星", "木星", "土星", "大木星。"],
    "replies": [
        "答案是B。", "太阳系中最大的行星是木星。", "应该选C选项", "D正确", "（A）", "大木星", "土", "", "选：A", "答案不是A，而是B",
        "A不正确，C正确", "B符合题意", "选择D、", "正确答案为：C", "A\n", "我认为是土星，这一点没有争议", "【答案】D", "A对的", "AB", "答案: (B)",
    ],
}


def letters(folder):
    class Fuzz:
        @staticmethod
        def extractOne(*_):
            raise LookupError

    names = ["torch", "pandas", "tqdm", "thefuzz", "transformers", "transformers.trainer_utils", "transformers.generation"]
    held = {name: sys.modules.get(name) for name in names}
    for name in names:
        module = sys.modules[name] = types.ModuleType(name)
        module.__getattr__ = lambda _: Fuzz
    sys.modules["torch"].no_grad = lambda: lambda function: function
    sys.modules["thefuzz"].process = Fuzz
    sys.path.insert(0, str(folder / "eval"))
    import evaluate_chat_ceval
    import evaluate_chat_mmlu

    for name, module in held.items():
        del sys.modules[name]
        if module:
            sys.modules[name] = module
    made = []
    for script, case in [(evaluate_chat_mmlu, ENGLISH), (evaluate_chat_ceval, CHINESE)]:
        row = {"question": case.get("question", ""), **dict(zip("ABCD", case["options"]))}
        found = []
        for reply in case["replies"]:
            try:
                found.append(script.extract_answer(reply, row))
            except LookupError:
                found.append(None)
        made.append({"question": row["question"], "options": case["options"], "replies": case["replies"], "letters": found})
    return {"english": made[0], "chinese": made[1]}


def write_parquet():
    table = [
        {"question": "Which is even?", "subject": "made_up", "choices": ["1", "2", "3", "5"], "answer": 1,
         "more": {"score": 0.5, "labels": [1, 0]}},
        {"question": "哪个？", "subject": "made_up", "choices": ["甲", "乙"], "answer": 0, "more": {"score": None, "labels": []}},
    ]
    text, more = pyarrow.string(), [("score", pyarrow.float64()), ("labels", pyarrow.list_(pyarrow.int32()))]
    schema = pyarrow.schema([("question", text), ("subject", text), ("choices", pyarrow.list_(text)),
                             ("answer", pyarrow.int64()), ("more", pyarrow.struct(more))])
    table = pyarrow.Table.from_pylist(table, schema=schema)
    for name, packing in [("snappy", "snappy"), ("plain", "none"), ("zstd", "zstd")]:
        pyarrow.parquet.write_table(table, HERE / f"rows_{name}.parquet", compression=packing)


def dump(name, value):
    (HERE / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def main():
    HERE.mkdir(parents=True, exist_ok=True)
    write_data()
    write_parquet()
    dump("subjects.json", subjects())
    if len(sys.argv) > 1:
        dump("letters.json", letters(Path(sys.argv[1])))
    made, chat = {}, {}
    for name, (config_file, splits, shots) in documents().items():
        with tempfile.TemporaryDirectory() as folder:
            made[name] = prompts(name, config_file, splits, shots, Path(folder))
        if name in CHAT:
            with tempfile.TemporaryDirectory() as folder:
                chat[f"{name} {CHAT[name]}"] = chats(config_file, splits, shots, Path(folder))
    dump("prompts.json", made)
    dump("chat.json", {"template": TEMPLATE, "prompts": chat})


if __name__ == "__main__":
    main()
