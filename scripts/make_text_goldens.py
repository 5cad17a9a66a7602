"""Writes fixtures/text/: token ids and rendered chat templates from Hugging Face's own code.

    python3 -m venv venv && venv/bin/pip install transformers jinja2 tokenizers sentencepiece protobuf gguf numpy
    venv/bin/python scripts/make_text_goldens.py [MODEL.gguf]

MODEL.gguf: Qwen2.5-Coder-0.5B-Instruct. Of its data only ids and rendered prompts go into the fixtures. Without it
only families.json is written; see text_families.py.
"""

import hashlib
import json
import pathlib
import random
import sys

import gguf
import jinja2
import tokenizers
import text_families
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.utils.chat_template_utils import render_jinja_template

OUT = pathlib.Path(__file__).parent.parent / "fixtures/text"
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
PLAIN_ADDED = ["<tool_call>", "</tool_call>", "<tool_call>x"]


def pipeline(model):
    tok = Tokenizer(model)
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    tok.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tok.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    return tok


def added(tokens, special):
    return [AddedToken(t, special=special, normalized=False) for t in tokens]


FIXED = [
    "", " ", "  ", "\n", "\r\n", "\r\n\r\n", " \n", "\n ", "a", " a", "  a", "   a  ", "a\n\n  b", "\t\tx = 1\n\t\ty",
    "The capital of France is", "I'm we'll YOU'RE they'Ve it'S don't 'tis '\u017f ''s", "3.14159 1234567890 ٣٤٥ ½ Ⅷ",
    "中文分词测试。你好，世界！", "日本語のテキスト、カタカナ", "한국어 문장입니다", "Привет, мир", "مرحبا بالعالم", "שלום", "नमस्ते दुनिया",
    "Ünïcödé e\u0301 a\u0308\u0323 \u1100\u1161\u11a8 \ufb01 \u212b \u0344", "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪 ☃️", "\u00a0x \u2003y \u3000z\u2028w\u0085v",
    "a\u200bb\u200d\ufeffc", "\x00\x01\x7f\x1b[0m", "foo(bar)->baz::<T>();\r\n\r\n// ok\r\n", "    if n < 2:\n        return n\n",
    "<|im_start|>user\nhi<|im_end|>\n", "<|im_end|><|im_end|> <|im_end|>", "x<|endoftext|>y", "<|im_start|", "<tool_call>x</tool_call>",
    "<tool_call>\n{}\n</tool_call>", "e<|im_end|>\u0301", "!!! ??? ... ---\n\n", "  \n \n  x", "a \n b", "\u0301\u0301abc", "𝓯𝓪𝓷𝓬𝔂 𐍈",
]
ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJ", " ", "  \t", "\n\r", "0123456789", ".,;:!?()[]{}<>|/\\\"'`~@#$%^&*-_=+",
    "äöüßéèñçøåœ", "абвгдежзийклмн", "αβγδεζηθ", "中文字符测试分词器你我他的是", "ひらがなカタカナ", "한국어문장", "אבגדה", "ابتثجح",
    "कखगघङ\u093e\u093f\u0940", "กขคง\u0e34\u0e48", "\u0300\u0301\u0308\u0323\u20d7", "😀😁👍🏽\u200d\ufe0f🇩🇪", "\u00a0\u2003\u3000\u200b",
    "½²Ⅷ٣४", "€£→∀≠\u2026“”—",
]
PIECES = ["'s", "'ll", "'RE", "<|im_end|>", "<|im_start|>", "<tool_call>", "\r\n", "\n\n", "    ", "http://", "e\u0301", "the ", " and"]


def random_text(rng):
    text = ""
    for _ in range(rng.randint(1, 14)):
        if rng.random() < 0.25:
            text += rng.choice(PIECES)
        else:
            text += "".join(rng.choices(rng.choice(ALPHABETS), k=rng.randint(1, 6)))
    return text


def cases(tok, plain, texts):
    def ids(tokenizer, text):
        return tokenizer.encode(text, add_special_tokens=False).ids

    rows = []
    for text in texts:
        row = {"text": text, "ids": ids(tok, text)}
        if ids(plain, text) != row["ids"]:
            row["plain"] = ids(plain, text)
        rows.append(row)
    return rows


def decodes(tok, ids, rng, count):
    rows = []
    for _ in range(count):
        some = rng.choices(ids, k=rng.randint(1, 12))
        rows.append({"ids": some, "text": tok.decode(some, skip_special_tokens=False), "skipped": tok.decode(some)})
    return rows


def small(rng):
    corpus = [random_text(rng) for _ in range(600)] + [
        "the tokenizer cuts a text into words, and merges the bytes of each word by rank. "
        "It's what we'd call byte-level: they're all bytes, so I'll never see an unknown one.\n\n"
        "def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\n"
    ] * 40
    tok = pipeline(models.BPE())
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tok.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False))
    plain = Tokenizer.from_str(tok.to_str())
    tok.add_special_tokens(added(SPECIALS, True))
    tok.add_tokens(added(PLAIN_ADDED, False))
    saved = json.loads(tok.to_str())
    (OUT / "small_tokenizer.json").write_text(json.dumps(saved, ensure_ascii=False, separators=(",", ":")) + "\n")
    texts = FIXED + [random_text(rng) for _ in range(400)]
    ids = list(range(tok.get_vocab_size()))
    return {"cases": cases(tok, plain, texts), "decodes": decodes(tok, ids, rng, 200)}


