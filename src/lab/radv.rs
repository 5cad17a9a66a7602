//! AMD's compiler without AMD hardware: Mesa's Vulkan driver RADV has a null device, which compiles pipelines for a
//! card that an environment variable names, and runs nothing.
//!
//! The variables must be there before the driver is loaded, so a child process compiles: [`Compiler`] starts it and
//! sends it shaders, [`serve`] is what it does.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use ash::{khr, vk};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A card that RADV compiles for.
#[derive(Debug, PartialEq, Eq)]
pub struct AmdCard {
    /// Name of the chip, as Mesa has it.
    pub name: &'static str,
    /// Generation of its instruction set.
    pub generation: &'static str,
    /// Lanes of a subgroup, which RADV chooses for compute shaders.
    pub subgroup: u32,
}

/// Cards of the two latest generations that every Mesa since 22.3 knows.
pub static CARDS: [AmdCard; 2] = [
    AmdCard { name: "gfx1100", generation: "RDNA3", subgroup: 64 },
    AmdCard { name: "navi21", generation: "RDNA2", subgroup: 64 },
];

/// A shader to compile.
#[derive(Debug, Serialize, Deserialize)]
pub struct CompileRequest {
    /// Words of the module, with the entry point `main`.
    pub spirv: Vec<u32>,
    /// Numbers of the bindings, and whether each is a uniform buffer; others are storage buffers.
    pub bindings: Vec<(u32, bool)>,
}

/// What the compiler made of a shader.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CompiledPipeline {
    /// The driver's statistics by the names that it gives them.
    pub statistics: BTreeMap<String, u64>,
    /// Instructions of the card, a line each.
    pub assembly: String,
    /// Time that the driver took to make the pipeline.
    pub seconds: f64,
    /// Message of the failure; empty where there was none.
    pub error: String,
}

/// What the compiler is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Driver {
    /// Name of the null device.
    pub device: String,
    /// Version of Mesa.
    pub version: String,
}

/// A running compiler for one card.
pub struct Compiler {
    /// The driver as it says itself.
    pub driver: Driver,
    /// The card that it compiles for.
    pub card: &'static AmdCard,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Returns the driver's manifest in the folders where packages put it.
///
/// # Errors
/// [`Error::NoAdapter`], with the package that brings it.
pub fn manifest() -> Result<PathBuf> {
    const FOLDERS: [&str; 3] = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let entries = FOLDERS.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    // A distribution may have one for each architecture.
    let of_this_one = |name: &str| name == "radeon_icd.json" || name.contains(std::env::consts::ARCH);
    let found = entries.map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("radeon_icd") && of_this_one(&name)
    });
    found.ok_or_else(|| Error::NoAdapter {
        reason: format!("Mesa's driver RADV is not here: no radeon_icd*.json in {}", FOLDERS.join(", ")),
        fix: "install mesa-vulkan-drivers (Debian, Ubuntu, Fedora) or vulkan-radeon (Arch); RADV is for Linux".into(),
    })
}

