//! The options that say which model runs where, the same for all commands.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::calibration::CalibrationArgs;
use super::progress::Bar;
use super::values::{count, feature};
use crate::error::Error;
use crate::formats::QuantType;
use crate::generate::{Compute, DeviceChoice, Model, Spec, load_on};
use crate::plan::Needs;
use crate::progress::Progress;
use crate::session::OpenOptions;
use crate::units::binary_bytes;

#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// A Hugging Face folder, a .gguf file, or random:NAME for a published shape with random weights
    #[arg(long, value_name = "MODEL")]
    pub model: String,
    /// Longest sequence in tokens [default: 4096, or less if the model was trained for less]
    #[arg(long, value_name = "TOKENS", value_parser = count)]
    pub context: Option<usize>,
    /// Widen the blocks of a .gguf file to bf16; otherwise they run as the file has them
    #[arg(long)]
    pub dequantize: bool,
    /// Quantize the decoder layers by a method and its bits, such as gptq:4 or int8; with random:NAME also a block type
    /// of GGUF
    #[arg(long, value_name = "METHOD:BITS")]
    pub quant: Option<QuantType>,
    #[command(flatten)]
    pub lm_head: LmHeadArgs,
    #[command(flatten)]
    pub calibration: CalibrationArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
}

#[derive(Args, Clone, Debug, Default)]
pub struct LmHeadArgs {
    /// Round the embedding and the output matrix to 8 bits too [default: leave them in 16 bits]
    #[arg(long, value_name = "BITS", value_parser = ["8"])]
    lm_head: Option<String>,
}

impl LmHeadArgs {
    /// Returns whether the matrices are rounded.
    pub fn is_given(&self) -> bool {
        self.lm_head.is_some()
    }
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Device")]
pub struct DeviceArgs {
    /// Number of the adapter in `qwgpu devices`, part of its name, or `emulated:32`, an adapter without a driver with
    /// subgroups of 4 to 128 lanes [default: a GPU, else a software adapter]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Shaders that run, or the CPU reference
    #[arg(long, value_enum, default_value_t = PathArg::Fast)]
    pub path: PathArg,
    /// Limits and features that are used
    #[arg(long, value_enum, default_value_t = LimitsArg::Adapter)]
    pub limits: LimitsArg,
    /// Leave a feature of the adapter unused (subgroup, f16, int64, ...); may be given several times
    #[arg(long, value_name = "FEATURE", value_parser = feature)]
    pub without: Vec<Needs>,
    /// Refuse an adapter that computes on the CPU (exit code 3)
    #[arg(long)]
    pub require_gpu: bool,
    /// Folder whose .wgsl files replace the built-in shaders of the same name
    #[arg(long, value_name = "DIR")]
    pub shaders: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PathArg {
    /// Portable WGSL that needs no optional feature
    Portable,
    /// The fastest shaders that the adapter can run
    Fast,
    /// The f32 reference on the CPU
    Cpu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LimitsArg {
    /// Those of the adapter
    Adapter,
    /// WebGPU's default limits and no optional feature, as in a browser
    Webgpu,
}

impl PathArg {
    /// Returns the name that the command line uses.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl LimitsArg {
    /// Returns the name that the command line uses.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl From<PathArg> for Compute {
    fn from(path: PathArg) -> Compute {
        match path {
            PathArg::Portable => Compute::Portable,
            PathArg::Fast => Compute::Fast,
            PathArg::Cpu => Compute::Cpu,
        }
    }
}

impl DeviceArgs {
    /// Returns the device that the options choose.
    pub fn choice(&self) -> DeviceChoice {
        DeviceChoice {
            path: self.path.into(),
            device: self.device.clone(),
            require_gpu: self.require_gpu,
            webgpu_limits: self.limits == LimitsArg::Webgpu,
            without: self.without.iter().fold(Needs::empty(), |all, one| all | *one),
            shaders: self.shaders.clone(),
        }
    }
}

impl ModelArgs {
    /// Refuses random weights, before any are made, where text is needed.
    pub fn expect_tokenizer(&self) -> anyhow::Result<()> {
        match Spec::parse(&self.model)? {
            Spec::Files { .. } => Ok(()),
            Spec::Random { .. } => {
                let fix = "give a model folder or a .gguf file";
                Err(Error::request("--model", "a model with a tokenizer", &self.model, fix).into())
            }
        }
    }

    /// Returns how the model is opened.
    pub fn options(&self) -> OpenOptions {
        OpenOptions {
            device: self.device.choice(),
            context: self.context,
            dequantize: self.dequantize,
            quant: self.quant,
            lm_head: self.lm_head.is_given(),
            calibration: self.calibration.choice(),
        }
    }

    /// Returns the model's name in results.
    pub fn label(&self) -> String {
        let quant = self.quant.map_or(String::new(), |quant| format!(" {quant}"));
        let lm_head = if self.lm_head.is_given() { " lm_head 8" } else { "" };
        format!("{}{quant}{lm_head}{}", self.model, if self.dequantize { " dequantized" } else { "" })
    }

    /// Opens the model with a bar.
    pub fn load(&self) -> anyhow::Result<Model> {
        let mut bar = Bar::new();
        let options = self.options();
        let spec = options.spec(&self.model, &mut bar)?;
        self.load_spec(&spec, &mut bar)
    }

    /// Loads `spec`, which the options named, with a bar.
    pub fn load_spec(&self, spec: &Spec, bar: &mut Bar) -> anyhow::Result<Model> {
        let opened = self.device.choice().open()?;
        bar.note(&opened.run.to_string());
        let model = load_on(spec, opened, self.context, bar);
        let model = model.with_context(|| format!("cannot load {}", self.model))?;
        let (held, counted) = model.engine.model.packed_bytes();
        if counted > 0 {
            bar.note(&format!(
                "packed weights: {} on the device, {} as the format counts them",
                binary_bytes(held),
                binary_bytes(counted)
            ));
        }
        Ok(model)
    }
}
