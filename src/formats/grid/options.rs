//! RTN and GPTQ as methods: their options.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::fit::Fit;
use super::{FORMAT, GptqFolder, Zeros, gptq, gptq_on, random, rtn};
use crate::error::{Error, Result};
use crate::formats::file::FolderWriter;
use crate::formats::method::{InputStatistics, Method, MethodOptions, RunOptions, Solver};
use crate::formats::solver::{Dead, FactorOptions, Order, Quantized, Weight, check_percdamp};
use crate::plan::Backend;

pub static RTN: Method = Method {
    name: "rtn",
    title: "RTN",
    about: "rounds to the nearest code",
    description: "Each weight is rounded to the nearest value of the grid, without any correction.",
    format: &FORMAT,
    bits: &[2, 3, 4, 8],
    default_bits: 4,
    calibrated: false,
    options: || Box::new(RtnOptions::default()),
    best: |_| None,
    #[cfg(feature = "cli")]
    args: <RtnOptions as clap::Args>::augment_args_for_update,
    in_study: false,
    comparisons: &[],
    has_outliers: false,
    random,
};

pub static GPTQ: Method = Method {
    name: "gptq",
    title: "GPTQ",
    about: "rounds column after column and corrects the columns still to come (Frantar et al., 2022)",
    description: "Weights are rounded column by column. After each column the remaining ones are adjusted to compensate \
                  for its error.",
    format: &FORMAT,
    bits: &[2, 3, 4, 8],
    default_bits: 4,
    calibrated: true,
    options: || Box::new(GptqOptions::default()),
    best: |bits| (bits < 4).then(|| Box::new(GptqOptions::best()) as Box<dyn MethodOptions>),
    #[cfg(feature = "cli")]
    args: <GptqOptions as clap::Args>::augment_args_for_update,
    in_study: true,
    comparisons: &[],
    has_outliers: false,
    random,
};

/// Columns that share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupSize {
    /// A multiple of 32 that divides the columns.
    Columns(usize),
    /// The whole row.
    Row,
}

impl GroupSize {
    /// Returns the columns, or None for the whole row.
    pub fn columns(self) -> Option<usize> {
        match self {
            GroupSize::Columns(columns) => Some(columns),
            GroupSize::Row => None,
        }
    }
}

impl FromStr for GroupSize {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<GroupSize, String> {
        match text.parse::<i64>() {
            Ok(-1) => Ok(GroupSize::Row),
            Ok(columns) if columns > 0 && columns <= 1 << 24 => Ok(GroupSize::Columns(columns as usize)),
            _ => Err("give a multiple of 32, or -1 for the whole row".into()),
        }
    }
}

impl fmt::Display for GroupSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupSize::Columns(columns) => columns.fmt(f),
            GroupSize::Row => f.write_str("-1"),
        }
    }
}

impl Serialize for GroupSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.columns().map_or(-1, |columns| columns as i64).serialize(serializer)
    }
}

/// Options of the grid that RTN and GPTQ share.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct GridOptions {
    /// Columns that share a scale; -1 is a whole row
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS", allow_negative_numbers = true))]
    pub group_size: GroupSize,
    /// Symmetric grid: its zero is the middle code
    #[cfg_attr(feature = "cli", arg(long))]
    pub sym: bool,
    /// Search each range for the smallest Σ|w - ŵ| to this power [2.4 in the references]
    #[cfg_attr(feature = "cli", arg(long, value_name = "POWER", num_args = 0..=1, default_missing_value = "2.4"))]
    pub mse: Option<f32>,
    /// Halve the range of groups without negative weights, as the references do with --sym
    #[cfg_attr(feature = "cli", arg(long))]
    pub reference_sym: bool,
    /// Choose codes by the scale as it is stored, in f16
    #[cfg_attr(feature = "cli", arg(long))]
    pub f16_scale_grid: bool,
}

impl Default for GridOptions {
    /// Asymmetric groups of 128 without a search.
    fn default() -> GridOptions {
        let group_size = GroupSize::Columns(128);
        GridOptions { group_size, sym: false, mse: None, reference_sym: false, f16_scale_grid: false }
    }
}

impl GridOptions {
    /// Returns the layout of a folder. Asymmetric zeros are written unchanged (version 2): version 1 cannot hold a
    /// zero of 0, and GPTQModel refuses it.
    fn folder(&self, bits: u32, desc_act: bool, run: &RunOptions) -> GptqFolder {
        let zeros = if self.sym { Zeros::LessOne } else { Zeros::Unchanged };
        GptqFolder {
            true_sequential: run.true_sequential,
            ..GptqFolder::new(bits, self.group_size.columns(), self.sym, desc_act, zeros)
        }
    }

