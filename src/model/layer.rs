//! One decoder layer: its weights, and its forward pass in the pieces that quantization stops between.

use super::weights::Weights;
use super::{Config, Source};
use crate::error::Result;
use crate::formats::{Activation, Linear};
use crate::kernels::Attention;
use crate::plan::{Backend, Plan, Tensor};
use crate::progress::Progress;

/// A decoder layer of the Qwen2 family.
pub struct Layer {
    pub input_layernorm: Tensor,
    pub q_proj: Linear,
    pub k_proj: Linear,
    pub v_proj: Linear,
    pub o_proj: Linear,
    pub post_attention_layernorm: Tensor,
    pub gate_proj: Linear,
    pub up_proj: Linear,
    pub down_proj: Linear,
    rms_norm_eps: f32,
    head_dim: usize,
}

/// Where the rows of a pass stand: in their sequences, and in the cache.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// [1, m]: the number of each row in its sequence.
    pub position: Tensor,
    /// [1, m]: where its key and value go.
    pub slot: Tensor,
    /// [m, 4]: where the keys before it are; a [`Reach`](crate::kernels::Reach) each.
    pub reach: Tensor,
}

impl Rows {
    /// The first `m` of them.
    pub fn first(self, m: usize) -> Rows {
        let Rows { position, slot, reach } = self;
        Rows { position: position.first_cols(m), slot: slot.first_cols(m), reach: reach.first_rows(m) }
    }
}

/// What attention needs of the sequences.
#[derive(Clone, Copy, Debug)]
pub struct Sequence {
    pub rows: Rows,
    /// Rotation table, a row a position.
    pub rope: Tensor,
    /// [capacity, kv heads · head_dim], both.
    pub k: Tensor,
    pub v: Tensor,
}

/// Linears whose inputs are the same, in the order the layer computes them: what is quantized together.
pub const SUBSETS: [&[&str]; 4] = [
    &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    &["self_attn.o_proj"],
    &["mlp.gate_proj", "mlp.up_proj"],
    &["mlp.down_proj"],
];

impl Layer {
    /// Layer `i` alone, from `source`.
    pub fn load(
        config: &Config,
        source: Source,
        i: usize,
        backend: &mut dyn Backend,
        progress: &mut dyn Progress,
    ) -> Result<Layer> {
        Layer::read(&mut Weights::new(source, backend, progress, config)?, config, i)
    }

    pub(super) fn read(w: &mut Weights, config: &Config, i: usize) -> Result<Layer> {
        let (hidden, mlp) = (config.hidden_size, config.intermediate_size);
        let (q, kv) = (config.q_size(), config.kv_size());
        let name = |name: &str| format!("model.layers.{i}.{name}");
        Ok(Layer {
            input_layernorm: w.vector(&name("input_layernorm.weight"), hidden)?,
            q_proj: w.linear(&name("self_attn.q_proj"), q, hidden, true)?,
            k_proj: w.linear(&name("self_attn.k_proj"), kv, hidden, true)?,
            v_proj: w.linear(&name("self_attn.v_proj"), kv, hidden, true)?,
            o_proj: w.linear(&name("self_attn.o_proj"), hidden, q, false)?,
            post_attention_layernorm: w.vector(&name("post_attention_layernorm.weight"), hidden)?,
            gate_proj: w.linear(&name("mlp.gate_proj"), mlp, hidden, false)?,
            up_proj: w.linear(&name("mlp.up_proj"), mlp, hidden, false)?,
            down_proj: w.linear(&name("mlp.down_proj"), hidden, mlp, false)?,
            rms_norm_eps: config.rms_norm_eps,
            head_dim: config.head_dim,
        })
    }

