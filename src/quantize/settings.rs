//! Everything that decides the bytes of a quantized model.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::methods::{FactorOptions, GptqOptions, GridOptions, Order, SpqrOptions};
use crate::quant::file::{GptqFile, Method as FileMethod, Outliers as Meaning, Quantization, SpqrFile, Zeros};
use crate::quant::{Method, Quant};

/// How a model is quantized. Fields of other methods than `method` are ignored.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    pub method: String,
    pub bits: u32,
    /// Columns that share a scale; none is a whole row.
    pub group_size: Option<usize>,
    pub sym: bool,
    /// Columns in the order of the Hessian's diagonal, largest first.
    pub act_order: bool,
    pub static_groups: bool,
    /// Each subset of a layer sees the ones before it quantized.
    pub true_sequential: bool,
    pub percdamp: f32,
    pub damp_auto_increment: f32,
    /// Search for each range by Σ|w - ŵ|^this.
    pub mse: Option<f32>,
    pub fresh_groups: bool,
    pub reference_sym: bool,
    pub f16_scale_grid: bool,
    /// SpQR: bits of the statistics' codes.
    pub scale_bits: u32,
    pub zero_bits: u32,
    pub outliers: Outliers,
    pub simplified_outliers: bool,
    pub spearman: bool,
    pub reference_f32_stats: bool,
    /// LLM.int8(): columns with an element this large stay out of the 8-bit product.
    pub threshold: f32,
    /// Linears left unquantized: those whose name ends in one of these.
    pub skip: Vec<String>,
}

/// How SpQR decides what is an outlier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outliers {
    None,
    /// Relative threshold, as the reference has it; lower gives more.
    Threshold(f32),
    /// The threshold that gives this share of the model's weights.
    Share(f64),
    /// The threshold that gives this many true bits a weight.
    BitsPerWeight(f64),
}

impl Settings {
    /// What the references do for this method unless told otherwise; groups of 128 for GPTQ and RTN.
    pub fn new(quant: Quant) -> Settings {
        let spqr = quant.method == Method::Spqr;
        Settings {
            method: quant.method.name().to_owned(),
            bits: quant.bits,
            group_size: Some(if spqr { 16 } else { 128 }),
            sym: false,
            act_order: spqr,
            static_groups: false,
            true_sequential: true,
            percdamp: if spqr { 1.0 } else { 0.01 },
            damp_auto_increment: 0.01,
            mse: None,
            fresh_groups: false,
            reference_sym: false,
            f16_scale_grid: false,
            scale_bits: 3,
            zero_bits: 3,
            outliers: Outliers::Threshold(0.2),
            simplified_outliers: false,
            spearman: false,
            reference_f32_stats: false,
            threshold: 6.0,
            skip: Vec::new(),
        }
    }

    pub fn quant(&self) -> Quant {
        let method = Method::ALL.into_iter().find(|m| m.name() == self.method).expect("made from a method");
        Quant { method, bits: self.bits }
    }

    /// # Errors
    /// Names the option that cannot be as it is.
    pub fn check(&self) -> Result<()> {
        let bad = |option: &str, expected: &str, found: String, fix: &str| {
            Err(Error::request(option, expected.to_owned(), found, fix.to_owned()))
        };
        if !(self.percdamp > 0.0 && self.percdamp.is_finite()) {
            return bad("`percdamp`", "a number above 0", self.percdamp.to_string(), "the references take 0.01 to 1");
        }
        if self.spearman && self.act_order {
            return bad("`spearman`", "one order of columns", "`act_order` too".into(), "leave one of them out");
        }
        match self.outliers {
            Outliers::Share(share) if !(share > 0.0 && share < 0.5) => {
                bad("`outlier_share`", "a share above 0 and below 0.5", share.to_string(), "1 % is 0.01")
            }
            Outliers::BitsPerWeight(bits) if bits <= self.bits_without_outliers() => {
                let least = format!("above {:.3}, which SpQR takes without outliers", self.bits_without_outliers());
                bad("`bits_per_weight`", &least, bits.to_string(), "give more, fewer `bits` or a larger `group_size`")
            }
            Outliers::Threshold(t) if !(t >= 0.0 && t.is_finite()) => {
                bad("`outlier_threshold`", "a number of 0 or more", t.to_string(), "the reference takes 0.2")
            }
            _ => Ok(()),
        }
    }

