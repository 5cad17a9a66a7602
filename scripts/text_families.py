"""The part of make_text_goldens.py that concerns families: tiny tokenizers and chat templates in their manner.

Each tokenizer is written twice, as tokenizer.json and as the keys of a GGUF header, with ids from Hugging Face.
"""

import io
import json
import time

import jinja2
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.tokenization_utils_base import generate_merges
from transformers.utils.chat_template_utils import render_jinja_template

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEXTS = [
    "1", "12", "123", "1234", "12345678901 23 4567", "x1y22z333", "<|begin_of_text|>a", "<s>", "</s>", "a</s> b", "</s></s>a",
    "[INST] Hi [/INST]", "[INST]Hi[/INST]", "<|eot_id|>\n\nx", "<unk>", "<0x41>", "\u2581", "a\u2581b", "\u2581\u2581 x", "xyzzy xyzzy",
    "HelloWorld helloWORLD ABCdef", "path/to//\n/x", "       seven", "\n\n\n\n", "the    end   ", "<|start_header_id|>user<|end_header_id|>",
]
PROSE = [
    "the tokenizer cuts a text into words, and merges the pieces of each word by rank.",
    "It's what we'd call a small one: 12 or 345 pieces, 2024 at most; hello, hello world!",
    "def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)",
] * 40


def special(tokens):
    return [AddedToken(token, special=True, normalized=False) for token in tokens]


def starting_with(token, id):
    return processors.TemplateProcessing(single=f"{token} $A", pair=f"{token} $A {token} $B", special_tokens=[(token, id)])


def byte_level(corpus, pattern, first, last):
    """A tokenizer whose special tokens come before or after the others."""
    tok = Tokenizer(models.BPE(ignore_merges=True))
    bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False)
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False), bytes_of])
    tok.decoder = decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)
    trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tok.train_from_iterator(corpus + PROSE, trainer)
    saved = json.loads(tok.to_str())
    # No merge makes the last token: only its whole word does.
    ordered = first + sorted(saved["model"]["vocab"], key=saved["model"]["vocab"].get) + ["\u0120xyzzy"]
    saved["model"]["vocab"] = {text: id for id, text in enumerate(ordered)}
    tok = Tokenizer.from_str(json.dumps(saved))
    plain = Tokenizer.from_str(json.dumps(saved))
    tok.add_special_tokens(special(first + last))
    bos = (first + last)[0] if not first else "<s>"
    tok.post_processor = processors.Sequence(
        [processors.ByteLevel(add_prefix_space=True, trim_offsets=False, use_regex=True), starting_with(bos, tok.token_to_id(bos))]
    )
    tokens = ordered + last
    vocabulary = {
        "model": "gpt2",
        "tokens": tokens,
        "token_types": [3 if token in first + last else 1 for token in tokens],
        "merges": [" ".join(merge) for merge in saved["model"]["merges"]],
        "scores": [],
        "bos": tok.token_to_id(bos),
    }
    return tok, plain, vocabulary


def sentence_piece(corpus, control, metaspace):
    """A SentencePiece model as transformers converts it, in the older form and in that with Metaspace."""
    model = io.BytesIO()
    lines = [line for text in corpus + PROSE for line in text.split("\n") if line.strip() and "\x00" not in line]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, model_type="bpe", vocab_size=620, byte_fallback=True,
        character_coverage=0.98, split_digits=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, control_symbols=control, minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    count = range(pieces.get_piece_size())
    tokens = [pieces.id_to_piece(id) for id in count]
    kind = lambda id: 2 if pieces.is_unknown(id) else 3 if pieces.is_control(id) else 6 if pieces.is_byte(id) else 1
    types, scores = [kind(id) for id in count], [pieces.get_score(id) for id in count]
    vocab = {token: id for id, token in enumerate(tokens)}
    other = [token for token, kind in zip(tokens, types) if kind != 1]
    merges = generate_merges(vocab, dict(zip(tokens, scores)), other)
    def made():
        tok = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        if metaspace:
            tok.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="first", split=False)
        else:
            tok.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
        tok.decoder = decoders.Sequence(
            [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1, right=0)]
        )
        tok.post_processor = starting_with("<s>", vocab["<s>"])
        return tok
    tok, plain = made(), made()
    tok.add_special_tokens(special(["<unk>", "<s>", "</s>", *control]))
    vocabulary = {"model": "llama", "tokens": tokens, "token_types": types, "merges": [], "scores": scores, "bos": vocab["<s>"]}
    return tok, plain, vocabulary