impl Compiler {
    /// Starts the compiler for `card`. `qwgpu` is the program with the command line, whose hidden command
    /// `shader radv` is [`serve`].
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if the driver is not there or has no such card.
    pub fn start(card: &'static AmdCard, qwgpu: &Path) -> Result<Compiler> {
        let manifest = manifest()?;
        let mut command = Command::new(qwgpu);
        command.args(["shader", "radv"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.env("RADV_FORCE_FAMILY", card.name).env("VK_DRIVER_FILES", &manifest);
        // The variable's name for loaders before 1.3.207.
        command.env("VK_ICD_FILENAMES", &manifest);
        command.env("MESA_SHADER_CACHE_DISABLE", "1").env_remove("RADV_DEBUG").env_remove("RADV_PERFTEST");
        let mut child = command.spawn().map_err(Error::io(qwgpu))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { unreachable!("both streams are piped") };
        let mut output = BufReader::new(output);
        let hello: Result<Driver, String> = answer(&mut output).unwrap_or_else(Err);
        let driver = hello.map_err(|reason| Error::NoAdapter {
            reason: format!("RADV has no null device of {}: {reason}", card.name),
            fix: "Mesa 22.3 or later is needed, and a Vulkan loader (libvulkan1)".into(),
        })?;
        Ok(Compiler { driver, card, child, input, output })
    }

    /// Compiles a shader. A failure of the compiler is part of the result.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if the compiler ended.
    pub fn compile(&mut self, request: &CompileRequest) -> Result<CompiledPipeline> {
        let line = serde_json::to_string(request).map_err(|e| Error::DeviceLost(e.to_string()))?;
        let sent = writeln!(self.input, "{line}").and_then(|()| self.input.flush());
        let ended = |e: String| Error::DeviceLost(format!("the compiler of RADV ended: {e}"));
        sent.map_err(|e| ended(e.to_string()))?;
        answer(&mut self.output).map_err(ended)
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        // It may be in the middle of a long compilation that nobody waits for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer<T: serde::de::DeserializeOwned>(output: &mut impl BufRead) -> Result<T, String> {
    let mut line = String::new();
    output.read_line(&mut line).map_err(|e| e.to_string())?;
    if line.is_empty() {
        return Err("it ended without an answer".into());
    }
    serde_json::from_str(&line).map_err(|e| format!("{e} in {line}"))
}

/// Compiles shaders for the card that the environment names: a [`CompileRequest`] a line in, a [`CompiledPipeline`] a line out, after
/// a line with the [`Driver`] or the reason why there is none.
///
/// # Errors
/// The streams' own, and a line that is no request.
pub fn serve(input: impl BufRead, mut output: impl Write) -> std::io::Result<()> {
    let device = Device::open();
    let hello = device.as_ref().map(|device| &device.driver);
    writeln!(output, "{}", serde_json::to_string(&hello)?)?;
    output.flush()?;
    let Ok(device) = device else { return Ok(()) };
    for line in input.lines() {
        let request: CompileRequest = serde_json::from_str(&line?)?;
        let compiled = device
            .compile(&request)
            .unwrap_or_else(|error| CompiledPipeline { error: error.to_string(), ..Default::default() });
        writeln!(output, "{}", serde_json::to_string(&compiled)?)?;
        output.flush()?;
    }
    Ok(())
}

struct Device {
    driver: Driver,
    device: ash::Device,
    executables: khr::pipeline_executable_properties::Device,
    // Holds the library that all calls go to.
    _entry: ash::Entry,
}

impl Device {
    fn open() -> Result<Device, String> {
        // SAFETY: the loader is loaded once, and the calls follow Vulkan's rules: each structure lives as long as the
        // call that reads it, and only what the driver reports is switched on.
        unsafe {
            let entry = ash::Entry::load().map_err(|e| e.to_string())?;
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let info = vk::InstanceCreateInfo::default().application_info(&application);
            let failed = |e: vk::Result| e.to_string();
            let instance = entry.create_instance(&info, None).map_err(failed)?;
            let adapters = instance.enumerate_physical_devices().map_err(failed)?;
            let Some(&adapter) = adapters.first() else { return Err("the driver shows no device".into()) };
            let mut vulkan12 = vk::PhysicalDeviceVulkan12Properties::default();
            let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut vulkan12);
            instance.get_physical_device_properties2(adapter, &mut properties);
            let name = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
            let device_name = properties.properties.device_name_as_c_str().map(name).unwrap_or_default();
            let version = vulkan12.driver_info_as_c_str().map(name).unwrap_or_default();

            let queue = vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0]);
            let mut reports =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            let mut vulkan11 = vk::PhysicalDeviceVulkan11Features::default();
            let mut vulkan12 = vk::PhysicalDeviceVulkan12Features::default();
            let mut vulkan13 = vk::PhysicalDeviceVulkan13Features::default();
            // All features that the driver has: which of them a shader uses, the engine decides elsewhere.
            let mut features = vk::PhysicalDeviceFeatures2::default()
                .push_next(&mut vulkan11)
                .push_next(&mut vulkan12)
                .push_next(&mut vulkan13);
            instance.get_physical_device_features2(adapter, &mut features);
            let mut features = features.push_next(&mut reports);
            let extensions = [khr::pipeline_executable_properties::NAME.as_ptr()];
            let queues = [queue];
            let info = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .push_next(&mut features);
            let device = instance.create_device(adapter, &info, None).map_err(failed)?;
            let executables = khr::pipeline_executable_properties::Device::new(&instance, &device);
            Ok(Device { driver: Driver { device: device_name, version }, device, executables, _entry: entry })
        }
    }

