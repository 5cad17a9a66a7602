//! GGUF's own names, turned into those of the Hugging Face folder the model was converted from.

use std::collections::HashMap;

use serde_json::{Map, Number, Value as Json};

use super::gguf::Gguf;
use super::gguf_header::Value;
use super::source::Source;
use super::{Checkpoint, GgufVocab, TokenizerSource};
use crate::checkpoint::tensors::{TensorInfo, Tensors};
use crate::error::{Error, Result};

/// How GGUF spells one model family.
struct Architecture {
    /// The value of `general.architecture`, and the prefix of the family's keys.
    gguf: &'static str,
    /// `model_type` in config.json.
    model_type: &'static str,
    /// Key without the prefix, field of config.json.
    required: &'static [(&'static str, &'static str)],
    optional: &'static [(&'static str, &'static str)],
    /// Tensor names, in and outside of the layers, where `blk.{i}.` is `model.layers.{i}.`.
    tensors: &'static [(&'static str, &'static str)],
    layer_tensors: &'static [(&'static str, &'static str)],
}

/// Every family this version reads from GGUF.
static ARCHITECTURES: &[Architecture] = &[Architecture {
    gguf: "qwen2",
    model_type: "qwen2",
    required: &[
        ("embedding_length", "hidden_size"),
        ("feed_forward_length", "intermediate_size"),
        ("block_count", "num_hidden_layers"),
        ("attention.head_count", "num_attention_heads"),
        ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
        ("context_length", "max_position_embeddings"),
    ],
    optional: &[
        ("attention.head_count_kv", "num_key_value_heads"),
        ("attention.key_length", "head_dim"),
        ("rope.freq_base", "rope_theta"),
    ],
    tensors: &[
        ("token_embd.weight", "model.embed_tokens.weight"),
        ("output_norm.weight", "model.norm.weight"),
        ("output.weight", "lm_head.weight"),
    ],
    layer_tensors: &[
        ("attn_norm.weight", "input_layernorm.weight"),
        ("attn_q.weight", "self_attn.q_proj.weight"),
        ("attn_q.bias", "self_attn.q_proj.bias"),
        ("attn_k.weight", "self_attn.k_proj.weight"),
        ("attn_k.bias", "self_attn.k_proj.bias"),
        ("attn_v.weight", "self_attn.v_proj.weight"),
        ("attn_v.bias", "self_attn.v_proj.bias"),
        ("attn_output.weight", "self_attn.o_proj.weight"),
        ("ffn_norm.weight", "post_attention_layernorm.weight"),
        ("ffn_gate.weight", "mlp.gate_proj.weight"),
        ("ffn_up.weight", "mlp.up_proj.weight"),
        ("ffn_down.weight", "mlp.down_proj.weight"),
    ],
}];

/// A checkpoint from a parsed GGUF file, all names as Hugging Face has them.
pub(super) fn checkpoint(source: Source, gguf: Gguf) -> Result<Checkpoint> {
    let Gguf { keys, tensors } = gguf;
    let keys = Keys { source: &source, keys: &keys };
    keys.refuse_split()?;
    let architecture = keys.architecture()?;
    let tensors = rename(architecture, &source, tensors)?;
    let config = keys.config(architecture, &tensors)?;
    let rows = config.get("vocab_size").and_then(Json::as_u64).unwrap_or(0);
    let vocab = keys.vocab(rows)?;
    let generation = [("eos_token_id", vocab.eos), ("bos_token_id", vocab.bos), ("pad_token_id", vocab.pad)]
        .into_iter()
        .filter_map(|(field, id)| Some((field.to_owned(), Json::from(id?))))
        .collect();
    let chat_template = keys.text("tokenizer.chat_template")?.map(str::to_owned);
    Ok(Checkpoint {
        path: source.path().to_owned(),
        config,
        generation,
        tokenizer: TokenizerSource::Gguf(vocab),
        chat_template,
        tensors: Tensors::new(vec![source], tensors),
    })
}

fn rename(architecture: &Architecture, source: &Source, mut tensors: Vec<TensorInfo>) -> Result<Vec<TensorInfo>> {
    for tensor in &mut tensors {
        tensor.name = architecture.tensor(&tensor.name).ok_or_else(|| {
            Error::malformed(
                source.path(),
                format!("tensor {}", tensor.name),
                format!("a tensor of the {} architecture", architecture.gguf),
                "an unknown name",
                "the file needs a newer version of this program, or its conversion went wrong",
            )
        })?;
    }
    Ok(tensors)
}

