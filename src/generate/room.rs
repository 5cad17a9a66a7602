//! Check of a model against the machine's memory, before any of it is taken.

use super::device::Run;
use crate::checkpoint::Checkpoint;
use crate::doctor::system::free_memory_here;
use crate::error::{Error, Result};
use crate::formats::QuantType;
use crate::model::{Config, WeightSource, weights};
use crate::units::binary_bytes;

/// Checks that the weights of `name` and a cache of `context` tokens fit into the memory that is free, where the CPU
/// computes. The need is a lower bound, since scratch tensors are left out. A GPU's memory is not asked: its driver
/// refuses what does not fit.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn expect_room(name: &str, source: &WeightSource, config: &Config, context: usize, run: &Run) -> Result<()> {
    if !run.software {
        return Ok(());
    }
    match free_memory_here() {
        Some(free) => expect_fit(name, held_bytes(source, config), cache_bytes(config, context, run), free),
        None => Ok(()),
    }
}

fn expect_fit(name: &str, weights: u64, cache: u64, free: u64) -> Result<()> {
    let need = weights.saturating_add(cache);
    if need <= free {
        return Ok(());
    }
    let [weights, cache, free] = [weights, cache, free].map(binary_bytes);
    Err(Error::OutOfMemory {
        what: format!("{name} (weights {weights}, cache {cache})"),
        bytes: need,
        limit: format!("of this machine's memory {free} are free"),
        fix: "choose fewer bits or a smaller model, give a smaller `context`, or close other programs".into(),
    })
}

/// Returns the bytes that the weights take at least: none is kept wider than its file has it, nor than 16 bits.
fn held_bytes(source: &WeightSource, config: &Config) -> u64 {
    match source {
        WeightSource::Checkpoint { checkpoint, .. } => stored_bytes(checkpoint),
        WeightSource::Random { quant, .. } => {
            let bits = match quant {
                None => 16,
                Some(QuantType::Method(quant)) => u64::from(quant.bits),
                Some(QuantType::Block(_)) => 2,
            };
            weights::bf16_bytes(config) / 16 * bits
        }
    }
}

fn stored_bytes(checkpoint: &Checkpoint) -> u64 {
    checkpoint.tensors.infos().iter().map(|tensor| tensor.bytes.min(2 * tensor.elements() as u64)).sum()
}

/// Returns the bytes of keys and values. A damaged config can have any sizes, so the product saturates.
fn cache_bytes(config: &Config, context: usize, run: &Run) -> u64 {
    let factors = [2, config.num_hidden_layers, context, config.num_key_value_heads, config.head_dim];
    factors.iter().fold(run.kv_cache.bytes(), |product, factor| product.saturating_mul(*factor as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_its_parts() {
        assert!(expect_fit("model", 3 << 30, 1 << 30, 4 << 30).is_ok());
        let error = expect_fit("model", 3 << 30, 1 << 30, (4 << 30) - 1).unwrap_err().to_string();
        assert!(error.contains("model (weights 3.00 GiB, cache 1.00 GiB) needs 4294967296 bytes"), "{error}");
        assert!(expect_fit("model", u64::MAX, u64::MAX, 1).is_err(), "no overflow");
    }

    #[test]
    fn random_weights_take_the_bits_of_their_quantization() {
        let config = Config::published("qwen2.5-0.5b").unwrap();
        let bytes = |quant: Option<&str>| {
            let quant = quant.map(|quant| quant.parse().unwrap());
            held_bytes(&WeightSource::Random { seed: 0, quant, lm_head: false }, &config)
        };
        assert_eq!(bytes(None), weights::bf16_bytes(&config) / 16 * 16);
        assert_eq!(bytes(Some("gptq:4")), bytes(None) / 4);
        let run = |kv_cache| Run { kv_cache, ..Run::on_cpu() };
        // 24 layers, keys and values, two heads of 64.
        assert_eq!(cache_bytes(&config, 10, &run(crate::model::KvType::F32)), 24 * 2 * 10 * 2 * 64 * 4);
        assert_eq!(cache_bytes(&config, 10, &run(crate::model::KvType::F16)), 24 * 2 * 10 * 2 * 64 * 2);
    }
}
