//! The options that say which model runs where, the same for all commands.

use std::path::PathBuf;

use anyhow::Context;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::calibration::CalibrationArgs;
use super::output::note;
use super::progress::Bar;
use super::values::{count, feature};
use crate::error::Error;
use crate::formats::QuantType;
use crate::generate::{Autotune, Compute, DeviceChoice, KvType, Model, Spec, load_on};
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
    pub run: RunArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
}

#[derive(Args, Clone, Copy, Debug, Default)]
pub struct RunArgs {
    /// Type of the keys and values in the cache; f16 takes half the memory
    #[arg(long, value_enum, value_name = "TYPE", default_value_t)]
    pub kv_cache: KvType,
    /// Shader variants that run, of those that the adapter can
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub autotune: Autotune,
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
pub struct DeviceArgs {
    /// Number of the adapter in `qwgpu devices`, part of its name, or `emulated:32`, an adapter without a driver with
    /// subgroups of 4 to 128 lanes [default: a GPU, else a software adapter]
    #[arg(long, value_name = "DEVICE", help_heading = "Device")]
    pub device: Option<String>,
    /// Shaders that run, or the CPU reference
    #[arg(long, default_value = "fast", value_parser = path(), help_heading = "Device")]
    pub path: Compute,
    /// Limits and features that are used
    #[arg(long, value_enum, default_value_t = LimitsArg::Adapter, help_heading = "Device")]
    pub limits: LimitsArg,
    /// Leave a feature of the adapter unused (subgroup, f16, int64, ...); may be given several times
    #[arg(long, value_name = "FEATURE", value_parser = feature, help_heading = "Device")]
    pub without: Vec<Needs>,
    /// Refuse an adapter that computes on the CPU (exit code 3)
    #[arg(long, help_heading = "Device")]
    pub require_gpu: bool,
    /// Folder whose .wgsl files replace the built-in shaders of the same name
    #[arg(long, value_name = "DIR", help_heading = "Device")]
    pub shaders: Option<PathBuf>,
}

/// Returns the parser of what computes.
pub fn path() -> impl TypedValueParser<Value = Compute> {
    let values = [
        ("portable", "Portable WGSL that needs no optional feature"),
        ("fast", "The fastest shaders that the adapter can run"),
        ("cpu", "The f32 reference on the CPU"),
    ];
    let paths = [Compute::Portable, Compute::Fast, Compute::Cpu];
    PossibleValuesParser::new(values.map(|(name, help)| PossibleValue::new(name).help(help)))
        .map(move |name| paths.into_iter().find(|path| path.name() == name).expect("one of the possible values"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LimitsArg {
    /// Those of the adapter
    Adapter,
    /// WebGPU's default limits and no optional feature, as in a browser
    Webgpu,
}

impl LimitsArg {
    /// Returns the name that the command line uses.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl DeviceArgs {
    /// Returns the device that the options choose, for a model that runs as `run` says.
    pub fn with(&self, run: RunArgs) -> DeviceChoice {
        DeviceChoice { kv_cache: run.kv_cache, autotune: run.autotune, ..self.choice() }
    }

    /// Returns the device that the options choose.
    pub fn choice(&self) -> DeviceChoice {
        DeviceChoice {
            path: self.path,
            device: self.device.clone(),
            require_gpu: self.require_gpu,
            webgpu_limits: self.limits == LimitsArg::Webgpu,
            without: self.without.iter().fold(Needs::empty(), |all, one| all | *one),
            shaders: self.shaders.clone(),
            ..DeviceChoice::default()
        }
    }
}

impl ModelArgs {
    /// Refuses random weights, before any are made, where text is needed.
    pub fn expect_tokenizer(&self) -> anyhow::Result<()> {
        if let Spec::Random { .. } = Spec::parse(&self.model)? {
            let fix = "give a model folder or a .gguf file";
            return Err(Error::request("--model", "a model with a tokenizer", &self.model, fix).into());
        }
        Ok(())
    }

    /// Returns how the model is opened.
    pub fn options(&self) -> OpenOptions {
        OpenOptions {
            device: self.device.with(self.run),
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

    /// Opens the model for prompts that go through its chat template, with a bar.
    pub fn load_for_chat(&self) -> anyhow::Result<Model> {
        let model = self.load()?;
        if model.has_tokenizer() && model.chat_template().is_assumed() {
            note(&format!("{} has no chat template: ChatML is taken, which Qwen models are trained on", self.model));
        }
        Ok(model)
    }

    /// Loads `spec`, which the options named, with a bar.
    pub fn load_spec(&self, spec: &Spec, bar: &mut Bar) -> anyhow::Result<Model> {
        let opened = self.device.with(self.run).open()?;
        bar.note(&opened.run.to_string());
        let model = load_on(spec, opened, self.context, bar);
        let model = model.with_context(|| format!("cannot load {}", self.model))?;
        let (held, counted) = model.engine.model.packed_bytes();
        if counted > 0 {
            let (held, counted) = (binary_bytes(held), binary_bytes(counted));
            bar.note(&format!("packed weights: {held} on the device, {counted} as the format counts them"));
        }
        Ok(model)
    }
}
