"""Tokenizers and chat templates in the shape of each family, trained on fixtures/tiny-prose.txt.

Byte-level BPE for Qwen3 and Llama 3, SentencePiece's BPE with byte fallback for Llama 2 and Mistral. The templates
have the control tokens of their family and its rules of roles and thought; their wording is this project's.
"""

import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPACE = "▁"

QWEN3_TEMPLATE = """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- 'Functions you may call:\\n' }}
    {%- for tool in tools %}
        {{- tool | tojson }}
        {{- '\\n' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(last_query=messages|length - 1, searching=true) %}
{%- for message in messages[::-1] %}
    {%- set index = messages|length - 1 - loop.index0 %}
    {%- if ns.searching and message.role == 'user' and message.content is string %}
        {%- set ns.searching = false %}
        {%- set ns.last_query = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {%- set thought = '' %}
        {%- set content = message.content %}
        {%- if message.reasoning_content is string %}
            {%- set thought = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if loop.index0 > ns.last_query and thought %}
            {{- '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' }}
        {%- endif %}
        {{- content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

LLAMA3_TEMPLATE = """\
{{- bos_token }}
{%- if date_string is not defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "The date is " + date_string + ".\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

LLAMA2_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{% set turns = messages[1:] %}{% set system = messages[0]['content'] %}"
    "{% else %}{% set turns = messages %}{% set system = false %}{% endif %}"
    "{% for message in turns %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('user and assistant must take turns') }}{% endif %}"
    "{% if loop.index0 == 0 and system != false %}"
    "{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)

MISTRAL_TEMPLATE = """\
{%- if messages[0]["role"] == "system" %}
    {%- set system = messages[0]["content"] %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set turns = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in turns %}
    {%- if (message["role"] == "user") != (loop.index0 % 2 == 0) %}
        {{- raise_exception("user and assistant must take turns") }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system is defined %}
            {{- "[INST] " + system + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- else %}
        {{- " " + message["content"] + eos_token }}
    {%- endif %}
{%- endfor %}
"""


def byte_level(texts, size, digits, normalizer, special, plain, unreachable=()):
    """Byte-level BPE of `size` entries before its added tokens. `unreachable` entries have no merge that makes them:
    only a tokenizer that looks whole words up first finds them (ignore_merges)."""
    tokenizer = Tokenizer(models.BPE(fuse_unk=False, byte_fallback=False, ignore_merges=bool(unreachable)))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT.replace("DIGITS", digits)), "isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size - len(unreachable), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    ))
    if unreachable:
        saved = json.loads(tokenizer.to_str())
        for word in unreachable:
            saved["model"]["vocab"][word] = len(saved["model"]["vocab"])
        tokenizer = Tokenizer.from_str(json.dumps(saved))
    tokenizer.add_tokens([AddedToken(t, special=t in special, normalized=False) for t in [*special, *plain]])
    return tokenizer


def qwen3(texts):
    special, plain = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], ["<tool_call>", "</tool_call>", "<think>", "</think>"]
    tokenizer = byte_level(texts, 360, r"\p{N}", normalizers.NFC(), special, plain)
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    return tokenizer, {
        "add_bos_token": False, "add_prefix_space": False, "bos_token": None, "chat_template": QWEN3_TEMPLATE,
        "eos_token": "<|im_end|>", "errors": "replace", "pad_token": "<|endoftext|>",
        "tokenizer_class": "Qwen2Tokenizer", "unk_token": None,
    }


def llama3(texts):
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>"]
    tokenizer = byte_level(texts, 354, r"\p{N}{1,3}", None, special, [], ["Ġquartz", "2024"])
    bos = special[0]
    template = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, tokenizer.token_to_id(bos))],
    )
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(add_prefix_space=True, trim_offsets=False, use_regex=True), template,
    ])
    return tokenizer, {
        "bos_token": bos, "chat_template": LLAMA3_TEMPLATE, "eos_token": "<|eot_id|>",
        "model_input_names": ["input_ids", "attention_mask"], "tokenizer_class": "PreTrainedTokenizerFast",
    }


