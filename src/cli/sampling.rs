//! The sampling options, the same for all commands that write text.

use super::values::proposals;
use crate::generate::Sampling;

// No doc comment: clap would take it for the command's.
#[derive(clap::Args, Debug)]
pub struct SamplingArgs {
    /// Divide the logits by T before drawing; 0 always takes the most likely token
    #[arg(long, value_name = "T", allow_negative_numbers = true, help_heading = "Sampling")]
    temperature: Option<f32>,
    /// Draw from the K most likely tokens; 0 from all
    #[arg(long, value_name = "K", help_heading = "Sampling")]
    top_k: Option<usize>,
    /// Draw from the most likely tokens that together have probability P; 1 from all
    #[arg(long, value_name = "P", allow_negative_numbers = true, help_heading = "Sampling")]
    top_p: Option<f32>,
    /// Draw from the tokens of at least P times the highest probability; 0 from all
    #[arg(long, value_name = "P", allow_negative_numbers = true, help_heading = "Sampling")]
    min_p: Option<f32>,
    /// Above 1 makes tokens that were seen before less likely; 1 changes nothing
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Sampling")]
    repetition_penalty: Option<f32>,
    /// The same seed draws the same tokens
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "Sampling")]
    seed: u64,
    /// Propose up to N next tokens from what stands earlier in prompt and reply, and verify them in one step; the text
    /// is the same, and faster where it repeats itself [default: none]
    #[arg(long, value_name = "N", value_parser = proposals, help_heading = "Speed")]
    lookup: Option<usize>,
}

impl SamplingArgs {
    /// The most tokens to propose at a time; zero without the option.
    pub fn lookup(&self) -> usize {
        self.lookup.unwrap_or(0)
    }

    /// The options that were given, and `otherwise` for the rest. Temperature 0 without a penalty of
    /// its own is plain greedy.
    pub fn over(&self, otherwise: Sampling) -> anyhow::Result<Sampling> {
        let base = if self.temperature == Some(0.0) { Sampling::GREEDY } else { otherwise };
        let sampling = Sampling {
            temperature: self.temperature.unwrap_or(base.temperature),
            top_k: self.top_k.unwrap_or(base.top_k),
            top_p: self.top_p.unwrap_or(base.top_p),
            min_p: self.min_p.unwrap_or(base.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(base.repetition_penalty),
            seed: self.seed,
        };
        sampling.check()?;
        Ok(sampling)
    }
}
