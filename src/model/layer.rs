//! Decoder layer: its weights, and its forward pass in the steps between which quantization stops.

use std::sync::Arc;

use super::families::{Family, LinearInput, Size, Slot};
use super::weights::{Part, Weights};
use super::{Config, WeightSource};
use crate::error::Result;
use crate::formats::linear::ColumnOrder;
use crate::formats::{Activation, Linear};
use crate::kernels::{Attention, AttentionRope, RopeKv, takes_heads};
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
    /// Norms and orders of columns that products write their outputs for, in a pass whose rows are alone. None: those are
    /// steps of their own.
    next: Option<Next>,
    /// True if attention of one row also norms, rotates and caches it.
    fuses_attention: bool,
    /// [`extra_words`](crate::kernels::extra_words) of that attention, if it has any.
    attention_extra: Option<Tensor>,
}

/// Norms and orders of columns of the products that follow others, each made by [`next_words`](crate::kernels::linear::next_words).
#[derive(Clone, Copy, Debug)]
struct Next {
    /// After the layer's o_proj: the norm before the MLP.
    mlp_norm: Tensor,
    /// After gate_up_proj, where down_proj has an order of columns.
    mlp_activation: Option<Tensor>,
    /// After down_proj: the next layer's norm before attention, or the last norm.
    following: Tensor,
}

/// Residual stream of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// \[m, hidden\]
    pub x: Tensor,
    /// \[2m, hidden\]: x, and behind it the same times the weights of the norm that follows, in the order of columns of the
    /// products that take it. None: norms are steps of their own.
    weighted: Option<Tensor>,
}

impl Next {
    fn bytes(&self) -> u64 {
        let Next { mlp_norm, mlp_activation, following } = self;
        [*mlp_norm, *following].iter().chain(mlp_activation).map(|t| t.bytes()).sum()
    }
}

impl Stream {
    /// Returns the stream that an embedding begins.
    pub fn new(x: Tensor, m: usize) -> Stream {
        Stream { x: x.first_rows(m), weighted: (x.rows > m).then_some(x) }
    }

    /// Returns x as the input of products that norm it by themselves.
    pub fn to_norm(self, eps: f32) -> Option<Activation> {
        self.weighted.map(|x| Activation::to_norm(x, eps))
    }
}

impl From<Tensor> for Stream {
    fn from(x: Tensor) -> Stream {
        Stream::new(x, x.rows)
    }
}

