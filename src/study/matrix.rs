//! Matrix of a study: methods, widths, texts and benchmarks.

use super::forms::{Extras, Form, forms};
use crate::error::{Error, Result};
use crate::formats::method::{METHODS, Method};

/// An experiment with a matrix of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Perplexity at 4 and 3 bits against scores.
    Correlation,
    /// Methods with outliers: with and without them, in groups of 16 and 128, at GPTQ's true bits.
    Outliers,
    /// LLM.int8() against GPTQ: memory and speed.
    Efficiency,
}

impl Preset {
    /// All experiments.
    pub const ALL: [Preset; 3] = [Preset::Correlation, Preset::Outliers, Preset::Efficiency];

    /// Returns the name that the command line uses.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Correlation => "correlation",
            Preset::Outliers => "outliers",
            Preset::Efficiency => "efficiency",
        }
    }
}

/// Measurements of each model.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Methods beside 16 bit.
    pub methods: Vec<&'static Method>,
    /// Widths of methods that have several.
    pub bits: Vec<u32>,
    /// Forms beside the methods at their presets.
    pub extras: Extras,
    /// Names of texts for perplexity.
    pub texts: Vec<String>,
    /// Names of benchmarks.
    pub tasks: Vec<String>,
}

impl Default for Matrix {
    fn default() -> Matrix {
        Matrix::new(None)
    }
}

impl Matrix {
    /// Returns the matrix of an experiment. None: the methods that a study measures, at all widths.
    pub fn new(preset: Option<Preset>) -> Matrix {
        type Matches = fn(&Method) -> bool;
        let (matches, bits, texts): (Matches, &[u32], &[&str]) = match preset {
            None => (|method| method.in_study, &[8, 4, 3, 2], &["wikitext2"]),
            Some(Preset::Correlation) => (|method| method.calibrated, &[4, 3], &["wikitext2", "ptb", "c4"]),
            Some(Preset::Outliers) => (|method| method.calibrated, &[4, 3, 2], &["wikitext2"]),
            Some(Preset::Efficiency) => (|method| ["int8", "gptq"].contains(&method.name), &[8, 4], &[]),
        };
        let outliers = preset == Some(Preset::Outliers);
        Matrix {
            methods: METHODS.iter().copied().filter(|method| matches(method)).collect(),
            bits: bits.to_vec(),
            extras: Extras { packed: false, ablation: outliers, equal_bits: outliers },
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            tasks: Vec::new(),
        }
    }

    /// Lists the forms of one model, the 16-bit one first.
    ///
    /// # Errors
    /// A width that no method has.
    pub fn forms(&self) -> Result<Vec<Form>> {
        if let Some(wrong) = self.bits.iter().find(|bits| ![8, 4, 3, 2].contains(*bits)) {
            return Err(Error::request("`bits`", "some of 8, 4, 3, 2", wrong, "choose among these"));
        }
        Ok(forms(&self.methods, &self.bits, self.extras))
    }
}
