//! SpQR as a method: its options.

use serde::Serialize;

use super::folder::{OutlierMeaning, SpqrFolder};
use super::solve::check;
use super::{FORMAT, outlier_share, random, spqr, spqr_on};
use crate::error::{Error, Result};
use crate::formats::file::FolderWriter;
use crate::formats::method::{Comparison, InputStatistics, Method, MethodOptions, OutlierSearch, RunOptions, Solver};
use crate::formats::solver::{Dead, FactorOptions, Order, Quantized, Weight, check_percdamp, spearman};
use crate::plan::Backend;

pub static METHOD: Method = Method {
    name: "spqr",
    title: "SpQR",
    about: "as gptq in groups of 16 with quantized statistics, and keeps outliers in f16 (Dettmers et al., 2023)",
    description: "GPTQ with small groups. The weights that matter most, the outliers, stay in 16 bits.",
    format: &FORMAT,
    bits: &[2, 3, 4, 8],
    default_bits: 4,
    calibrated: true,
    options: || Box::new(SpqrOptions::default()),
    best: |_| None,
    #[cfg(feature = "cli")]
    args: <SpqrOptions as clap::Args>::augment_args_for_update,
    in_study: true,
    comparisons: &[
        Comparison {
            name: "no-outliers",
            equal_bits: false,
            option: "outliers",
            options: |_| Some(with(SpqrOptions { no_outliers: true, ..SpqrOptions::default() }, "none")),
        },
        Comparison {
            name: "group-128",
            equal_bits: false,
            option: "group size",
            options: |_| Some(with(SpqrOptions { group_size: 128, ..SpqrOptions::default() }, "128")),
        },
        Comparison { name: "equal-bits", equal_bits: true, option: "true bits", options: equal_bits },
    ],
    has_outliers: true,
    random,
};

fn with(options: SpqrOptions, value: &str) -> (Box<dyn MethodOptions>, String) {
    (Box::new(options), value.to_owned())
}

/// Returns options for the bits that GPTQ takes with one more bit, scales and zeros of groups of 128 counted.
fn equal_bits(bits: u32) -> Option<(Box<dyn MethodOptions>, String)> {
    let budget = f64::from(bits + 1) * (1.0 + 1.0 / 128.0) + 16.0 / 128.0;
    let base = SpqrOptions::default();
    let possible = bits < 8 && budget > base.bits_without_outliers(bits);
    possible.then(|| with(SpqrOptions { bits_per_weight: Some(budget), ..base }, &format!("{budget:.3}")))
}

/// Options of SpQR.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct SpqrOptions {
    /// Columns that share a scale: a multiple of 16
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub group_size: usize,
    /// Bits of the codes of scales
    #[cfg_attr(feature = "cli", arg(long, value_name = "BITS"))]
    pub scale_bits: u32,
    /// Bits of the codes of zeros
    #[cfg_attr(feature = "cli", arg(long, value_name = "BITS"))]
    pub zero_bits: u32,
    /// Quantize columns in the order of the Hessian's diagonal, largest first
    #[cfg_attr(feature = "cli", arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set))]
    pub act_order: bool,
    /// Order columns by a greedy chain of rank correlations instead
    #[cfg_attr(feature = "cli", arg(long))]
    pub spearman: bool,
    /// Share of the mean of the Hessian's diagonal that is added to the diagonal
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE"))]
    pub percdamp: f32,
    /// Added to --percdamp for as long as the factorization fails
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE"))]
    pub damp_auto_increment: f32,
    /// Weights with a larger relative error are outliers; lower gives more
    ///
    /// A weight is an outlier where its squared error ((w - ŵ) / U_cc)² is above this times the mean over columns of
    /// variance / U_cc².
    #[cfg_attr(feature = "cli", arg(long, value_name = "THRESHOLD", group = "outliers"))]
    pub outlier_threshold: f32,
    /// Search the threshold that makes this share of the weights outliers
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE", group = "outliers"))]
    pub outlier_share: Option<f64>,
    /// Search the threshold that gives this many true bits per weight
    #[cfg_attr(feature = "cli", arg(long, value_name = "BITS", group = "outliers"))]
    pub bits_per_weight: Option<f64>,
    /// Keep no outliers
    #[cfg_attr(feature = "cli", arg(long, group = "outliers"))]
    pub no_outliers: bool,
    /// Fit statistics with the outliers in them: faster, worse
    #[cfg_attr(feature = "cli", arg(long))]
    pub simplified_outliers: bool,
    /// Choose codes by statistics in f32 that are then stored in f16, as the reference does
    ///
    /// Sixteen equal statistics then become a wrong value, as in the reference.
    #[cfg_attr(feature = "cli", arg(long))]
    pub reference_f32_stats: bool,
}

