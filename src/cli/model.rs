//! The options that say which model runs where, the same for all commands.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::output::{note, size};
use super::quantize::{self, Calibration};
use super::{interrupt, progress};
use crate::error::Error;
use crate::generate::{Device, Loaded, Run, Spec, load_on, open};
use crate::gpu;
use crate::plan::{Needs, Path};
use crate::formats::Quant;
use crate::quantize::Settings;

#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// A Hugging Face folder, a .gguf file, or random:NAME for a published shape with random weights
    #[arg(long, value_name = "MODEL")]
    pub model: String,
    /// Longest sequence in tokens [default: 4096, or less if the model was trained for less]
    #[arg(long, value_name = "TOKENS", value_parser = super::count)]
    pub context: Option<usize>,
    /// Quantize the decoder layers: int8, or rtn, gptq or spqr with bits, such as gptq:4
    #[arg(long, value_name = "METHOD:BITS")]
    pub quant: Option<Quant>,
    /// What gptq and spqr calibrate on, for --quant: text, documents (.jsonl) or instructions (.json)
    #[arg(long, value_name = "FILE")]
    pub calibration: Option<PathBuf>,
    /// Calibration samples
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = super::count)]
    pub calibration_samples: usize,
    /// Tokens of a calibration sample
    #[arg(long, default_value_t = 2048, value_name = "TOKENS", value_parser = super::count)]
    pub calibration_length: usize,
    #[command(flatten)]
    pub device: DeviceArgs,
}

#[derive(Args, Clone, Debug)]
pub struct DeviceArgs {
    /// Number of the adapter in `qwgpu devices`, or part of its name [default: a real GPU before software]
    #[arg(help_heading = "Device", long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Which shaders run: portable ones, the fastest the adapter has, or the CPU reference
    #[arg(help_heading = "Device", long, value_enum, default_value_t = PathArg::Fast)]
    pub path: PathArg,
    /// Keep to these limits, whatever the adapter offers
    #[arg(help_heading = "Device", long, value_enum, default_value_t = LimitsArg::Adapter)]
    pub limits: LimitsArg,
    /// Do without a feature the adapter has (subgroup, f16, int64, ...); may be given several times
    #[arg(help_heading = "Device", long, value_name = "FEATURE", value_parser = feature)]
    pub without: Vec<Needs>,
    /// Refuse an adapter that computes on the CPU (exit code 3)
    #[arg(help_heading = "Device", long)]
    pub require_gpu: bool,
    /// A folder whose .wgsl files replace the built-in shaders of the same name
    #[arg(help_heading = "Device", long, value_name = "DIR")]
    pub shaders: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PathArg {
    /// Plain WGSL that needs no feature
    Portable,
    /// The fastest shaders the adapter can run
    Fast,
    /// The f32 reference on the CPU
    Cpu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LimitsArg {
    /// What the adapter offers
    Adapter,
    /// WebGPU's defaults and no optional feature, as in a browser
    Webgpu,
}

impl PathArg {
    /// As the command line spells it.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl LimitsArg {
    /// As the command line spells it.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

fn feature(text: &str) -> Result<Needs, String> {
    let known = || Needs::all().iter_names().map(|(name, _)| name.to_lowercase()).collect::<Vec<_>>().join(", ");
    Needs::from_name(&text.to_uppercase().replace('-', "_")).ok_or_else(|| format!("known features: {}", known()))
}

impl DeviceArgs {
    pub fn options(&self) -> gpu::Options {
        gpu::Options {
            path: if self.path == PathArg::Portable { Path::Portable } else { Path::Fast },
            webgpu_limits: self.limits == LimitsArg::Webgpu,
            without: self.without.iter().fold(Needs::empty(), |all, one| all | *one),
            shaders: self.shaders.clone(),
        }
    }

    /// # Errors
    /// Options that contradict `--path cpu`.
    pub fn device(&self) -> anyhow::Result<Device> {
        if self.path != PathArg::Cpu {
            let (wanted, require_gpu) = (self.device.clone(), self.require_gpu);
            return Ok(Device::Gpu { wanted, require_gpu, options: self.options() });
        }
        if self.require_gpu {
            let reason = "--require-gpu, but --path cpu computes on the CPU".to_owned();
            return Err(Error::NoAdapter { reason, fix: "leave one of them out".into() }.into());
        }
        if let Some(device) = &self.device {
            let fix = "leave one of them out";
            return Err(Error::request(
                "--device",
                "--path portable or fast with it",
                format!("--path cpu and --device {device}"),
                fix,
            )
            .into());
        }
        Ok(Device::Cpu)
    }
}

impl ModelArgs {
    /// Refuses random weights, before any are made, where text is needed.
    pub fn expect_tokenizer(&self) -> anyhow::Result<()> {
        match Spec::parse(&self.model)? {
            Spec::Files(_) => Ok(()),
            Spec::Random { .. } => {
                let fix = "give a model folder or a .gguf file";
                Err(Error::request("--model", "a model with a tokenizer", &self.model, fix).into())
            }
        }
    }

    /// What --model and --quant name together.
    pub fn spec(&self) -> anyhow::Result<Spec> {
        Ok(match (Spec::parse(&self.model)?, self.quant) {
            (Spec::Random { name, config, .. }, quant) => Spec::Random { name, config, quant },
            (Spec::Files(path), Some(quant)) => {
                let from = Calibration {
                    file: self.calibration.clone(),
                    samples: self.calibration_samples,
                    length: self.calibration_length,
                    seed: None,
                    field: "text".into(),
                };
                Spec::Files(quantize::cached(&path, Settings::new(quant), &from, &self.device)?)
            }
            (files, None) => files,
        })
    }

    /// The model as results name it.
    pub fn label(&self) -> String {
        self.quant.map_or(self.model.clone(), |quant| format!("{} {quant}", self.model))
    }

    /// Says where the model will run, then loads it, with a bar.
    pub fn load(&self) -> anyhow::Result<Loaded> {
        let spec = self.spec()?;
        let opened = open(&self.device.device()?)?;
        announce(&opened.run);
        let bar = progress::bytes("loading");
        let mut report = |done, total, tensor: &str| {
            interrupt::check()?;
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(tensor.to_owned());
            Ok(())
        };
        let loaded = load_on(&spec, opened, self.context, &mut report);
        bar.finish_and_clear();
        let loaded = loaded.with_context(|| format!("cannot load {}", self.model))?;
        let (held, counted) = loaded.engine.model.packed_bytes();
        if counted > 0 {
            note(&format!(
                "quantized weights: {} on the device, {} by the method's formula",
                size(held),
                size(counted)
            ));
        }
        Ok(loaded)
    }
}

/// Says on standard error what runs, before anything else, so that nobody takes a CPU for a GPU.
pub fn announce(run: &Run) {
    let software = if run.software && run.path != "cpu" { " [software: computes on the CPU]" } else { "" };
    note(&format!("adapter: {}{software}, path: {}", run.adapter, run.path));
}
