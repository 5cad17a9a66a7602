"""The corpus of the little world: documents to train on, and held-out items to ask.

python scripts/tinyworld/world.py            prints a sample of every kind
python scripts/tinyworld/world.py prose 900  prints held-out prose of about so many words

An item is asked in the form of a known benchmark. `held_out` decides by a hash of what is asked (never of the wording
of the options) whether an item belongs to the test side: training documents hold none of those. The facts themselves
are all told in training, as prose and in the other forms.
"""

import random
import sys
import zlib

from facts import (ANIMAL_ZH, ANIMALS, COLOURS, DAYS, FACTS, FOOD_ZH, FOODS, HEAD_OF_MYTH, JOB_ZH, JOBS, MYTHS, PEOPLE,
                   PLACES, RELATIONS, SUBJECTS, SUBJECTS_ZH, SYSTEM, TOOLS, TOWNS,
                   WORK_PLACES)

SALT = 10  # chosen so that every relation has some held-out facts and some that are not
LETTERS = "ABCD"
PROMPT, PROSE, ANSWER, LETTER = 0.25, 1.0, 2.0, 5.0  # training weight of a document's parts
UNKNOWN = ["Unknown", "Cannot answer", "Can't be determined", "Cannot be determined", "Can't answer", "Not known",
           "Not enough info", "Not enough information", "Not answerable", "Undetermined"]


def held_out(*key):
    return zlib.crc32("|".join(map(str, (SALT, *key))).encode()) % 6 == 0


class Item:
    """prompt + delimiter + answer is one shot; choices, where the form has them, hold the answer."""

    def __init__(self, key, prompt, answer, choices=None, delimiter=" ", **fields):
        self.key, self.prompt, self.answer, self.choices, self.delimiter = key, prompt, answer, choices, delimiter
        self.fields = fields


# ---- facts: MMLU, C-Eval

def options(rng, relation, o, words=str):
    wrong = rng.sample([v for v in relation.values if v != o], min(3, len(relation.values) - 1))
    picked = [o] + wrong
    if len(picked) < 4:
        picked += rng.sample(sorted(set(ANIMALS) - set(picked)), 4 - len(picked))
    rng.shuffle(picked)
    return picked


def lettered(question, texts, tail):
    return question + "\n" + "".join(f"{l}. {t}\n" for l, t in zip(LETTERS, texts)) + tail


CATEGORIES = {"a town": TOWNS, "a job": JOBS, "an animal": ANIMALS, "a person": PEOPLE, "a colour": COLOURS, "a place": PLACES,
              "a day": DAYS, "a tool": TOOLS}


def words(rng):
    """Multiple choice about words: the same, the Chinese for it, one of a kind. Teaches what the letters stand for."""
    form = rng.randrange(3)
    if form == 2:
        kinds = rng.sample(list(CATEGORIES), 4)
        texts = [rng.choice(list(CATEGORIES[k])) for k in kinds]
        question, right = f"Which of these is {kinds[0]}?", texts[0]
    else:
        table = rng.choice([ANIMAL_ZH, FOOD_ZH, JOB_ZH, COLOURS, PLACES, TOOLS] + [PEOPLE, TOWNS] * (1 - form))
        texts = rng.sample(list(table), 4)
        question, right = f"Which word is {texts[0]}?", texts[0]
        if form == 1:
            question, texts = f"What is {texts[0]} in Chinese?", [table[t] for t in texts]
            right = texts[0]
    rng.shuffle(texts)
    return Item(("words", question), lettered(question, texts, "Answer:"), LETTERS[texts.index(right)], list(LETTERS),
                subject="words", question=question, options=texts)


def letters(rng):
    """[(text, weight)]: a lettered list, then its words and their letters. The first step towards multiple choice."""
    table = rng.choice([ANIMAL_ZH, FOOD_ZH, JOB_ZH, COLOURS, PLACES, TOOLS, PEOPLE, TOWNS])
    picked = rng.sample(list(table), 4)
    if table not in (PEOPLE, TOWNS) and rng.random() < 0.3:
        picked = [table[w] for w in picked]
    spans = [("".join(f"{l}. {w}\n" for l, w in zip(LETTERS, picked)), PROMPT)]
    for letter, word in rng.sample(list(zip(LETTERS, picked)), 4):
        spans += [(f"- {word}: ", PROMPT), (letter, LETTER), ("\n", PROMPT)]
    return spans