def read(path):
    fields = gguf.GGUFReader(path).fields

    def strings(key):
        return [bytes(fields[key].parts[i]).decode() for i in fields[key].data]

    types = [int(fields["tokenizer.ggml.token_type"].parts[i][0]) for i in fields["tokenizer.ggml.token_type"].data]
    return strings("tokenizer.ggml.tokens"), types, strings("tokenizer.ggml.merges"), fields["tokenizer.chat_template"].contents()


def qwen(tokens, types, merges, rng):
    vocab = {t: i for i, (t, kind) in enumerate(zip(tokens, types)) if kind == 1}
    model = models.BPE(vocab=vocab, merges=[tuple(m.split(" ")) for m in merges])
    tok, plain = pipeline(model), pipeline(model)
    # Ids are given in order, so special and other added tokens must not be told apart here.
    tok.add_tokens([AddedToken(t, special=k == 3, normalized=False) for t, k in zip(tokens, types) if k in (3, 4)])
    ids = [i for i, k in enumerate(types) if k in (1, 3, 4)]
    assert all(tok.token_to_id(tokens[i]) == i for i in ids)
    texts = FIXED + [random_text(rng) for _ in range(200)]
    return {"cases": cases(tok, plain, texts), "decodes": decodes(tok, ids, rng, 60)}


def message(role, content):
    return {"role": role, "content": content}


