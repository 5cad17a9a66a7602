//! Matrix of a study: methods, widths, texts and benchmarks, and the forms of a model that it compares.

use crate::error::{Error, Result};
use crate::formats::method::{Comparison, METHODS, Method, Quant};
use crate::quantize::Settings;
use crate::report::data::{BASELINE, NamedValue, PACKED, Purpose};

/// All widths, the widest first.
const WIDTHS: [u32; 4] = [8, 4, 3, 2];

/// Measurements of each model.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Methods beside 16 bit.
    pub methods: Vec<&'static Method>,
    /// Widths of methods that have several.
    pub bits: Vec<u32>,
    /// True if GGUF files are measured with their own blocks too.
    pub packed: bool,
    /// True if a method is measured with its best options too, at widths where they differ from the paper's.
    pub best: bool,
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
    /// Returns the methods that a study measures, at all widths.
    fn default() -> Matrix {
        Matrix {
            methods: METHODS.iter().copied().filter(|method| method.in_study).collect(),
            bits: WIDTHS.to_vec(),
            packed: false,
            best: false,
            ablation: false,
            equal_bits: false,
            texts: vec!["wikitext2".to_owned()],
            tasks: Vec::new(),
        }
    }
}

impl Matrix {
    /// Returns the matrix of an experiment. `correlation` sets perplexity at 4 and 3 bits against scores; `outliers` takes
    /// methods with and without outliers, in groups of 16 and 128, at GPTQ's true bits; `efficiency` compares the memory
    /// and speed of LLM.int8() with those of GPTQ.
    ///
    /// # Errors
    /// Another name.
    pub fn experiment(name: &str) -> Result<Matrix> {
        let methods = |takes_part: fn(&Method) -> bool| METHODS.iter().copied().filter(|m| takes_part(m)).collect();
        let (calibrated, texts) = (methods(|method| method.calibrated), ["wikitext2", "ptb", "c4"].map(str::to_owned));
        let all = Matrix { methods: calibrated, ..Matrix::default() };
        Ok(match name {
            "correlation" => Matrix { bits: vec![4, 3], texts: texts.into(), ..all },
            "outliers" => Matrix { bits: vec![4, 3, 2], ablation: true, equal_bits: true, ..all },
            "efficiency" => {
                let methods = methods(|method| ["int8", "gptq"].contains(&method.name));
                Matrix { methods, bits: vec![8, 4], texts: Vec::new(), ..all }
            }
            _ => {
                let expected = "correlation, outliers or efficiency";
                return Err(Error::request("`preset`", expected, name, "choose among these"));
            }
        })
    }

    /// Lists the forms of one model, the 16-bit one first. A method with a single width takes part whatever `bits` are.
    ///
    /// # Errors
    /// A width that no method has.
    pub fn forms(&self) -> Result<Vec<ModelForm>> {
        if let Some(wrong) = self.bits.iter().find(|bits| !WIDTHS.contains(*bits)) {
            return Err(Error::request("`bits`", "some of 8, 4, 3, 2", wrong, "choose among these"));
        }
        let mut forms = vec![ModelForm::unquantized(false)];
        forms.extend(self.packed.then(|| ModelForm::unquantized(true)));
        let wanted = |c: &&Comparison| if c.equal_bits { self.equal_bits } else { self.ablation };
        for &method in &self.methods {
            let takes_part =
                |bits: &u32| method.bits.contains(bits) && (method.bits.len() == 1 || self.bits.contains(bits));
            for bits in WIDTHS.into_iter().filter(takes_part) {
                let quant = Quant { method, bits };
                forms.extend(ModelForm::quantized(quant, None));
                forms.extend(self.best.then(|| ModelForm::best(quant)).flatten());
                let comparisons = method.comparisons.iter().filter(wanted);
                forms.extend(comparisons.filter_map(|comparison| ModelForm::quantized(quant, Some(comparison))));
            }
        }
        Ok(forms)
    }
}

/// ModelForm of a model: its weights unquantized, or quantized in one way.
#[derive(Clone, Debug)]
pub struct ModelForm {
    /// The name, also of its folder: `bf16`, `gptq-4`.
    pub name: String,
    /// Name of the method, as the report has it.
    pub method: &'static str,
    /// Nominal bits of a weight.
    pub bits: u32,
    /// None: as the model's files have it.
    pub settings: Option<Settings>,
    /// True if a GGUF file's blocks run packed; otherwise they are widened to bf16.
    pub packed: bool,
    /// Purpose of the form in the study.
    pub purpose: Purpose,
    /// The options that differ from the method's preset.
    pub options: Vec<NamedValue>,
}

impl ModelForm {
    /// Returns a model as its files have it: its blocks packed, or all in 16 bits.
    pub fn unquantized(packed: bool) -> ModelForm {
        let method = if packed { PACKED } else { BASELINE };
        let (purpose, options) = (Purpose::Preset, Vec::new());
        ModelForm { name: method.to_owned(), method, bits: 16, settings: None, packed, purpose, options }
    }

    /// Returns the name of this form of a model.
    pub(super) fn name_of(&self, model: &str) -> String {
        format!("{model} {}", self.name)
    }

    /// Returns a form of a method with its best options. None: they are its defaults.
    pub fn best(quant: Quant) -> Option<ModelForm> {
        let mut form = ModelForm::quantized(quant, None)?;
        let options = (quant.method.best)(quant.bits)?;
        form.name += "-best";
        form.purpose = Purpose::Ablation;
        form.options.push(NamedValue::new("recipe", "best"));
        form.settings = Some(Settings { options, ..Settings::new(quant) });
        Some(form)
    }

    /// Returns a form of a method: at its defaults, or as a comparison has it. None: the width has no such comparison.
    pub fn quantized(quant: Quant, comparison: Option<&Comparison>) -> Option<ModelForm> {
        let method = quant.method.name;
        let mut form = ModelForm {
            name: format!("{method}-{}", quant.bits),
            method,
            bits: quant.bits,
            settings: Some(Settings::new(quant)),
            ..ModelForm::unquantized(false)
        };
        if let Some(comparison) = comparison {
            let (options, value) = (comparison.options)(quant.bits)?;
            form.settings = Some(Settings { options, ..Settings::new(quant) });
            form.name = format!("{}-{}", form.name, comparison.name);
            form.purpose = if comparison.equal_bits { Purpose::EqualBits } else { Purpose::Ablation };
            form.options.push(NamedValue::new(comparison.option, value));
        }
        Some(form)
    }
}
