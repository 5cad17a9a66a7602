//! Quantization types: how a model's weights are held, by the names that `quant` takes.

use std::fmt;
use std::str::FromStr;

use super::QuantizedWeight;
use super::gguf::Blocks;
use super::gguf::blocks::{BLOCKS, Block};
use super::method::{Method, Quant, one_of};

/// Quantization type of a model's weights: a method and its bits, or a block type of GGUF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantType {
    /// Weights of the decoder layers as a method makes them: `gptq:4`.
    Method(Quant),
    /// Every matrix in GGUF's blocks, embedding and output matrix included: `q8_0`. No method makes them; a file has
    /// them, or weights are random.
    Block(&'static Block),
}

impl QuantType {
    /// Returns the names that [`QuantType::from_str`] takes, for help and errors.
    pub fn known() -> String {
        let blocks = BLOCKS.iter().map(|block| block.name.to_lowercase()).collect();
        format!("{}, or GGUF's {}", Quant::known(), one_of(blocks))
    }

    /// Returns a random weight \[rows, cols\] of a decoder layer, for measuring speed and memory without a checkpoint.
    /// Products keep the scale of their inputs.
    pub fn random(self, rows: usize, cols: usize, seed: u32) -> Box<dyn QuantizedWeight> {
        match self {
            QuantType::Method(quant) => (quant.method.random)(quant.bits, rows, cols, seed),
            QuantType::Block(block) => Box::new(Blocks::random(block.fitting(cols), rows, cols, seed)),
        }
    }
}

impl From<Quant> for QuantType {
    fn from(quant: Quant) -> QuantType {
        QuantType::Method(quant)
    }
}

impl fmt::Display for QuantType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QuantType::Method(quant) => quant.fmt(f),
            QuantType::Block(block) => f.write_str(&block.name.to_lowercase()),
        }
    }
}

impl FromStr for QuantType {
    type Err = String;

    fn from_str(text: &str) -> Result<QuantType, String> {
        if let Some(block) = Block::named(text) {
            return Ok(QuantType::Block(block));
        }
        let method = text.split_once(':').map_or(text, |(method, _)| method);
        match Method::find(method) {
            Some(_) => text.parse().map(QuantType::Method),
            None => Err(format!("expected {}", QuantType::known())),
        }
    }
}
