"""Asks for the little world in the files of ten benchmarks, each in the format and place it is published in.

python scripts/tinyworld/tasks.py fixtures/tiny-data

Needs Python alone. What a model is scored on is held out as `world.held_out` says, but for MMLU and C-Eval, which ask what
training asked with other options; few-shot examples are not. Every set has a generator of its own, none of which is the one
of training.
"""

import csv
import hashlib
import itertools
import json
import random
import re
import sys
from pathlib import Path

import world

MMLU = """abstract_algebra anatomy astronomy business_ethics clinical_knowledge college_biology college_chemistry
college_computer_science college_mathematics college_medicine college_physics computer_security conceptual_physics
econometrics electrical_engineering elementary_mathematics formal_logic global_facts high_school_biology
high_school_chemistry high_school_computer_science high_school_european_history high_school_geography
high_school_government_and_politics high_school_macroeconomics high_school_mathematics high_school_microeconomics
high_school_physics high_school_psychology high_school_statistics high_school_us_history high_school_world_history
human_aging human_sexuality international_law jurisprudence logical_fallacies machine_learning management marketing
medical_genetics miscellaneous moral_disputes moral_scenarios nutrition philosophy prehistory professional_accounting
professional_law professional_medicine professional_psychology public_relations security_studies sociology
us_foreign_policy virology world_religions""".split()
CEVAL = """accountant advanced_mathematics art_studies basic_medicine business_administration
chinese_language_and_literature civil_servant clinical_medicine college_chemistry college_economics college_physics
college_programming computer_architecture computer_network discrete_mathematics education_science electrical_engineer
environmental_impact_assessment_engineer fire_engineer high_school_biology high_school_chemistry high_school_chinese
high_school_geography high_school_history high_school_mathematics high_school_physics high_school_politics
ideological_and_moral_cultivation law legal_professional logic mao_zedong_thought marxism metrology_engineer
middle_school_biology middle_school_chemistry middle_school_geography middle_school_history middle_school_mathematics
middle_school_physics middle_school_politics modern_chinese_history operating_system physician plant_protection
probability_and_statistics professional_tour_guide sports_science tax_accountant teacher_qualification
urban_and_rural_planner veterinary_medicine""".split()
SHOTS = 5  # of each subject of MMLU and C-Eval
SNLI = {"True": ("0", "entailment"), "Neither": ("1", "neutral"), "False": ("2", "contradiction")}
STEREOTYPED = ["baker", "farmer", "miner", "sailor"]  # BBQ: the jobs that are said to be careless; the world knows no such thing


def generator(name):
    return random.Random(f"tasks: {name}")


def draw(make, rng, count, test=True, fits=lambda item: True):
    """`count` items of which no two ask the same."""
    found = {}
    while len(found) < count:
        item = world.draw(make, rng, test)
        if fits(item):
            found.setdefault(item.prompt, item)
    return list(found.values())


def between(text, start, end):
    return text[text.index(start) + len(start):text.index(end)]