    fn compile(&self, request: &CompileRequest) -> Result<CompiledPipeline, vk::Result> {
        let bindings: Vec<_> = request.bindings.iter().map(|&(number, uniform)| binding(number, uniform)).collect();
        let device = &self.device;
        // SAFETY: as in `open`; the words come from naga's writer, which validated the module.
        unsafe {
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let sets = [device.create_descriptor_set_layout(&info, None)?];
            let layout =
                device.create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default().set_layouts(&sets), None)?;
            let module =
                device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&request.spirv), None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(c"main");
            let info = vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout).flags(
                vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                    | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR,
            );
            let started = Instant::now();
            let made = device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None);
            let seconds = started.elapsed().as_secs_f64();
            let pipeline = made.map_err(|(_, error)| error)?[0];
            let mut compiled = self.report(pipeline)?;
            compiled.seconds = seconds;
            device.destroy_pipeline(pipeline, None);
            device.destroy_shader_module(module, None);
            device.destroy_pipeline_layout(layout, None);
            device.destroy_descriptor_set_layout(sets[0], None);
            Ok(compiled)
        }
    }

    /// # Safety
    /// The pipeline is of this device and keeps statistics and representations.
    unsafe fn report(&self, pipeline: vk::Pipeline) -> Result<CompiledPipeline, vk::Result> {
        let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
        // SAFETY: the caller's promise; texts are read into memory of the size that the driver asked for.
        unsafe {
            let statistics = self.executables.get_pipeline_executable_statistics(&info)?.into_iter().map(|one| {
                let value = match one.format {
                    vk::PipelineExecutableStatisticFormatKHR::BOOL32 => u64::from(one.value.b32),
                    vk::PipelineExecutableStatisticFormatKHR::FLOAT64 => one.value.f64 as u64,
                    _ => one.value.u64,
                };
                (one.name_as_c_str().unwrap_or_default().to_string_lossy().into_owned(), value)
            });
            let statistics = statistics.collect();
            let mut texts = self.executables.get_pipeline_executable_internal_representations(&info)?;
            let mut bytes: Vec<Vec<u8>> = texts.iter().map(|text| vec![0; text.data_size]).collect();
            for (text, bytes) in texts.iter_mut().zip(&mut bytes) {
                text.p_data = bytes.as_mut_ptr().cast();
            }
            let mut count = texts.len() as u32;
            (self.executables.fp().get_pipeline_executable_internal_representations_khr)(
                self.executables.device(),
                &info,
                &mut count,
                texts.as_mut_ptr(),
            )
            .result()?;
            let is_assembly =
                |text: &vk::PipelineExecutableInternalRepresentationKHR| text.name_as_c_str() == Ok(c"Assembly");
            let assembly = texts
                .iter()
                .position(is_assembly)
                .map(|at| String::from_utf8_lossy(&bytes[at]).trim_end_matches('\0').to_owned());
            Ok(CompiledPipeline { statistics, assembly: assembly.unwrap_or_default(), ..Default::default() })
        }
    }
}

fn binding(number: u32, uniform: bool) -> vk::DescriptorSetLayoutBinding<'static> {
    let kind = if uniform { vk::DescriptorType::UNIFORM_BUFFER } else { vk::DescriptorType::STORAGE_BUFFER };
    vk::DescriptorSetLayoutBinding::default()
        .binding(number)
        .descriptor_type(kind)
        .descriptor_count(1)
        .stage_flags(vk::ShaderStageFlags::COMPUTE)
}