def goldens(tok, plain, texts):
    cases = []
    for text in texts:
        row = {"text": text, "ids": tok.encode(text).ids}
        if plain.encode(text, add_special_tokens=False).ids != row["ids"][1:]:
            row["plain"] = plain.encode(text, add_special_tokens=False).ids
        assert tok.encode(text, add_special_tokens=False).ids == row["ids"][1:]
        cases.append(row)
    # Runs of ids that make text: what each side writes for bytes that make none is its own affair.
    decodes = []
    for row in cases[:60]:
        ids = row["ids"][1:] or row["ids"]
        for some in (ids, row["ids"], ids[len(ids) // 2 :]):
            text = tok.decode(some, skip_special_tokens=False)
            if "\ufffd" not in text:
                decodes.append({"ids": some, "text": text, "skipped": tok.decode(some)})
    return {"cases": cases, "decodes": decodes}


def tokenizers(corpus, texts):
    control = ["[INST]", "[/INST]"]
    llama3 = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    rows = []
    for name, pre, (tok, plain, vocabulary) in [
        ("llama3", "llama-bpe", byte_level(corpus, LLAMA3, [], llama3)),
        ("tekken", "tekken", byte_level(corpus, TEKKEN, ["<unk>", "<s>", "</s>", *control], [])),
        ("llama2", "default", sentence_piece(corpus, [], False)),
        ("mistral", "default", sentence_piece(corpus, control, True)),
    ]:
        saved = json.loads(tok.to_str())
        vocabulary["pre"] = pre
        rows.append({"name": name, "tokenizer": saved, "vocabulary": vocabulary, **goldens(tok, plain, texts)})
    return rows


CHATS = {
    "one": [("user", "Hi")],
    "system": [("system", " Be brief.\n"), ("user", "What is 2+2? ")],
    "turns": [("system", "Sei kurz."), ("user", " Hello\n"), ("assistant", " World "), ("user", "[INST] </s> {{ x }}")],
    "two users": [("user", "a"), ("user", "b")],
    "reasoned": [("user", "1+1"), ("assistant", "<think>\none and one\n</think>\n\n2"), ("user", "and 1")],
    "answered": [("user", "a"), ("assistant", "b")],
}
# In the manner of what the families publish: the same marks in the same places, written anew.
TEMPLATES = {
    "llama2": (
        "{% if messages[0]['role'] == 'system' %}{% set turns = messages[1:] %}{% set preface = messages[0]['content'] %}"
        "{% else %}{% set turns = messages %}{% set preface = false %}{% endif %}{% for turn in turns %}"
        "{% if (turn['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('user and assistant must take turns') }}{% endif %}"
        "{% if loop.index0 == 0 and preface != false %}{% set text = '<<SYS>>\\n' + preface + '\\n<</SYS>>\\n\\n' + turn['content'] %}"
        "{% else %}{% set text = turn['content'] %}{% endif %}{% if turn['role'] == 'user' %}"
        "{{ bos_token + '[INST] ' + text.strip() + ' [/INST]' }}{% elif turn['role'] == 'assistant' %}"
        "{{ ' ' + text.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
    ),
    "llama3": (
        "{{- bos_token }}\n{%- if not date_string is defined %}\n    {%- if strftime_now is defined %}\n"
        "        {%- set date_string = strftime_now('%d %b %Y') %}\n    {%- else %}\n        {%- set date_string = '26 Jul 2024' %}\n"
        "    {%- endif %}\n{%- endif %}\n{%- if custom_tools is defined %}\n    {%- set tools = custom_tools %}\n{%- endif %}\n"
        "{%- if not tools is defined %}\n    {%- set tools = none %}\n{%- endif %}\n"
        "{#- The system message, for its own header. #}\n{%- if messages[0]['role'] == 'system' %}\n"
        "    {%- set preface = messages[0]['content']|trim %}\n    {%- set messages = messages[1:] %}\n{%- else %}\n"
        "    {%- set preface = '' %}\n{%- endif %}\n{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}\n"
        "{%- if tools is not none %}\n    {{- 'Environment: ipython\\n' }}\n{%- endif %}\n"
        "{{- 'Today Date: ' + date_string + '\\n\\n' }}\n{{- preface }}\n{{- '<|eot_id|>' }}\n{%- for message in messages %}\n"
        "    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}\n"
        "        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}\n"
        "    {%- elif 'tool_calls' in message %}\n        {%- if not message.tool_calls|length == 1 %}\n"
        "            {{- raise_exception('one call at a time') }}\n        {%- endif %}\n"
        "        {{- '{\"name\": \"' + message.tool_calls[0].function.name + '\"}' }}\n    {%- else %}\n"
        "        {%- if message.content is mapping or message.content is iterable %}\n            {{- message.content | tojson }}\n"
        "        {%- else %}\n            {{- message.content }}\n        {%- endif %}\n    {%- endif %}\n{%- endfor %}\n"
        "{%- if add_generation_prompt %}\n    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n"
    ),
    "mistral": (
        "{%- if messages[0]['role'] == 'system' %}\n    {%- set preface = messages[0]['content'] %}\n    {%- set rest = messages[1:] %}\n"
        "{%- else %}\n    {%- set rest = messages %}\n{%- endif %}\n{%- if not tools is defined %}\n    {%- set tools = none %}\n{%- endif %}\n"
        "{%- set asked = rest | selectattr('role', 'equalto', 'user') | list %}\n{%- set ns = namespace(index=0) %}\n"
        "{%- for turn in rest %}\n    {%- if not (turn.role == 'tool' or (turn.tool_calls is defined and turn.tool_calls is not none)) %}\n"
        "        {%- if (turn['role'] == 'user') != (ns.index % 2 == 0) %}\n"
        "            {{- raise_exception('roles must alternate: user, assistant, user, ...') }}\n        {%- endif %}\n"
        "        {%- set ns.index = ns.index + 1 %}\n    {%- endif %}\n{%- endfor %}\n{{- bos_token }}\n{%- for turn in rest %}\n"
        "    {%- if turn['role'] == 'user' %}\n        {%- if tools is not none and (turn == asked[-1]) %}\n"
        "            {{- '[AVAILABLE_TOOLS] ' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}\n        {%- endif %}\n"
        "        {%- if loop.last and preface is defined %}\n            {{- '[INST] ' + preface + '\\n\\n' + turn['content'] + '[/INST]' }}\n"
        "        {%- else %}\n            {{- '[INST] ' + turn['content'] + '[/INST]' }}\n        {%- endif %}\n"
        "    {%- elif turn['role'] == 'assistant' %}\n        {{- ' ' + turn['content']|trim + eos_token }}\n    {%- endif %}\n{%- endfor %}\n"
    ),
    "qwen3": (
        "{%- if tools %}\n    {{- '<|im_start|>system\\n' }}\n    {%- for tool in tools %}\n        {{- tool | tojson }}\n    {%- endfor %}\n"
        "{%- else %}\n    {%- if messages[0].role == 'system' %}\n"
        "        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}\n    {%- endif %}\n{%- endif %}\n"
        "{%- set ns = namespace(searching=true, last=messages|length - 1) %}\n{%- for message in messages[::-1] %}\n"
        "    {%- set index = (messages|length - 1) - loop.index0 %}\n"
        "    {%- if ns.searching and message.role == 'user' and message.content is string"
        " and not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}\n"
        "        {%- set ns.searching = false %}\n        {%- set ns.last = index %}\n    {%- endif %}\n{%- endfor %}\n"
        "{%- for message in messages %}\n    {%- if message.content is string %}\n        {%- set content = message.content %}\n"
        "    {%- else %}\n        {%- set content = '' %}\n    {%- endif %}\n"
        "    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}\n"
        "        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}\n    {%- elif message.role == 'assistant' %}\n"
        "        {%- set thought = '' %}\n        {%- if message.reasoning_content is string %}\n"
        "            {%- set thought = message.reasoning_content %}\n        {%- elif '</think>' in content %}\n"
        "            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}\n"
        "            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}\n        {%- endif %}\n"
        "        {%- if loop.index0 > ns.last and (loop.last or (not loop.last and thought)) %}\n"
        "            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}\n"
        "        {%- else %}\n            {{- '<|im_start|>' + message.role + '\\n' + content }}\n        {%- endif %}\n"
        "        {{- '<|im_end|>\\n' }}\n    {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
        "    {{- '<|im_start|>assistant\\n' }}\n    {%- if enable_thinking is defined and enable_thinking is false %}\n"
        "        {{- '<think>\\n\\n</think>\\n\\n' }}\n    {%- endif %}\n{%- endif %}"
    ),
}
DATE = "<date>"


def templates():
    chats = {name: [{"role": role, "content": content} for role, content in chat] for name, chat in CHATS.items()}
    rows = []
    for name, source in TEMPLATES.items():
        tokens = {"llama3": ("<|begin_of_text|>", "<|eot_id|>"), "qwen3": (None, "<|im_end|>")}.get(name, ("<s>", "</s>"))
        known = {key: token for key, token in zip(("bos_token", "eos_token"), tokens) if token}
        rendered = []
        for chat, turns in chats.items():
            for prompt in (False, True):
                row = {"chat": chat, "prompt": prompt}
                try:
                    text = render_jinja_template([turns], chat_template=source, add_generation_prompt=prompt, **known)[0][0]
                    row["text"] = text.replace(time.strftime("%d %b %Y"), DATE)
                except jinja2.exceptions.TemplateError as error:
                    row["error"] = str(error)
                rendered.append(row)
        rows.append({"name": name, "source": source, "tokens": known, "rendered": rendered})
    return {"chats": chats, "templates": rows}
