//! Methods: how a trained weight becomes a weight of a format.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

use super::file::FolderWriter;
use super::solver::{Factor, FactorOptions, Hessian, Quantized, Weight};
use super::{Format, QuantizedWeight, grid, int8, spqr};
use crate::error::{Error, Result};
use crate::plan::Backend;

/// Quantization method of the literature.
pub struct Method {
    /// Name on the command line and in files: `gptq`.
    pub name: &'static str,
    /// Name in reports: `GPTQ`.
    pub title: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// A sentence or two for readers of a report.
    pub description: &'static str,
    pub format: &'static Format,
    /// Widths of a code.
    pub bits: &'static [u32],
    pub default_bits: u32,
    /// True if the method needs the inputs of each layer.
    pub calibrated: bool,
    /// Returns the default options, those of the method's paper.
    pub options: fn() -> Box<dyn MethodOptions>,
    /// Returns the options with the smallest error known at a width, in the same true bits. None: the default ones.
    pub best: fn(u32) -> Option<Box<dyn MethodOptions>>,
    /// Adds the arguments of the options to a command.
    #[cfg(feature = "cli")]
    pub args: fn(clap::Command) -> clap::Command,
    /// True if a study measures the method unless told otherwise.
    pub in_study: bool,
    /// Options that a study compares with the defaults.
    pub comparisons: &'static [Comparison],
    /// True if weights of the method may have outliers, whose share reports give.
    pub has_outliers: bool,
    /// Returns a weight \[rows, cols\] of this many bits for measuring speed and memory without a checkpoint:
    /// bits, rows, cols, seed. Products keep the scale of their inputs.
    pub random: fn(u32, usize, usize, u32) -> Box<dyn QuantizedWeight>,
}

/// Every method.
pub static METHODS: &[&Method] = &[&grid::RTN, &int8::METHOD, &grid::GPTQ, &spqr::METHOD];

/// Choice of a method's options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Recipe {
    /// As in the method's paper
    #[default]
    Paper,
    /// With the smallest error known at these bits
    Best,
}

/// Options of a method that a study compares with its defaults.
pub struct Comparison {
    /// Appended to the name of a form: `no-outliers`.
    pub name: &'static str,
    /// True if it has the true bits of another method one bit wider. Otherwise it is an ablation.
    pub equal_bits: bool,
    /// Name of what differs, as reports show it.
    pub option: &'static str,
    /// Returns the options at a width and what differs. None: the width has no such comparison.
    pub options: fn(u32) -> Option<NamedOptions>,
}

/// Options, and the value of what differs in them.
pub type NamedOptions = (Box<dyn MethodOptions>, String);

impl Method {
    /// Returns the method of this name.
    pub fn find(name: &str) -> Option<&'static Method> {
        METHODS.iter().copied().find(|method| method.name == name)
    }

    /// Returns the options of a recipe at a width.
    pub fn recipe(&self, recipe: Recipe, bits: u32) -> Box<dyn MethodOptions> {
        let best = (recipe == Recipe::Best).then(|| (self.best)(bits)).flatten();
        best.unwrap_or_else(self.options)
    }

    /// Returns the names of the methods that need calibration.
    pub fn calibrated_names() -> String {
        METHODS.iter().filter(|method| method.calibrated).map(|method| method.name).collect::<Vec<_>>().join(" and ")
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Method {
    fn eq(&self, other: &Method) -> bool {
        self.name == other.name
    }
}

impl Eq for Method {}

/// Returns "a, b or c".
pub(super) fn one_of(mut names: Vec<String>) -> String {
    let last = names.pop().unwrap_or_default();
    if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) }
}

/// Statistics of a weight's inputs during calibration.
#[derive(Clone, Copy, Default)]
pub struct InputStatistics<'a> {
    pub hessian: Option<&'a Hessian>,
    /// The Hessian factored as [`Solver::factor`] asked.
    pub factor: Option<&'a Factor<'a>>,
}

impl<'a> InputStatistics<'a> {
    /// Returns the factor.
    ///
    /// # Errors
    /// There was no calibration.
    pub fn factor(&self, weight: &Weight<'_>) -> Result<&'a Factor<'a>> {
        self.factor.ok_or_else(|| {
            Error::request(weight.name, "calibration samples", "none", "give samples of text to calibrate on")
        })
    }
}

/// Arithmetic of a method under its options.
pub trait Solver {
    /// Refuses options that contradict each other or `bits`.
    ///
    /// # Errors
    /// Names the option.
    fn check(&self, bits: u32) -> Result<()>;

    /// Refuses options that do not suit the shape of a weight.
    ///
    /// # Errors
    /// Names the weight.
    fn check_shape(&self, _bits: u32, _name: &str, _rows: usize, _cols: usize) -> Result<()> {
        Ok(())
    }

    /// Returns how the Hessian of `weight`'s inputs is factored. None: the method needs no factor.
    fn factor(&self, _weight: &Weight<'_>) -> Option<FactorOptions> {
        None
    }

    /// Quantizes a weight.
    ///
    /// # Errors
    /// The weight's shape does not suit the options, or a number is not finite.
    fn quantize(&self, bits: u32, weight: &Weight<'_>, inputs: InputStatistics<'_>) -> Result<Quantized>;

