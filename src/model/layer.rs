//! Decoder layer: its weights, and its forward pass in the steps between which quantization stops.

use super::families::Slot;
use super::weights::Weights;
use super::{Config, WeightSource};
use crate::error::Result;
use crate::formats::{Activation, Linear};
use crate::kernels::Attention;
use crate::plan::{Backend, Plan, Tensor};
use crate::progress::Progress;

/// Decoder layer: the weights that the family's slots list.
pub struct Layer {
    linears: Vec<(&'static str, Linear)>,
    norms: Vec<(&'static str, Tensor)>,
    rms_norm_eps: f32,
    head_dim: usize,
    window: Option<usize>,
}

/// Positions and cache slots of the rows of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// \[1, m\]: the position of each row in its sequence.
    pub position: Tensor,
    /// \[1, m\]: the cache slot of its key and value.
    pub slot: Tensor,
    /// \[m, 4\]: the slots of the keys before it, a [`Reach`](crate::kernels::Reach) each.
    pub reach: Tensor,
}

impl Rows {
    /// Returns the first `m` rows.
    pub fn first(self, m: usize) -> Rows {
        let Rows { position, slot, reach } = self;
        Rows { position: position.first_cols(m), slot: slot.first_cols(m), reach: reach.first_rows(m) }
    }
}

/// Inputs of attention beside the residual stream.
#[derive(Clone, Copy, Debug)]
pub struct Sequence {
    /// Rows of the pass.
    pub rows: Rows,
    /// \[capacity, head_dim\]: cosines and sines of the rotation, a row for each position.
    pub rope: Tensor,
    /// \[capacity, kv heads · head_dim\]: cache of the keys.
    pub k: Tensor,
    /// \[capacity, kv heads · head_dim\]: cache of the values.
    pub v: Tensor,
}

impl Layer {
    /// Loads layer `i` alone.
    ///
    /// # Errors
    /// A tensor that is missing, damaged or of another shape; no memory on the device; what `progress` returns.
    pub fn load(
        config: &Config,
        source: WeightSource,
        i: usize,
        backend: &mut dyn Backend,
        progress: &mut dyn Progress,
    ) -> Result<Layer> {
        Layer::read(&mut Weights::new(source, backend, progress, config)?, config, i)
    }

    pub(super) fn read(w: &mut Weights, config: &Config, i: usize) -> Result<Layer> {
        let (mut linears, mut norms) = (Vec::new(), Vec::new());
        for slot in config.family.layer {
            match *slot {
                Slot::Norm { name, size } => {
                    let weight = w.vector(&format!("model.layers.{i}.{name}.weight"), size.of(config))?;
                    norms.push((name, weight));
                }
                Slot::Linear { name, rows, cols, bias, .. } => {
                    let (rows, cols) = (rows.of(config), cols.of(config));
                    let linear = w.linear(&format!("model.layers.{i}.{name}"), rows, cols, bias.of(config))?;
                    linears.push((name, linear));
                }
            }
        }
        let Config { rms_norm_eps, head_dim, sliding_window: window, .. } = *config;
        Ok(Layer { linears, norms, rms_norm_eps, head_dim, window })
    }

    /// Returns the linears with their names in the layer.
    pub fn linears(&self) -> &[(&'static str, Linear)] {
        &self.linears
    }

    /// Returns the names of the norms in the layer.
    pub fn norms(&self) -> impl Iterator<Item = &'static str> {
        self.norms.iter().map(|(name, _)| *name)
    }

    /// Returns the linear of this name.
    ///
    /// # Panics
    /// If the family's layer has no such linear.
    pub fn linear(&self, name: &str) -> &Linear {
        let found = self.linears.iter().find(|(known, _)| *known == name);
        &found.unwrap_or_else(|| panic!("no linear {name}")).1
    }

    /// Returns the linear of this name, to be replaced.
    ///
    /// # Panics
    /// If the family's layer has no such linear.
    pub fn linear_mut(&mut self, name: &str) -> &mut Linear {
        let found = self.linears.iter_mut().find(|(known, _)| *known == name);
        &mut found.unwrap_or_else(|| panic!("no linear {name}")).1
    }

