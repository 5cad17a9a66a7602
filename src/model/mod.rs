//! Decoders: weights on a device, and the forward pass as steps of a plan.

pub mod config;
pub mod families;
pub mod layer;
pub mod weights;

pub use config::Config;
pub use families::{FAMILIES, Family};
pub use layer::{Layer, Rows, Sequence, Stream};
pub use weights::WeightSource;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::formats::{Activation, Linear};
use crate::kernels::rope_table;
use crate::plan::{Backend, Element, Plan, Tensor};
use crate::progress::Progress;

/// Decoder of any family, its weights on a device.
pub struct Decoder {
    /// Shape and constants.
    pub config: Config,
    embed_tokens: Linear,
    layers: Vec<Layer>,
    /// Norm and order of columns that the embedding writes for, in a pass whose rows are alone. None: norms are steps of their own.
    first: Option<Tensor>,
    norm: Tensor,
    lm_head: Linear,
}

/// Type of the keys and values in a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum KvType {
    /// 16-bit float: half the memory
    F16,
    /// 32-bit float
    #[default]
    F32,
}

impl KvType {
    /// Returns the name that results use.
    pub fn name(self) -> &'static str {
        match self {
            KvType::F16 => "f16",
            KvType::F32 => "f32",
        }
    }

    /// Returns the bytes of a number.
    pub fn bytes(self) -> u64 {
        self.element().bits() as u64 / 8
    }

    fn element(self) -> Element {
        match self {
            KvType::F16 => Element::F16,
            KvType::F32 => Element::F32,
        }
    }
}

/// Key-value cache, and the rotation table of positions.
pub struct KvCache {
    /// Type of the keys and values.
    pub kind: KvType,
    /// \[capacity, kv heads · head_dim\] for each layer, keys rotated.
    k: Vec<Tensor>,
    /// \[capacity, kv heads · head_dim\] for each layer.
    v: Vec<Tensor>,
    /// \[capacity, head_dim\]
    rope: Tensor,
    /// Number of slots.
    pub capacity: usize,
}

impl KvCache {
    /// Creates the tensors.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory) when the device refuses.
    pub fn new(backend: &mut dyn Backend, config: &Config, capacity: usize, kind: KvType) -> Result<KvCache> {
        let mut make = |what: &str| -> Result<Vec<Tensor>> {
            let layers = 0..config.num_hidden_layers;
            layers
                .map(|i| backend.create(&format!("cache.{i}.{what}"), capacity, config.kv_size(), kind.element()))
                .collect()
        };
        let (k, v) = (make("k")?, make("v")?);
        let rope = backend.create("rope", capacity, config.head_dim, Element::F32)?;
        let table = rope_table(capacity, config.head_dim, config.rope_theta, &config.rope_scaling);
        backend.write(None, rope, 0, bytemuck::cast_slice(&table))?;
        Ok(KvCache { kind, k, v, rope, capacity })
    }

    /// Fills slots with zeros.
    ///
    /// # Errors
    /// Those of the device.
    pub fn clear(&self, backend: &mut dyn Backend, slots: std::ops::Range<usize>) -> Result<()> {
        self.k.iter().chain(&self.v).try_for_each(|cached| {
            let row = cached.words() / cached.rows;
            backend.write(None, *cached, slots.start * row, &vec![0; slots.len() * row])
        })
    }

    /// Returns the bytes of keys and values on the device.
    pub fn bytes(&self) -> u64 {
        self.k.iter().chain(&self.v).map(|t| t.bytes()).sum()
    }
}

impl Decoder {
    /// Loads the weights of a model of this config.
    ///
    /// # Errors
    /// A tensor that is missing, damaged or of another shape; no memory on the device; what `progress` returns.
    pub fn load(
        config: Config,
        source: WeightSource,
        backend: &mut dyn Backend,
        progress: &mut dyn Progress,
    ) -> Result<Decoder> {
        let layers: Vec<usize> = (0..config.num_hidden_layers).collect();
        Decoder::load_some(config, &layers, source, backend, progress)
    }