impl Default for SpqrOptions {
    /// As SpQR's repository runs it.
    fn default() -> SpqrOptions {
        SpqrOptions {
            group_size: 16,
            scale_bits: 3,
            zero_bits: 3,
            act_order: true,
            spearman: false,
            percdamp: 1.0,
            damp_auto_increment: 0.01,
            outlier_threshold: 0.2,
            outlier_share: None,
            bits_per_weight: None,
            no_outliers: false,
            simplified_outliers: false,
            reference_f32_stats: false,
        }
    }
}

impl SpqrOptions {
    /// Returns the relative threshold. None: there are no outliers.
    pub(super) fn threshold(&self) -> Option<f32> {
        (!self.no_outliers).then_some(self.outlier_threshold)
    }

    /// Returns the bits per weight without outliers.
    pub fn bits_without_outliers(&self, bits: u32) -> f64 {
        let group = self.group_size as f64;
        f64::from(bits) + f64::from(self.scale_bits + self.zero_bits) / group + 64.0 / (group * 16.0)
    }

    /// Returns the options with a threshold in place of a search.
    fn with_threshold(&self, threshold: f32) -> SpqrOptions {
        SpqrOptions { outlier_threshold: threshold, outlier_share: None, bits_per_weight: None, ..self.clone() }
    }
}

impl Solver for SpqrOptions {
    fn check(&self, bits: u32) -> Result<()> {
        check_percdamp(self.percdamp, self.damp_auto_increment)?;
        let threshold = self.outlier_threshold;
        if !(threshold >= 0.0 && threshold.is_finite()) {
            let expected = "a number of 0 or more";
            return Err(Error::request("`outlier_threshold`", expected, threshold, "the reference takes 0.2"));
        }
        let given = [self.outlier_share.is_some(), self.bits_per_weight.is_some(), self.no_outliers];
        if given.iter().filter(|given| **given).count() > 1 {
            let expected = "one of `outlier_share`, `bits_per_weight` and `no_outliers`";
            return Err(Error::request("`outlier_share`", expected, "several", "leave the others out"));
        }
        if let Some(share) = self.outlier_share
            && !(share > 0.0 && share < 0.5)
        {
            return Err(Error::request("`outlier_share`", "a share above 0 and below 0.5", share, "1 % is 0.01"));
        }
        match self.bits_per_weight {
            Some(wanted) if wanted.is_nan() || wanted <= self.bits_without_outliers(bits) => {
                let least = self.bits_without_outliers(bits);
                let expected = format!("above {least:.3}, which {} takes without outliers", METHOD.title);
                let fix = "give more, fewer `bits` or a larger `group_size`";
                Err(Error::request("`bits_per_weight`", expected, wanted, fix))
            }
            _ => Ok(()),
        }
    }

    fn check_shape(&self, bits: u32, name: &str, rows: usize, cols: usize) -> Result<()> {
        check(name, rows, cols, bits, self)
    }

    fn factor(&self, weight: &Weight<'_>) -> Option<FactorOptions> {
        let order = match (self.spearman, self.act_order) {
            (true, _) => Order::Given(spearman(weight)),
            (false, true) => Order::Activation,
            (false, false) => Order::Identity,
        };
        let SpqrOptions { percdamp, damp_auto_increment, .. } = *self;
        Some(FactorOptions { order, dead: Dead::Nothing, percdamp, damp_auto_increment })
    }

    fn quantize(&self, bits: u32, weight: &Weight<'_>, inputs: InputStatistics<'_>) -> Result<Quantized> {
        spqr(weight, inputs.factor(weight)?, bits, self)
    }

    fn quantize_on(
        &self,
        backend: &mut dyn Backend,
        bits: u32,
        weight: &Weight<'_>,
        inputs: InputStatistics<'_>,
    ) -> Result<Quantized> {
        spqr_on(backend, weight, inputs.factor(weight)?, bits, self)
    }

    fn folder(&self, bits: u32, _: &RunOptions) -> Box<dyn FolderWriter> {
        let SpqrOptions { group_size, scale_bits, zero_bits, .. } = *self;
        Box::new(SpqrFolder { bits, group_size, scale_bits, zero_bits, outliers: OutlierMeaning::Add })
    }

    fn outlier_search(&self, bits: u32) -> Option<OutlierSearch<'_>> {
        // An outlier takes 32 bits: its value and its column.
        let of_bits = |wanted: f64| (wanted - self.bits_without_outliers(bits)) / 32.0;
        let share = self.outlier_share.or(self.bits_per_weight.map(of_bits))?;
        Some(OutlierSearch {
            share,
            outlier_share: Box::new(move |weight, factor, threshold, every| {
                outlier_share(weight, factor, bits, &self.with_threshold(threshold), every)
            }),
            with_threshold: Box::new(|threshold| -> Box<dyn MethodOptions> {
                Box::new(self.with_threshold(threshold))
            }),
        })
    }
}
