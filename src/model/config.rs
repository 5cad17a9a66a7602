//! Shape and constants of a model, read from config.json. Fields have the names of that file.

use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::{Map, Value};

use super::families::{FAMILIES, Family};
use crate::error::{Error, Result};
use crate::formats::file::Fields;
use crate::kernels::RopeScaling;

/// Shape and constants of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Family of `model_type`.
    pub family: &'static Family,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    pub head_dim: usize,
    pub vocab_size: usize,
    pub max_position_embeddings: usize,
    pub rms_norm_eps: f32,
    pub rope_theta: f64,
    pub rope_scaling: RopeScaling,
    /// Number of keys that a query attends to, its own included. None: all up to its own.
    pub sliding_window: Option<usize>,
    /// True if q, k, v and o have biases, in families where the config decides.
    pub attention_bias: bool,
    /// True if gate, up and down have biases, in families where the config decides.
    pub mlp_bias: bool,
    pub tie_word_embeddings: bool,
}

/// Widths of a tensor: no later product of sizes comes near an overflow.
const WIDTHS: RangeInclusive<usize> = 1..=1 << 20;
/// Numbers of layers.
const LAYERS: RangeInclusive<usize> = 1..=1024;
/// Numbers of tokens or positions.
const ROWS: RangeInclusive<usize> = 1..=1 << 24;

/// Shapes of published models, a line each, as their config.json has them.
const PUBLISHED: &str = include_str!("published.tsv");

impl Config {
    /// Returns the operations that the costliest step of a pass takes for each row: attention over `context` keys, or a
    /// product of the MLP.
    pub fn row_flops(&self, context: usize) -> u64 {
        let keys = context.min(self.sliding_window.unwrap_or(usize::MAX));
        let attention = 4 * keys * self.num_attention_heads * self.head_dim;
        attention.max(2 * self.hidden_size * self.intermediate_size) as u64
    }

    /// Reads and checks the fields of `map`, the content of `file`.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a field that is missing or out of range, [`Error::Unsupported`] for a family, an
    /// activation, a rope scaling or a size that does not run here.
    pub fn from_json(map: &Map<String, Value>, file: &Path) -> Result<Config> {
        let fields = Fields { map, file, within: "" };
        let named = fields.text(&["model_type"])?;
        let (_, model_type) = named.ok_or_else(|| fields.bad("model_type", "a name"))?;
        let Some(family) = Family::find(model_type) else {
            let experts = if model_type.ends_with("_moe") { ", a mixture of experts," } else { "" };
            let known: Vec<_> =
                FAMILIES.iter().map(|family| format!("{} ({})", family.model_type, family.title)).collect();
            let fix = format!("models of type {} run", known.join(", "));
            return Err(fields.unsupported("model_type", format!("{model_type:?}{experts}"), &fix));
        };
        let flag = |name| Ok::<bool, Error>(fields.flag(&[name])?.unwrap_or(false));
        let hidden_size = fields.size("hidden_size", WIDTHS)?;
        let num_attention_heads = fields.size("num_attention_heads", WIDTHS)?;
        let num_key_value_heads = match fields.find(&["num_key_value_heads"])? {
            None => num_attention_heads,
            Some(_) => fields.size("num_key_value_heads", WIDTHS)?,
        };
        let head_dim = match fields.find(&["head_dim"])? {
            None if hidden_size % num_attention_heads == 0 => hidden_size / num_attention_heads,
            None => return Err(fields.bad("num_attention_heads", format!("a divisor of hidden_size {hidden_size}"))),
            Some(_) => fields.size("head_dim", WIDTHS)?,
        };
        if num_attention_heads % num_key_value_heads != 0 {
            return Err(
                fields.bad("num_key_value_heads", format!("a divisor of num_attention_heads {num_attention_heads}"))
            );
        }
        let config = Config {
            family,
            hidden_size,
            intermediate_size: fields.size("intermediate_size", WIDTHS)?,
            num_hidden_layers: fields.size("num_hidden_layers", LAYERS)?,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            vocab_size: fields.size("vocab_size", ROWS)?,
            max_position_embeddings: fields.size("max_position_embeddings", ROWS)?,
            rms_norm_eps: fields.positive("rms_norm_eps")? as f32,
            rope_theta: rope_theta(&fields, family)?,
            rope_scaling: rope_scaling(&fields, head_dim)?,
            sliding_window: match (family.sliding_window)(map) {
                Some(_) => Some(fields.size("sliding_window", ROWS)?),
                None => None,
            },
            attention_bias: flag("attention_bias")?,
            mlp_bias: flag("mlp_bias")?,
            tie_word_embeddings: flag("tie_word_embeddings")?,
        };
        config.check_kernels(&fields)?;
        if flag("use_sliding_window")? {
            return Err(fields.unsupported("use_sliding_window", true, "set it to false: the context is then exact"));
        }
        match fields.find(&["hidden_act"])? {
            None => Ok(config),
            Some((_, act)) if act == "silu" => Ok(config),
            Some((name, act)) => Err(fields.unsupported(name, act, "models with \"silu\" run")),
        }
    }

