//! Shape and constants of a model, read from config.json. Fields have the names of that file.

use std::path::Path;

use serde_json::{Map, Value};

use super::families::{FAMILIES, Family};
use crate::error::{Error, Result};
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

/// Largest width of a tensor: no later product of sizes comes near an overflow.
const MOST: usize = 1 << 20;
/// Largest number of layers.
const MOST_LAYERS: usize = 1024;
/// Largest number of tokens or positions.
const MOST_ROWS: usize = 1 << 24;

/// Shapes of published models, a line each, as their config.json has them.
const PUBLISHED: &str = include_str!("published.tsv");

impl Config {
    /// Reads and checks the fields of `map`, the content of `file`.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a field that is missing or out of range, [`Error::Unsupported`] for a family, an
    /// activation, a rope scaling or a size that does not run here.
    pub fn from_json(map: &Map<String, Value>, file: &Path) -> Result<Config> {
        let fields = Fields { map, file };
        let model_type = fields.text("model_type")?;
        let Some(family) = Family::find(&model_type) else {
            let experts = if model_type.ends_with("_moe") { ", a mixture of experts," } else { "" };
            let known: Vec<_> =
                FAMILIES.iter().map(|family| format!("{} ({})", family.model_type, family.title)).collect();
            let fix = format!("models of type {} run", known.join(", "));
            return Err(unsupported(file, &format!("model_type {model_type:?}{experts}"), &fix));
        };
        let hidden_size = fields.size("hidden_size", MOST)?;
        let num_attention_heads = fields.size("num_attention_heads", MOST)?;
        let num_key_value_heads = match map.get("num_key_value_heads") {
            None | Some(Value::Null) => num_attention_heads,
            Some(_) => fields.size("num_key_value_heads", MOST)?,
        };
        let head_dim = match map.get("head_dim") {
            None | Some(Value::Null) if hidden_size % num_attention_heads == 0 => hidden_size / num_attention_heads,
            None | Some(Value::Null) => {
                return Err(fields.bad("num_attention_heads", format!("a divisor of hidden_size {hidden_size}")));
            }
            Some(_) => fields.size("head_dim", MOST)?,
        };
        if num_attention_heads % num_key_value_heads != 0 {
            return Err(
                fields.bad("num_key_value_heads", format!("a divisor of num_attention_heads {num_attention_heads}"))
            );
        }
        let config = Config {
            family,
            hidden_size,
            intermediate_size: fields.size("intermediate_size", MOST)?,
            num_hidden_layers: fields.size("num_hidden_layers", MOST_LAYERS)?,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            vocab_size: fields.size("vocab_size", MOST_ROWS)?,
            max_position_embeddings: fields.size("max_position_embeddings", MOST_ROWS)?,
            rms_norm_eps: fields.positive("rms_norm_eps", map.get("rms_norm_eps"))? as f32,
            rope_theta: match (rope_theta(map), family.rope_theta) {
                (None, Some(usual)) => usual,
                (given, _) => fields.positive("rope_theta", given)?,
            },
            rope_scaling: fields.rope_scaling(head_dim)?,
            sliding_window: match (family.sliding_window)(map) {
                Some(_) => Some(fields.size("sliding_window", MOST_ROWS)?),
                None => None,
            },
            attention_bias: fields.flag("attention_bias")?,
            mlp_bias: fields.flag("mlp_bias")?,
            tie_word_embeddings: fields.flag("tie_word_embeddings")?,
        };
        config.check_kernels(file)?;
        if fields.flag("use_sliding_window")? {
            return Err(unsupported(file, "use_sliding_window", "set it to false: the context is then exact"));
        }
        fields.check_activation()?;
        Ok(config)
    }

