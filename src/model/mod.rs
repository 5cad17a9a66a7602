//! Qwen decoders: which tensors they have, and the forward pass as a plan.

pub mod config;
pub mod weights;

pub use config::Config;
pub use weights::{Progress, Source};

use crate::error::Result;
use crate::kernels::{Attention, rope_table};
use crate::plan::{Backend, Element, Plan, Tensor};
use crate::quant::{Input, Linear};

/// A decoder of the Qwen2 family (Qwen1.5, Qwen2, Qwen2.5), its weights on a device.
pub struct Qwen {
    pub config: Config,
    embed_tokens: Linear,
    layers: Vec<Layer>,
    norm: Tensor,
    lm_head: Linear,
}

struct Layer {
    input_layernorm: Tensor,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    post_attention_layernorm: Tensor,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

/// Keys and values of one sequence, and the rotation table of its positions.
pub struct Cache {
    /// A layer each: [capacity, kv heads · head_dim], rotated keys in `k`.
    k: Vec<Tensor>,
    v: Vec<Tensor>,
    rope: Tensor,
    pub capacity: usize,
}

impl Cache {
    pub fn new(backend: &mut dyn Backend, config: &Config, capacity: usize) -> Result<Cache> {
        let mut make = |what: &str| -> Result<Vec<Tensor>> {
            let layers = 0..config.num_hidden_layers;
            layers
                .map(|i| backend.create(&format!("cache.{i}.{what}"), capacity, config.kv_size(), Element::F32))
                .collect()
        };
        let (k, v) = (make("k")?, make("v")?);
        let rope = backend.create("rope", capacity, config.head_dim, Element::F32)?;
        let table = rope_table(capacity, config.head_dim, config.rope_theta);
        backend.write(None, rope, 0, bytemuck::cast_slice(&table))?;
        Ok(Cache { k, v, rope, capacity })
    }

    pub fn bytes(&self) -> u64 {
        self.k.iter().chain(&self.v).map(|t| t.bytes()).sum()
    }
}

impl Qwen {
    /// Loads the weights a `source` has for `config`; see [`weights`].
    pub fn load(config: Config, source: Source, backend: &mut dyn Backend, progress: Progress) -> Result<Qwen> {
        let mut w = weights::Weights::new(source, backend, progress, &config)?;
        let (hidden, mlp) = (config.hidden_size, config.intermediate_size);
        let (q, kv) = (config.q_size(), config.kv_size());
        let embed_tokens = w.matrix("model.embed_tokens", config.vocab_size, hidden)?;
        let mut layers = Vec::new();
        for i in 0..config.num_hidden_layers {
            let layer = |name: &str| format!("model.layers.{i}.{name}");
            layers.push(Layer {
                input_layernorm: w.vector(&layer("input_layernorm.weight"), hidden)?,
                q_proj: w.linear(&layer("self_attn.q_proj"), q, hidden, true)?,
                k_proj: w.linear(&layer("self_attn.k_proj"), kv, hidden, true)?,
                v_proj: w.linear(&layer("self_attn.v_proj"), kv, hidden, true)?,
                o_proj: w.linear(&layer("self_attn.o_proj"), hidden, q, false)?,
                post_attention_layernorm: w.vector(&layer("post_attention_layernorm.weight"), hidden)?,
                gate_proj: w.linear(&layer("mlp.gate_proj"), mlp, hidden, false)?,
                up_proj: w.linear(&layer("mlp.up_proj"), mlp, hidden, false)?,
                down_proj: w.linear(&layer("mlp.down_proj"), hidden, mlp, false)?,
            });
        }
        let norm = w.vector("model.norm.weight", hidden)?;
        let lm_head = if config.tie_word_embeddings {
            Linear { name: "lm_head".into(), parts: embed_tokens.parts.clone(), ..embed_tokens }
        } else {
            w.matrix("lm_head", config.vocab_size, hidden)?
        };
        Ok(Qwen { config, embed_tokens, layers, norm, lm_head })
    }

    /// Adds the decoder for `token` [1, m] at `position` [1, m]; the rows' keys and values go into
    /// `cache`. Gives the last layer's output [m, hidden], before the final norm.
    pub fn forward(&self, plan: &mut Plan, token: Tensor, position: Tensor, cache: &Cache) -> Tensor {
        let eps = self.config.rms_norm_eps;
        plan.scope("model");
        let x = plan.embed_bf16(token, &self.embed_tokens.parts);
        for (i, layer) in self.layers.iter().enumerate() {
            plan.scope(format!("model.layers.{i}"));
            let (k_cache, v_cache) = (cache.k[i], cache.v[i]);

            let h = plan.rms_norm("input_layernorm", x, 0, x.rows, layer.input_layernorm, eps);
            let mut h = Input::new(h);
            let q = layer.q_proj.apply(plan, "self_attn.q_proj", &mut h);
            let k = layer.k_proj.apply(plan, "self_attn.k_proj", &mut h);
            let v = layer.v_proj.apply(plan, "self_attn.v_proj", &mut h);
            plan.rope("self_attn.q_rope", position, cache.rope, q);
            plan.rope_kv("self_attn.k_cache", position, cache.rope, k, k_cache);
            plan.kv_write("self_attn.v_cache", position, v, v_cache);
            let attention = Attention { position, q, k: k_cache, v: v_cache, head_dim: self.config.head_dim };
            let a = plan.attention("self_attn.attention", attention);
            layer.o_proj.add_to(plan, "self_attn.o_proj", &mut Input::new(a), x);

            let h = plan.rms_norm("post_attention_layernorm", x, 0, x.rows, layer.post_attention_layernorm, eps);
            let mut h = Input::new(h);
            let gate = layer.gate_proj.apply(plan, "mlp.gate_proj", &mut h);
            let up = layer.up_proj.apply(plan, "mlp.up_proj", &mut h);
            let h = plan.silu_mul("mlp.silu_mul", gate, up);
            layer.down_proj.add_to(plan, "mlp.down_proj", &mut Input::new(h), x);
        }
        plan.scope("");
        x
    }

    /// Adds the final norm and the output matrix for `rows` rows of `x` from `row0` on: logits
    /// [rows, vocab_size].
    pub fn logits(&self, plan: &mut Plan, x: Tensor, row0: usize, rows: usize) -> Tensor {
        let h = plan.rms_norm("model.norm", x, row0, rows, self.norm, self.config.rms_norm_eps);
        self.lm_head.apply(plan, "lm_head", &mut Input::new(h))
    }

    /// Bytes of all weights on the device; a tied output matrix counts once.
    pub fn weight_bytes(&self) -> u64 {
        let layer = |l: &Layer| {
            let linears = [&l.q_proj, &l.k_proj, &l.v_proj, &l.o_proj, &l.gate_proj, &l.up_proj, &l.down_proj];
            let norms = l.input_layernorm.bytes() + l.post_attention_layernorm.bytes();
            linears.iter().map(|l| l.bytes()).sum::<u64>() + norms
        };
        let head = if self.config.tie_word_embeddings { 0 } else { self.lm_head.bytes() };
        self.layers.iter().map(layer).sum::<u64>() + self.embed_tokens.bytes() + self.norm.bytes() + head
    }
}