CHATS = {
    "one": [message("user", "Hi")],
    "system": [message("system", "Be brief."), message("user", "What is 2+2?")],
    "turns": [
        message("system", "Du bist \"höflich\"\\n & <b>kurz</b>."),
        message("user", "  Hello, world\n"),
        message("assistant", "<think>\nhm\n</think>\n\nGrüße 👋 \u2028\x07"),
        message("user", "\nagain: 'quotes' and {{ braces }} {% raw %}"),
    ],
    "tool": [message("user", "call"), message("tool", "42"), message("tool", "43"), message("assistant", "ok")],
    "empty": [message("user", "")],
}
TEMPLATES = {
    "macro": "{% macro turn(role, text='none', end='\\n') %}\n[{{ role }}] {{ text }}{{ end }}{% endmacro %}\n{% for m in messages %}{{ turn(m.role, m.content) }}{{ turn(m['role'], end='!') }}{% endfor %}",
    "loop": "{% for m in messages %}{% if loop.first %}<first>{% endif %}{{ loop.index0 }}/{{ loop.index }}/{{ loop.revindex }}/{{ loop.length }}:{{ m.role }}{% if not loop.last %}, {% else %}.{% endif %}{% else %}none{% endfor %}",
    "namespace": "{% set ns = namespace(last='', users=0, found=false) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.users = ns.users + 1 %}{% set ns.found = true %}{% endif %}{% set ns.last = ns.last + m.role[0] %}{% endfor %}{{ ns.users }} {{ ns.last }} {{ ns.found }}",
    "strings": "{% for m in messages %}{{ m.content.strip() }}|{{ m.content.lstrip('\\n ') }}|{{ m.content.rstrip() }}|{{ m.content.split('</think>')[-1].lstrip('\\n') }}|{{ m.content.split() | join('_') }}|{{ m.content.startswith('Hi') }}|{{ m.content.endswith('.') }}|{{ m.content.replace('l', 'L') }}|{{ m.content.replace('l', 'L', 1) }}|{{ m.role.upper() }}|{{ m.role.title() }}|{{ m.role.capitalize() }}|{{ m.content.find('o') }}|{{ m.content.count('l') }}|{{ m.content | length }}|{{ m.content | trim | lower }}\n{% endfor %}",
    "slices": "{{ messages[::-1] | map(attribute='role') | join(',') }};{{ messages[1:] | length }};{{ messages[-1].role }};{{ messages[0].content[:2] }};{{ messages[0].content[-3:] }};{{ messages[0].content[::2] }};{% for m in messages[:-1] %}{{ m.role }} {% endfor %}",
    "defined": "{{ tools is defined }} {{ tools is none }} {{ documents is defined }} {{ enable_thinking is defined }} {{ messages[0].tool_calls is defined }} {{ bos_token is defined }} {{ messages is sequence }} {{ messages[0].content is string }} {{ messages[0] is mapping }} {{ 3 is odd }}{% if tools %}T{% endif %}{% if not enable_thinking %}N{% endif %} {{ enable_thinking | default('d') }} [{{ nothing }}]",
    "json": "{{ messages | tojson }}\n{{ messages[0] | tojson(indent=2) }}\n{{ {'a': [1, 2.5, 1e20, 1e-7, true, none, [], {}], 'b': {'ü': '\\u00e9/</script>\\x7f'}} | tojson }}\n{{ {'b': 1, 'a': [1, {'c': []}]} | tojson(indent=4, sort_keys=true) }}\n{{ messages | tojson(ensure_ascii=true) }}\n{{ [1, 2] | tojson(separators=(',', ':')) }}",
    "whitespace": "  {%- if true -%}  \n  a  \n  {%- endif %}  \n\n  {% if true %}\n  b\n  {% endif %}\n  {# note #}\n  c {{- ' d ' -}} e\n  {%+ if true %}f{% endif +%}\n\n{% set x = 1 %}\n    {{ x }}\n\n",
    "set_block": "{% set text %}{% for m in messages %}{{ m.role }} {% endfor %}{% endset %}{{ text | trim }}|{{ text | upper }}{% set a, b = 1, 'two' %}{{ a }}{{ b }}",
    "raises": "{% if messages[0].role != 'system' %}{{ raise_exception('a system message must come first, not ' + messages[0].role) }}{% endif %}ok",
    "operators": "{{ 7 // 2 }} {{ 7 / 2 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 3 * 4 + 1 }} {{ 'ab' * 3 }} {{ 'a' ~ 1 ~ none ~ true }} {{ 'x' if false else 'y' }} {{ 'us' in messages[0].role }} {{ 'q' not in 'abc' }} {{ 1 < 2 and not 2 < 1 }} {{ [1, 2] + [3] }} {{ (1, 2) }} {{ {'k': 'v'} }} {{ 1 == 1.0 }} {{ none }} {{ 1.0 }}",
    "filters": "{{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | rejectattr('role', 'eq', 'user') | map(attribute='role') | join('+') }} {{ [3, 1, 2] | sort | join }} {{ ['b', 'a', 'b'] | unique | list | length }} {{ [1, 2, 3] | sum }} {{ 'a b' | replace(' ', '-') }} {{ 'x' | default('y') }} {{ messages | first | length }} {{ (messages | last).role }} {{ '%s=%d' | format('n', 5) }} {{ {'b': 1, 'a': 2} | dictsort }} {{ {'a': 1}.items() | list }} {% for k, v in messages[0].items() %}{{ k }}={{ v }};{% endfor %} {{ messages[0].get('role') }} {{ messages[0].get('x', 'dflt') }} {{ 'l1\\nl2' | indent(2) }} {{ '7' | int + 1 }} {{ [1, 2, 3] | reverse | list }} {{ range(1, 6, 2) | list }}",
    "controls": "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{{ m.role }}{% if loop.index > 2 %}{% break %}{% endif %}{% endfor %}",
    "tokens": "{{ bos_token }}{% for m in messages %}{{ m.content + eos_token }}{% endfor %}",
    "recursion": "{% macro count(n) %}{% if n > 0 %}{{ n }} {{ count(n - 1) }}{% endif %}{% endmacro %}{{ count(5) }}{% macro wrap() %}<{{ caller() }}>{% endmacro %}{% call wrap() %}in{% endcall %}{% filter upper %}shout{% endfilter %}{% with z = 5 %}{{ z }}{% endwith %}",
}


def render(source, chat, prompt, tokens):
    try:
        return {"text": render_jinja_template([chat], chat_template=source, add_generation_prompt=prompt, **tokens)[0][0]}
    except jinja2.exceptions.TemplateError as error:
        return {"error": str(error)}


def rendered(source, tokens):
    return [
        {"chat": name, "prompt": prompt, **render(source, chat, prompt, tokens)}
        for name, chat in CHATS.items()
        for prompt in (False, True)
    ]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rng = random.Random(20240607)
    versions = {m.__name__: m.__version__ for m in (tokenizers, transformers, jinja2)}
    made = {"made_by": "scripts/make_text_goldens.py", "versions": versions}

    def write(name, value):
        (OUT / name).write_text(json.dumps({**made, **value}, ensure_ascii=True, separators=(",", ":")) + "\n")

    texts = FIXED + text_families.TEXTS + [random_text(rng) for _ in range(60)]
    corpus = [random_text(rng) for _ in range(600)]
    write("families.json", {"tokenizers": text_families.tokenizers(corpus, texts), **text_families.templates()})
    if len(sys.argv) < 2:
        return
    rng = random.Random(20240607)
    tokens, types, merges, template = read(sys.argv[1])
    write("small_cases.json", small(rng))
    write("qwen2_cases.json", qwen(tokens, types, merges, rng))
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    write(
        "templates.json",
        {
            "chats": CHATS,
            "templates": [
                {"name": name, "source": source, **({"tokens": tokens} if name == "tokens" else {}),
                 "rendered": rendered(source, tokens if name == "tokens" else {})}
                for name, source in TEMPLATES.items()
            ],
            "model": {"sha256": hashlib.sha256(template.encode()).hexdigest(), "rendered": rendered(template, {})},
        },
    )


main()