    /// Checks that the kernels can work on these sizes.
    fn check_kernels(&self, file: &Path) -> Result<()> {
        for (what, size, of) in [
            ("hidden_size", self.hidden_size, 32),
            ("intermediate_size", self.intermediate_size, 32),
            ("head_dim", self.head_dim, 4),
            ("num_attention_heads times head_dim", self.num_attention_heads * self.head_dim, 32),
        ] {
            if size % of != 0 {
                return Err(unsupported(file, &format!("{what} {size}"), &format!("it must be a multiple of {of}")));
            }
        }
        if self.head_dim > 256 {
            return Err(unsupported(file, &format!("head_dim {}", self.head_dim), "heads have at most 256"));
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

/// Returns `rope_theta`, which transformers from version 5 on writes inside `rope_parameters`.
fn rope_theta(map: &Map<String, Value>) -> Option<&Value> {
    map.get("rope_theta").or_else(|| map.get("rope_parameters")?.get("rope_theta"))
}

fn unsupported(file: &Path, what: &str, fix: &str) -> Error {
    Error::Unsupported { file: file.to_owned(), what: what.to_owned(), fix: fix.to_owned() }
}

struct Fields<'a> {
    map: &'a Map<String, Value>,
    file: &'a Path,
}

impl Fields<'_> {
    fn bad(&self, field: &str, expected: String) -> Error {
        self.bad_value(field, self.map.get(field), expected)
    }

    fn bad_value(&self, field: &str, value: Option<&Value>, expected: String) -> Error {
        let found = value.map_or("nothing".into(), Value::to_string);
        Error::malformed(self.file, field, expected, found, "take config.json as its authors published it")
    }

    fn text(&self, field: &str) -> Result<String> {
        let text = self.map.get(field).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| self.bad(field, "a name".into()))
    }

    fn size(&self, field: &str, most: usize) -> Result<usize> {
        self.size_value(field, self.map.get(field), most)
    }

    fn size_value(&self, field: &str, value: Option<&Value>, most: usize) -> Result<usize> {
        let size = value.and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let fits = size.filter(|n| (1..=most).contains(n));
        fits.ok_or_else(|| self.bad_value(field, value, format!("a number from 1 to {most}")))
    }

    /// Reads a number that is above zero and finite as an f32.
    fn positive(&self, field: &str, value: Option<&Value>) -> Result<f64> {
        let fits = |n: &f64| *n as f32 > 0.0 && (*n as f32).is_finite();
        let number = value.and_then(Value::as_f64).filter(fits);
        number.ok_or_else(|| self.bad_value(field, value, "a positive number".into()))
    }

    /// Reads a flag. It is false where it is absent, as in transformers.
    fn flag(&self, field: &str) -> Result<bool> {
        match self.map.get(field) {
            None | Some(Value::Null) => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| self.bad(field, "true or false".into())),
        }
    }

    fn check_activation(&self) -> Result<()> {
        match self.map.get("hidden_act") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::String(name)) if name == "silu" => Ok(()),
            Some(other) => Err(unsupported(self.file, &format!("hidden_act {other}"), "models with \"silu\" run")),
        }
    }

    /// Reads how the rotation's frequencies are scaled for contexts longer than the original one.
    fn rope_scaling(&self, head_dim: usize) -> Result<RopeScaling> {
        for field in ["rope_scaling", "rope_parameters"] {
            let Some(Value::Object(scaling)) = self.map.get(field) else { continue };
            let kind = scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str);
            let number = |name: &str| self.positive(&format!("{field}.{name}"), scaling.get(name));
            return Ok(match kind.unwrap_or("default") {
                "default" => continue,
                "linear" => RopeScaling::Linear { factor: number("factor")? as f32 },
                "llama3" => {
                    let (low, high) = (number("low_freq_factor")? as f32, number("high_freq_factor")? as f32);
                    if low >= high {
                        let name = format!("{field}.low_freq_factor");
                        let low = scaling.get("low_freq_factor");
                        return Err(self.bad_value(&name, low, format!("below high_freq_factor {high}")));
                    }
                    let original = format!("{field}.original_max_position_embeddings");
                    let context = scaling.get("original_max_position_embeddings");
                    RopeScaling::Llama3 {
                        factor: number("factor")? as f32,
                        low_freq_factor: low,
                        high_freq_factor: high,
                        original_max_position_embeddings: self.size_value(&original, context, MOST_ROWS)?,
                    }
                }
                // Divisors of the frequencies, as GGUF files store them.
                "factors" => {
                    let name = format!("{field}.factors");
                    let half = head_dim / 2;
                    let expected = || format!("{half} positive numbers, half of head_dim");
                    let factor = |value: &Value| value.as_f64().map(|n| n as f32).filter(|n| *n > 0.0 && n.is_finite());
                    let given = scaling.get("factors");
                    let list: Option<Vec<f32>> =
                        given.and_then(Value::as_array).and_then(|list| list.iter().map(factor).collect());
                    let list = list.filter(|list| list.len() == half);
                    RopeScaling::Factors(list.ok_or_else(|| self.bad_value(&name, given, expected()))?)
                }
                other => {
                    let what = format!("{field} of type {other:?}");
                    let fix = "remove it to run at the length the model was trained for";
                    return Err(unsupported(self.file, &what, fix));
                }
            });
        }
        Ok(RopeScaling::None)
    }
}