/// Linears with one input as one: the input, the name of all, their own.
type Stacked = (LinearInput, &'static str, &'static [&'static str]);

const QKV: Stacked =
    (LinearInput::AttentionNorm, "self_attn.qkv_proj", &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]);
const STACKED: [Stacked; 2] = [QKV, GATE_UP];
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
                    let together = STACKED.into_iter().find(|(of, ..)| stacked && *of == input);
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
        Ok(Layer {
            linears,
            norms,
            head_norms,
            rms_norm_eps,
            head_dim,
            window,
            next: None,
            fuses_attention: false,
            attention_extra: None,
        })
    }

    /// Makes layer `i`'s attention of one row one step with what comes before it, if its heads allow.
    fn fuse_attention(&mut self, i: usize, w: &mut Weights, config: &Config) -> Result<()> {
        self.fuses_attention = takes_heads([config.num_attention_heads, config.num_key_value_heads, config.head_dim]);
        let order = self.linear("self_attn.o_proj").order.as_ref().map(|order| &*order.columns);
        if self.fuses_attention && (self.head_norms.is_some() || order.is_some()) {
            let slots = config.family.layer.iter().filter_map(|slot| match slot {
                Slot::Norm { name, size: Size::Head } => Some(format!("model.layers.{i}.{name}.weight")),
                _ => None,
            });
            self.attention_extra = Some(w.attention_extra(&slots.collect::<Vec<_>>(), config, order)?);
        }
        Ok(())
    }

    /// Returns the order of columns of the linears with this input. None: they have several, or cannot norm their input.
    fn order_of(&self, family: &Family, input: LinearInput) -> Option<Option<&ColumnOrder>> {
        let stacked = STACKED.iter().filter(|stacked| stacked.0 == input).map(|stacked| stacked.1);
        let linears: Vec<&Linear> =
            family.linears_of(input).chain(stacked).filter_map(|name| self.find(name)).collect();
        let order = linears.first()?.order.as_ref();
        linears.iter().all(|linear| linear.format.norms && linear.order.as_ref() == order).then_some(order)
    }

    /// Makes what products of one row write for those that follow, in all layers, of these numbers, or in none.
    /// Returns the same for the embedding.
    pub(super) fn fuse(
        layers: &mut [Layer],
        numbers: &[usize],
        w: &mut Weights,
        config: &Config,
    ) -> Result<Option<Tensor>> {
        if !w.fuses() {
            return Ok(None);
        }
        for (layer, i) in layers.iter_mut().zip(numbers) {
            layer.fuse_attention(*i, w, config)?;
        }
        let of = |layer: &Layer, input| {
            layer.order_of(config.family, input).map(|order| order.map(|order| Arc::clone(&order.columns)))
        };
        let orders: Option<Vec<_>> =
            layers.iter().map(|layer| LinearInput::ALL.into_iter().map(|input| of(layer, input)).collect()).collect();
        let orders: Vec<Vec<Option<Arc<[u32]>>>> = match orders {
            Some(orders) => orders,
            None => return Ok(None),
        };
        let hidden = config.hidden_size;
        let mut following = w.next(Some("model.norm.weight"), hidden, None)?;
        for (i, layer) in layers.iter_mut().enumerate().rev() {
            let [attention_norm, _, mlp_norm, mlp_activation] = &orders[i][..] else { unreachable!() };
            let norm = |name: &str| format!("model.layers.{}.{name}.weight", numbers[i]);
            let activation = mlp_activation.as_ref().filter(|_| layer.fuses_gate());
            let next = Next {
                mlp_norm: w.next(Some(&norm("post_attention_layernorm")), hidden, mlp_norm.as_deref())?,
                mlp_activation: activation
                    .map(|order| w.next(None, config.intermediate_size, Some(order)))
                    .transpose()?,
                following,
            };
            layer.next = Some(next);
            following = w.next(Some(&norm("input_layernorm")), hidden, attention_norm.as_deref())?;
        }
        Ok(Some(following))
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
        self.find(name).unwrap_or_else(|| panic!("no linear {name}"))
    }

    /// Returns the linear of this name, to be replaced.
    ///
    /// # Panics
    /// If the family's layer has no such linear.
    pub fn linear_mut(&mut self, name: &str) -> &mut Linear {
        let found = self.linears.iter_mut().find(|(known, _)| *known == name);
        &mut found.unwrap_or_else(|| panic!("no linear {name}")).1
    }

    /// Adds an RMSNorm of the residual stream, unless its products do it.
    fn norm_rows(&self, plan: &mut Plan, name: &str, x: Stream) -> Activation {
        if let Some(h) = x.to_norm(self.rms_norm_eps) {
            return h;
        }
        let found = self.norms.iter().find(|(known, _)| *known == name);
        let weight = found.unwrap_or_else(|| panic!("no norm {name}")).1;
        Activation::new(plan.rms_norm(name, x.x, 0, x.x.rows, weight, self.rms_norm_eps))
    }

    /// Adds a product to the residual stream, which `next` is to follow.
    fn add_product(&self, plan: &mut Plan, name: &str, h: &mut Activation, x: Stream, next: fn(&Next) -> Tensor) {
        let next = x.weighted.and(self.next.as_ref()).map(next);
        self.linear(name).add_to(plan, name, h, x.weighted.unwrap_or(x.x), next);
    }

    fn find(&self, name: &str) -> Option<&Linear> {
        self.linears.iter().find(|(known, _)| *known == name).map(|(_, linear)| linear)
    }

    /// Returns whether gate and up are one linear whose workgroups can compute both rows of a value.
    fn fuses_gate(&self) -> bool {
        self.find(GATE_UP.1).is_some_and(Linear::can_gate)
    }

    /// Adds the products of stacked linears as one tensor, those of each behind those before it.
    fn products(&self, plan: &mut Plan, (_, name, each): Stacked, h: &mut Activation) -> Tensor {
        if let Some(linear) = self.find(name) {
            return linear.apply(plan, name, h);
        }
        let rows = each.iter().map(|name| self.linear(name).rows);
        let all = plan.scratch(h.rows(), rows.clone().sum(), Element::F32);
        let mut first = 0;
        for (name, rows) in each.iter().zip(rows) {
            self.linear(name).put_in(plan, name, h, all, first);
            first += rows;
        }
        all
    }

    /// Adds the input of q, k and v: the normed residual stream x [m, hidden].
    pub fn attention_input(&self, plan: &mut Plan, x: impl Into<Stream>) -> Activation {
        self.norm_rows(plan, "input_layernorm", x.into())
    }

    /// Adds attention over the sequence, whose cache takes this input's keys and values. Returns the input of o_proj.
    pub fn attend(&self, plan: &mut Plan, h: &mut Activation, s: &Sequence) -> Activation {
        let qkv = self.products(plan, QKV, h);
        let Rows { position, slot, reach } = s.rows;
        if self.fuses_attention && qkv.rows == 1 {
            let ordered = self.linear("self_attn.o_proj").order.is_some();
            let attention = AttentionRope {
                position,
                reach,
                table: s.rope,
                extra: self.attention_extra,
                eps: self.head_norms.map(|_| self.rms_norm_eps),
                ordered,
                qkv,
                k: s.k,
                v: s.v,
                window: self.window,
            };
            let a = plan.attention_rope("self_attn.attention", attention);
            return if ordered { Activation::ordered(a) } else { Activation::new(a) };
        }
        let norms = self.head_norms.map(|norms| (norms, self.rms_norm_eps));
        let rope = RopeKv { position, slot, table: s.rope, norms, qkv, k_cache: s.k, v_cache: s.v };
        let q = plan.rope_kv("self_attn.rope_kv", rope);
        let Layer { head_dim, window, .. } = *self;
        let attention = Attention { position, reach, q, k: s.k, v: s.v, head_dim, window };
        Activation::new(plan.attention("self_attn.attention", attention))
    }

    /// Adds o_proj of `a` to the residual stream.
    pub fn add_attention(&self, plan: &mut Plan, mut a: Activation, x: impl Into<Stream>) {
        self.add_product(plan, "self_attn.o_proj", &mut a, x.into(), |next| next.mlp_norm);
    }

    /// Adds the input of gate and up: the normed residual stream after attention.
    pub fn mlp_input(&self, plan: &mut Plan, x: impl Into<Stream>) -> Activation {
        self.norm_rows(plan, "post_attention_layernorm", x.into())
    }

    /// Adds silu(gate) · up: the input of down_proj.
    pub fn activate(&self, plan: &mut Plan, h: &mut Activation) -> Activation {
        let name = GATE_UP.1;
        if self.fuses_gate() {
            let order = self.next.as_ref().and_then(|next| next.mlp_activation).filter(|_| h.is_to_norm());
            let activated = self.linear(name).gated(plan, name, h, order);
            return if order.is_some() { Activation::ordered(activated) } else { Activation::new(activated) };
        }
        let gate_up = self.products(plan, GATE_UP, h);
        Activation::new(plan.silu_mul("mlp.silu_mul", gate_up))
    }

    /// Adds down_proj of `h` to the residual stream.
    pub fn add_mlp(&self, plan: &mut Plan, mut h: Activation, x: impl Into<Stream>) {
        self.add_product(plan, "mlp.down_proj", &mut h, x.into(), |next| next.following);
    }

    /// Adds the whole layer, in place on x.
    pub fn forward(&self, plan: &mut Plan, x: Stream, s: &Sequence) {
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
        let norms = norms + self.head_norms.map_or(0, Tensor::bytes) + self.next.as_ref().map_or(0, Next::bytes);
        let norms = norms + self.attention_extra.map_or(0, Tensor::bytes);
        self.linears.iter().map(|(_, linear)| linear.bytes()).sum::<u64>() + norms
    }
}