    /// Bits a weight of SpQR takes by METHODS' formula, outliers aside.
    pub fn bits_without_outliers(&self) -> f64 {
        let group = self.group_size.unwrap_or(16) as f64;
        f64::from(self.bits) + f64::from(self.scale_bits + self.zero_bits) / group + 64.0 / (group * 16.0)
    }

    /// The share of outliers to search for, if one is.
    pub fn wanted_share(&self) -> Option<f64> {
        match self.outliers {
            Outliers::Share(share) => Some(share),
            // An outlier takes 32 bits: its value and its column.
            Outliers::BitsPerWeight(bits) => Some((bits - self.bits_without_outliers()) / 32.0),
            Outliers::None | Outliers::Threshold(_) => None,
        }
    }

    pub(super) fn grid(&self) -> GridOptions {
        GridOptions {
            bits: self.bits,
            group: self.group_size,
            sym: self.sym,
            mse: self.mse,
            reference_sym: self.reference_sym,
            f16_scale_grid: self.f16_scale_grid,
        }
    }

    pub(super) fn gptq(&self) -> GptqOptions {
        GptqOptions { grid: self.grid(), static_groups: self.static_groups, fresh_groups: self.fresh_groups }
    }

    /// With the threshold a search found, if there was one.
    pub(super) fn spqr(&self, found: Option<f32>) -> SpqrOptions {
        let threshold = match self.outliers {
            Outliers::None => None,
            Outliers::Threshold(threshold) => Some(threshold),
            Outliers::Share(_) | Outliers::BitsPerWeight(_) => found,
        };
        SpqrOptions {
            group: self.group_size.unwrap_or(16),
            scale_bits: self.scale_bits,
            zero_bits: self.zero_bits,
            simplified_outliers: self.simplified_outliers,
            reference_f32_stats: self.reference_f32_stats,
            ..SpqrOptions::new(self.bits, threshold)
        }
    }

    pub(super) fn factor(&self) -> FactorOptions {
        let base = if self.quant().method == Method::Spqr { FactorOptions::spqr() } else { FactorOptions::gptq() };
        FactorOptions {
            order: if self.act_order { Order::Activation } else { Order::Identity },
            percdamp: self.percdamp,
            damp_auto_increment: self.damp_auto_increment,
            ..base
        }
    }

    /// Whether a linear stays as it is.
    pub fn skips(&self, name: &str) -> bool {
        self.skip.iter().any(|skip| name == skip || name.ends_with(&format!(".{skip}")))
    }

    /// How the folder says what it holds. Asymmetric zeros are written as they are (version 2): version
    /// 1 cannot hold a zero of 0, and GPTQModel refuses it.
    pub fn in_files(&self) -> Quantization {
        let method = match self.quant().method {
            Method::Rtn | Method::Gptq => {
                let zeros = if self.sym { Zeros::LessOne } else { Zeros::AsTheyAre };
                let scattered = self.quant().method == Method::Gptq && self.act_order && !self.static_groups;
                FileMethod::Gptq(GptqFile::new(self.bits, self.group_size, self.sym, scattered, zeros))
            }
            Method::Int8 => FileMethod::Int8 { threshold: self.threshold, skip: self.skip.clone() },
            Method::Spqr => FileMethod::Spqr(SpqrFile {
                bits: self.bits,
                group: self.group_size.unwrap_or(16),
                scale_bits: self.scale_bits,
                zero_bits: self.zero_bits,
                outliers: Meaning::Add,
            }),
        };
        Quantization::new(method)
    }
}
