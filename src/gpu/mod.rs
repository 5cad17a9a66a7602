//! A GPU as a backend: opens an adapter, holds tensors, runs plans.

#[doc(hidden)]
pub mod adapter;
mod cache;
#[doc(hidden)]
pub mod choices;
mod memory;
#[doc(hidden)]
pub mod pipeline;
mod run;
#[doc(hidden)]
pub mod timer;
#[doc(hidden)]
pub mod tune;
#[doc(hidden)]
pub mod tuning;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub use adapter::{Adapter, Class, Facts, adapters, select};
pub use cache::folder as cache_folder;

use crate::error::{Error, Result};
use crate::plan::{Consts, Kernel, Needs, Path, Step, Variant};
use pipeline::Pipeline;
use tuning::Candidate;

/// Options of opening an adapter.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Variants of kernels that may run.
    pub path: Path,
    /// WebGPU's default limits and no optional feature, as a browser would give.
    pub webgpu_limits: bool,
    /// Features to do without, though the adapter has them.
    pub without: Needs,
    /// A folder whose shaders replace the built-in ones of the same name.
    pub shaders: Option<PathBuf>,
}

/// An opened adapter.
pub struct Gpu {
    /// Name, features and limits of the adapter.
    pub facts: Facts,
    options: Options,
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// The adapter's features less those that the options leave out.
    has: Needs,
    /// Kernels that run another candidate than the first of the lists.
    chosen: HashMap<&'static str, Candidate>,
    pipelines: HashMap<PipelineKey, Arc<Pipeline>>,
    cache: Option<cache::Cache>,
    residents: Vec<wgpu::Buffer>,
    programs: Vec<Option<run::BoundPlan>>,
    /// Scratch memory, shared by all programs.
    slots: Vec<wgpu::Buffer>,
    readback: memory::Readback,
    /// Work recorded and not yet submitted, and how many operations it holds.
    recorded: Option<wgpu::CommandEncoder>,
    recorded_cost: u64,
    fault: Arc<Mutex<Option<String>>>,
}

/// Kernel, variant, and its constants.
type PipelineKey = (&'static str, &'static str, Consts);

