//! Qwen1.5, Qwen2 and Qwen2.5: Llama's layer with biases on queries, keys and values.

use super::{Bias, Family, llama_layer};

pub static QWEN2: Family = Family {
    model_type: "qwen2",
    title: "Qwen1.5, Qwen2, Qwen2.5",
    layer: &llama_layer(Bias::Always, Bias::Never, Bias::Never),
    rope_theta: None,
    // Off in every release unless `use_sliding_window`, which is refused.
    sliding_window: |_| None,
};
