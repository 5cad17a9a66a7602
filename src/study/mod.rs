//! The study: which forms of a model are measured, on what, and how the measurements become its report.

pub mod scores;
pub mod texts;

use crate::quant::{Method, Quant};
use crate::quantize::{Outliers, Settings};
use crate::report::data::{BASELINE, Fact, Purpose};

/// A form of a model.
#[derive(Clone, Debug)]
pub struct Form {
    /// As a folder's name: `bf16`, `gptq-4`, `spqr-2-no-outliers`.
    pub name: String,
    /// Name of the method, as the report has it.
    pub method: &'static str,
    pub bits: u32,
    /// None: as it is.
    pub settings: Option<Settings>,
    pub purpose: Purpose,
    /// What differs from the method's preset.
    pub options: Vec<Fact>,
}

/// What is compared beside the methods at their presets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// SpQR without outliers, and with groups of 128.
    pub ablation: bool,
    /// SpQR at the true bits of GPTQ one bit wider.
    pub equal_bits: bool,
}

/// The forms of one model, the 16-bit one first. A method with a single width takes part whatever `bits` are.
pub fn forms(methods: &[Method], wanted: &[u32], extras: Extras) -> Vec<Form> {
    let mut forms = vec![Form {
        name: "bf16".into(),
        method: BASELINE,
        bits: 16,
        settings: None,
        purpose: Purpose::Preset,
        options: Vec::new(),
    }];
    for &method in methods {
        let of_method = method.bits();
        // The widest first, however they were given.
        for bits in [8, 4, 3, 2] {
            if !of_method.contains(&bits) || of_method.len() > 1 && !wanted.contains(&bits) {
                continue;
            }
            let quant = Quant { method, bits };
            forms.push(form(quant, "", Settings::new(quant), Purpose::Preset, None));
            if method == Method::Spqr {
                forms.extend(of_spqr(quant, extras));
            }
        }
    }
    forms
}

fn of_spqr(quant: Quant, extras: Extras) -> Vec<Form> {
    let base = Settings::new(quant);
    let mut forms = Vec::new();
    if extras.ablation {
        let without = Settings { outliers: Outliers::None, ..base.clone() };
        forms.push(form(quant, "-no-outliers", without, Purpose::Ablation, Some(("outliers", "none".into()))));
        let large = Settings { group_size: Some(128), ..base.clone() };
        forms.push(form(quant, "-group-128", large, Purpose::Ablation, Some(("group size", "128".into()))));
    }
    // What GPTQ takes with one more bit, scales and zeros of groups of 128 counted.
    let budget = f64::from(quant.bits + 1) * (1.0 + 1.0 / 128.0) + 16.0 / 128.0;
    if extras.equal_bits && budget > base.bits_without_outliers() && quant.bits < 8 {
        let equal = Settings { outliers: Outliers::BitsPerWeight(budget), ..base };
        let option = ("true bits", format!("{budget:.3}"));
        forms.push(form(quant, "-equal-bits", equal, Purpose::EqualBits, Some(option)));
    }
    forms
}

fn form(quant: Quant, suffix: &str, settings: Settings, purpose: Purpose, option: Option<(&str, String)>) -> Form {
    Form {
        name: format!("{}-{}{suffix}", quant.method.name(), quant.bits),
        method: quant.method.name(),
        bits: quant.bits,
        settings: Some(settings),
        purpose,
        options: option.into_iter().map(|(name, value)| Fact { name: name.to_owned(), value }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_studys_matrix() {
        let all = [Method::Int8, Method::Gptq, Method::Spqr];
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
        let Some(Settings { outliers: Outliers::BitsPerWeight(bits), .. }) = equal.last().unwrap().settings else {
            panic!("{equal:?}")
        };
        assert!((bits - 3.1484375).abs() < 1e-9, "{bits}");
    }
}
