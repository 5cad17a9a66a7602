//! Matrix of a study: methods, widths, texts and benchmarks.

use super::forms::Form;
use crate::error::{Error, Result};
use crate::formats::method::{Comparison, METHODS, Method, Quant};

/// All widths, the widest first.
const WIDTHS: [u32; 4] = [8, 4, 3, 2];

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
    /// True if GGUF files are measured with their own blocks too.
    pub packed: bool,
    /// True if ablations are measured too: other options of a method.
    pub ablation: bool,
    /// True if a method is measured at the true bits of another one bit wider too.
    pub equal_bits: bool,
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
            None => (|method| method.in_study, &WIDTHS, &["wikitext2"]),
            Some(Preset::Correlation) => (|method| method.calibrated, &[4, 3], &["wikitext2", "ptb", "c4"]),
            Some(Preset::Outliers) => (|method| method.calibrated, &[4, 3, 2], &["wikitext2"]),
            Some(Preset::Efficiency) => (|method| ["int8", "gptq"].contains(&method.name), &[8, 4], &[]),
        };
        let outliers = preset == Some(Preset::Outliers);
        Matrix {
            methods: METHODS.iter().copied().filter(|method| matches(method)).collect(),
            bits: bits.to_vec(),
            packed: false,
            ablation: outliers,
            equal_bits: outliers,
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            tasks: Vec::new(),
        }
    }

    /// Lists the forms of one model, the 16-bit one first. A method with a single width takes part whatever `bits` are.
    ///
    /// # Errors
    /// A width that no method has.
    pub fn forms(&self) -> Result<Vec<Form>> {
        if let Some(wrong) = self.bits.iter().find(|bits| !WIDTHS.contains(*bits)) {
            return Err(Error::request("`bits`", "some of 8, 4, 3, 2", wrong, "choose among these"));
        }
        let mut forms = vec![Form::unquantized(false)];
        forms.extend(self.packed.then(|| Form::unquantized(true)));
        let wanted = |c: &&Comparison| if c.equal_bits { self.equal_bits } else { self.ablation };
        for &method in &self.methods {
            let takes_part =
                |bits: &u32| method.bits.contains(bits) && (method.bits.len() == 1 || self.bits.contains(bits));
            for bits in WIDTHS.into_iter().filter(takes_part) {
                let quant = Quant { method, bits };
                forms.extend(Form::quantized(quant, None));
                let comparisons = method.comparisons.iter().filter(wanted);
                forms.extend(comparisons.filter_map(|comparison| Form::quantized(quant, Some(comparison))));
            }
        }
        Ok(forms)
    }
}