    /// Checks that the kernels can work on these sizes.
    fn check_kernels(&self, fields: &Fields) -> Result<()> {
        for (what, size, of) in [
            ("hidden_size", self.hidden_size, 32),
            ("intermediate_size", self.intermediate_size, 32),
            ("head_dim", self.head_dim, 4),
            ("num_attention_heads times head_dim", self.num_attention_heads * self.head_dim, 32),
        ] {
            if size % of != 0 {
                return Err(fields.unsupported(what, size, &format!("it must be a multiple of {of}")));
            }
        }
        if self.head_dim > 256 {
            return Err(fields.unsupported("head_dim", self.head_dim, "heads have at most 256"));
        }
        Ok(())
    }

    /// Returns the columns of all queries together.
    pub fn q_size(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// Returns the columns of all keys, or all values, together.
    pub fn kv_size(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }

    /// Returns the shape of a published model by its name (`qwen2.5-7b`), for random weights.
    pub fn published(name: &str) -> Option<Config> {
        let wanted = name.to_lowercase();
        let shape = published().find(|shape| shape[1].split(' ').any(|name| name == wanted))?;
        let size = |column: usize| shape[column].parse().expect("published.tsv has numbers");
        Some(Config {
            family: Family::find(shape[0]).expect("published.tsv names families of the list"),
            num_hidden_layers: size(2),
            hidden_size: size(3),
            intermediate_size: size(4),
            num_attention_heads: size(5),
            num_key_value_heads: size(6),
            head_dim: size(7),
            vocab_size: size(8),
            max_position_embeddings: 32_768,
            rms_norm_eps: 1e-6,
            rope_theta: 1e6,
            rope_scaling: RopeScaling::None,
            sliding_window: None,
            attention_bias: false,
            mlp_bias: false,
            tie_word_embeddings: shape[9] == "true",
        })
    }

    /// Returns the names that [`Config::published`] knows.
    pub fn published_names() -> Vec<&'static str> {
        published().flat_map(|shape| shape[1].split(' ')).collect()
    }
}

/// Returns the columns of each published shape.
fn published() -> impl Iterator<Item = Vec<&'static str>> {
    PUBLISHED.lines().skip(1).map(|line| line.split('\t').collect())
}

/// Reads `rope_theta`, which transformers from version 5 on writes inside `rope_parameters`.
fn rope_theta(fields: &Fields, family: &Family) -> Result<f64> {
    if !fields.map.contains_key("rope_theta")
        && let Some(Value::Object(map)) = fields.map.get("rope_parameters")
        && map.contains_key("rope_theta")
    {
        return Fields { map, within: "rope_parameters.", ..*fields }.positive("rope_theta");
    }
    match family.rope_theta {
        Some(usual) if !fields.map.contains_key("rope_theta") => Ok(usual),
        _ => fields.positive("rope_theta"),
    }
}

/// Reads how the rotation's frequencies are scaled for contexts longer than the original one.
fn rope_scaling(fields: &Fields, head_dim: usize) -> Result<RopeScaling> {
    for field in ["rope_scaling", "rope_parameters"] {
        let Some(Value::Object(map)) = fields.map.get(field) else { continue };
        let within = format!("{field}.");
        let scaling = Fields { map, file: fields.file, within: &within };
        let number = |name| Ok::<f32, Error>(scaling.positive(name)? as f32);
        let kind = map.get("rope_type").or_else(|| map.get("type")).and_then(Value::as_str);
        return Ok(match kind.unwrap_or("default") {
            "default" => continue,
            "linear" => RopeScaling::Linear { factor: number("factor")? },
            "llama3" => {
                let (low_freq_factor, high_freq_factor) = (number("low_freq_factor")?, number("high_freq_factor")?);
                if low_freq_factor >= high_freq_factor {
                    let expected = format!("below high_freq_factor {high_freq_factor}");
                    return Err(scaling.bad("low_freq_factor", expected));
                }
                RopeScaling::Llama3 {
                    factor: number("factor")?,
                    low_freq_factor,
                    high_freq_factor,
                    original_max_position_embeddings: scaling.size("original_max_position_embeddings", ROWS)?,
                }
            }
            // Divisors of the frequencies, as GGUF files store them.
            "factors" => {
                let factor = |value: &Value| value.as_f64().map(|n| n as f32).filter(|n| *n > 0.0 && n.is_finite());
                let list = map.get("factors").and_then(Value::as_array);
                let list: Option<Vec<f32>> = list.and_then(|list| list.iter().map(factor).collect());
                let half = head_dim / 2;
                let bad = || scaling.bad("factors", format!("{half} positive numbers, half of head_dim"));
                RopeScaling::Factors(list.filter(|list| list.len() == half).ok_or_else(bad)?)
            }
            other => {
                let fix = "remove it to run at the length the model was trained for";
                return Err(fields.unsupported(field, format!("of type {other:?}"), fix));
            }
        });
    }
    Ok(RopeScaling::None)
}
