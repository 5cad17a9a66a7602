//! Mistral: Llama's layer, and in early releases a sliding window.

use super::{Family, LLAMA_LAYER, Published};

pub static MISTRAL: Family = Family {
    model_type: "mistral",
    title: "Mistral",
    layer: LLAMA_LAYER,
    rope_theta: Some(10_000.0),
    sliding_window: |config| config.get("sliding_window").filter(|window| !window.is_null()),
    published: &[Published {
        names: &["mistral-7b"],
        layers: 32,
        hidden: 4_096,
        intermediate: 14_336,
        heads: 32,
        kv_heads: 8,
        head_dim: 128,
        vocab: 32_000,
        tied: false,
    }],
};
