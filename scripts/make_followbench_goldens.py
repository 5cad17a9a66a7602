"""Goldens of FollowBench's rules, judge prompts and verdicts: fixtures/tasks/followbench/*.json.

Runs the authors' own scripts on made-up replies: github.com/YJiangcm/FollowBench at 6278f4c, given as a folder.
Needs Python 3.11 and nothing else; matplotlib, which those scripts import for figures, is replaced by an empty module.

    python scripts/make_followbench_goldens.py FOLLOWBENCH_FOLDER
"""

import importlib
import json
import logging
import sys
import types
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "fixtures/tasks/followbench"

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
WORDS_21 = " ".join(["word"] * 21)
POINTS = "\n".join(f"**{n}. Growth: plan for it with care and check it every month or so." for n in range(1, 6))
TEN = "This plain sentence has ten words and no more today."

# By source: example_id, target, replies. A reply is judged at all five levels.
ENGLISH = {
    "E2E": (15, "name[A], eatType[pub]", ["name[A], eatType[pub]", "name[A], eatType[pub]\n", "name[A]", ""]),
    "text_editing": (3, "apples love I", ["apples love I", "Apples love I", " apples love I"]),
    "WIKIEVENTS": (19, "a died\nb died\nc <arg1>", ["a died", "c <arg1>\na died", "a died\n", "a died\nd died", ""]),
    "CONLL2003": (21, "['Bonn', \"Cote d'Or\"]", ["Bonn", "Cote d'Or", "bonn", "['Bonn']", "Bonn, Paris", ""]),
    "BBH_logical": (1, "(B)", ["(B)", "(A) or (B)", "(B), not (A)", "B", "(b)", "the answer is (B)."]),
    "BBH_time": (4, "02/09/1938", ["02/09/1938", "2/9/1938", "01/01/1900, then 02/09/1938", "02/09/19381", "102/09/1938"]),
    "self_made_space": (7, "14th floor", ["14th floor", "On the 14th floor.", "on the 114th floor", "floor 14"]),
    "gsm_8k": (9, "$42", ["$42", "She has $42.", "$42.50", "$42 of $50", "42", "$1,042", "$42,000"]),
    "cnn_dailymail": (11, "", [
        "Potter fame. The actor is rich. The films have ended.", "Potter fame. The actor is rich. The films end",
        "Potter fame. The actor is lavish. The films have ended.", "Potters. The actor is rich. The films have ended.",
        "Potter fame. The actor is rich. The films have ended. ", "Potter. actor. films has.", "Potter! actor? films has\u00e9.",
        f"Potter {LONG}. The actor is rich. The films have ended.", "Potter... actor.. films have ended", "One. Two.", "",
    ]),
    "xsum": (12, "", [
        "The operation is running smoothly.", "The operation is running smoothly in Newton Stewart.", "An operation runs.",
        "It is going on.", "Operations are growing", "operation am  being", "The operation is\nbringing joy", "A. B",
        f"The operation is running {LONG} and five more.", "operation is ingest", "_operation is going", "this operation is kings",
    ]),
    "samsum": (13, "", [
        "Some stuff to do.", "Some stuff to do", "Some stuff, to do.", "He procrastinates with stuff.", "Procrastination and stuff.",
        "Nothing to do.", f"stuff {LONG}.", "stuffed.", "stuff\u2014done.", "PROCRA\u017fT stuff.",
    ]),
    "gigaword": (14, "", [
        "a train crashed in the south of france", "a bus crashed in the south of france", "A train crashed in the south of france",
        "a train crashed in the south of france.", "a train crashed near the south of france", "in  two spaces make an empty word",
        "12 34 56 78 in 12 34 56", "a b c d e f in \u01c5", "buses crash in the south of old france", "\u00e9t\u00e9 b c d e f g in",
    ]),
    "arxiv": (15, "", [
        "We study activations.", "We study activations of a transformer.", "we study activations.", "Well activations.", "We study.",
        f"We see activations {LONG} and more and more still.", "We study activations. And more.", "We study activations of transformers.",
    ]),
    "format 22": (22, "", [
        "One.\n\nTwo.\n\nThree.", "One.\n\nTwo.", "a. b. c.\n\nTwo.\n\nThree.", f"{WORDS_21}.\n\n{WORDS_21}.\n\n{WORDS_21}.",
        f"1. {WORDS_21}.\n\n2. {WORDS_21}.\n\n3. {WORDS_21}.", f"1. {WORDS_21}\n\n2. {WORDS_21}\n\n3. x\n\nThose are suggestions",
        f"{WORDS_21}.\n\n{WORDS_21}.\n\n{WORDS_21}\n\n{WORDS_21} Those are suggestions", "1.\n\n2.\n\n\n\n3.", "", "a\n\n\nb\n\nc",
    ]),
    "format 30": (30, "", [
        POINTS, POINTS.replace("**", "* *"), POINTS.replace("**5", "**Five"), POINTS + " And more. And still more.", TEN, f"**{TEN}**",
        f"{TEN} {TEN}", "\n".join(f"**{n}: this point has a few words that make ten or more." for n in range(1, 6)),
        "\n".join(f"**{n}: this point has quick-ly a few words that make ten or more." for n in range(1, 6)),
        "\n".join(f"**{n} Growth: this plain point has ten words and not more." for n in range(1, 6)),
        "\n".join(f"**{n} Growth: this plain point has ten friend-ly words and no more." for n in range(1, 6)),
        "Mr. Smith met e.g. Ms. Jones, and they talked about 1. and 2. at length?", "Who? Me. You.\u001cThem.", "", "A.B. c", "x1. y. z. w",
    ]),
}
CHINESE = {
    "E2E": (15, "\u540d\u5b57[A]", ["\u540d\u5b57[A]", "\u540d\u5b57[A]\u3002"]),
    "text_editing": (3, "小明爱苹果", ["小明爱苹果", "小明爱苹果。"]),
    "CONLL2003": (19, "['波恩', '德国']", ["波恩", "德国", "波恩，德国"]),
    "BBH_logical": (1, "(B)", ["(B)", "（B）", "(A)和(B)"]),
    "BBH_time": (4, "02/09/1938", ["答案是02/09/1938。", "1938年2月9日"]),
    "self_made_space": (7, "14楼", ["在14楼", "十四楼"]),
    "gsm_8k": (9, "42美元", ["42美元", "一共42美元。", "$42", "142美元", "42 美元"]),
    "cnn_dailymail": (7, "", [
        "波特成名。演员富有。电影结束了。", "波特成名。演员奢侈。电影结束了。", "波特成名。演员富有。电影结束。", "成名。演员富有。电影结束了。",
        "波特成名！演员富有？电影结束了", "波特成名了又成名了又成名了又成名了。演员富有。电影结束了。", "波特成名.演员富有.电影结束了.",
    ]),
    "xsum": (8, "", ["操作正在进行。", "牛顿斯图尔特的操作正在进行。", "操作进行。", "他在。", "操作在进行操作在进行操作在进行操作在。", "操作在。好。"]),
    "samsum": (9, "", ["有琐碎的事。", "有琐碎的事", "有琐碎的拖沓的事。", "有，琐碎的事。", "没有事。", "琐碎的；事", "有琐碎的事有琐碎的事有琐碎的事。", "琐碎的!"]),
    "gigaword": (10, "", ["火车在法国南部撞", "火车在法国南部撞了", "公交车在法国南部", "火车在法国撞2次", "火车在法国撞两次", "火车在法国撞，了", "火车于法国南部撞", "火车在法国撞①次"]),
    "arxiv": (11, "", ["我们研究激活。", "我们研究transformer激活。", "研究激活。", "我们研究。", "我们研究激活我们研究激活我们研究激活我们研究激活。", "我们激活。我们"]),
    "format 22": (22, "", [
        "一。\n\n二。\n\n三。", "一。\n\n二。", "一。二。三。\n\n二。\n\n三。", "\n\n".join(["这" * 21 + "。"] * 3),
        "\n\n".join(f"{n}. " + "这" * 21 + "。" for n in (1, 2, 3)), "\n\n".join(f"{n}. " + "这" * 21 + "。" for n in (1, 2, 3)) + "\n\n这些是建议",
        "\n\n".join(f"{n}. " + "这" * 21 + "。" for n in (1, 2, 3)) + "\n\n4. " + "那" * 21 + "这些是建议",
    ]),
}
TEMPLATES = [
    ("{instruction}\n{{'a': '{answer}'}}", ["{'a': 'yes'}", "{'a': ''}", "{'a': 'yes'} ", "a: yes", "{'a': 'x\ny'}", "{'a': 'it's'}"]),
    ("{instruction}\nAnswer: {answer}", ["Answer: 4", "Answer: ", "Answer:", "answer: 4", "Answer: a\nb", "Answer: 4\n", "So Answer: 4"]),
    ("{instruction}\n[Bot]\n{answer}", ["[Bot]\nhi", "[Bot] hi", "B\nhi"]),
    ("{instruction}\n(1.5?) {answer} + .*{answer}$", ["(1.5?) a + b$", "(1.5?)  + $", "(1x5?) a + b$"]),
    ("{instruction}\n{answer}", ["anything", "", "two\nlines", "\u2028x", "a\rb"]),
]
VERDICTS = [
    "['YES']", "['NO']", "YES", "NO", "yes", "The answer is NO", "", "['YES', 'NO']", '["YES", "NO"]', "[YES, NO]", "['YES', 'NO',]",
    "1) fine\n2) fine\n['YES', 'YES']", "```python\n['NO', 'YES']\n```", "**['YES', 'PARTIAL']**", "['YES', 'MAYBE', 'YES']", "['YES', 'N/A']",
    "['YES', 'PARTIALLY']", "['YES', 'SOMETIMES']", "['YES' 'NO']", "[['YES', 'NO']]", "['YES', 'NO'] and more", "['YES', 'NO'", "YES, NO",
    "“YES”，“NO”", "[“YES”, “NO”]", "[\"YES\", 'NO', 'YES']", "[]", "['YES', 'NO']\n", "```['YES', 'UNKNOWN']```", "['YES', '']",
    "[__import__('os').getcwd(), 'NO']", "['YES', 1]", "('YES', 'NO')",
]
KINDS = ["content", "situation", "style", "format", "mixed"]
PATH = ["Write {a} text.", "Write a \"text\".\nShort.", "Third.", "4th", "5th", "6th"]


