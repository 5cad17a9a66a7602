//! The options that say which model runs where, the same for all commands.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::{interrupt, progress};
use crate::generate::{Device, Loaded, Run, Spec, load};
use crate::gpu;
use crate::plan::{Needs, Path};

#[derive(Args, Debug)]
pub struct ModelArgs {
    /// A Hugging Face folder, a .gguf file, or random:NAME
    #[arg(long, value_name = "MODEL")]
    pub model: String,
    /// Longest sequence in tokens [default: 4096, or less if the model was trained for less]
    #[arg(long, value_name = "TOKENS")]
    pub context: Option<usize>,
    #[command(flatten)]
    pub device: DeviceArgs,
}

#[derive(Args, Debug)]
pub struct DeviceArgs {
    /// Number of the adapter in `qwgpu devices`, or part of its name
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Which shaders run: portable ones, the fastest the adapter has, or the CPU reference
    #[arg(long, value_enum, default_value_t = PathArg::Fast)]
    pub path: PathArg,
    /// Keep to these limits, whatever the adapter offers
    #[arg(long, value_enum, default_value_t = LimitsArg::Adapter)]
    pub limits: LimitsArg,
    /// Do without a feature the adapter has; may be given several times
    #[arg(long, value_name = "FEATURE", value_parser = feature)]
    pub without: Vec<Needs>,
    /// Refuse an adapter that computes on the CPU (exit code 3)
    #[arg(long)]
    pub require_gpu: bool,
    /// A folder whose .wgsl files replace the built-in shaders of the same name
    #[arg(long, value_name = "DIR")]
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

    pub fn device(&self) -> Device {
        if self.path == PathArg::Cpu {
            return Device::Cpu;
        }
        Device::Gpu { wanted: self.device.clone(), require_gpu: self.require_gpu, options: self.options() }
    }
}

impl ModelArgs {
    /// Loads the model, with a bar, and says where it runs.
    pub fn load(&self) -> anyhow::Result<Loaded> {
        let spec = Spec::parse(&self.model)?;
        let bar = progress::bytes("loading");
        let mut report = |done, total, tensor: &str| {
            interrupt::check()?;
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(tensor.to_owned());
            Ok(())
        };
        let loaded = load(&spec, &self.device.device(), self.context, &mut report);
        bar.finish_and_clear();
        let loaded = loaded.with_context(|| format!("cannot load {}", self.model))?;
        announce(&loaded.run);
        Ok(loaded)
    }
}

/// Says on standard error what runs, so that nobody takes a CPU for a GPU.
pub fn announce(run: &Run) {
    let software = if run.software && run.path != "cpu" { " [software: computes on the CPU]" } else { "" };
    eprintln!("adapter: {}{software}, path: {}", run.adapter, run.path);
}
