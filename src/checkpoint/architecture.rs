//! The model families of GGUF, with the names of fields and tensors in GGUF and in a Hugging Face folder.

use serde_json::Value as Json;

use super::gguf::Gguf;
use super::gguf_config::Keys;
use super::source::{DAMAGED_MODEL, SourceFile};
use super::tensors::{TensorInfo, Tensors};
use super::{Checkpoint, SpecialTokens, TokenizerSource};
use crate::error::Result;

/// GGUF's names of one model family.
pub(super) struct Architecture {
    /// The value of `general.architecture`, and the prefix of the family's keys.
    pub gguf: &'static str,
    /// `model_type` in config.json.
    pub model_type: &'static str,
    /// `model_type` of a relative that GGUF files under this architecture, too. A file is the relative's if it
    /// has a sliding window, or `general.basename` or `general.name` contains the relative's name.
    pub relative: Option<&'static str>,
    /// Keys without the prefix that a file may have beside [`REQUIRED`], and fields of config.json.
    pub optional: NamePairs,
    /// Lists of tensor names in the layers, where `blk.{i}.` is `model.layers.{i}.`.
    layer_tensors: &'static [NamePairs],
    /// True where the rows of query and key projections are stored for a rotation of neighbours: pairs
    /// (0, 1), (2, 3), ... of a head, where Hugging Face rotates i and i + head_dim / 2.
    interleaved: bool,
}

/// NamePairs in GGUF and in Hugging Face's files.
type NamePairs = &'static [(&'static str, &'static str)];

/// Every family this version reads from GGUF.
pub(super) static ARCHITECTURES: &[Architecture] = &[
    qwen("qwen2", &[LAYER, QKV_BIASES]),
    qwen("qwen3", &[LAYER, QK_NORMS]),
    // Llama 2, 3, 3.1, 3.2 and Mistral.
    Architecture {
        gguf: "llama",
        model_type: "llama",
        relative: Some("mistral"),
        optional: &[
            ("attention.head_count_kv", "num_key_value_heads"),
            ("attention.key_length", "head_dim"),
            ("attention.sliding_window", "sliding_window"),
            ("rope.freq_base", "rope_theta"),
        ],
        layer_tensors: &[LAYER],
        interleaved: true,
    },
];

const fn qwen(name: &'static str, layer_tensors: &'static [NamePairs]) -> Architecture {
    Architecture { gguf: name, model_type: name, relative: None, optional: OPTIONAL, layer_tensors, interleaved: false }
}