    fn check_shape(&self, bits: u32, name: &str, cols: usize) -> Result<()> {
        Fit { bits, options: self }.group_size(name, cols).map(|_| ())
    }

    fn check(&self) -> Result<()> {
        match self.mse {
            Some(power) if !(power > 0.0 && power.is_finite()) => {
                Err(Error::request("`mse`", "a power above 0", power, "the references take 2.4"))
            }
            _ => Ok(()),
        }
    }
}

/// Options of RTN.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct RtnOptions {
    #[serde(flatten)]
    #[cfg_attr(feature = "cli", command(flatten))]
    pub grid: GridOptions,
}

impl Solver for RtnOptions {
    fn check(&self, _: u32) -> Result<()> {
        self.grid.check()
    }

    fn check_shape(&self, bits: u32, name: &str, _: usize, cols: usize) -> Result<()> {
        self.grid.check_shape(bits, name, cols)
    }

    fn quantize(&self, bits: u32, weight: &Weight<'_>, inputs: InputStatistics<'_>) -> Result<Quantized> {
        rtn(weight, bits, &self.grid, inputs.hessian)
    }

    fn folder(&self, bits: u32, run: &RunOptions) -> Box<dyn FolderWriter> {
        // GPTQ's default; readers expect the field.
        let damp_percent = Some(GptqOptions::default().percdamp);
        Box::new(GptqFolder { damp_percent, ..self.grid.folder(bits, false, run) })
    }
}

/// Options of GPTQ.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct GptqOptions {
    #[serde(flatten)]
    #[cfg_attr(feature = "cli", command(flatten))]
    pub grid: GridOptions,
    /// Quantize columns in the order of the Hessian's diagonal, largest first
    #[cfg_attr(feature = "cli", arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set))]
    pub act_order: bool,
    /// Fit groups of the weight's own columns before any correction; with --act-order inference needs no gather
    #[cfg_attr(feature = "cli", arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set))]
    pub static_groups: bool,
    /// Share of the mean of the Hessian's diagonal that is added to the diagonal
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE"))]
    pub percdamp: f32,
    /// Added to --percdamp for as long as the factorization fails
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE"))]
    pub damp_auto_increment: f32,
    /// Fit groups below 128 columns to the weights as corrected so far
    ///
    /// The references fit them to what the last 128 columns began with; at 2 bits that is better.
    #[cfg_attr(feature = "cli", arg(long))]
    pub fresh_groups: bool,
}

impl Default for GptqOptions {
    /// As the reference of GPTQ, with the retries of GPTQModel.
    fn default() -> GptqOptions {
        GptqOptions {
            grid: GridOptions::default(),
            act_order: false,
            static_groups: false,
            percdamp: 0.01,
            damp_auto_increment: 0.01,
            fresh_groups: false,
        }
    }
}

impl GptqOptions {
    /// Returns the options with the smallest error known at 2 and 3 bits. Columns with large inputs are rounded first, while
    /// others can still correct them; ranges are searched; groups stay those of neighbouring columns, so that a product
    /// needs no gather and a weight takes the same bits.
    pub fn best() -> GptqOptions {
        let grid = GridOptions { mse: Some(2.4), ..GridOptions::default() };
        GptqOptions { grid, act_order: true, static_groups: true, ..GptqOptions::default() }
    }
}

impl Solver for GptqOptions {
    fn check(&self, _: u32) -> Result<()> {
        check_percdamp(self.percdamp, self.damp_auto_increment)?;
        self.grid.check()
    }

    fn check_shape(&self, bits: u32, name: &str, _: usize, cols: usize) -> Result<()> {
        self.grid.check_shape(bits, name, cols)
    }

    fn factor(&self, _: &Weight<'_>) -> Option<FactorOptions> {
        let order = if self.act_order { Order::Activation } else { Order::Identity };
        let GptqOptions { percdamp, damp_auto_increment, .. } = *self;
        Some(FactorOptions { order, dead: Dead::One, percdamp, damp_auto_increment })
    }

    fn quantize(&self, bits: u32, weight: &Weight<'_>, inputs: InputStatistics<'_>) -> Result<Quantized> {
        gptq(weight, inputs.factor(weight)?, bits, self)
    }

    fn quantize_on(
        &self,
        backend: &mut dyn Backend,
        bits: u32,
        weight: &Weight<'_>,
        inputs: InputStatistics<'_>,
    ) -> Result<Quantized> {
        gptq_on(backend, weight, inputs.factor(weight)?, bits, self)
    }

    fn folder(&self, bits: u32, run: &RunOptions) -> Box<dyn FolderWriter> {
        let scattered = self.act_order && !self.static_groups;
        Box::new(GptqFolder {
            damp_percent: Some(self.percdamp),
            static_groups: self.static_groups,
            ..self.grid.folder(bits, scattered, run)
        })
    }
}