    fn norm(&self, name: &str) -> Option<Tensor> {
        self.norms.iter().find(|(known, _)| *known == name).map(|(_, weight)| *weight)
    }

    /// Adds the product of a linear.
    fn apply(&self, plan: &mut Plan, name: &str, input: &mut Activation) -> Tensor {
        self.linear(name).apply(plan, name, input)
    }

    /// Adds an RMSNorm of rows of the residual stream.
    fn norm_rows(&self, plan: &mut Plan, name: &str, x: Tensor) -> Activation {
        let weight = self.norm(name).unwrap_or_else(|| panic!("no norm {name}"));
        Activation::new(plan.rms_norm(name, x, 0, x.rows, weight, self.rms_norm_eps))
    }

    /// Adds an RMSNorm of each head, where the family has it.
    fn norm_heads(&self, plan: &mut Plan, name: &str, x: Tensor) -> Tensor {
        self.norm(name).map_or(x, |weight| plan.head_norm(name, x, weight, self.rms_norm_eps))
    }

    /// Adds the input of q, k and v: the normed residual stream x [m, hidden].
    pub fn attention_input(&self, plan: &mut Plan, x: Tensor) -> Activation {
        self.norm_rows(plan, "input_layernorm", x)
    }

    /// Adds attention over the sequence, whose cache takes this input's keys and values. Returns the input of o_proj.
    pub fn attend(&self, plan: &mut Plan, h: &mut Activation, s: &Sequence) -> Tensor {
        let q = self.apply(plan, "self_attn.q_proj", h);
        let k = self.apply(plan, "self_attn.k_proj", h);
        let v = self.apply(plan, "self_attn.v_proj", h);
        let q = self.norm_heads(plan, "self_attn.q_norm", q);
        let k = self.norm_heads(plan, "self_attn.k_norm", k);
        let Rows { position, slot, reach } = s.rows;
        plan.rope("self_attn.q_rope", position, s.rope, q);
        plan.rope_kv("self_attn.k_cache", [position, slot], s.rope, k, s.k);
        plan.kv_write("self_attn.v_cache", slot, v, s.v);
        let Layer { head_dim, window, .. } = *self;
        let attention = Attention { position, reach, q, k: s.k, v: s.v, head_dim, window };
        plan.attention("self_attn.attention", attention)
    }

    /// Adds o_proj of `a` to the residual stream.
    pub fn add_attention(&self, plan: &mut Plan, a: Tensor, x: Tensor) {
        let name = "self_attn.o_proj";
        self.linear(name).add_to(plan, name, &mut Activation::new(a), x);
    }

    /// Adds the input of gate and up: the normed residual stream after attention.
    pub fn mlp_input(&self, plan: &mut Plan, x: Tensor) -> Activation {
        self.norm_rows(plan, "post_attention_layernorm", x)
    }

    /// Adds silu(gate) · up: the input of down_proj.
    pub fn activate(&self, plan: &mut Plan, h: &mut Activation) -> Tensor {
        let gate = self.apply(plan, "mlp.gate_proj", h);
        let up = self.apply(plan, "mlp.up_proj", h);
        plan.silu_mul("mlp.silu_mul", gate, up)
    }

    /// Adds down_proj of `h` to the residual stream.
    pub fn add_mlp(&self, plan: &mut Plan, h: Tensor, x: Tensor) {
        let name = "mlp.down_proj";
        self.linear(name).add_to(plan, name, &mut Activation::new(h), x);
    }

    /// Adds the whole layer, in place on x.
    pub fn forward(&self, plan: &mut Plan, x: Tensor, s: &Sequence) {
        let mut h = self.attention_input(plan, x);
        let a = self.attend(plan, &mut h, s);
        self.add_attention(plan, a, x);
        let mut h = self.mlp_input(plan, x);
        let h = self.activate(plan, &mut h);
        self.add_mlp(plan, h, x);
    }

    /// Returns the bytes of the weights on the device.
    pub fn bytes(&self) -> u64 {
        let norms: u64 = self.norms.iter().map(|(_, norm)| norm.bytes()).sum();
        self.linears.iter().map(|(_, linear)| linear.bytes()).sum::<u64>() + norms
    }
}
