//! The fields of config.json from the keys of a GGUF header.

use std::collections::HashMap;

use serde_json::{Map, Number, Value as Json, json};

use super::architecture::{ARCHITECTURES, Architecture, REQUIRED, ROPE_FACTORS};
use super::gguf_header::HeaderValue;
use super::source::{DAMAGED_MODEL, SourceFile};
use super::tensors::TensorInfo;
use crate::error::{Error, Result};

/// Typed access to the keys of a header; errors name the key.
pub(super) struct Keys<'a> {
    pub source: &'a SourceFile,
    pub keys: &'a HashMap<String, HeaderValue>,
}

/// Keys of the rotation's scaling after `rope.scaling.`, and fields of `rope_scaling` in config.json.
const SCALING: &[(&str, &str)] = &[
    ("factor", "factor"),
    ("original_context_length", "original_max_position_embeddings"),
    ("attn_factor", "attention_factor"),
    ("yarn_beta_fast", "beta_fast"),
    ("yarn_beta_slow", "beta_slow"),
];
/// Keys of sizes that must equal head_dim.
const HEAD_SIZES: &[&str] = &["attention.value_length", "rope.dimension_count"];
/// llama.cpp's rope.freq_base, and transformers' rope_theta, where a file gives none.
const ROPE_THETA: f64 = 10_000.0;

impl<'a> Keys<'a> {
    pub fn bad(&self, key: &str, expected: &str, found: impl std::fmt::Display) -> Error {
        self.source.malformed(key, expected, found, DAMAGED_MODEL)
    }

    pub fn unsupported(&self, what: String, fix: &str) -> Error {
        Error::unsupported(self.source.path(), what, fix)
    }