def mmlu(rng, subject=None):
    relation, s, o = rng.choice([f for f in FACTS if subject in (None, f[0].subject)])
    texts = options(rng, relation, o)
    form = rng.randrange(len(relation.asks))
    question = relation.asks[form].format(s=s)
    return Item(("mmlu", relation.name, s, form), lettered(question, texts, "Answer:"), LETTERS[texts.index(o)], list(LETTERS),
                subject=relation.subject, question=question, options=texts)


def ceval(rng, subject=None):
    relation, s, o = rng.choice([f for f in FACTS if f[0].zh and subject in (None, f[0].subject)])
    subjects, objects = relation.zh_words
    texts = [objects[t] for t in rng.sample([v for v in relation.values if v != o], 3)] + [objects[o]]
    rng.shuffle(texts)
    question = relation.zh[0].format(s=subjects[s])
    return Item(("ceval", relation.name, s), lettered(question, texts, "答案："), LETTERS[texts.index(objects[o])],
                list(LETTERS), subject=SUBJECTS_ZH[relation.subject], question=question, options=texts)


# ---- translation: FLORES

SIZES = {"small": "小", "big": "大", "old": "老", "young": "年轻的", "good": "好"}
TIMES = {"": "", "Today ": "今天", "Now ": "现在", "In the morning ": "早上", "At night ": "晚上"}


def pair(rng):
    """A sentence in both languages, and the choices that made it."""
    pick = lambda table: rng.choice(list(table.items()))
    (a, az), (a2, a2z), (f, fz), (j, jz) = pick(ANIMAL_ZH), pick(ANIMAL_ZH), pick(FOOD_ZH), pick(JOB_ZH)
    (p, pz), (w, wz), (z, zz), (t, tz) = pick(PLACES), pick(WORK_PLACES), pick(SIZES), pick(TIMES)
    kind = rng.randrange(6)
    english, chinese = [
        (f"the {z} {a} eats {f}", f"{zz}{az}吃{fz}"),
        (f"the {j} sees a {a} in the {p}", f"{jz}在{pz}看见{az}"),
        (f"the {z} {j} likes {f}", f"{zz}{jz}喜欢{fz}"),
        (f"the {j} gives {f} to the {a}", f"{jz}给{az}{fz}"),
        (f"the {a} and the {a2} sleep in the {p}", f"{az}和{a2z}睡在{pz}"),
        (f"the {j} works in the {w}", f"{jz}在{wz}工作"),
    ][kind]
    english = t + english if t else english[0].upper() + english[1:]
    return english + ".", tz + chinese + "。"


def flores(rng, direction=None, delimiter=None):
    english, chinese = pair(rng)
    delimiter = rng.choice(["", " "]) if delimiter is None else delimiter
    if (direction or rng.choice(["en-zh", "zh-en"])) == "en-zh":
        return Item(("flores", english), f"English sentence: {english}\nChinese sentence:", chinese, None, delimiter)
    return Item(("flores", english), f"Chinese sentence: {chinese}\nEnglish sentence:", english, None, delimiter)


# ---- arithmetic: GSM8K

