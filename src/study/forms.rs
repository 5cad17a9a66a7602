//! The forms of a model that are compared: unquantized, and quantized by each method at each width.

use crate::formats::method::{Comparison, Method, Quant};
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

/// Forms beside the methods at their presets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// GGUF files with their own blocks.
    pub packed: bool,
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
        packed: false,
        purpose: Purpose::Preset,
        options: Vec::new(),
    }];
    if extras.packed {
        forms.push(Form { name: PACKED.into(), method: PACKED, packed: true, ..forms[0].clone() });
    }
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
    Some(Form { name, method, bits: quant.bits, settings: Some(settings), packed: false, purpose, options: facts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::method::METHODS;

    #[test]
    fn the_studys_matrix() {
        let all: Vec<&'static Method> = METHODS.to_vec();
        let names =
            |extras| -> Vec<String> { forms(&all, &[8, 4, 3, 2], extras).into_iter().map(|form| form.name).collect() };
        let widths = |method: &&Method| -> Vec<String> {
            [8, 4, 3, 2].iter().filter(|b| method.bits.contains(b)).map(|b| format!("{}-{b}", method.name)).collect()
        };
        let mut plain = vec!["bf16".to_owned()];
        plain.extend(all.iter().copied().flat_map(|method| widths(&method)));
        assert_eq!(names(Extras::default()), plain);
        let with = names(Extras { packed: true, ablation: true, equal_bits: true });
        assert_eq!(with[..2], ["bf16", "gguf"]);
        for method in METHODS {
            for comparison in method.comparisons {
                for bits in [2, 3] {
                    let name = format!("{}-{bits}-{}", method.name, comparison.name);
                    assert!(with.contains(&name), "{name} in {with:?}");
                }
            }
        }
        // A method of one width takes part whatever the widths are.
        let int8 = Method::find("int8").unwrap();
        assert_eq!(forms(&[int8], &[3], Extras::default())[1].name, "int8-8");
    }

    /// A method at the true bits of GPTQ with one more: 3 bits, scales and zeros of groups of 128.
    #[test]
    fn equal_bits_count_everything() {
        let extras = Extras { equal_bits: true, ..Extras::default() };
        let equal: Vec<Form> =
            forms(METHODS, &[2], extras).into_iter().filter(|form| form.purpose == Purpose::EqualBits).collect();
        assert!(!equal.is_empty());
        for form in equal {
            let bits = form.settings.unwrap().options.to_json()["bits_per_weight"].as_f64().unwrap();
            assert!((bits - 3.1484375).abs() < 1e-9, "{}: {bits}", form.name);
        }
    }
}