impl Gpu {
    /// Opens `adapter`.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if its driver refuses a device.
    pub fn open(adapter: Adapter, options: Options) -> Result<Gpu> {
        let Adapter { raw, mut facts } = adapter;
        let mut wanted = wgpu::Features::empty();
        let mut has = facts.has - options.without;
        // What builds on a feature goes with it.
        if !has.contains(Needs::SUBGROUP) {
            has -= Needs::SUBGROUP8 | Needs::COOP_MATRIX | Needs::COOP_MATRIX8;
        }
        if !has.contains(Needs::F16) {
            has -= Needs::COOP_MATRIX | Needs::COOP_MATRIX8;
        }
        let mut limits = raw.limits();
        if options.webgpu_limits {
            has = Needs::empty();
            facts.timestamps = false;
            limits = wgpu::Limits::defaults();
            // A device that has less than WebGPU asks for (some OpenGL) is refused below, by name.
            facts.max_binding = limits.max_storage_buffer_binding_size;
            facts.max_buffer = limits.max_buffer_size;
        }
        let features = [
            (Needs::SUBGROUP, wgpu::Features::SUBGROUP),
            (Needs::F16, wgpu::Features::SHADER_F16),
            (Needs::INT64, wgpu::Features::SHADER_INT64),
            (Needs::COOP_MATRIX | Needs::COOP_MATRIX8, wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
        ];
        for (need, feature) in features {
            wanted.set(feature, has.intersects(need));
        }
        wanted.set(wgpu::Features::TIMESTAMP_QUERY, facts.timestamps);
        let caches = raw.features().contains(wgpu::Features::PIPELINE_CACHE) && !options.webgpu_limits;
        wanted.set(wgpu::Features::PIPELINE_CACHE, caches);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("qwgpu"),
            required_features: wanted,
            required_limits: limits,
            // SAFETY: experimental features are used only by variants whose need the adapter lists,
            // and each variant is compared with the portable one before it is trusted.
            experimental_features: unsafe { wgpu::ExperimentalFeatures::enabled() },
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            trace: wgpu::Trace::Off,
        };
        let (device, queue) = pollster::block_on(raw.request_device(&descriptor)).map_err(|e| Error::NoAdapter {
            reason: format!("{}: {e}", facts.name),
            fix: "try another `device`, or run `qwgpu doctor`".into(),
        })?;
        let fault = Arc::new(Mutex::new(None));
        let record = |fault: &Arc<Mutex<Option<String>>>, message: String| {
            let mut fault = fault.lock().unwrap_or_else(|e| e.into_inner());
            // The first one is the cause.
            fault.get_or_insert(message);
        };
        let on_error = Arc::clone(&fault);
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| record(&on_error, e.to_string())));
        let on_loss = Arc::clone(&fault);
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                record(&on_loss, message);
            }
        });
        let cache = if caches { cache::Cache::open(&device, &raw.get_info()) } else { None };
        Ok(Gpu {
            facts,
            options,
            device,
            queue,
            has,
            chosen: HashMap::new(),
            pipelines: HashMap::new(),
            cache,
            residents: Vec::new(),
            programs: Vec::new(),
            slots: Vec::new(),
            readback: memory::Readback::default(),
            recorded: None,
            recorded_cost: 0,
            fault,
        })
    }

    /// Returns whether this device can run a variant, by its features and limits alone.
    pub fn can_run(&self, variant: &Variant) -> bool {
        self.has.contains(variant.needs)
    }

    /// Makes `kernel` run `variant` in all programs prepared from here on.
    pub fn force(&mut self, kernel: &'static Kernel, variant: &'static Variant) {
        self.choose(kernel, Candidate { variant, constant: None });
    }

    /// Undoes [`Gpu::force`].
    pub fn unforce(&mut self, kernel: &'static Kernel) {
        self.chosen.remove(kernel.name);
    }

    /// Makes `kernel` run a candidate in all programs prepared from here on.
    pub fn choose(&mut self, kernel: &'static Kernel, candidate: Candidate) {
        self.chosen.insert(kernel.name, candidate);
    }

    /// Features that variants may use.
    pub fn usable(&self) -> Needs {
        match self.options.path {
            Path::Portable => Needs::empty(),
            Path::Fast => self.has,
        }
    }

    fn subgroup_max(&self) -> u32 {
        if self.has.contains(Needs::SUBGROUP) { self.facts.subgroup_max } else { 1 }
    }

    /// The variant of `kernel` that runs here, and its constants.
    pub fn variant(&self, kernel: &'static Kernel) -> (&'static Variant, Consts) {
        let Some(chosen) = self.chosen.get(kernel.name) else {
            return tuning::choose(kernel, self.facts.class, self.usable(), self.subgroup_max());
        };
        let consts = tuning::consts(kernel, chosen.variant, self.facts.class, self.subgroup_max());
        (chosen.variant, consts.specialized(chosen.constant.as_slice()))
    }

    /// The variant that runs a step, and its constants: the step's own, but where a candidate names others.
    fn specialized(&self, step: &Step) -> (&'static Variant, Consts) {
        let (variant, consts) = self.variant(step.kernel);
        let candidate = self.chosen.get(step.kernel.name).and_then(|chosen| chosen.constant);
        (variant, consts.specialized(&step.consts).specialized(candidate.as_slice()))
    }

    fn pipeline(&mut self, step: &Step) -> Result<Arc<Pipeline>> {
        let kernel = step.kernel;
        let (variant, consts) = self.specialized(step);
        let key = (kernel.name, variant.name, consts.clone());
        if let Some(known) = self.pipelines.get(&key) {
            return Ok(Arc::clone(known));
        }
        let cache = self.cache.as_ref().map(|c| &c.pipelines);
        let folder = self.options.shaders.as_deref();
        let compiled = Arc::new(pipeline::compile(&self.device, cache, kernel, variant, consts, folder)?);
        self.pipelines.insert(key, Arc::clone(&compiled));
        Ok(compiled)
    }

    /// Returns the driver's first error since the last call, if there is one.
    fn check(&self) -> Result<()> {
        let mut fault = self.fault.lock().unwrap_or_else(|e| e.into_inner());
        match fault.take() {
            Some(message) => Err(Error::DeviceLost(message)),
            None => Ok(()),
        }
    }

    /// Returns whether a folder's shaders replace built-in ones.
    pub fn has_edited_shaders(&self) -> bool {
        self.options.shaders.is_some()
    }

    /// The path as results report it.
    pub fn path(&self) -> Path {
        self.options.path
    }
}