/// Keys without the prefix that every file has, and fields of config.json.
pub(super) const REQUIRED: NamePairs = &[
    ("embedding_length", "hidden_size"),
    ("feed_forward_length", "intermediate_size"),
    ("block_count", "num_hidden_layers"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    ("context_length", "max_position_embeddings"),
];

const OPTIONAL: NamePairs = &[
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("rope.freq_base", "rope_theta"),
];

/// The divisors of the rotation's frequencies (Llama 3.1 and later), which go into the config.
pub(super) const ROPE_FACTORS: &str = "rope_freqs.weight";

/// Tensors outside of the layers.
const OUTER: NamePairs = &[
    ("token_embd.weight", "model.embed_tokens.weight"),
    ("output_norm.weight", "model.norm.weight"),
    ("output.weight", "lm_head.weight"),
    (ROPE_FACTORS, ROPE_FACTORS),
];

const LAYER: NamePairs = &[
    ("attn_norm.weight", "input_layernorm.weight"),
    ("attn_q.weight", "self_attn.q_proj.weight"),
    ("attn_k.weight", "self_attn.k_proj.weight"),
    ("attn_v.weight", "self_attn.v_proj.weight"),
    ("attn_output.weight", "self_attn.o_proj.weight"),
    ("ffn_norm.weight", "post_attention_layernorm.weight"),
    ("ffn_gate.weight", "mlp.gate_proj.weight"),
    ("ffn_up.weight", "mlp.up_proj.weight"),
    ("ffn_down.weight", "mlp.down_proj.weight"),
];

const QKV_BIASES: NamePairs = &[
    ("attn_q.bias", "self_attn.q_proj.bias"),
    ("attn_k.bias", "self_attn.k_proj.bias"),
    ("attn_v.bias", "self_attn.v_proj.bias"),
];

const QK_NORMS: NamePairs =
    &[("attn_q_norm.weight", "self_attn.q_norm.weight"), ("attn_k_norm.weight", "self_attn.k_norm.weight")];

/// Makes a checkpoint of a parsed GGUF file, all names as Hugging Face has them.
pub(super) fn checkpoint(source: SourceFile, gguf: Gguf) -> Result<Checkpoint> {
    let Gguf { keys, tensors } = gguf;
    let keys = Keys { source: &source, keys: &keys };
    keys.refuse_split()?;
    let architecture = keys.architecture()?;
    let (factors, mut tensors): (Vec<_>, Vec<_>) =
        rename(architecture, &source, tensors)?.into_iter().partition(|tensor| tensor.name == ROPE_FACTORS);
    let config = keys.config(architecture, &tensors, factors.first())?;
    if architecture.interleaved {
        for (projection, field) in [("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")] {
            let heads = config.get(field).and_then(Json::as_u64).unwrap_or(0);
            undo_interleaving(&source, &mut tensors, &format!("self_attn.{projection}.weight"), heads as usize)?;
        }
    }
    let rows = config.get("vocab_size").and_then(Json::as_u64).unwrap_or(0);
    let vocab = keys.vocab(rows)?;
    let chat_template = keys.text("tokenizer.chat_template")?.map(str::to_owned);
    let text = |id: Option<u32>| id.and_then(|id| vocab.tokens.get(id as usize)).cloned();
    Ok(Checkpoint {
        path: source.path().to_owned(),
        config,
        generation: vocab.generation(),
        special_tokens: SpecialTokens { bos: text(vocab.bos), eos: text(vocab.eos), add_bos: Some(vocab.add_bos) },
        tokenizer: TokenizerSource::Gguf(vocab),
        chat_template,
        tensors: Tensors::new(vec![source], tensors),
    })
}

fn rename(architecture: &Architecture, source: &SourceFile, mut tensors: Vec<TensorInfo>) -> Result<Vec<TensorInfo>> {
    for tensor in &mut tensors {
        tensor.name = architecture.tensor(&tensor.name).ok_or_else(|| {
            let expected = format!("a tensor of the {} architecture", architecture.gguf);
            let fix = "the file needs a newer version of this program, or its conversion went wrong";
            source.malformed(format!("tensor {}", tensor.name), expected, "an unknown name", fix)
        })?;
    }
    Ok(tensors)
}

impl Architecture {
    /// Returns the Hugging Face name of a GGUF tensor.
    fn tensor(&self, gguf: &str) -> Option<String> {
        let find = |list: NamePairs, name: &str| Some(list.iter().find(|(gguf, _)| *gguf == name)?.1);
        match gguf.strip_prefix("blk.") {
            None => find(OUTER, gguf).map(str::to_owned),
            Some(rest) => {
                let (layer, part) = rest.split_once('.')?;
                // "+1" and "01" would parse too, and make two names one.
                let number: u32 = layer.parse().ok()?;
                let part = self.layer_tensors.iter().find_map(|list| find(list, part))?;
                (number.to_string() == layer).then(|| format!("model.layers.{layer}.{part}"))
            }
        }
    }
}

/// Marks the tensors with this ending of the name as stored in the interleaved order of `heads` heads: reading returns
/// their rows in Hugging Face's order.
fn undo_interleaving(source: &SourceFile, tensors: &mut [TensorInfo], ending: &str, heads: usize) -> Result<()> {
    for tensor in tensors.iter_mut().filter(|tensor| tensor.name.ends_with(ending)) {
        let rows = tensor.shape[0];
        if heads == 0 || !rows.is_multiple_of(2 * heads) {
            let expected = format!("an even number of rows for each of {heads} heads");
            let field = format!("tensor {}, dimensions", tensor.name);
            return Err(source.malformed(field, expected, format!("{rows} rows"), DAMAGED_MODEL));
        }
        tensor.interleaved = Some(rows / heads);
    }
    Ok(())
}
