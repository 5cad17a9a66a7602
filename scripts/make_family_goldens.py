"""Writes fixtures/families: a tiny random model of each family as a folder, and what transformers makes of it in f32.

pip install torch transformers safetensors tokenizers sentencepiece protobuf
python scripts/make_family_goldens.py fixtures/tiny-prose.txt fixtures/families

Weights are drawn with the seed that stands in the family's entry and rounded to bf16 before anything is computed.
config.json is what transformers writes, or, where the entry says so, its older spelling. Each folder also has

golden.safetensors, per prompt P = n9, n20, n25, n60, n150 (as many tokens of the prose):
  P.input_ids   I64 [n]
  P.positions   I64 [k]          the last one, or for n150 fourteen of them
  P.logits      F32 [k, vocab]   there, in f32 on the weights as stored
  P.greedy_ids  I64 [16]         greedy continuation, end tokens not obeyed
  P.greedy_gap  F32 [16]         best logit minus second best, where the id was chosen
golden.json:
  encodings     text, ids, ids_with_special, decoded, decoded_skipping_special: what tokenizer.json says; also
                transformers_ids, sentencepiece_ids where those programs give others
  chats         messages, options (of the template), text, ids
  refused       messages the template raises an exception on
  stop_ids      ids that end generation
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parent / "families"))
import vocabulary  # noqa: E402
from golden import LENGTHS, golden  # noqa: E402

LLAMA3_ROPE = {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}

# Each is one value: what is special to the family stands here.
FAMILIES = {
    "qwen3": {
        "config": transformers.Qwen3Config, "tokenizer": vocabulary.qwen3, "seed": 32,
        "fields": {
            "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 384, "rms_norm_eps": 1e-6,
            "max_position_embeddings": 512, "tie_word_embeddings": True, "max_window_layers": 3,
            "rope_parameters": {"rope_theta": 1e6, "rope_type": "default"},
        },
        "stop": ["<|im_end|>", "<|endoftext|>"], "bos": "<|endoftext|>",
    },
    "llama3.1": {
        "config": transformers.LlamaConfig, "tokenizer": vocabulary.llama3, "seed": 1, "old_spelling": True,
        "drop": ["head_dim"],
        "fields": {
            "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 3,
            "num_key_value_heads": 1, "vocab_size": 360, "rms_norm_eps": 1e-5, "max_position_embeddings": 512,
            "tie_word_embeddings": False, "rope_parameters": {"rope_theta": 8000.0, "factor": 8.0, **LLAMA3_ROPE},
        },
        "stop": ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"], "bos": "<|begin_of_text|>",
    },
    "llama3.2": {
        "config": transformers.LlamaConfig, "tokenizer": vocabulary.llama3, "seed": 5,
        "fields": {
            "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 360, "rms_norm_eps": 1e-5,
            "max_position_embeddings": 512, "tie_word_embeddings": True,
            "rope_parameters": {"rope_theta": 12000.0, "factor": 32.0, **LLAMA3_ROPE},
        },
        "stop": ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"], "bos": "<|begin_of_text|>",
    },
    # The first releases: neither rope_theta (10000 is meant) nor head_dim.
    "llama2": {
        "config": transformers.LlamaConfig, "tokenizer": vocabulary.llama2, "seed": 2, "old_spelling": True,
        "drop": ["head_dim", "rope_theta", "attention_bias", "mlp_bias"],
        "fields": {
            "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 4, "vocab_size": 416, "rms_norm_eps": 1e-5, "max_position_embeddings": 512,
            "tie_word_embeddings": False, "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
        },
        "stop": ["</s>"], "bos": "<s>",
    },
    "mistral": {
        "config": transformers.MistralConfig, "tokenizer": vocabulary.mistral, "seed": 1,
        "fields": {
            "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 416, "rms_norm_eps": 1e-5, "sliding_window": 24,
            "max_position_embeddings": 512, "tie_word_embeddings": False,
            "rope_parameters": {"rope_theta": 20000.0, "rope_type": "default"},
        },
        "stop": ["</s>"], "bos": "<s>",
    },
}

TEXTS = [
    "", " ", "   ", "The fox lives in the forest.", " two  spaces,   three, and    four", "It's 12 + 3456 = 3468, isn't it?",
    "面包师在厨房工作。", "naïve café, Ünïcödé", "e\u0301 is one letter in NFC", "tabs\tand\nnew\r\nlines\n\n\nend ",
    "🦊 in a 🏠", "def f(x):\n    return x  # 2024 quartz", "<|im_start|>user\nhello<|im_end|>",
    "<s>[INST] hi [/INST]</s><think>", "<|start_header_id|>user<|end_header_id|> <|eot_id|>",
]

USER = {"role": "user", "content": "Where does the fox live?"}
ANSWER = {"role": "assistant", "content": "In the forest."}
THOUGHT = {"role": "assistant", "content": "<think>\nA fox is an animal.\n</think>\n\nIn the forest."}
SYSTEM = {"role": "system", "content": "Answer briefly."}
AGAIN = {"role": "user", "content": "  And the duck?\n"}
CHATS = [
    ([USER], {"add_generation_prompt": True}),
    ([SYSTEM, USER], {"add_generation_prompt": True}),
    ([USER, ANSWER, AGAIN], {"add_generation_prompt": True}),
    ([SYSTEM, USER, ANSWER], {"add_generation_prompt": False}),
    ([USER, THOUGHT, AGAIN], {"add_generation_prompt": True}),
    ([USER, THOUGHT], {"add_generation_prompt": False}),
    ([USER], {"add_generation_prompt": True, "enable_thinking": False}),
    ([USER], {"add_generation_prompt": True, "date_string": "1 Jan 2026"}),
]
REFUSED = [ANSWER, USER]


def randomize(model, seed):
    """Draws weights such that every part shows in the logits; rounds them to bf16."""
    draw = torch.Generator().manual_seed(seed)
    tied = model.config.tie_word_embeddings
    for name, value in model.named_parameters():
        drawn = torch.randn(value.shape, generator=draw)
        if value.dim() == 1:
            drawn = 1 + 0.2 * drawn
        elif "embed_tokens" in name:
            # A tied embedding is the output matrix too: wide enough for logits that differ by a few units.
            drawn *= 2.0 / value.shape[1] ** 0.5 if tied else 1.0
        elif "lm_head" in name:
            drawn *= 3.0 / value.shape[1] ** 0.5
        else:
            drawn *= 1.3 / value.shape[1] ** 0.5
        value.data.copy_(drawn.to(torch.bfloat16).float())


def old_spelling(config, drop):
    """The fields as transformers wrote them before its version 5."""
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope if rope["rope_type"] != "default" else None
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.43.0"
    return {name: value for name, value in config.items() if name not in drop}


def write_model(folder, family, tokenizer):
    id_of = tokenizer.token_to_id
    stop = [id_of(token) for token in family["stop"]]
    stop = stop if len(stop) > 1 else stop[0]
    bos = id_of(family["bos"])
    config = family["config"](**family["fields"], bos_token_id=bos, eos_token_id=stop, pad_token_id=None)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config)
    randomize(model, family["seed"])
    model.to(torch.bfloat16).save_pretrained(folder)
    if family.get("old_spelling"):
        written = json.loads((folder / "config.json").read_text())
        vocabulary.write_json(folder / "config.json", old_spelling(written, family["drop"]))
    vocabulary.write_json(folder / "generation_config.json", {
        "bos_token_id": bos, "eos_token_id": stop, "do_sample": True, "temperature": 0.6, "top_p": 0.9,
    })
    return [stop] if isinstance(stop, int) else stop


def texts(folder, tokenizer, stop, original):
    """golden.json: tokenizer.json as the tokenizers package reads it, the template by transformers. Where the class
    that transformers takes for the folder encodes otherwise, its ids stand beside. `original`: ids by sentencepiece."""
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    encodings = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        full = tokenizer.encode(text).ids
        encoding = {
            "text": text, "ids": ids, "ids_with_special": full,
            "decoded": tokenizer.decode(full, skip_special_tokens=False),
            "decoded_skipping_special": tokenizer.decode(full),
        }
        if (other := theirs(text, add_special_tokens=False)["input_ids"]) != ids:
            encoding["transformers_ids"] = other
        if original and not any(token in text for token in ["<s>", "</s>", "[INST]"]) and original(text) != ids:
            encoding["sentencepiece_ids"] = original(text)
        for key in encoding.keys() & {"transformers_ids", "sentencepiece_ids"}:
            print(f"    {text!r}: other {key}")
        encodings.append(encoding)
    chats = []
    for messages, options in CHATS:
        text = theirs.apply_chat_template(messages, tokenize=False, **options)
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        other = theirs.apply_chat_template(messages, tokenize=True, return_dict=False, **options)
        assert other == ids, text
        chats.append({"messages": messages, "options": options, "text": text, "ids": ids})
    refused = []
    try:
        theirs.apply_chat_template(REFUSED, tokenize=False)
    except Exception as error:  # the library's own and Jinja's: either is a refusal
        print(f"    refused: {error}")
        refused = [REFUSED]
    vocabulary.write_json(folder / "golden.json", {
        "encodings": encodings, "chats": chats, "refused": refused, "stop_ids": stop,
        "made_by": {"transformers": transformers.__version__, "torch": torch.__version__},
    })


def main(prose, target):
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    prose = Path(prose).read_text(encoding="utf-8")
    for name, family in FAMILIES.items():
        print(name)
        folder = Path(target) / name
        folder.mkdir(parents=True, exist_ok=True)
        trained, config, *scores = family["tokenizer"](prose.splitlines())
        vocabulary.write(folder, trained, config, family["fields"]["max_position_embeddings"])
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        assert tokenizer.get_vocab_size() <= family["fields"]["vocab_size"], tokenizer.get_vocab_size()
        stop = write_model(folder, family, tokenizer)
        texts(folder, tokenizer, stop, vocabulary.original_encoder(tokenizer, *scores) if scores else None)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager").eval()
        rope = getattr(model.config, "rope_parameters", None)
        print(f"    vocabulary {tokenizer.get_vocab_size()}, rope {rope}, window {getattr(model.config, 'sliding_window', None)}")
        ids = tokenizer.encode(prose).ids[: LENGTHS[-1]]
        save_file(golden(model, ids), folder / "golden.safetensors", {"format": "pt"})
        for file in folder.iterdir():
            file.chmod(0o644)
        print("   ", sum(f.stat().st_size for f in folder.iterdir()), "bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
