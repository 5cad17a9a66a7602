//! Llama 2, 3, 3.1 and 3.2.

use super::{Bias, Family, llama_layer};

pub static LLAMA: Family = Family {
    model_type: "llama",
    title: "Llama 2, 3, 3.1, 3.2",
    layer: &llama_layer(Bias::Attention, Bias::Attention, Bias::Mlp),
    rope_theta: Some(10_000.0),
    sliding_window: |_| None,
};