    /// Quantizes a weight with its error feedback on a device, where the method has kernels for it.
    ///
    /// # Errors
    /// As [`Solver::quantize`], and those of the device.
    fn quantize_on(
        &self,
        _backend: &mut dyn Backend,
        bits: u32,
        weight: &Weight<'_>,
        inputs: InputStatistics<'_>,
    ) -> Result<Quantized> {
        self.quantize(bits, weight, inputs)
    }

    /// Returns the layout of a folder with such weights.
    fn folder(&self, bits: u32, run: &RunOptions) -> Box<dyn FolderWriter>;

    /// Returns the search for the outlier threshold, where the options ask for one.
    fn outlier_search(&self, _bits: u32) -> Option<OutlierSearch<'_>> {
        None
    }
}

/// Options of a quantization run that are the same for every method.
#[derive(Clone, Debug, Serialize)]
pub struct RunOptions {
    /// Each group of linears with one input sees the groups before it quantized.
    pub true_sequential: bool,
    /// Linears left unquantized: those whose name ends in one of these.
    pub skip: Vec<String>,
    /// Rounds embedding and output matrix to 8 bits; otherwise they stay unquantized.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lm_head: bool,
    /// Device of the factor and the error feedback. As the choice of the device it is no part of the result's identity.
    #[serde(skip)]
    pub feedback: FeedbackPlace,
}

/// Device of the factor of the Hessian and of the error feedback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum FeedbackPlace {
    /// On the device if it is a GPU, else on the CPU, which is faster than a software adapter.
    #[default]
    Auto,
    /// On the CPU.
    Cpu,
    /// On the device.
    Device,
}

impl FeedbackPlace {
    /// Returns the device if it is computed there.
    pub fn device(self, backend: &mut dyn Backend) -> Option<&mut dyn Backend> {
        let is_there = match self {
            FeedbackPlace::Auto => !backend.is_host(),
            FeedbackPlace::Cpu => false,
            FeedbackPlace::Device => true,
        };
        is_there.then_some(backend)
    }
}

/// Search for the outlier threshold that gives a share of the model's weights.
pub struct OutlierSearch<'a> {
    /// Share of the weights, above 0 and below 0.5.
    pub share: f64,
    /// Returns the share of outliers in a weight: weight, factor, threshold, stride over tiles of rows.
    pub outlier_share: Box<OutlierShare<'a>>,
    /// Returns the options with a threshold in place of the search.
    pub with_threshold: Box<dyn Fn(f32) -> Box<dyn MethodOptions> + 'a>,
}

/// See [`OutlierSearch::outlier_share`].
pub type OutlierShare<'a> = dyn Fn(&Weight<'_>, &Factor<'_>, f32, usize) -> Result<f64> + 'a;

#[cfg(feature = "cli")]
pub use clap::Args as CommandLine;

/// Stands for clap's `Args` in a build without the command line.
#[cfg(not(feature = "cli"))]
pub trait CommandLine {}
#[cfg(not(feature = "cli"))]
impl<T> CommandLine for T {}

/// Options of a method: one struct for the library, the command line and the report.
pub trait MethodOptions: Solver + fmt::Debug + Send + Sync {
    /// Returns the options as an object of their names and values.
    fn to_json(&self) -> Value;

    fn clone_box(&self) -> Box<dyn MethodOptions>;

    /// Takes the options that were given on a command line.
    #[cfg(feature = "cli")]
    fn update(&mut self, matches: &clap::ArgMatches) -> std::result::Result<(), clap::Error>;
}

impl<T: Solver + CommandLine + Serialize + Clone + fmt::Debug + Send + Sync + 'static> MethodOptions for T {
    fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("options are numbers and flags")
    }

    fn clone_box(&self) -> Box<dyn MethodOptions> {
        Box::new(self.clone())
    }

    #[cfg(feature = "cli")]
    fn update(&mut self, matches: &clap::ArgMatches) -> std::result::Result<(), clap::Error> {
        self.update_from_arg_matches(matches)
    }
}

impl Clone for Box<dyn MethodOptions> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}

/// Method and width of a code: `gptq:4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quant {
    pub method: &'static Method,
    pub bits: u32,
}

impl Quant {
    /// Returns the method of this name with `bits`.
    ///
    /// # Errors
    /// The method is unknown or has no such width.
    pub fn new(method: &'static Method, bits: u32) -> std::result::Result<Quant, String> {
        if method.bits.contains(&bits) {
            return Ok(Quant { method, bits });
        }
        let widths = one_of(method.bits.iter().map(u32::to_string).collect());
        Err(format!("{} has codes of {widths} bits", method.name))
    }

    /// Returns the forms that [`Quant::from_str`] takes, for help and errors.
    pub fn known() -> String {
        let name = |method: &&'static Method| match method.bits {
            [_] => method.name.to_owned(),
            _ => format!("{}:BITS", method.name),
        };
        one_of(METHODS.iter().map(name).collect())
    }
}

impl fmt::Display for Quant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.method.bits {
            [_] => f.write_str(self.method.name),
            _ => write!(f, "{}:{}", self.method.name, self.bits),
        }
    }
}

impl FromStr for Quant {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Quant, String> {
        let unknown = || format!("expected {}", Quant::known());
        let (name, bits) = text.split_once(':').map_or((text, None), |(name, bits)| (name, Some(bits)));
        let method = Method::find(name).ok_or_else(unknown)?;
        let bits = match (bits, method.bits) {
            (Some(bits), _) => bits.parse().map_err(|_| unknown())?,
            (None, [only]) => *only,
            (None, _) => return Err(unknown()),
        };
        Quant::new(method, bits)
    }
}