def load(folder):
    """The modules of one of the two forms."""
    for name in ("utils", "rule_based_evaluation", "gpt4_based_evaluation"):
        sys.modules.pop(name, None)
    sys.path.insert(0, str(folder))
    modules = importlib.import_module("rule_based_evaluation"), importlib.import_module("gpt4_based_evaluation")
    sys.path.pop(0)
    return modules


def main():
    pyplot = types.ModuleType("matplotlib.pyplot")
    matplotlib = types.ModuleType("matplotlib")
    matplotlib.pyplot = pyplot
    sys.modules |= {"matplotlib": matplotlib, "matplotlib.pyplot": pyplot}
    logging.disable(logging.CRITICAL)
    root = Path(sys.argv[1])
    rules, requests, verdicts = [], [], []
    for language, code, replies in [("en", "code", ENGLISH), ("zh", "code_zh", CHINESE)]:
        rule, judge = load(root / code)
        for source, (example_id, target, texts) in replies.items():
            for reply in texts:
                if source.startswith("format"):
                    call = lambda level: rule.rule_evaluation_format(reply, example_id, level)
                else:
                    call = lambda level: getattr(rule, f"rule_evaluation_{source}")(reply, target, level)
                rules.append({"language": language, "source": source, "example_id": example_id, "target": target, "reply": reply,
                              "met": [bool(call(level)) for level in range(1, 6)]})
        for target, texts in TEMPLATES:
            for reply in texts:
                met = rule.check_match(target.replace("{instruction}\n", ""), reply)
                rules.append({"language": language, "source": "example", "example_id": 1, "target": target, "reply": reply, "met": [met] * 5})
        for kind in KINDS:
            for level in (1, 2, 5) if kind == "mixed" else (1, 3):
                prompt = getattr(judge, f"{kind}_evaluation_prompt")(PATH[:level + 1], "A {reply}.\n")
                requests.append({"language": language, "kind": kind, "path": PATH[:level + 1], "reply": "A {reply}.\n", "prompt": prompt})
        for text in VERDICTS:
            for level in (1, 2, 3):
                hard, soft = judge.paring_discriminative_generation(text, level)
                verdicts.append({"language": language, "level": level, "text": text, "hard": hard, "soft": soft})
    OUT.mkdir(parents=True, exist_ok=True)
    for name, cases in [("rules", rules), ("requests", requests), ("verdicts", verdicts)]:
        lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
        (OUT / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        print(f"{name}: {len(cases)} cases")


main()