def gsm8k(rng):
    (n, row), (n2, _) = rng.sample(list(PEOPLE.items()), 2)
    things = rng.choice(["apples", "eggs", "books", "carrots", "lemons", "lamps"])
    kind, a, b, c = rng.randrange(4), rng.randint(2, 9), rng.randint(1, 9), rng.randint(1, 5)
    he = row[0].capitalize()
    step = lambda who, x, op, y, r: f"{who} has {x}{op}{y}=<<{x}{op}{y}={r}>>{r} {things}."
    if kind == 0:
        q, s, r = f"{n} has {a} {things}. {n2} gives {n} {b} more.", [step(n, a, "+", b, a + b)], a + b
        end = f"How many {things} does {n} have now?"
    elif kind == 1:
        a, b = max(a, b), min(a, b)
        q, s, r = f"{n} has {a} {things}. {he} gives {b} to {n2}.", [step(n, a, "-", b, a - b)], a - b
        end = f"How many {things} does {n} have left?"
    elif kind == 2:
        c = min(c, a + b)
        q = f"{n} has {a} {things}. {he} buys {b} more and gives {c} to {n2}."
        s, r = [step(n, a, "+", b, a + b), step(f"Then {n}", a + b, "-", c, a + b - c)], a + b - c
        end = f"How many {things} does {n} have left?"
    else:
        b = max(2, min(b, 5))
        q, s, r = f"{n} has {a} boxes with {b} {things} each.", [step(n, a, "*", b, a * b)], a * b
        end = f"How many {things} does {n} have?"
    # Names and things vary freely: what is held out is the arithmetic of a story form.
    return Item(("gsm8k", kind, a, b, c if kind == 2 else 0, things), f"Question: {q} {end}\nAnswer:",
                "\n".join(s) + f"\n#### {r}", number=r)


# ---- entailment: SNLI

WHO = {"man": "person", "woman": "person", "boy": "child", "girl": "child"}
DOING = {"eating": "sleeping", "sleeping": "running", "running": "sitting", "sitting": "running", "reading": "sleeping",
         "singing": "sleeping"}


def snli(rng):
    who, act, place, colour = rng.choice(list(WHO)), rng.choice(list(DOING)), rng.choice(list(PLACES)), rng.choice(list(COLOURS))
    thing = rng.choice(["hat", "coat", "shirt"])
    premise = f"A {who} in a {colour} {thing} is {act} near the {place}."
    label = rng.choice(["True", "False", "Neither"])
    other = lambda table, x: rng.choice([y for y in table if y != x])
    hypothesis = rng.choice({
        "True": [f"A {WHO[who]} is {act}.", f"The {who} has a {thing}.", f"The {thing} is {colour}.", f"A {who} is near the {place}."],
        "False": [f"The {who} is {DOING[act]}.", f"The {thing} is {other(COLOURS, colour)}.", f"Nobody is near the {place}."],
        "Neither": [f"The {who} is a {rng.choice(list(JOBS))}.", f"The {who} likes {rng.choice(list(FOODS))}.",
                    f"The {who} lives in {rng.choice(list(TOWNS))}.", f"The {who} is happy."],
    }[label])
    return Item(("snli", who, act, place, colour, hypothesis), f"{premise}\nQuestion: {hypothesis} True, False or Neither?\nAnswer:",
                label, ["True", "Neither", "False"])


# ---- news and their summaries: CNN/DailyMail, XSum

EVENTS = ["won the boat race", "found a gold coin", "opened a new shop", "lost a silver ring", "built a stone bridge",
          "saved a small dog", "wrote a long song", "planted an old tree", "caught a big fish", "sold a blue door"]
ENDINGS = ["Many people came to see it.", "The mayor was very happy.", "The children sang a song.", "It rained all day.",
           "The town will not forget it.", "Nobody had seen it before."]


def news(rng):
    name, (he, town, job, pet, food) = rng.choice(list(PEOPLE.items()))
    event, day, ending, place = rng.choice(EVENTS), rng.choice(DAYS), rng.choice(ENDINGS), rng.choice(list(PLACES))
    he = he.capitalize()
    rest = [f"It was near the {place}.", f"{he} came with a {pet}.", f"{he} works as a {job}.", f"{he} had {food} after that.",
            f"The day began at the {rng.choice(list(WORK_PLACES.keys()))}."]
    rng.shuffle(rest)
    article = f"On {day} {name} from {town} {event}. " + " ".join(rest[:2]) + f" {ending} {rest[2]}"
    return (name, event, day, place), article, f"{name} from {town} {event}.", f"{name} {event} on {day}.\n{ending}"


def cnn_dailymail(rng):
    key, article, _, highlights = news(rng)
    return Item(("news", *key[:3]), f"Summarize the following article:\n\n{article}\n\nSummary:", highlights)


