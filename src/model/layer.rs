//! Decoder layer: its weights, and its forward pass in the steps between which quantization stops.

use super::families::{LinearInput, Size, Slot};
use super::weights::{Part, Weights};
use super::{Config, WeightSource};
use crate::error::Result;
use crate::formats::{Activation, Linear};
use crate::kernels::{Attention, RopeKv};
use crate::plan::{Backend, Element, Plan, Tensor};
use crate::progress::Progress;

/// Decoder layer: the weights that the family's slots list.
pub struct Layer {
    linears: Vec<(&'static str, Linear)>,
    norms: Vec<(&'static str, Tensor)>,
    /// \[2, head_dim\]: the norms of q's and of k's heads, in families that have them.
    head_norms: Option<Tensor>,
    rms_norm_eps: f32,
    head_dim: usize,
    window: Option<usize>,
}

/// Linears with one input as one: the input, the name of all, their own.
type Stacked = (LinearInput, &'static str, &'static [&'static str]);

const QKV: Stacked = (
    LinearInput::AttentionNorm,
    "self_attn.qkv_proj",
    &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
);
const GATE_UP: Stacked = (LinearInput::MlpNorm, "mlp.gate_up_proj", &["mlp.gate_proj", "mlp.up_proj"]);

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
    /// Loads layer `i` alone, each linear by itself.
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
        Layer::read(&mut Weights::new(source, backend, progress, config)?, config, i, false)
    }

    /// Loads layer `i`; with `stacked` the linears with one input become one where they are alike.
    pub(super) fn read(w: &mut Weights, config: &Config, i: usize, stacked: bool) -> Result<Layer> {
        let (mut linears, mut norms, mut head_norms) = (Vec::new(), Vec::new(), Vec::new());
        let mut waiting: Vec<(&'static str, Part)> = Vec::new();
        for slot in config.family.layer {
            match *slot {
                Slot::Norm { name, size: Size::Head } => head_norms.push(format!("model.layers.{i}.{name}.weight")),
                Slot::Norm { name, size } => {
                    let weight = w.vector(&format!("model.layers.{i}.{name}.weight"), size.of(config))?;
                    norms.push((name, weight));
                }
                Slot::Linear { name, rows, cols, bias, input } => {
                    let (rows, cols, bias) = (rows.of(config), cols.of(config), bias.of(config));
                    let part = Part { name: format!("model.layers.{i}.{name}"), rows, bias };
                    waiting.push((name, part));
                    let together = [QKV, GATE_UP].into_iter().find(|(of, ..)| stacked && *of == input);
                    // The last of a stack loads all.
                    if together.is_some_and(|(.., names)| waiting.len() < names.len()) {
                        continue;
                    }
                    let (names, parts): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
                    let loaded = w.linears(&parts, cols)?;
                    match (together, loaded.len()) {
                        (Some((_, all, _)), 1) => linears.extend(loaded.into_iter().map(|linear| (all, linear))),
                        _ => linears.extend(names.into_iter().zip(loaded)),
                    }
                }
            }
        }
        let head_norms = match head_norms.is_empty() {
            true => None,
            false => Some(w.vectors(&head_norms, config.head_dim)?),
        };
        let Config { rms_norm_eps, head_dim, sliding_window: window, .. } = *config;
        Ok(Layer { linears, norms, head_norms, rms_norm_eps, head_dim, window })
    }

    /// Returns the linears with their names in the layer.
    pub fn linears(&self) -> &[(&'static str, Linear)] {
        &self.linears
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

    /// Adds an RMSNorm of rows of the residual stream.
    fn norm_rows(&self, plan: &mut Plan, name: &str, x: Tensor) -> Activation {
        let found = self.norms.iter().find(|(known, _)| *known == name);
        let weight = found.unwrap_or_else(|| panic!("no norm {name}")).1;
        Activation::new(plan.rms_norm(name, x, 0, x.rows, weight, self.rms_norm_eps))
    }

    /// Returns the linear of a stack. None: its parts are linears of their own.
    fn stack(&self, name: &str) -> Option<&Linear> {
        self.linears.iter().find(|(known, _)| *known == name).map(|(_, linear)| linear)
    }

    /// Adds the products of stacked linears as one tensor, those of each behind those before it.
    fn products(&self, plan: &mut Plan, (_, name, each): Stacked, h: &mut Activation) -> Tensor {
        if let Some(linear) = self.stack(name) {
            return linear.apply(plan, name, h);
        }
        let rows = each.iter().map(|name| self.linear(name).rows);
        let all = plan.scratch(h.x.rows, rows.clone().sum(), Element::F32);
        let mut first = 0;
        for (name, rows) in each.iter().zip(rows) {
            self.linear(name).put_in(plan, name, h, all, first);
            first += rows;
        }
        all
    }

    /// Adds the input of q, k and v: the normed residual stream x [m, hidden].
    pub fn attention_input(&self, plan: &mut Plan, x: Tensor) -> Activation {
        self.norm_rows(plan, "input_layernorm", x)
    }

    /// Adds attention over the sequence, whose cache takes this input's keys and values. Returns the input of o_proj.
    pub fn attend(&self, plan: &mut Plan, h: &mut Activation, s: &Sequence) -> Tensor {
        let qkv = self.products(plan, QKV, h);
        let Rows { position, slot, reach } = s.rows;
        let norms = self.head_norms.map(|norms| (norms, self.rms_norm_eps));
        let rope = RopeKv { position, slot, table: s.rope, norms, qkv, k_cache: s.k, v_cache: s.v };
        let q = plan.rope_kv("self_attn.rope_kv", rope);
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
        let name = GATE_UP.1;
        if let Some(gate_up) = self.stack(name) {
            return gate_up.gated(plan, name, h);
        }
        let gate_up = self.products(plan, GATE_UP, h);
        plan.silu_mul("mlp.silu_mul", gate_up)
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
        let norms = norms + self.head_norms.map_or(0, Tensor::bytes);
        self.linears.iter().map(|(_, linear)| linear.bytes()).sum::<u64>() + norms
    }
}
