//! Choice of the device that runs a model.

use std::path::PathBuf;

use super::tune::Autotune;
use crate::emulator::{self, EmulatedAdapter, Emulator, EmulatorOptions};
use crate::error::{Error, Result};
use crate::formats;
use crate::gpu::tuning::Chunk;
use crate::gpu::{self, Class, Facts, Gpu};
use crate::model::KvType;
use crate::plan::cpu::{Cpu, Mode};
use crate::plan::{Backend, Needs, Path};

/// Shaders or the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compute {
    /// The fastest shaders that the adapter can run.
    #[default]
    Fast,
    /// Shaders in plain WGSL that need no feature.
    Portable,
    /// The f32 reference on the CPU.
    Cpu,
}

impl Compute {
    /// Returns the name that results use.
    pub fn name(self) -> &'static str {
        match self {
            Compute::Fast => "fast",
            Compute::Portable => "portable",
            Compute::Cpu => "cpu",
        }
    }
}

/// The device that runs a model. The default is the best adapter with all it offers.
#[derive(Clone, Debug, Default)]
pub struct DeviceChoice {
    /// Shaders or the CPU.
    pub path: Compute,
    /// Number of the adapter in [`gpu::adapters`] or part of its name; None prefers a real GPU to software.
    pub device: Option<String>,
    /// Refuses an adapter that computes on the CPU.
    pub require_gpu: bool,
    /// Keeps to WebGPU's default limits, whatever the adapter offers.
    pub webgpu_limits: bool,
    /// Features that are not used though the adapter has them.
    pub without: Needs,
    /// A folder whose .wgsl files replace the built-in shaders of the same name.
    pub shaders: Option<PathBuf>,
    /// Type of the keys and values in the cache.
    pub kv_cache: KvType,
    /// Use of tuning when a model is loaded.
    pub autotune: Autotune,
}

/// The device that runs a model, as results name it.
#[derive(Clone, Debug)]
pub struct Run {
    /// The adapter's name, or the CPU's threads.
    pub adapter: String,
    /// `portable`, `fast` or `cpu`.
    pub path: &'static str,
    /// True if it computes on the CPU, be it behind the name of a GPU.
    pub software: bool,
    /// Type of the keys and values in the cache.
    pub kv_cache: KvType,
    /// Files of a folder of the user's that replace built-in shaders, without the ending.
    pub shaders: Vec<String>,
}

/// An open device.
pub struct Opened {
    /// Holds tensors and runs plans.
    pub backend: Box<dyn Backend>,
    /// The device's name.
    pub run: Run,
    /// Tokens that prefill together.
    pub chunk: Chunk,
    /// Use of tuning when a model is loaded.
    pub autotune: Autotune,
}

impl DeviceChoice {
    /// Returns the reference on the CPU.
    pub fn cpu() -> DeviceChoice {
        DeviceChoice { path: Compute::Cpu, ..DeviceChoice::default() }
    }

    /// Opens the device.
    ///
    /// # Errors
    /// No adapter fits, the driver refuses it, or the choice contradicts itself.
    pub fn open(&self) -> Result<Opened> {
        if let Some(subgroup) = self.emulated()? {
            let shaders = self.replaced_shaders()?;
            let adapter = EmulatedAdapter::new(EmulatorOptions::running(subgroup), self.gpu_options());
            let path = if self.path == Compute::Portable { "portable" } else { "fast" };
            let name = format!("emulated, subgroups of {subgroup}");
            let run = Run { adapter: name, path, software: true, kv_cache: self.kv_cache, shaders };
            // As on the GPU that it stands for.
            let backend = Box::new(Emulator::new(adapter, u64::MAX).fusing(true));
            return Ok(Opened { backend, run, chunk: Chunk::any(32), autotune: Autotune::Off });
        }
        if self.path != Compute::Cpu {
            let (gpu, run) = self.open_gpu_run()?;
            let chunk = Chunk::of(gpu.facts.class, gpu.facts.has);
            return Ok(Opened { backend: Box::new(gpu), run, chunk, autotune: self.autotune });
        }
        let fix = "leave one of them out";
        if self.require_gpu {
            let reason = "`require_gpu`, but `Compute::Cpu` computes on the CPU".to_owned();
            return Err(Error::NoAdapter { reason, fix: fix.into() });
        }
        let shaders = self.shaders.as_ref().map(|shaders| shaders.display().to_string());
        for (field, value) in [("`device`", self.device.clone()), ("`shaders`", shaders)] {
            if let Some(value) = value {
                let found = format!("`Compute::Cpu` and {field} {value}");
                return Err(Error::request(field, "`path` portable or fast with it", found, fix));
            }
        }
        let backend = Box::new(Cpu::new(Mode::Host, u64::MAX));
        let run = Run { kv_cache: self.kv_cache, ..Run::on_cpu() };
        Ok(Opened { backend, run, chunk: Chunk::any(256), autotune: Autotune::Off })
    }