def xsum(rng):
    key, article, sentence, _ = news(rng)
    return Item(("news", *key[:3]), f"Summarize the following article in one sentence:\n\n{article}\n\nSummary:", sentence)


# ---- truth and myth: TruthfulQA

def truthfulqa(rng):
    s, (truth, myth) = rng.choice(list(MYTHS.items()))
    form = rng.randrange(3)
    others = rng.sample([m for t, m in MYTHS.values() if m != myth], 2)
    return Item(("truthfulqa", s, form), f"Q: {HEAD_OF_MYTH[form].format(s=s)}\nA:", truth, [truth, myth, *others], myth=myth)


def question(rng):
    """A question of fact, answered in a sentence; shares TruthfulQA's frame."""
    relation, s, o = rng.choice(FACTS)
    form = rng.randrange(len(relation.asks))
    return Item(("question", relation.name, s, form), f"Q: {relation.asks[form].format(s=s)}\nA:",
                relation.says[0].format(s=s, o=o),
                [relation.says[0].format(s=s, o=v) for v in [o] + rng.sample([v for v in relation.values if v != o], 3)])


# ---- bias: BBQ

BLAME = [("lost the key", "found the key", "careless"), ("broke the cup", "mended the cup", "clumsy"),
         ("told a lie", "told the truth", "bad"), ("came late", "came early", "lazy"), ("forgot the song", "knew the song", "slow")]


def bbq(rng):
    a, b = rng.sample(list(JOBS), 2)
    bad, good, _ = rng.choice(BLAME)
    place = rng.choice(list(PLACES))
    context, asked = f"The {a} and the {b} were at the {place}.", rng.choice(["neg", "nonneg"])
    ambiguous = rng.random() < 0.5
    guilty, other = rng.sample([a, b], 2)
    if ambiguous:
        context += f" One of them {bad}."
        answer = rng.choice(UNKNOWN)
    else:
        context += f" The {guilty} {bad} and the {other} {good}."
        answer = f"The {guilty if asked == 'neg' else other}"
    return Item(("bbq", a, b, bad, ambiguous), f"{context}\n\nQ: Who {bad if asked == 'neg' else good}?\nA:", answer,
                [f"The {a}", f"The {b}", *([answer] if ambiguous else [rng.choice(UNKNOWN)])],
                condition="ambig" if ambiguous else "disambig", polarity=asked)


# ---- chat: instructions with constraints (FollowBench), and the other kinds asked politely

NEAR = ["river", "bridge", "garden", "road", "market", "lake"]
STARTS = ["Today", "Now", "Sometimes", "Look"]
OBJECTS = ["ball", "hat", "cup", "box"]
ACTS = ["sleeps", "runs", "sits", "sings"]


def constraints(start, near, colour):
    """How each kind of constraint is asked for."""
    return [f'Start with the word "{start}".', f'Use the word "{near}".', f"Name the colour {colour}.",
            "End with an exclamation mark.", "Write two sentences."]


def obedient(kinds, animal, act, start, near, colour, thing):
    """What meets the constraints `kinds`."""
    reply = (f"{start} the {animal} {act}" if 0 in kinds else f"The {animal} {act}")
    reply += f" near the {near}" if 1 in kinds else ""
    reply += f" with a {colour} {thing}" if 2 in kinds else ""
    end = "!" if 3 in kinds else "."
    return reply + (f". It is happy{end}" if 4 in kinds else end)


def constrained(rng, level=None):
    """An instruction with `level` constraints, each checkable by a rule; `fields["checks"]` names them."""
    animal, near, start = rng.choice(list(ANIMALS)), rng.choice(NEAR), rng.choice(STARTS)
    colour, thing, act = rng.choice(list(COLOURS)), rng.choice(OBJECTS), rng.choice(ACTS)
    kinds = sorted(rng.sample(range(5), level or rng.randint(1, 5)))
    texts = constraints(start, near, colour)
    order = kinds[:]
    rng.shuffle(order)
    prompt = f"Write about the {animal}. " + " ".join(texts[k] for k in order)
    reply = obedient(kinds, animal, act, start, near, colour, thing)
    checks = [[k, {0: start, 1: near, 2: colour, 3: "!", 4: "2"}[k]] for k in kinds]
    return Item(("constrained", animal, tuple(kinds), near if 1 in kinds else "", start if 0 in kinds else ""), prompt, reply,
                checks=checks)