    pub fn text(&self, key: &str) -> Result<Option<&'a str>> {
        match self.keys.get(key) {
            None => Ok(None),
            Some(HeaderValue::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.bad(key, "a string", other)),
        }
    }

    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.keys.get(key) {
            None => Ok(None),
            Some(HeaderValue::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.bad(key, "a bool", other)),
        }
    }

    pub fn refuse_split(&self) -> Result<()> {
        match self.keys.get("split.count") {
            None | Some(HeaderValue::Unsigned(0 | 1)) => Ok(()),
            Some(_) => Err(self.unsupported(
                "a model split over several GGUF files (split.count)".to_owned(),
                "join them with `llama-gguf-split --merge`",
            )),
        }
    }

    pub fn architecture(&self) -> Result<&'static Architecture> {
        const KEY: &str = "general.architecture";
        let Some(name) = self.text(KEY)? else {
            return Err(self.bad(KEY, "an architecture's name", "no such key"));
        };
        ARCHITECTURES.iter().find(|architecture| architecture.gguf == name).ok_or_else(|| {
            let known: Vec<&str> = ARCHITECTURES.iter().map(|known| known.gguf).collect();
            self.unsupported(
                format!("{KEY} {name:?} in a GGUF file"),
                &format!("known here: {}; use the original Hugging Face folder", known.join(", ")),
            )
        })
    }

    /// Returns the fields of config.json. Keys of the family without a known field keep their GGUF name, so
    /// that a reader of the config can refuse what it does not know. `factors` divide the rotation's
    /// frequencies.
    pub fn config(
        &self,
        architecture: &Architecture,
        tensors: &[TensorInfo],
        factors: Option<&TensorInfo>,
    ) -> Result<Map<String, Json>> {
        let mut config = Map::new();
        config.insert("model_type".to_owned(), architecture.model_type.into());
        let prefix = format!("{}.", architecture.gguf);
        for (part, field) in REQUIRED {
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
            .filter(|(_, part, _)| REQUIRED.iter().all(|(known, _)| known != part))
            .filter(|(_, part, _)| !HEAD_SIZES.contains(part) && !part.starts_with("rope.scaling."))
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
        config.entry("rope_theta").or_insert(ROPE_THETA.into());
        // Mistral's config has null where no window slides.
        if config.get("sliding_window").is_some_and(|window| window.as_u64() == Some(0)) {
            config.remove("sliding_window");
        }
        if let Some(relative) = architecture.relative
            && (config.contains_key("sliding_window") || self.is_named(relative)?)
        {
            config.insert("model_type".to_owned(), relative.into());
        }
        self.check_head_sizes(&prefix, &config)?;
        if let Some(scaling) = self.rope_scaling(&prefix, &config, factors)? {
            config.insert("rope_scaling".to_owned(), scaling);
        }

        let find = |name: &str| tensors.iter().find(|tensor| tensor.name == name);
        let embeddings = find("model.embed_tokens.weight")
            .ok_or_else(|| self.bad("tensor token_embd.weight", "token embeddings", "no such tensor"))?;
        config.insert("vocab_size".to_owned(), embeddings.shape[0].into());
        let tied = find("lm_head.weight").is_none();
        config.insert("tie_word_embeddings".to_owned(), tied.into());
        Ok(config)
    }

    /// Returns whether the model's name contains `word`.
    fn is_named(&self, word: &str) -> Result<bool> {
        for key in ["general.basename", "general.name"] {
            if self.text(key)?.is_some_and(|name| name.to_lowercase().contains(word)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Refuses heads whose values, or whose rotated part, are of another size than their keys.
    fn check_head_sizes(&self, prefix: &str, config: &Map<String, Json>) -> Result<()> {
        let head_dim = head_dim(config);
        for part in HEAD_SIZES {
            let key = format!("{prefix}{part}");
            match self.keys.get(&key) {
                None => {}
                Some(HeaderValue::Unsigned(size)) if *size == head_dim => {}
                Some(other) => {
                    let what = format!("{key} {other} with heads of {head_dim}");
                    return Err(self.unsupported(what, "use a model whose whole heads are rotated"));
                }
            }
        }
        Ok(())
    }

    /// Returns `rope_scaling` of config.json. Factors that are Llama 3's are given as its formula, others as
    /// a list: `{"rope_type": "factors", "factors": [...]}`.
    fn rope_scaling(
        &self,
        prefix: &str,
        config: &Map<String, Json>,
        factors: Option<&TensorInfo>,
    ) -> Result<Option<Json>> {
        let mut scaling = Map::new();
        let kind = format!("{prefix}rope.scaling.type");
        // llama.cpp scales by the factor alone where a file names no type.
        let rope_type = self.text(&kind)?.unwrap_or("linear");
        scaling.insert("rope_type".to_owned(), rope_type.into());
        for (part, field) in SCALING {
            let key = format!("{prefix}rope.scaling.{part}");
            if let Some(value) = self.keys.get(&key) {
                scaling.insert((*field).to_owned(), self.number(&key, value)?);
            }
        }
        // The name before GGUF had types.
        let old = format!("{prefix}rope.scale_linear");
        if let (None, Some(value)) = (scaling.get("factor"), self.keys.get(&old)) {
            scaling.insert("factor".to_owned(), self.number(&old, value)?);
        }
        let factor = scaling.get("factor").and_then(Json::as_f64).unwrap_or(0.0);
        let scales = match rope_type {
            "none" => false,
            "linear" => factor != 0.0 && factor != 1.0,
            _ => true,
        };
        match (factors, scales) {
            (None, false) => Ok(None),
            (None, true) => Ok(Some(Json::Object(scaling))),
            (Some(_), true) => {
                let what = format!("{kind} {rope_type:?} together with {ROPE_FACTORS}");
                Err(self.unsupported(what, "use a conversion of the model with one of them"))
            }
            (Some(tensor), false) => Ok(Some(factors_or_llama3(config, &self.factors(config, tensor)?))),
        }
    }

    /// Reads and checks the factors.
    fn factors(&self, config: &Map<String, Json>, tensor: &TensorInfo) -> Result<Vec<f32>> {
        let pairs = head_dim(config) / 2;
        if tensor.elements() as u64 != pairs {
            let expected = format!("{pairs}, half of a head");
            return Err(self.bad(&format!("tensor {ROPE_FACTORS}, dimensions"), &expected, tensor.elements()));
        }
        let mut bytes = vec![0; tensor.bytes as usize];
        self.source.read_at(tensor.offset, &mut bytes)?;
        let mut factors = vec![0.0; tensor.elements()];
        if let Some(decode) = tensor.storage.decode {
            decode(&bytes, &mut factors);
        }
        match factors.iter().find(|factor| !(**factor > 0.0 && factor.is_finite())) {
            Some(factor) => Err(self.bad(&format!("tensor {ROPE_FACTORS}"), "positive numbers", factor)),
            None => Ok(factors),
        }
    }

    fn number(&self, key: &str, value: &HeaderValue) -> Result<Json> {
        let number = match *value {
            HeaderValue::Unsigned(number) => Some(Number::from(number)),
            HeaderValue::Signed(number) => Some(Number::from(number)),
            HeaderValue::Float(number) => Number::from_f64(number),
            _ => None,
        };
        let number = number.ok_or_else(|| self.bad(key, "a number", value))?;
        Ok(Json::Number(number))
    }

    fn any(&self, key: &str, value: &HeaderValue) -> Result<Json> {
        match value {
            HeaderValue::Bool(flag) => Ok((*flag).into()),
            HeaderValue::Text(text) => Ok(text.clone().into()),
            HeaderValue::Array(_) => Ok(value.to_string().into()),
            number => self.number(key, number),
        }
    }
}

/// Returns the size of a head; 0 if the fields give none.
fn head_dim(config: &Map<String, Json>) -> u64 {
    let number = |field: &str| config.get(field).and_then(Json::as_u64);
    let even = || number("hidden_size")?.checked_div(number("num_attention_heads")?);
    number("head_dim").or_else(even).unwrap_or(0)
}

/// Returns Llama 3's `rope_scaling` if the factors follow from it with the constants of all its releases, else
/// the factors themselves.
fn factors_or_llama3(config: &Map<String, Json>, factors: &[f32]) -> Json {
    const LOW: f64 = 1.0;
    const HIGH: f64 = 4.0;
    const CONTEXT: f64 = 8192.0;
    let theta = config.get("rope_theta").and_then(Json::as_f64).unwrap_or(ROPE_THETA);
    let largest = factors.iter().fold(1.0, |largest: f64, &factor| largest.max(factor.into()));
    let close = factors.iter().enumerate().all(|(i, &factor)| {
        let frequency = theta.powf(-(i as f64) / factors.len() as f64);
        let turns = CONTEXT * frequency / (2.0 * std::f64::consts::PI);
        let smooth = ((turns - LOW) / (HIGH - LOW)).clamp(0.0, 1.0);
        let expected = 1.0 / ((1.0 - smooth) / largest + smooth);
        (f64::from(factor) - expected).abs() < 1e-4 * expected
    });
    match close {
        true => json!({
            "rope_type": "llama3",
            "factor": largest,
            "low_freq_factor": LOW,
            "high_freq_factor": HIGH,
            "original_max_position_embeddings": CONTEXT as u64,
        }),
        false => json!({"rope_type": "factors", "factors": factors}),
    }
}
