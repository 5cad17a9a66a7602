//! Qwen3: no biases, and a norm for each head of queries and keys.

use super::{Bias, Family, LinearInput, Size, linear, norm};

pub static QWEN3: Family = Family {
    model_type: "qwen3",
    title: "Qwen3",
    layer: &[
        norm("input_layernorm", Size::Hidden),
        linear("self_attn.q_proj", [Size::Query, Size::Hidden], Bias::Attention, LinearInput::AttentionNorm),
        linear("self_attn.k_proj", [Size::KeyValue, Size::Hidden], Bias::Attention, LinearInput::AttentionNorm),
        linear("self_attn.v_proj", [Size::KeyValue, Size::Hidden], Bias::Attention, LinearInput::AttentionNorm),
        norm("self_attn.q_norm", Size::Head),
        norm("self_attn.k_norm", Size::Head),
        linear("self_attn.o_proj", [Size::Hidden, Size::Query], Bias::Attention, LinearInput::Attention),
        norm("post_attention_layernorm", Size::Hidden),
        linear("mlp.gate_proj", [Size::Intermediate, Size::Hidden], Bias::Never, LinearInput::MlpNorm),
        linear("mlp.up_proj", [Size::Intermediate, Size::Hidden], Bias::Never, LinearInput::MlpNorm),
        linear("mlp.down_proj", [Size::Hidden, Size::Intermediate], Bias::Never, LinearInput::MlpActivation),
    ],
    rope_theta: None,
    sliding_window: |_| None,
};
