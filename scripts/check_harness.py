#!/usr/bin/env python3
"""lm-evaluation-harness and qwgpu on the same model and the same published files, document by document.

Sixteen documents each of MMLU (anatomy, 5 shots), TruthfulQA MC1, SNLI and BBQ (Age), beside those that the tests hold.
The harness runs its stock tasks over documents read here from the files; the model is the GGUF itself, in f32 on the
CPU, its values rounded once to bf16. Every document's digests, arguments, prediction and metrics must be equal, and each sum of log-probabilities within
1e-2. Prints the largest difference of each task.

Needs lm-eval 0.4.13, transformers 5.23.0, torch 2.15.0, gguf. Usage: check_harness.py QWGPU MODEL.gguf DATA [TASK...]
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import lm_eval.tasks
from lm_eval import simple_evaluate
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks._yaml_loader import load_yaml
from lm_eval.utils import get_results_filenames, get_sample_results_filenames

STOCK = Path(lm_eval.tasks.__file__).parent
DOCUMENTS = 16


def mmlu(data):
    def rows(split):
        with open(data / f"mmlu/{split}/anatomy_{split}.csv", newline="") as file:
            for row in csv.reader(file):
                yield {"question": row[0], "subject": "anatomy", "choices": row[1:5], "answer": "ABCD".index(row[5])}

    return {"test": list(rows("test")), "dev": list(rows("dev"))}


def truthfulqa(data):
    lists = lambda targets: {"choices": list(targets), "labels": list(targets.values())}
    table = json.loads((data / "truthfulqa/data/mc_task.json").read_text())
    rows = [{"question": r["question"], **{k: lists(r[k]) for k in ["mc1_targets", "mc2_targets"]}} for r in table]
    return {"validation": rows}


def snli(data):
    with open(data / "snli/test.tsv", newline="") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    return {"test": [{"premise": a, "hypothesis": b, "label": int(label)} for a, b, label in rows if label != "-1"]}


def bbq(data):
    return {"test": [json.loads(line) for line in open(data / "bbq/data/Age.jsonl")]}


# Task of qwgpu, its set, the harness's task, documents, shots, the first document asked.
TASKS = [
    ("mmlu:anatomy", "mmlu_anatomy", "mmlu/default/mmlu_anatomy.yaml", mmlu, 5, 0),
    ("truthfulqa_mc1", "truthfulqa_mc1", "truthfulqa/truthfulqa_mc1.yaml", truthfulqa, 0, 6),
    ("snli", "snli", "glue/mnli/default.yaml", snli, 0, 6),
    ("bbq:age", "bbq_age", "bbq/bbq_multiple_choice.yaml", bbq, 0, 0),
]


def build(name, config_file, splits, shots, folder):
    config = load_yaml(STOCK / config_file)
    files = {}
    for split, table in splits.items():
        files[split] = str(folder / f"{name}_{split}.jsonl")
        Path(files[split]).write_text("".join(json.dumps(row) + "\n" for row in table))
    for key in ["training_split", "validation_split", "test_split", "fewshot_split", "tag", "group"]:
        config.pop(key, None)
    first = next(iter(splits))
    config.update(task=name, dataset_path="json", dataset_name=None, dataset_kwargs={"data_files": files}, num_fewshot=shots)
    config["validation_split" if first == "validation" else "test_split"] = first
    if "dev" in splits:
        config["fewshot_split"] = "dev"
    return ConfigurableTask(config=config)


def ours(qwgpu, model, data, task, shots, limit, folder):
    out = folder / task.replace(":", "_")
    subprocess.run(
        [qwgpu, "eval", "--model", model, "--path", "cpu", "--tasks", task, "--shots", str(shots), "--limit", str(limit)]
        + ["--dequantize", "--data", str(data), "--out", str(out), "--context", "4096"],
        check=True, stdout=subprocess.DEVNULL,
    )
    files = [str(path) for path in out.rglob("*.json*") if not path.name.startswith("journal")]
    # As the harness finds them for its own uploads.
    assert len(get_results_filenames(files)) == 1
    samples = {}
    for file in get_sample_results_filenames(files):
        for line in open(file):
            samples.setdefault(Path(file).name.split("_2")[0].removeprefix("samples_"), []).append(json.loads(line))
    return samples


def main():
    qwgpu, model, data = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    lm = HFLM(pretrained=str(model.parent), gguf_file=model.name, dtype="float32", device="cpu", batch_size=1)
    # As qwgpu holds a GGUF: every value rounded once to bf16.
    for weight in lm.model.parameters():
        weight.data = weight.data.bfloat16().float()
    off = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for task, name, config_file, documents, shots, first in TASKS:
            if sys.argv[4:] and task not in sys.argv[4:]:
                continue
            built = build(name, config_file, documents(data), shots, folder)
            wanted = list(range(first, first + DOCUMENTS))
            theirs = simple_evaluate(lm, tasks=[built], samples={name: wanted}, log_samples=True, bootstrap_iters=0)
            theirs = sorted(theirs["samples"][name], key=lambda sample: sample["doc_id"])
            mine = ours(qwgpu, model, data, task, shots, first + DOCUMENTS, folder)[name][first:]
            assert [s["doc_id"] for s in mine] == wanted and len(theirs) == DOCUMENTS, (len(theirs), len(mine))
            worst, right = 0.0, 0
            for their, my in zip(theirs, mine):
                for key in ["doc_hash", "prompt_hash", "target_hash"]:
                    assert their[key] == my[key], (name, their["doc_id"], key)
                arguments = [list(a) for a in their["arguments"]]
                assert arguments == [[a["arg_0"], a["arg_1"]] for a in my["arguments"].values()], (name, their["doc_id"])
                sums = [float(r[0]) for r in their["filtered_resps"]], [float(r[0]) for r in my["filtered_resps"]]
                assert len(sums[0]) == len(sums[1])
                worst = max(worst, *(abs(a - b) for a, b in zip(*sums)))
                best = [max(range(len(s)), key=s.__getitem__) for s in sums]
                assert best[0] == best[1] and their["acc"] == my["acc"], (name, their["doc_id"], sums)
                right += their["acc"]
            print(f"{name}: {DOCUMENTS} documents from {first} equal, acc {right}/{DOCUMENTS}, sums differ by {worst:.1e} at most", flush=True)
            off += [name] if worst >= 1e-2 else []
    assert not off, off


if __name__ == "__main__":
    main()