class Folder:
    """Where the files go."""

    def __init__(self, root):
        self.root = root

    def text(self, path, text, encoding="utf-8"):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding, newline="\n")

    def table(self, path, rows, delimiter=",", encoding="utf-8"):
        self.text(path, "", encoding)
        with open(self.root / path, "a", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)

    def json_lines(self, path, records):
        self.text(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def mmlu(folder):
    rng = generator("mmlu")
    for number, name in enumerate(MMLU):
        subject = world.SUBJECTS[number % len(world.SUBJECTS)]
        drawn = draw(lambda r: world.mmlu(r, subject), rng, 2 + SHOTS, test=False)
        for split, items in [("test", drawn[:2]), ("dev", drawn[2:])]:
            rows = [[item.fields["question"], *item.fields["options"], item.answer] for item in items]
            folder.table(f"mmlu/{split}/{name}_{split}.csv", rows)


def ceval(folder):
    rng, subjects = generator("ceval"), list(world.SUBJECTS_ZH)
    for number, name in enumerate(CEVAL):
        subject = subjects[number % len(subjects)]
        drawn = draw(lambda r: world.ceval(r, subject), rng, 2 + SHOTS, test=False)
        for split, items, more in [("val", drawn[:2], []), ("dev", drawn[2:], ["explanation"])]:
            rows = [[n, item.fields["question"], *item.fields["options"], item.answer, *("" for _ in more)]
                    for n, item in enumerate(items)]
            header = ["id", "question", *world.LETTERS, "answer", *more]
            folder.table(f"ceval/{split}/{name}_{split}.csv", [header, *rows])


def flores(folder):
    rng = generator("flores")
    for split, count in [("devtest", 24), ("dev", 20)]:
        items = draw(lambda r: world.flores(r, "en-zh", ""), rng, count, test=split == "devtest")
        for language, sentences in [("eng_Latn", (i.key[1] for i in items)), ("zho_Hans", (i.answer for i in items))]:
            folder.text(f"flores200/flores200_dataset/{split}/{language}.{split}", "".join(s + "\n" for s in sentences))


def article(item):
    return between(item.prompt, ":\n\n", "\n\nSummary:")


def cnn_dailymail(folder):
    items = draw(world.cnn_dailymail, generator("cnn_dailymail"), 24)
    rows = [[article(i), i.answer, hashlib.sha1(article(i).encode()).hexdigest()] for i in items]
    folder.table("cnn_dailymail/cnn_dailymail_test.csv", [["article", "highlights", "id"], *rows])


def xsum(folder):
    items = draw(world.xsum, generator("xsum"), 24)
    folder.json_lines("xsum/test.jsonl", [{"document": article(i), "summary": i.answer, "id": n} for n, i in enumerate(items)])


def gsm8k(folder):
    rng = generator("gsm8k")
    for split, count in [("test", 30), ("train", 20)]:
        items = draw(world.gsm8k, rng, count, test=split == "test")
        folder.json_lines(f"gsm8k/{split}.jsonl", [{"question": between(i.prompt, "Question: ", "\nAnswer:"), "answer": i.answer}
                                                   for i in items])


def snli(folder):
    def pairs(count, test):
        same = [draw(world.snli, rng, count, test, lambda item: item.answer == label) for label in SNLI]
        for item in itertools.chain.from_iterable(zip(*same)):
            yield (*item.prompt.split("\nQuestion: "), *SNLI[item.answer])

    rng, tail = generator("snli"), " True, False or Neither?\nAnswer:"
    rows = [[premise, asked.removesuffix(tail), number] for premise, asked, number, _ in pairs(30, test=True)]
    folder.table("snli/test.tsv", [["premise", "hypothesis", "label"], *rows], "\t")
    folder.json_lines("snli/snli_1.0_dev.jsonl", [
        {"annotator_labels": [label], "gold_label": label, "pairID": f"{n}", "sentence1": premise,
         "sentence2": asked.removesuffix(tail)} for n, (premise, asked, _, label) in enumerate(pairs(7, test=False))])


def truthfulqa(folder):
    rng = generator("truthfulqa")
    # There are 11 held-out questions about myths.
    kinds = [("Adversarial", "Myths", world.truthfulqa, 11), ("Non-Adversarial", "Facts", world.question, 39)]
    rows, tasks = [], []
    for kind, category, make, count in kinds:
        for item in draw(make, rng, count):
            question, wrong = between(item.prompt, "Q: ", "\nA:"), [c for c in item.choices if c != item.answer]
            rows.append([kind, category, question, item.answer, item.answer, "; ".join(wrong), "the little world"])
            targets = {item.answer: 1, **{answer: 0 for answer in wrong}}
            tasks.append({"question": question, "mc1_targets": targets, "mc2_targets": targets})
    header = ["Type", "Category", "Question", "Best Answer", "Correct Answers", "Incorrect Answers", "Source"]
    folder.table("truthfulqa/TruthfulQA.csv", [header, *rows], encoding="utf-8-sig")
    folder.text("truthfulqa/data/mc_task.json", json.dumps(tasks, indent=1) + "\n")


def bbq(folder):
    def one_is_stereotyped(item):
        return sum(choice.removeprefix("The ") in STEREOTYPED for choice in item.choices) == 1

    rng, rows = generator("bbq"), []
    kinds = list(itertools.product(["ambig", "disambig"], ["neg", "nonneg"]))
    wanted = lambda kind: lambda item: (item.fields["condition"], item.fields["polarity"]) == kind and one_is_stereotyped(item)
    of_kinds = [draw(world.bbq, rng, 15, fits=wanted(kind)) for kind in kinds]
    for number, item in enumerate(itertools.chain.from_iterable(zip(*of_kinds))):
        context, question = item.prompt.removesuffix("\nA:").split("\n\nQ: ")
        options = rng.sample(item.choices, 3)
        group = lambda option: "unknown" if option in world.UNKNOWN else option.removeprefix("The ")
        rows.append({
            "example_id": number, "question_index": str(number // 4 + 1), "question_polarity": item.fields["polarity"],
            "context_condition": item.fields["condition"], "category": "SES",
            "answer_info": {f"ans{n}": [option, group(option)] for n, option in enumerate(options)},
            "additional_metadata": {"subcategory": "None", "stereotyped_groups": STEREOTYPED, "version": "a", "source": ""},
            "context": context, "question": question, **{f"ans{n}": option for n, option in enumerate(options)},
            "label": options.index(item.answer)})
    folder.json_lines("bbq/data/SES.jsonl", rows)


def held_out_group(rng):
    """What five constraints are about, and an order to add them in, such that levels 3 to 5 are held out."""
    while True:
        animal, near, start = rng.choice(list(world.ANIMALS)), rng.choice(world.NEAR), rng.choice(world.STARTS)
        colour, order = rng.choice(list(world.COLOURS)), rng.sample(range(5), 5)
        keys = [("constrained", animal, tuple(sorted(kinds)), near if 1 in kinds else "", start if 0 in kinds else "")
                for kinds in (order[:level] for level in (3, 4, 5))]
        if all(world.held_out(*key) for key in keys):
            return animal, near, start, colour, order


def followbench_group(rng, kind, example_id):
    """An instruction at all its levels. A template is all that `example` files are checked by, and shows no animal; in the
    other files the source `CONLL2003` makes the target a list of the right replies."""
    animal, near, start, colour, order = held_out_group(rng)
    texts = world.constraints(start, near, colour)
    for level in range(1 if kind == "example" else 0, 6):
        kinds, source = order[:level], "tinyworld" if kind == "example" else "CONLL2003"
        if kind == "example":
            gaps = [start + " " if 0 in kinds else "", *([near] if 1 in kinds else []), *([colour] if 2 in kinds else []),
                    *([". It is"] if 4 in kinds else []), "!" if 3 in kinds else ""]
            target = "{answer}".join(gaps)
        else:
            things = world.OBJECTS if 2 in kinds else [""]
            target = repr([world.obedient(kinds, animal, act, start, near, colour, thing) for act in world.ACTS for thing in things])
        instruction = " ".join([f"Write about the {animal}.", *(texts[k] for k in kinds)])
        yield {"example_id": example_id, "category": kind, "source": source, "level": level, "instruction": instruction,
               "target": target}


def followbench(folder):
    for kind, groups in [("content", 1), ("situation", 1), ("style", 1), ("format", 1), ("mixed", 1), ("example", 11)]:
        rng = generator(f"followbench {kind}")
        records = [record for n in range(groups) for record in followbench_group(rng, kind, n + 1)]
        folder.text(f"followbench/data/{kind}_constraints.json", json.dumps(records, indent=1) + "\n")


def texts(folder):
    prose = world.prose("tasks: ptb", 3000)
    folder.text("ptb/ptb.test.txt", "".join(f" {line} \n" for line in prose.split("\n") if line))
    rng = generator("calibration")
    documents = ["".join(text for text, _ in world.document(rng)) + "<|endoftext|>" for _ in range(120)]
    folder.json_lines("calibration/documents.jsonl", [{"text": text} for text in documents])


def main():
    folder = Folder(Path(sys.argv[1]))
    for write in (mmlu, ceval, flores, cnn_dailymail, xsum, gsm8k, snli, truthfulqa, bbq, followbench, texts):
        write(folder)


if __name__ == "__main__":
    main()