    /// Loads as [`Decoder::load`] does, of all layers only these, which make the decoder.
    pub(crate) fn load_some(
        config: Config,
        numbers: &[usize],
        source: WeightSource,
        backend: &mut dyn Backend,
        progress: &mut dyn Progress,
    ) -> Result<Decoder> {
        let mut w = weights::Weights::new(source, backend, progress, &config)?;
        let hidden = config.hidden_size;
        let embed_tokens = w.table("model.embed_tokens", config.vocab_size, hidden)?;
        let mut layers = Vec::new();
        for &i in numbers {
            layers.push(Layer::read(&mut w, &config, i, true)?);
        }
        let first = Layer::fuse(&mut layers, numbers, &mut w, &config)?;
        let norm = w.vector("model.norm.weight", hidden)?;
        let lm_head = if config.tie_word_embeddings {
            embed_tokens.clone()
        } else {
            w.table("lm_head", config.vocab_size, hidden)?
        };
        let config = Config { num_hidden_layers: layers.len(), ..config };
        Ok(Decoder { config, embed_tokens, layers, first, norm, lm_head })
    }

    /// Adds embedding and layers for `token` \[1, m\], whose keys and values go into `cache`. Returns the output of
    /// the last layer, before the final norm.
    pub fn forward(&self, plan: &mut Plan, token: Tensor, rows: Rows, cache: &KvCache) -> Stream {
        let first = self.first.filter(|_| !plan.together(token.cols));
        let x = Stream::new(plan.within("model", |plan| self.embed_tokens.embed(plan, token, first)), token.cols);
        for (i, layer) in self.layers.iter().enumerate() {
            let sequence = Sequence { rows, rope: cache.rope, k: cache.k[i], v: cache.v[i] };
            plan.within(format!("model.layers.{i}"), |plan| layer.forward(plan, x, &sequence));
        }
        x
    }

    /// Adds the final norm and the output matrix for `rows` rows of `x` from `row0` on. Returns the logits
    /// \[rows, vocab_size\].
    pub fn logits(&self, plan: &mut Plan, x: Stream, row0: usize, rows: usize) -> Tensor {
        let eps = self.config.rms_norm_eps;
        let norm = |plan: &mut Plan| Activation::new(plan.rms_norm("model.norm", x.x, row0, rows, self.norm, eps));
        let mut h = x.to_norm(eps).filter(|_| rows == x.x.rows).unwrap_or_else(|| norm(plan));
        self.lm_head.apply(plan, "lm_head", &mut h)
    }

    /// Returns whether a row's output depends on the other rows of its pass. With LLM.int8() it does: a column is an
    /// outlier for all rows of a pass together.
    pub fn rows_depend(&self) -> bool {
        self.layers
            .iter()
            .flat_map(|layer| layer.linears())
            .any(|(_, linear)| (linear.format.rows_depend)(linear.layout))
    }

    /// Returns the layers, the first first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Returns the bytes of the packed weights: on the device, and as their formats count them in a file.
    pub fn packed_bytes(&self) -> (u64, u64) {
        let head = (!self.config.tie_word_embeddings).then_some(&self.lm_head);
        let linears = self.layers.iter().flat_map(|layer| layer.linears()).map(|(_, linear)| linear);
        let linears = linears.chain([&self.embed_tokens]).chain(head);
        let packed: Vec<_> = linears.filter(|linear| linear.counted_bytes > 0).collect();
        // Linears with one input share its order.
        let mut orders: Vec<Tensor> = packed.iter().filter_map(|linear| Some(linear.order.as_ref()?.tensor)).collect();
        orders.dedup();
        let shared: u64 = orders.into_iter().map(Tensor::bytes).sum();
        packed.iter().fold((shared, 0), |(held, counted), l| (held + l.weight_bytes(), counted + l.counted_bytes))
    }

    /// Returns the bytes of all weights on the device; a tied output matrix counts once.
    pub fn weight_bytes(&self) -> u64 {
        let head = if self.config.tie_word_embeddings { 0 } else { self.lm_head.bytes() };
        let norms = self.norm.bytes() + self.first.map_or(0, Tensor::bytes);
        self.layers.iter().map(Layer::bytes).sum::<u64>() + self.embed_tokens.bytes() + norms + head
    }
}