impl Architecture {
    /// The Hugging Face name of a GGUF tensor.
    fn tensor(&self, gguf: &str) -> Option<String> {
        let find = |list: &[(&str, &'static str)], name: &str| {
            let found = list.iter().find(|(gguf, _)| *gguf == name);
            found.map(|(_, hugging_face)| *hugging_face)
        };
        match gguf.strip_prefix("blk.") {
            None => find(self.tensors, gguf).map(str::to_owned),
            Some(rest) => {
                let (layer, part) = rest.split_once('.')?;
                // "+1" and "01" would parse too, and make two names one.
                let number: u32 = layer.parse().ok()?;
                let part = find(self.layer_tensors, part)?;
                (number.to_string() == layer).then(|| format!("model.layers.{layer}.{part}"))
            }
        }
    }
}

/// The header keys with typed access; errors name the key.
struct Keys<'a> {
    source: &'a Source,
    keys: &'a HashMap<String, Value>,
}

impl Keys<'_> {
    fn bad(&self, key: &str, expected: &str, found: impl std::fmt::Display) -> Error {
        Error::malformed(
            self.source.path(),
            key,
            expected,
            found,
            "the file is damaged or its conversion went wrong; download it again",
        )
    }

    fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.keys.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.bad(key, "a string", other)),
        }
    }

    /// A token id, which must be one of `tokens`.
    fn token(&self, key: &str, tokens: usize) -> Result<Option<u32>> {
        match self.keys.get(key) {
            None => Ok(None),
            Some(&Value::Unsigned(id)) if id < tokens as u64 && u32::try_from(id).is_ok() => Ok(Some(id as u32)),
            Some(other) => Err(self.bad(key, &format!("a token id below {tokens}"), other)),
        }
    }

    fn refuse_split(&self) -> Result<()> {
        match self.keys.get("split.count") {
            None | Some(Value::Unsigned(0 | 1)) => Ok(()),
            Some(_) => Err(Error::Unsupported {
                file: self.source.path().to_owned(),
                what: "a model split over several GGUF files (split.count)".to_owned(),
                fix: "join them with `llama-gguf-split --merge`".to_owned(),
            }),
        }
    }

    fn architecture(&self) -> Result<&'static Architecture> {
        const KEY: &str = "general.architecture";
        let Some(name) = self.text(KEY)? else {
            return Err(self.bad(KEY, "an architecture's name", "no such key"));
        };
        ARCHITECTURES.iter().find(|architecture| architecture.gguf == name).ok_or_else(|| {
            let known: Vec<&str> = ARCHITECTURES.iter().map(|known| known.gguf).collect();
            Error::Unsupported {
                file: self.source.path().to_owned(),
                what: format!("{KEY} {name:?} in a GGUF file"),
                fix: format!("known here: {}; use the original Hugging Face folder", known.join(", ")),
            }
        })
    }

    /// The fields of config.json. Keys of the family without a known field keep their GGUF name, so
    /// that a reader of the config can refuse what it does not know.
    fn config(&self, architecture: &Architecture, tensors: &[TensorInfo]) -> Result<Map<String, Json>> {
        let mut config = Map::new();
        config.insert("model_type".to_owned(), architecture.model_type.into());
        let prefix = format!("{}.", architecture.gguf);
        for (part, field) in architecture.required {
            let key = format!("{prefix}{part}");
            let Some(value) = self.keys.get(&key) else {
                return Err(self.bad(&key, "a number", "no such key"));
            };
            config.insert((*field).to_owned(), self.number(&key, value)?);
        }
        let mut rest: Vec<_> = self
            .keys
            .iter()
            .filter_map(|(key, value)| Some((key, key.strip_prefix(&prefix)?, value)))
            .filter(|(_, part, _)| architecture.required.iter().all(|(known, _)| known != part))
            .collect();
        rest.sort_unstable_by_key(|(key, ..)| *key);
        for (key, part, value) in rest {
            let known = architecture.optional.iter().find(|(known, _)| *known == part);
            let (field, value) = match known {
                Some((_, field)) => ((*field).to_owned(), self.number(key, value)?),
                None => (key.clone(), self.any(key, value)?),
            };
            config.insert(field, value);
        }
        if let (None, Some(heads)) = (config.get("num_key_value_heads"), config.get("num_attention_heads").cloned()) {
            config.insert("num_key_value_heads".to_owned(), heads);
        }

        let find = |name: &str| tensors.iter().find(|tensor| tensor.name == name);
        let embeddings = find("model.embed_tokens.weight")
            .ok_or_else(|| self.bad("tensor token_embd.weight", "token embeddings", "no such tensor"))?;
        config.insert("vocab_size".to_owned(), embeddings.shape[0].into());
        let tied = find("lm_head.weight").is_none();
        config.insert("tie_word_embeddings".to_owned(), tied.into());
        Ok(config)
    }

    fn number(&self, key: &str, value: &Value) -> Result<Json> {
        let number = match *value {
            Value::Unsigned(number) => Some(Number::from(number)),
            Value::Signed(number) => Some(Number::from(number)),
            Value::Float(number) => Number::from_f64(number),
            _ => None,
        };
        let number = number.ok_or_else(|| self.bad(key, "a number", value))?;
        Ok(Json::Number(number))
    }

    fn any(&self, key: &str, value: &Value) -> Result<Json> {
        match value {
            Value::Bool(flag) => Ok((*flag).into()),
            Value::Text(text) => Ok(text.clone().into()),
            Value::Array(_) => Ok(value.to_string().into()),
            number => self.number(key, number),
        }
    }

    /// The vocabulary; `rows` is the number of token embeddings.
    fn vocab(&self, rows: u64) -> Result<GgufVocab> {
        const MODEL: &str = "tokenizer.ggml.model";
        let model = match self.text(MODEL)? {
            Some(model @ ("gpt2" | "llama")) => model,
            other => {
                return Err(Error::Unsupported {
                    file: self.source.path().to_owned(),
                    what: format!("{MODEL} {}", other.unwrap_or("(missing)")),
                    fix: "use a model with \"gpt2\" (byte-level BPE) or \"llama\" (SentencePiece) here".to_owned(),
                });
            }
        };
        let array = |key: &str| match self.keys.get(key) {
            None => Ok(None),
            Some(Value::Array(array)) => Ok(Some(array)),
            Some(other) => Err(self.bad(key, "an array", other)),
        };

        const TOKENS: &str = "tokenizer.ggml.tokens";
        let tokens = match array(TOKENS)? {
            // Checked before reading: a row takes bytes, so this bounds the memory for tokens.
            Some(tokens) if tokens.len() <= rows => tokens.strings(self.source, TOKENS)?,
            Some(tokens) => {
                return Err(self.bad(
                    TOKENS,
                    &format!("at most {rows} tokens, the rows of token_embd.weight"),
                    tokens.len(),
                ));
            }
            None => return Err(self.bad(TOKENS, "an array of strings", "no such key")),
        };

        const TYPES: &str = "tokenizer.ggml.token_type";
        let token_types = match array(TYPES)? {
            Some(types) if types.len() == tokens.len() as u64 => types.integers(self.source, TYPES)?,
            Some(types) => {
                return Err(self.bad(TYPES, &format!("one for each of {} tokens", tokens.len()), types.len()));
            }
            None => return Err(self.bad(TYPES, "an array of 32-bit integers", "no such key")),
        };

        const MERGES: &str = "tokenizer.ggml.merges";
        let merges = match array(MERGES)? {
            Some(merges) => merges.strings(self.source, MERGES)?,
            None if model == "llama" => Vec::new(),
            None => return Err(self.bad(MERGES, "an array of strings", "no such key")),
        };

        const SCORES: &str = "tokenizer.ggml.scores";
        let scores = match array(SCORES)? {
            Some(scores) if model == "llama" => scores.floats(self.source, SCORES)?,
            None if model == "llama" => return Err(self.bad(SCORES, "an array of floats", "no such key")),
            _ => Vec::new(),
        };

        let flag = |key: &str, default: bool| match self.keys.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.bad(key, "a bool", other)),
        };
        let pre = self.text("tokenizer.ggml.pre")?;
        let adds_bos = model == "llama" || matches!(pre, Some("llama-bpe" | "tekken"));
        Ok(GgufVocab {
            model: model.to_owned(),
            pre: pre.map(str::to_owned),
            eot: self.token("tokenizer.ggml.eot_token_id", tokens.len())?,
            add_bos: flag("tokenizer.ggml.add_bos_token", adds_bos)?,
            add_space_prefix: flag("tokenizer.ggml.add_space_prefix", true)?,
            scores,
            bos: self.token("tokenizer.ggml.bos_token_id", tokens.len())?,
            eos: self.token("tokenizer.ggml.eos_token_id", tokens.len())?,
            pad: self.token("tokenizer.ggml.padding_token_id", tokens.len())?,
            tokens,
            token_types,
            merges,
        })
    }
}
