//! The adapters of this machine: their features, and the choice of one.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::plan::Needs;

/// Kinds of adapter that want different tuning; see [`super::tuning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    Discrete,
    Integrated,
    /// A driver that computes on the CPU.
    Software,
    Other,
}

/// One adapter of this machine.
pub struct Adapter {
    pub(super) raw: wgpu::Adapter,
    pub facts: Facts,
}

/// Name, features and limits of an adapter.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// For `--device`.
    pub index: usize,
    pub name: String,
    /// Numbers of vendor and device, as the driver gives them.
    pub vendor_id: u32,
    pub device_id: u32,
    pub backend: String,
    pub class: Class,
    pub driver: String,
    #[serde(serialize_with = "as_list")]
    pub has: Needs,
    /// Timestamps measure kernels on the device; without them the wall clock does.
    pub timestamps: bool,
    pub subgroup_min: u32,
    pub subgroup_max: u32,
    /// Bytes one binding may span, and one buffer.
    pub max_binding: u64,
    pub max_buffer: u64,
    pub max_workgroup_memory: u32,
    pub max_workgroup_size: u32,
}

fn as_list<S: serde::Serializer>(needs: &Needs, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(needs.iter_names().map(|(name, _)| name.to_lowercase()))
}

/// Every adapter: those of Vulkan, Metal and DX12, or of what `WGPU_BACKEND` names; OpenGL's if
/// there is no other.
pub fn adapters() -> Vec<Adapter> {
    let named = wgpu::Backends::from_env();
    let mut found = enumerate(named.unwrap_or(wgpu::Backends::PRIMARY));
    if found.is_empty() && named.is_none() {
        found = enumerate(wgpu::Backends::GL);
    }
    found.into_iter().enumerate().map(|(index, raw)| Adapter { facts: facts(index, &raw), raw }).collect()
}

fn enumerate(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends = backends;
    let instance = wgpu::Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(backends));
    let computes =
        |a: &wgpu::Adapter| a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS);
    found.into_iter().filter(computes).collect()
}

fn facts(index: usize, raw: &wgpu::Adapter) -> Facts {
    let (mut info, limits, features) = (raw.get_info(), raw.limits(), raw.features());
    let apple = info.backend == wgpu::Backend::Metal && info.name.contains("Apple");
    if apple {
        // wgpu says 4 to 64 of every device of Metal; Apple's own have 32.
        (info.subgroup_min_size, info.subgroup_max_size) = (32, 32);
    }
    let class = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => Class::Discrete,
        wgpu::DeviceType::IntegratedGpu => Class::Integrated,
        wgpu::DeviceType::Cpu => Class::Software,
        // OpenGL does not say; Mesa's software renderers have it in their name.
        _ if info.name.contains("llvmpipe") || info.name.contains("softpipe") => Class::Software,
        _ => Class::Other,
    };
    let mut has = Needs::empty();
    has.set(Needs::SUBGROUP, features.contains(wgpu::Features::SUBGROUP));
    has.set(Needs::SUBGROUP8, has.contains(Needs::SUBGROUP) && info.subgroup_min_size >= 8);
    has.set(Needs::F16, features.contains(wgpu::Features::SHADER_F16));
    has.set(Needs::INT64, features.contains(wgpu::Features::SHADER_INT64));
    let tiles = |side| has.contains(Needs::F16 | Needs::SUBGROUP) && multiplies_f16_tiles(raw, features, side);
    let (tiles16, tiles8) = (tiles(16), tiles(8));
    has.set(Needs::COOP_MATRIX, tiles16);
    // wgpu lists them for other makers' cards under Metal too, whose compiler has none for those.
    has.set(Needs::COOP_MATRIX8, tiles8 && (apple || info.backend != wgpu::Backend::Metal));
    Facts {
        index,
        name: info.name,
        vendor_id: info.vendor,
        device_id: info.device,
        backend: format!("{:?}", info.backend).to_lowercase(),
        class,
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        has,
        timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        subgroup_min: info.subgroup_min_size,
        subgroup_max: info.subgroup_max_size,
        max_binding: limits.max_storage_buffer_binding_size,
        max_buffer: limits.max_buffer_size,
        max_workgroup_memory: limits.max_compute_workgroup_storage_size,
        max_workgroup_size: limits.max_compute_invocations_per_workgroup,
    }
}

/// Returns whether the adapter multiplies square tiles of this side: WGSL can express no others, which drivers may list.
fn multiplies_f16_tiles(raw: &wgpu::Adapter, features: wgpu::Features, side: u32) -> bool {
    use wgpu::CooperativeScalarType::{F16, F32};
    features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX)
        && raw
            .cooperative_matrix_properties()
            .iter()
            .any(|p| (p.m_size, p.n_size, p.k_size) == (side, side, side) && p.ab_type == F16 && p.cr_type == F32)
}

/// The adapter `wanted` names by its number or part of its name; without a wish a real GPU before a
/// software driver.
///
/// # Errors
/// [`Error::NoAdapter`] if none fits, or if only software is there and `require_gpu` is set.
pub fn select(mut found: Vec<Adapter>, wanted: Option<&str>, require_gpu: bool) -> Result<Adapter> {
    if found.is_empty() {
        return Err(Error::NoAdapter {
            reason: match std::env::var("WGPU_BACKEND") {
                Ok(backend) => format!("WGPU_BACKEND={backend} leaves no adapter"),
                Err(_) => "this machine shows no Vulkan, Metal, DX12 or OpenGL adapter".into(),
            },
            fix: "run `qwgpu doctor`, or use `Compute::Cpu`".into(),
        });
    }
    let names = || found.iter().map(|a| format!("{}: {}", a.facts.index, a.facts.name)).collect::<Vec<_>>().join(", ");
    let rank = |facts: &Facts| match facts.class {
        Class::Discrete => 0,
        Class::Integrated => 1,
        Class::Other => 2,
        Class::Software => 3,
    };
    let chosen = match wanted {
        Some(text) => found.iter().position(|a| {
            text.parse() == Ok(a.facts.index) || a.facts.name.to_lowercase().contains(&text.to_lowercase())
        }),
        None => (0..found.len()).min_by_key(|&i| rank(&found[i].facts)),
    };
    let Some(chosen) = chosen else {
        return Err(Error::NoAdapter {
            reason: format!("`device` {} matches none of {}", wanted.unwrap_or_default(), names()),
            fix: "give a number or part of a name".into(),
        });
    };
    if require_gpu && found[chosen].facts.class == Class::Software {
        return Err(Error::NoAdapter {
            reason: format!("`require_gpu`, but {} computes on the CPU", found[chosen].facts.name),
            fix: "install the GPU's driver (see `qwgpu doctor`) or leave `require_gpu` out".into(),
        });
    }
    Ok(found.swap_remove(chosen))
}
