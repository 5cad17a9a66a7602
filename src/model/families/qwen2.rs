//! Qwen1.5, Qwen2 and Qwen2.5: Llama's layer with biases on queries, keys and values.

use super::{Bias, Family, LinearInput, Size, linear, norm};

pub static QWEN2: Family = Family {
    model_type: "qwen2",
    title: "Qwen1.5, Qwen2, Qwen2.5",
    layer: &[
        norm("input_layernorm", Size::Hidden),
        linear("self_attn.q_proj", [Size::Query, Size::Hidden], Bias::Always, LinearInput::AttentionNorm),
        linear("self_attn.k_proj", [Size::KeyValue, Size::Hidden], Bias::Always, LinearInput::AttentionNorm),
        linear("self_attn.v_proj", [Size::KeyValue, Size::Hidden], Bias::Always, LinearInput::AttentionNorm),
        linear("self_attn.o_proj", [Size::Hidden, Size::Query], Bias::Never, LinearInput::Attention),
        norm("post_attention_layernorm", Size::Hidden),
        linear("mlp.gate_proj", [Size::Intermediate, Size::Hidden], Bias::Never, LinearInput::MlpNorm),
        linear("mlp.up_proj", [Size::Intermediate, Size::Hidden], Bias::Never, LinearInput::MlpNorm),
        linear("mlp.down_proj", [Size::Hidden, Size::Intermediate], Bias::Never, LinearInput::MlpActivation),
    ],
    rope_theta: None,
    // Off in every release unless `use_sliding_window`, which is refused.
    sliding_window: |_| None,
};
