//! Mistral: Llama's layer, and in early releases a sliding window.

use super::{Bias, Family, llama_layer};

pub static MISTRAL: Family = Family {
    model_type: "mistral",
    title: "Mistral",
    layer: &llama_layer(Bias::Attention, Bias::Attention, Bias::Mlp),
    rope_theta: Some(10_000.0),
    sliding_window: |config| config.get("sliding_window").filter(|window| !window.is_null()),
};
