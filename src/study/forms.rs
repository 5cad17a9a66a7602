//! The forms of a model that are compared: unquantized, and quantized by each method at each width.

use crate::formats::method::{Comparison, Quant};
use crate::quantize::Settings;
use crate::report::data::{BASELINE, Fact, PACKED, Purpose};

/// Form of a model: its weights unquantized, or quantized in one way.
#[derive(Clone, Debug)]
pub struct Form {
    /// The name, also of its folder: `bf16`, `gptq-4`.
    pub name: String,
    /// Name of the method, as the report has it.
    pub method: &'static str,
    pub bits: u32,
    /// None: as the model's files have it.
    pub settings: Option<Settings>,
    /// True if a GGUF file's blocks run packed; otherwise they are widened to bf16.
    pub packed: bool,
    pub purpose: Purpose,
    /// The options that differ from the method's preset.
    pub options: Vec<Fact>,
}

impl Form {
    /// Returns a model as its files have it: its blocks packed, or all in 16 bits.
    pub fn unquantized(packed: bool) -> Form {
        let method = if packed { PACKED } else { BASELINE };
        let (purpose, options) = (Purpose::Preset, Vec::new());
        Form { name: method.to_owned(), method, bits: 16, settings: None, packed, purpose, options }
    }

    /// Returns a form of a method: at its defaults, or as a comparison has it. None: the width has no such comparison.
    pub fn quantized(quant: Quant, comparison: Option<&Comparison>) -> Option<Form> {
        let method = quant.method.name;
        let mut form = Form {
            name: format!("{method}-{}", quant.bits),
            method,
            bits: quant.bits,
            settings: Some(Settings::new(quant)),
            ..Form::unquantized(false)
        };
        if let Some(comparison) = comparison {
            let (options, value) = (comparison.options)(quant.bits)?;
            form.settings = Some(Settings { options, ..Settings::new(quant) });
            form.name = format!("{}-{}", form.name, comparison.name);
            form.purpose = if comparison.equal_bits { Purpose::EqualBits } else { Purpose::Ablation };
            form.options.push(Fact { name: comparison.option.to_owned(), value });
        }
        Some(form)
    }
}