    /// The linears with their names in the layer.
    pub fn linears(&self) -> [(&'static str, &Linear); 7] {
        [
            ("self_attn.q_proj", &self.q_proj),
            ("self_attn.k_proj", &self.k_proj),
            ("self_attn.v_proj", &self.v_proj),
            ("self_attn.o_proj", &self.o_proj),
            ("mlp.gate_proj", &self.gate_proj),
            ("mlp.up_proj", &self.up_proj),
            ("mlp.down_proj", &self.down_proj),
        ]
    }

    /// The linear of this name.
    ///
    /// # Panics
    /// If a layer has none such.
    pub fn linear_mut(&mut self, name: &str) -> &mut Linear {
        match name {
            "self_attn.q_proj" => &mut self.q_proj,
            "self_attn.k_proj" => &mut self.k_proj,
            "self_attn.v_proj" => &mut self.v_proj,
            "self_attn.o_proj" => &mut self.o_proj,
            "mlp.gate_proj" => &mut self.gate_proj,
            "mlp.up_proj" => &mut self.up_proj,
            "mlp.down_proj" => &mut self.down_proj,
            _ => panic!("no linear {name}"),
        }
    }

    /// Input of q, k and v: the normed residual stream x [m, hidden].
    pub fn attention_input(&self, plan: &mut Plan, x: Tensor) -> Activation {
        Activation::new(plan.rms_norm("input_layernorm", x, 0, x.rows, self.input_layernorm, self.rms_norm_eps))
    }

    /// Attention over the sequence, whose cache takes this input's keys and values: the input of o_proj.
    pub fn attend(&self, plan: &mut Plan, h: &mut Activation, s: &Sequence) -> Tensor {
        let q = self.q_proj.apply(plan, "self_attn.q_proj", h);
        let k = self.k_proj.apply(plan, "self_attn.k_proj", h);
        let v = self.v_proj.apply(plan, "self_attn.v_proj", h);
        let Rows { position, slot, reach } = s.rows;
        plan.rope("self_attn.q_rope", position, s.rope, q);
        plan.rope_kv("self_attn.k_cache", [position, slot], s.rope, k, s.k);
        plan.kv_write("self_attn.v_cache", slot, v, s.v);
        let attention = Attention { position, reach, q, k: s.k, v: s.v, head_dim: self.head_dim, window: None };
        plan.attention("self_attn.attention", attention)
    }

    /// Adds o_proj of `a` to the residual stream.
    pub fn add_attention(&self, plan: &mut Plan, a: Tensor, x: Tensor) {
        self.o_proj.add_to(plan, "self_attn.o_proj", &mut Activation::new(a), x);
    }

    /// Input of gate and up: the normed residual stream after attention.
    pub fn mlp_input(&self, plan: &mut Plan, x: Tensor) -> Activation {
        let norm = self.post_attention_layernorm;
        Activation::new(plan.rms_norm("post_attention_layernorm", x, 0, x.rows, norm, self.rms_norm_eps))
    }

    /// silu(gate) · up: the input of down_proj.
    pub fn activate(&self, plan: &mut Plan, h: &mut Activation) -> Tensor {
        let gate = self.gate_proj.apply(plan, "mlp.gate_proj", h);
        let up = self.up_proj.apply(plan, "mlp.up_proj", h);
        plan.silu_mul("mlp.silu_mul", gate, up)
    }

    /// Adds down_proj of `h` to the residual stream.
    pub fn add_mlp(&self, plan: &mut Plan, h: Tensor, x: Tensor) {
        self.down_proj.add_to(plan, "mlp.down_proj", &mut Activation::new(h), x);
    }

    /// The whole layer, in place on x.
    pub fn forward(&self, plan: &mut Plan, x: Tensor, s: &Sequence) {
        let mut h = self.attention_input(plan, x);
        let a = self.attend(plan, &mut h, s);
        self.add_attention(plan, a, x);
        let mut h = self.mlp_input(plan, x);
        let h = self.activate(plan, &mut h);
        self.add_mlp(plan, h, x);
    }

    /// Bytes of the weights on the device.
    pub fn bytes(&self) -> u64 {
        let norms = self.input_layernorm.bytes() + self.post_attention_layernorm.bytes();
        self.linears().iter().map(|(_, linear)| linear.bytes()).sum::<u64>() + norms
    }
}