def pieces(texts, size, control):
    """Pieces in SentencePiece's order (unknown, controls, bytes, merged, single characters) and their scores."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=True)
    first = ["<unk>", *control, *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size - len(first) - 2, limit_alphabet=64, show_progress=False,
    ))
    learned = [piece for piece, _ in sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])]
    # Llama has runs of spaces; three in a row have no piece here.
    merged = [2 * SPACE, 4 * SPACE, *(piece for piece in learned if len(piece) > 1)]
    rest = merged + [piece for piece in learned if len(piece) == 1]
    scores = [0.0] * len(first) + [-float(i) for i in range(len(rest))]
    assert len(first) + len(rest) == size
    return first + rest, scores


def merges(names, scores, first):
    """Every pair of pieces that makes a piece, best piece first: what SentencePiece's search would join."""
    ids = {piece: i for i, piece in enumerate(names)}
    found = []
    for piece, score in list(zip(names, scores))[first:]:
        halves = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        pairs = [(left, right) for left, right in halves if left in ids and right in ids]
        found += [(-score, ids[left], ids[right], (left, right)) for left, right in pairs]
    return [pair for *_, pair in sorted(found)]


def sentence_pieces(texts, size, control, legacy):
    """Llama 2's form (`legacy`: a normalizer writes the spaces) or Mistral's newer one (the pre-tokenizer does)."""
    names, scores = pieces(texts, size, control)
    tokenizer = Tokenizer(models.BPE(
        vocab={piece: i for i, piece in enumerate(names)}, merges=merges(names, scores, len(control) + 257),
        unk_token="<unk>", fuse_unk=True, byte_fallback=True,
    ))
    if legacy:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0),
    ])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)],
    )
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in ["<unk>", *control]])
    return tokenizer, {
        "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>", "legacy": legacy,
        "pad_token": None, "sp_model_kwargs": {}, "tokenizer_class": "LlamaTokenizer", "unk_token": "<unk>",
        "use_default_system_prompt": False,
    }, scores


def original_encoder(tokenizer, scores):
    """The text's ids by the sentencepiece program itself, as Llama 2's releases configure it: a space goes before."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as schema

    model = schema.ModelProto()
    model.trainer_spec.model_type, model.trainer_spec.byte_fallback = model.trainer_spec.BPE, True
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix, model.normalizer_spec.remove_extra_whitespaces = True, False
    kinds = schema.ModelProto.SentencePiece
    for (piece, _), score in zip(sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1]), scores):
        control = piece.startswith(("<s", "</s", "[")) and len(piece) > 1
        kind = (kinds.UNKNOWN if piece == "<unk>" else kinds.CONTROL if control
                else kinds.BYTE if piece.startswith("<0x") else kinds.NORMAL)
        model.pieces.add(piece=piece, score=score, type=kind)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    return lambda text: processor.encode(text)


def llama2(texts):
    tokenizer, config, scores = sentence_pieces(texts, 416, ["<s>", "</s>"], True)
    return tokenizer, {**config, "chat_template": LLAMA2_TEMPLATE}, scores


def mistral(texts):
    tokenizer, config, scores = sentence_pieces(texts, 416, ["<s>", "</s>", "[INST]", "[/INST]"], False)
    return tokenizer, {**config, "chat_template": MISTRAL_TEMPLATE}, scores


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write(folder, tokenizer, config, longest):
    """tokenizer.json and tokenizer_config.json."""
    write_json(folder / "tokenizer.json", json.loads(tokenizer.to_str()))
    flags = ["content", "lstrip", "normalized", "rstrip", "single_word", "special"]
    added = {str(i): {f: getattr(t, f) for f in flags} for i, t in sorted(tokenizer.get_added_tokens_decoder().items())}
    write_json(folder / "tokenizer_config.json", {
        "added_tokens_decoder": added, "clean_up_tokenization_spaces": False, "model_max_length": longest, **config,
    })
