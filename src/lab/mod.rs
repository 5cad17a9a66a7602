//! Shaders and cards that are not here. Through compilers: the text that a driver gets, and what AMD's compiler makes of
//! it on a machine without an AMD card; docs/SHADERS.md shows the commands. By a model: the speed of a decoder on a
//! card, from counters of the emulated adapter and the card's figures; docs/PREDICTIONS.md says how far to trust it.

pub mod beside;
pub mod cards;
pub mod compile;
pub mod emit;
pub mod isa;
pub mod listing;
pub mod outline;
pub mod predict;
pub mod radv;
pub mod roofline;
pub mod sample;
pub mod text;

pub use cards::Card;
pub use predict::{SpeedPrediction, predict};
