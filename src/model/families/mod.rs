//! Model families: the weights of a decoder layer as a list, which loading, sizes, quantization and the forward pass follow.

mod llama;
mod mistral;
mod qwen2;
mod qwen3;

use serde_json::{Map, Value};

use super::Config;

/// Family of models that share tensors and a forward pass.
pub struct Family {
    /// `model_type` in config.json.
    pub model_type: &'static str,
    /// Name in messages, with the generations that are of the family.
    pub title: &'static str,
    /// Weights of a decoder layer, in the order of the forward pass.
    pub layer: &'static [Slot],
    /// `rope_theta` of a config without one. None: the config must have it.
    pub rope_theta: Option<f64>,
    /// Returns the field of config.json with the sliding window, if attention has one.
    pub sliding_window: fn(&Map<String, Value>) -> Option<&Value>,
}

/// Every family.
pub static FAMILIES: &[&Family] = &[&qwen2::QWEN2, &qwen3::QWEN3, &llama::LLAMA, &mistral::MISTRAL];

/// One weight of a decoder layer.
#[derive(Clone, Copy, Debug)]
pub enum Slot {
    /// RMSNorm `NAME.weight` \[size\].
    Norm { name: &'static str, size: Size },
    /// Linear `NAME.weight` \[rows, cols\], with `NAME.bias` \[rows\] as `bias` says.
    Linear { name: &'static str, rows: Size, cols: Size, bias: Bias, input: LinearInput },
}

/// Size of a weight by the config.
#[derive(Clone, Copy, Debug)]
pub enum Size {
    /// `hidden_size`
    Hidden,
    /// `intermediate_size`
    Intermediate,
    /// `num_attention_heads` · `head_dim`
    Query,
    /// `num_key_value_heads` · `head_dim`
    KeyValue,
    /// `head_dim`
    Head,
}

/// Rule by which a linear has a bias.
#[derive(Clone, Copy, Debug)]
pub enum Bias {
    Always,
    Never,
    /// If config.json sets `attention_bias`.
    Attention,
    /// If config.json sets `mlp_bias`.
    Mlp,
}

/// Input of a linear. Linears with the same input are quantized together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinearInput {
    /// Normed residual stream before attention.
    AttentionNorm,
    /// Output of attention.
    Attention,
    /// Normed residual stream before the MLP.
    MlpNorm,
    /// silu(gate) · up.
    MlpActivation,
}

impl LinearInput {
    /// Every input, in the order of the forward pass.
    pub const ALL: [LinearInput; 4] =
        [LinearInput::AttentionNorm, LinearInput::Attention, LinearInput::MlpNorm, LinearInput::MlpActivation];
}

impl Family {
    /// Returns the family of a `model_type`.
    pub fn find(model_type: &str) -> Option<&'static Family> {
        FAMILIES.iter().copied().find(|family| family.model_type == model_type)
    }

    /// Returns the names of a layer's norms.
    pub fn norms(&self) -> impl Iterator<Item = &'static str> {
        self.layer.iter().filter_map(|slot| match slot {
            Slot::Norm { name, .. } => Some(*name),
            Slot::Linear { .. } => None,
        })
    }

    /// Returns the names of the linears with this input, in the order of the forward pass.
    pub fn linears_of(&self, wanted: LinearInput) -> impl Iterator<Item = &'static str> {
        self.layer.iter().filter_map(move |slot| match slot {
            Slot::Linear { name, input, .. } if *input == wanted => Some(*name),
            _ => None,
        })
    }
}

impl std::fmt::Debug for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.model_type)
    }
}

impl PartialEq for Family {
    fn eq(&self, other: &Family) -> bool {
        self.model_type == other.model_type
    }
}

impl Size {
    /// Returns the size in a model of this config.
    pub fn of(self, config: &Config) -> usize {
        match self {
            Size::Hidden => config.hidden_size,
            Size::Intermediate => config.intermediate_size,
            Size::Query => config.q_size(),
            Size::KeyValue => config.kv_size(),
            Size::Head => config.head_dim,
        }
    }
}

impl Bias {
    /// Returns whether a model of this config has the bias.
    pub fn of(self, config: &Config) -> bool {
        match self {
            Bias::Always => true,
            Bias::Never => false,
            Bias::Attention => config.attention_bias,
            Bias::Mlp => config.mlp_bias,
        }
    }
}

const fn norm(name: &'static str, size: Size) -> Slot {
    Slot::Norm { name, size }
}

const fn linear(name: &'static str, [rows, cols]: [Size; 2], bias: Bias, input: LinearInput) -> Slot {
    Slot::Linear { name, rows, cols, bias, input }
}

/// Returns Llama's layer, which others have too but for the biases: of q, k and v, of o, of the MLP.
const fn llama_layer(qkv: Bias, o: Bias, mlp: Bias) -> [Slot; 9] {
    [
        norm("input_layernorm", Size::Hidden),
        linear("self_attn.q_proj", [Size::Query, Size::Hidden], qkv, LinearInput::AttentionNorm),
        linear("self_attn.k_proj", [Size::KeyValue, Size::Hidden], qkv, LinearInput::AttentionNorm),
        linear("self_attn.v_proj", [Size::KeyValue, Size::Hidden], qkv, LinearInput::AttentionNorm),
        linear("self_attn.o_proj", [Size::Hidden, Size::Query], o, LinearInput::Attention),
        norm("post_attention_layernorm", Size::Hidden),
        linear("mlp.gate_proj", [Size::Intermediate, Size::Hidden], mlp, LinearInput::MlpNorm),
        linear("mlp.up_proj", [Size::Intermediate, Size::Hidden], mlp, LinearInput::MlpNorm),
        linear("mlp.down_proj", [Size::Hidden, Size::Intermediate], mlp, LinearInput::MlpActivation),
    ]
}
