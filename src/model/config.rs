//! What a model is, from config.json: the fields' names are those of the checkpoints.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Shape and constants of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub model_type: String,
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
    pub tie_word_embeddings: bool,
}

/// Architectures that [`super::Qwen`] computes.
const KNOWN: &[&str] = &["qwen2"];
/// Bounds that keep every later product of sizes far from overflow; the largest Qwen is well below
/// them.
const MOST: usize = 1 << 20;
const MOST_LAYERS: usize = 1024;
/// Rows of a table: tokens, positions.
const MOST_ROWS: usize = 1 << 24;

impl Config {
    /// Reads and checks the fields of `map`, which came from `file`.
    ///
    /// # Errors
    /// Names the field, what it should be and what it is.
    pub fn from_json(map: &Map<String, Value>, file: &Path) -> Result<Config> {
        let fields = Fields { map, file };
        let model_type = fields.text("model_type")?;
        if !KNOWN.contains(&model_type.as_str()) {
            let experts = if model_type.ends_with("_moe") { ", a mixture of experts," } else { "" };
            let fix = format!("models of type {} run (Qwen1.5, Qwen2, Qwen2.5)", KNOWN.join(", "));
            return Err(unsupported(file, &format!("model_type {model_type:?}{experts}"), &fix));
        }
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
            model_type,
            hidden_size,
            intermediate_size: fields.size("intermediate_size", MOST)?,
            num_hidden_layers: fields.size("num_hidden_layers", MOST_LAYERS)?,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            vocab_size: fields.size("vocab_size", MOST_ROWS)?,
            max_position_embeddings: fields.size("max_position_embeddings", MOST_ROWS)?,
            rms_norm_eps: fields.positive("rms_norm_eps", map.get("rms_norm_eps"))? as f32,
            rope_theta: fields.positive("rope_theta", rope_theta(map))?,
            tie_word_embeddings: fields.flag("tie_word_embeddings")?,
        };
        config.check_kernels(file)?;
        if fields.flag("use_sliding_window")? {
            return Err(unsupported(file, "use_sliding_window", "set it to false: the context is then exact"));
        }
        fields.check_activation()?;
        fields.check_rope()?;
        Ok(config)
    }

    /// What the kernels need of the sizes, beyond what any Qwen has.
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

    /// Columns of queries, and of keys or values.
    pub fn q_size(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    pub fn kv_size(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }

    /// The shape of a published model by its name (`qwen2.5-7b`), for random weights; the numbers are
    /// those of its config.json.
    pub fn published(name: &str) -> Option<Config> {
        let wanted = name.to_lowercase();
        let (_, s) = PUBLISHED.iter().find(|(names, _)| names.contains(&wanted.as_str()))?;
        let [layers, hidden, mlp, heads, kv_heads, vocab, tied] = *s;
        Some(Config {
            model_type: "qwen2".into(),
            hidden_size: hidden,
            intermediate_size: mlp,
            num_hidden_layers: layers,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim: hidden / heads,
            vocab_size: vocab,
            max_position_embeddings: 32_768,
            rms_norm_eps: 1e-6,
            rope_theta: 1e6,
            tie_word_embeddings: tied == 1,
        })
    }

    /// Names that [`Config::published`] knows.
    pub fn published_names() -> Vec<&'static str> {
        PUBLISHED.iter().flat_map(|(names, _)| names.iter().copied()).collect()
    }
}

/// Layers, hidden, mlp, heads, kv heads, vocabulary, tied.
#[rustfmt::skip]
const PUBLISHED: &[(&[&str], [usize; 7])] = &[
    (&["qwen1.5-0.5b"],                 [24, 1024, 2816, 16, 16, 151_936, 1]),
    (&["qwen1.5-4b"],                   [40, 2560, 6912, 20, 20, 151_936, 0]),
    (&["qwen1.5-32b"],                  [64, 5120, 27_392, 40, 8, 152_064, 0]),
    (&["qwen2-0.5b", "qwen2.5-0.5b"],   [24, 896, 4864, 14, 2, 151_936, 1]),
    (&["qwen2-1.5b", "qwen2.5-1.5b"],   [28, 1536, 8960, 12, 2, 151_936, 1]),
    (&["qwen2.5-3b"],                   [36, 2048, 11_008, 16, 2, 151_936, 1]),
    (&["qwen2-7b", "qwen2.5-7b"],       [28, 3584, 18_944, 28, 4, 152_064, 0]),
    (&["qwen2.5-14b"],                  [48, 5120, 13_824, 40, 8, 152_064, 0]),
    (&["qwen2.5-32b"],                  [64, 5120, 27_648, 40, 8, 152_064, 0]),
    (&["qwen2-72b", "qwen2.5-72b"],     [80, 8192, 29_568, 64, 8, 152_064, 0]),
];

/// `rope_theta`, which transformers from version 5 on writes inside `rope_parameters`.
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
        let size = self.map.get(field).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        size.filter(|n| (1..=most).contains(n)).ok_or_else(|| self.bad(field, format!("a number from 1 to {most}")))
    }

    /// A number that is still above zero, and finite, as an f32.
    fn positive(&self, field: &str, value: Option<&Value>) -> Result<f64> {
        let fits = |n: &f64| *n as f32 > 0.0 && (*n as f32).is_finite();
        let number = value.and_then(Value::as_f64).filter(fits);
        number.ok_or_else(|| self.bad_value(field, value, "a positive number".into()))
    }

    /// False where it is absent, as in transformers.
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
            Some(other) => Err(unsupported(self.file, &format!("hidden_act {other}"), "Qwen has \"silu\"")),
        }
    }

    /// Rotations that stretch the context give other numbers within it, too.
    fn check_rope(&self) -> Result<()> {
        for field in ["rope_scaling", "rope_parameters"] {
            let Some(scaling) = self.map.get(field).filter(|v| !v.is_null()) else { continue };
            let kind = scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str);
            if kind.unwrap_or("default") != "default" {
                let what = format!("{field} of type {:?}", kind.unwrap_or_default());
                return Err(unsupported(self.file, &what, "remove it to run at the length the model was trained for"));
            }
        }
        Ok(())
    }
}
