//! The forms of a model that are compared: unquantized, and quantized by each method at each width.

use crate::formats::method::{Comparison, Method, Quant};
use crate::quantize::Settings;
use crate::report::data::{BASELINE, Fact, Purpose};

/// Form of a model: its weights unquantized, or quantized in one way.
#[derive(Clone, Debug)]
pub struct Form {
    /// The name, also of its folder: `bf16`, `gptq-4`, `spqr-2-no-outliers`.
    pub name: String,
    /// Name of the method, as the report has it.
    pub method: &'static str,
    pub bits: u32,
    /// None: unquantized.
    pub settings: Option<Settings>,
    pub purpose: Purpose,
    /// The options that differ from the method's preset.
    pub options: Vec<Fact>,
}

/// Forms beside the methods at their presets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Ablations: other options of a method.
    pub ablation: bool,
    /// A method at the true bits of another one bit wider.
    pub equal_bits: bool,
}

/// Lists the forms of one model, the 16-bit one first. A method with a single width takes part whatever `bits` are.
pub fn forms(methods: &[&'static Method], wanted: &[u32], extras: Extras) -> Vec<Form> {
    let mut forms = vec![Form {
        name: "bf16".into(),
        method: BASELINE,
        bits: 16,
        settings: None,
        purpose: Purpose::Preset,
        options: Vec::new(),
    }];
    for &method in methods {
        let of_method = method.bits;
        // The widest first, however they were given.
        for bits in [8, 4, 3, 2] {
            if !of_method.contains(&bits) || of_method.len() > 1 && !wanted.contains(&bits) {
                continue;
            }
            let quant = Quant { method, bits };
            let wanted = |c: &&Comparison| if c.equal_bits { extras.equal_bits } else { extras.ablation };
            forms.extend(form(quant, None));
            forms.extend(method.comparisons.iter().filter(wanted).filter_map(|c| form(quant, Some(c))));
        }
    }
    forms
}

/// Returns a form of a method: at its defaults, or as a comparison has it.
fn form(quant: Quant, comparison: Option<&Comparison>) -> Option<Form> {
    let mut settings = Settings::new(quant);
    let mut name = format!("{}-{}", quant.method.name, quant.bits);
    let mut purpose = Purpose::Preset;
    let mut facts = Vec::new();
    if let Some(comparison) = comparison {
        let (options, value) = (comparison.options)(quant.bits)?;
        settings.options = options;
        name = format!("{name}-{}", comparison.name);
        purpose = if comparison.equal_bits { Purpose::EqualBits } else { Purpose::Ablation };
        facts.push(Fact { name: comparison.option.to_owned(), value });
    }
    let method = quant.method.name;
    Some(Form { name, method, bits: quant.bits, settings: Some(settings), purpose, options: facts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_studys_matrix() {
        let all = ["int8", "gptq", "spqr"].map(|name| Method::find(name).unwrap());
        let names =
            |extras| -> Vec<String> { forms(&all, &[8, 4, 3, 2], extras).into_iter().map(|form| form.name).collect() };
        let plain = ["bf16", "int8-8", "gptq-8", "gptq-4", "gptq-3", "gptq-2", "spqr-8", "spqr-4", "spqr-3", "spqr-2"];
        assert_eq!(names(Extras::default()), plain);
        let with = names(Extras { ablation: true, equal_bits: true });
        for name in ["spqr-2-no-outliers", "spqr-3-group-128", "spqr-2-equal-bits", "spqr-3-equal-bits"] {
            assert!(with.iter().any(|known| known == name), "{name} in {with:?}");
        }
        assert_eq!(forms(&all, &[3], Extras::default())[1].name, "int8-8");
        let equal = forms(&all, &[2], Extras { ablation: false, equal_bits: true });
        let options = equal.last().unwrap().settings.as_ref().unwrap().options.to_json();
        let bits = options["bits_per_weight"].as_f64().unwrap();
        assert!((bits - 3.1484375).abs() < 1e-9, "{bits}");
    }
}
