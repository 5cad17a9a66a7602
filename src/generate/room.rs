//! Whether a model fits into the machine's memory, before any of it is taken.

use super::device::Run;
use super::load::Spec;
use crate::checkpoint::Checkpoint;
use crate::doctor;
use crate::error::{Error, Result};
use crate::formats::QuantType;
use crate::model::{Config, weights};
use crate::units::binary_bytes;

/// Checks that a model and its cache fit into the memory that is free, where the CPU computes. The need is a lower bound,
/// since scratch tensors are left out. A GPU's own memory is not asked: its driver refuses what does not fit.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn expect_room(spec: &Spec, config: &Config, context: usize, run: &Run) -> Result<()> {
    let Some(free) = doctor::free_memory().filter(|_| run.software) else { return Ok(()) };
    let (name, weights) = match spec {
        Spec::Random { name, quant, .. } => {
            let bits = match quant {
                None => 16,
                Some(QuantType::Method(quant)) => u64::from(quant.bits),
                Some(QuantType::Block(_)) => 2,
            };
            (name.clone(), weights::bf16_bytes(config) / 16 * bits)
        }
        Spec::Files { path, .. } => (path.display().to_string(), held_bytes(&Checkpoint::open(path)?)),
    };
    // Sizes of a damaged config may be of any size.
    let factors = [2, config.num_hidden_layers, context, config.num_key_value_heads, config.head_dim];
    let numbers = factors.iter().fold(1u64, |product, factor| product.saturating_mul(*factor as u64));
    let cache = numbers.saturating_mul(run.kv_cache.bytes());
    let need = weights.saturating_add(cache);
    if need <= free {
        return Ok(());
    }
    let [weights_text, cache_text, free] = [weights, cache, free].map(binary_bytes);
    Err(Error::OutOfMemory {
        what: format!("{name} (weights {weights_text}, cache {cache_text})"),
        bytes: need,
        limit: format!("of this machine's memory {free} are free"),
        fix: "choose fewer bits or a smaller model, give a smaller `context`, or close other programs".into(),
    })
}

/// Returns the bytes that a checkpoint's tensors take at least: none is kept wider than its file has it, nor than 16 bits.
fn held_bytes(checkpoint: &Checkpoint) -> u64 {
    checkpoint.tensors.infos().iter().map(|tensor| tensor.bytes.min(2 * tensor.elements() as u64)).sum()
}