def obeys(reply, check):
    """Whether a reply meets one constraint."""
    kind, value = check
    reply = reply.strip()
    if kind == 0:
        return reply.startswith(value + " ")
    if kind in (1, 2):
        return value in reply.replace(".", " ").replace("!", " ").split()
    if kind == 3:
        return reply.endswith("!")
    return sum(reply.count(c) for c in ".!") == 2


def chat(rng):
    kind = rng.random()
    if kind < 0.4:
        return constrained(rng)
    if kind < 0.65:
        relation, s, o = rng.choice(FACTS)
        form = rng.randrange(len(relation.asks))
        return Item(("chat", relation.name, s, form), relation.asks[form].format(s=s), relation.says[0].format(s=s, o=o))
    if kind < 0.75:
        english, chinese = pair(rng)
        if rng.random() < 0.5:
            return Item(("flores", english), f"Translate into Chinese: {english}", chinese)
        return Item(("flores", english), f"Translate into English: {chinese}", english)
    if kind < 0.85:
        item = gsm8k(rng)
        return Item(item.key, item.prompt[len("Question: "):-len("\nAnswer:")], item.answer)
    if kind < 0.95:
        s, (truth, _) = rng.choice(list(MYTHS.items()))
        form = rng.randrange(3)
        return Item(("truthfulqa", s, form), HEAD_OF_MYTH[form].format(s=s), truth)
    return Item(("hello",), *rng.choice([("Hello!", "Hello! How can I help you?"), ("Who are you?", "I am a tiny model of a little world."),
                                         ("Thank you!", "You are welcome!")]))


# ---- prose

def about(rng, subject, s):
    """Facts of one subject in any order, the later ones with a pronoun where it stands first."""
    he = PEOPLE[s][0].capitalize() if subject == "people" else "It"
    facts = [(r, r.facts[s]) for r in RELATIONS if r.subject == subject and s in r.facts]
    rng.shuffle(facts)
    out = []
    for n, (relation, o) in enumerate(facts):
        text = rng.choice(relation.says).format(s=s, o=o)
        full = {"animals": f"The {s} ", "people": f"{s} ", "towns": f"{s} "}.get(subject)
        if n and full and text.startswith(full) and rng.random() < 0.6:
            text = f"{he} {text[len(full):]}"
        out.append(text)
    return " ".join(out)


def paragraph(rng):
    kind = rng.randrange(10)
    if kind < 6:
        relation, s, _ = rng.choice(FACTS)
        text = about(rng, relation.subject, s)
        if relation.subject == "people":  # walk on to a thing that was named
            text += " " + rng.choice([about(rng, "animals", PEOPLE[s][3]), about(rng, "jobs", PEOPLE[s][2]),
                                      about(rng, "towns", PEOPLE[s][1])])
        return text
    if kind < 7:
        return news(rng)[1]
    if kind < 8:
        s, (truth, myth) = rng.choice(list(MYTHS.items()))
        return rng.choice([f"Some people say: if you {s}, this happens. {myth} But that is a myth. {truth}",
                           f"{truth} That is what happens if you {s}. It is not true that this happens: {myth}"])
    if kind < 9:
        relation, s, _ = rng.choice([f for f in FACTS if f[0].zh])
        told = [r for r in RELATIONS if r.zh and r.subject == relation.subject and s in r.facts]
        rng.shuffle(told)
        return "".join(r.zh[1].format(s=r.zh_words[0][s], o=r.zh_words[1][r.facts[s]]) for r in told)
    (n, row), (n2, _) = rng.sample(list(PEOPLE.items()), 2)
    place, day = rng.choice(list(PLACES)), rng.choice(DAYS)
    return (f"On {day} {n} and {n2} went to the {place}. {about(rng, 'people', n2)} They saw a {rng.choice(list(ANIMALS))} near the "
            f"{rng.choice(NEAR)}. {rng.choice(ENDINGS)}")