    /// Opens the adapter.
    ///
    /// # Errors
    /// No adapter fits, or the driver refuses it; the choice is the CPU.
    pub fn open_gpu(&self) -> Result<Gpu> {
        Ok(self.open_gpu_run()?.0)
    }

    /// Opens the adapter and names it.
    ///
    /// # Errors
    /// As [`DeviceChoice::open_gpu`].
    pub fn open_gpu_run(&self) -> Result<(Gpu, Run)> {
        if self.path == Compute::Cpu {
            return Err(Error::request("`path`", "portable or fast", "cpu", "choose an adapter"));
        }
        let shaders = self.replaced_shaders()?;
        let adapter = gpu::select(gpu::adapters(), self.device.as_deref(), self.require_gpu)?;
        let gpu = Gpu::open(adapter, self.gpu_options())?;
        let run = Run { kv_cache: self.kv_cache, shaders, ..Run::on(&gpu.facts, gpu.path()) };
        Ok((gpu, run))
    }

    /// Returns the lanes of a subgroup of the emulated adapter that `device` names: `emulated:32`.
    fn emulated(&self) -> Result<Option<usize>> {
        let Some(lanes) = self.device.as_deref().and_then(|device| device.strip_prefix("emulated")) else {
            return Ok(None);
        };
        let expected = "`emulated:` and 4, 8, 16, 32, 64 or 128, with `path` portable or fast";
        let refuse = |found: &str| Err(Error::request("`device`", expected, found, "write emulated:32, for example"));
        if self.path == Compute::Cpu {
            return refuse("`Compute::Cpu`");
        }
        if self.require_gpu {
            return refuse("`require_gpu`");
        }
        match lanes.strip_prefix(':').and_then(|lanes| lanes.parse().ok()) {
            Some(lanes @ (4 | 8 | 16 | 32 | 64 | 128)) => Ok(Some(lanes)),
            _ => refuse(lanes),
        }
    }

    /// Returns the files of `shaders` that replace built-in ones, without their ending.
    ///
    /// # Errors
    /// A file of another name, which would be ignored.
    fn replaced_shaders(&self) -> Result<Vec<String>> {
        let variants: Vec<_> = formats::kernels().flat_map(|kernel| kernel.variants).collect();
        self.shaders.as_deref().map_or(Ok(Vec::new()), |folder| emulator::replaced(folder, &variants))
    }

    fn gpu_options(&self) -> gpu::Options {
        gpu::Options {
            path: if self.path == Compute::Portable { Path::Portable } else { Path::Fast },
            webgpu_limits: self.webgpu_limits,
            without: self.without,
            shaders: self.shaders.clone(),
        }
    }
}

impl Run {
    /// Returns the names of an adapter and of the shaders that run on it.
    pub fn on(facts: &Facts, path: Path) -> Run {
        let path = match path {
            Path::Portable => "portable",
            Path::Fast => "fast",
        };
        let software = facts.class == Class::Software;
        let adapter = format!("{} ({})", facts.name, facts.backend);
        Run { adapter, path, software, kv_cache: KvType::default(), shaders: Vec::new() }
    }

    /// Returns the name of the CPU reference.
    pub(super) fn on_cpu() -> Run {
        let adapter = format!("CPU reference, {} threads", rayon::current_num_threads());
        Run { adapter, path: "cpu", software: true, kv_cache: KvType::default(), shaders: Vec::new() }
    }
}

impl std::fmt::Display for Run {
    /// Writes adapter and path, whether the adapter computes on the CPU, and which shaders are the user's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let software = if self.software && self.path != "cpu" { " [software: computes on the CPU]" } else { "" };
        write!(f, "adapter: {}{software}, path: {}", self.adapter, self.path)?;
        match self.shaders.is_empty() {
            true => Ok(()),
            false => write!(f, ", shaders replaced: {}.wgsl", self.shaders.join(".wgsl, ")),
        }
    }
}