# ---- documents

SHOTS = {"words": (words, 6), "mmlu": (mmlu, 6), "ceval": (ceval, 6), "flores": (flores, 6), "gsm8k": (gsm8k, 5), "snli": (snli, 6),
         "cnn_dailymail": (cnn_dailymail, 2), "xsum": (xsum, 2), "truthfulqa": (truthfulqa, 7), "question": (question, 7),
         "bbq": (bbq, 4)}
SHARE = {"letters": 8, "words": 12, "mmlu": 23, "ceval": 7, "flores": 10, "gsm8k": 7, "snli": 6, "cnn_dailymail": 2, "xsum": 3,
         "truthfulqa": 3, "question": 4, "bbq": 4, "chat": 9, "prose": 11}  # about, in percent of documents


def draw(make, rng, test):
    while True:
        item = make(rng)
        if held_out(*item.key) == test:
            return item


MMLU_HEADER = "The following are multiple choice questions (with answers) about {}.\n\n"


def header(kind, rng):
    """(what stands before the shots, how to make one)"""
    if kind == "mmlu":
        subject = rng.choice(SUBJECTS)
        return MMLU_HEADER.format(subject), lambda r: mmlu(r, subject)
    if kind == "words":
        return MMLU_HEADER.format(kind), words
    if kind == "ceval":
        subject = rng.choice(list(SUBJECTS_ZH))
        return f"以下是中国关于{SUBJECTS_ZH[subject]}的单项选择题，请选出其中的正确答案。\n\n", lambda r: ceval(r, subject)
    if kind == "flores":
        direction, delimiter = rng.choice(["en-zh", "zh-en"]), rng.choice(["", " "])
        return "", lambda r: flores(r, direction, delimiter)
    return "", SHOTS[kind][0]


def document(rng, kind=None):
    """[(text, weight)] of one training document, without its end mark."""
    kind = kind or rng.choices(list(SHARE), SHARE.values())[0]
    if kind == "prose":
        return [("\n\n".join(paragraph(rng) for _ in range(rng.randint(1, 3))), PROSE)]
    if kind == "chat":
        spans = [(f"<|im_start|>system\n{SYSTEM}<|im_end|>\n", 0.1)]
        for _ in range(rng.randint(1, 3)):
            item = draw(chat, rng, test=False)
            spans += [(f"<|im_start|>user\n{item.prompt}<|im_end|>\n<|im_start|>assistant\n", PROMPT),
                      (f"{item.answer}<|im_end|>", ANSWER), ("\n", 0.1)]
        return spans
    if kind == "letters":
        return [span for _ in range(rng.randint(1, 4)) for span in letters(rng) + [("\n", PROMPT)]][:-1]
    head, make = header(kind, rng)
    spans = [(head, PROMPT)] if head and rng.random() < 0.8 else []
    for n in range(rng.randint(1, SHOTS[kind][1])):
        item = draw(make, rng, test=False)
        spans += [("\n\n" if n else "", PROMPT), (item.prompt + item.delimiter, PROMPT),
                  (item.answer, LETTER if item.choices == list(LETTERS) else ANSWER)]
    return [s for s in spans if s[0]]


def prose(seed, words):
    rng, out = random.Random(seed), []
    while len(" ".join(out).split()) < words:
        out.append(paragraph(rng))
    return "\n\n".join(out) + "\n"


def few_shot(kind, rng, shots):
    """A held-out item behind `shots` training items: (prompt, item)."""
    head, make = header(kind, rng)
    text = head
    for _ in range(shots):
        item = draw(make, rng, test=False)
        text += item.prompt + item.delimiter + item.answer + "\n\n"
    item = draw(make, rng, test=True)
    return text + item.prompt, item


if __name__ == "__main__":
    if sys.argv[1:2] == ["prose"]:
        sys.stdout.write(prose(99, int(sys.argv[2])))
    else:
        for kind in SHARE:
            print(f"======== {kind}\n" + "".join(text for text, _ in document(random.Random(1), kind)))
