//! Shader text to pipeline: joined, laid out as the shader itself says, compiled once.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::plan::dispatch::entries;
use crate::plan::{Consts, Kernel, Variant};

/// A compiled variant.
pub struct Pipeline {
    /// An entry point each, in the order of `plan::dispatch::entries`.
    pub entries: Vec<wgpu::ComputePipeline>,
    pub layout: wgpu::BindGroupLayout,
    pub variant: &'static Variant,
    pub consts: Consts,
    /// The shader may be run with more columns of workgroups than one dimension holds.
    pub folds: bool,
}

/// A shader file of a variant.
pub struct ShaderFile {
    /// Its path in `shaders/` without the ending.
    pub stem: &'static str,
    pub text: std::borrow::Cow<'static, str>,
}

/// Returns the files of a variant in their order, each from `folder` if it is there, else as built in.
///
/// # Errors
/// A file of the folder cannot be read.
pub fn files(variant: &Variant, consts: &Consts, folder: Option<&Path>) -> Result<Vec<ShaderFile>> {
    let taken = variant.wgsl.iter().filter(|f| f.is_taken(consts));
    let read = taken.map(|file| {
        let edited: Option<PathBuf> = folder.map(|f| f.join(format!("{}.wgsl", file.stem))).filter(|p| p.exists());
        let text = match edited {
            Some(path) => std::fs::read_to_string(&path).map_err(Error::io(&path))?.into(),
            None => file.text.into(),
        };
        Ok(ShaderFile { stem: file.stem, text })
    });
    read.collect()
}

/// Returns the text of a variant: its files, with a line break after each.
///
/// # Errors
/// A file of the folder cannot be read.
pub fn source(variant: &Variant, consts: &Consts, folder: Option<&Path>) -> Result<String> {
    Ok(files(variant, consts, folder)?.iter().map(|file| format!("{}\n", file.text)).collect())
}

/// The constants that are the shader's own overrides; others choose its files.
pub fn constants<'a>(consts: &'a Consts, module: &naga::Module) -> Vec<(&'a str, f64)> {
    let declared = |name: &str| module.overrides.iter().any(|(_, o)| o.name.as_deref() == Some(name));
    consts.iter().filter(|(name, _)| declared(name)).map(|(name, value)| (name, f64::from(value))).collect()
}

/// Checks that the shader's `Params` begin as the kernel's do: a field that differs would be read from other bytes.
///
/// # Errors
/// The first field that differs, by name.
pub fn check_params(kernel: &Kernel, module: &naga::Module) -> Result<(), String> {
    let uniform = module.global_variables.iter().find(|(_, variable)| variable.space == naga::AddressSpace::Uniform);
    let inner = uniform.map(|(_, variable)| &module.types[variable.ty].inner);
    let Some(naga::TypeInner::Struct { members, .. }) = inner else {
        return Err("`Params` at binding 0: expected a uniform struct".into());
    };
    for (number, member) in members.iter().enumerate() {
        let name = member.name.as_deref().unwrap_or_default();
        let kind = match module.types[member.ty].inner {
            naga::TypeInner::Scalar(naga::Scalar::U32) => "u32",
            naga::TypeInner::Scalar(naga::Scalar::F32) => "f32",
            _ => "neither u32 nor f32",
        };
        if kernel.params.get(number) != Some(&(name, kind)) {
            let expected =
                kernel.params.get(number).map_or("no more".into(), |(name, kind)| format!("`{name}: {kind}`"));
            return Err(format!("`Params`, field {number}: expected {expected}, found `{name}: {kind}`"));
        }
    }
    Ok(())
}

/// Returns whether the shader counts columns of workgroups beyond one dimension; see `plan::dispatch::workgroups`.
fn folds(module: &naga::Module) -> bool {
    let arguments = module.entry_points.iter().flat_map(|entry| &entry.function.arguments);
    arguments.filter_map(|a| a.binding.as_ref()).any(|b| *b == naga::Binding::BuiltIn(naga::BuiltIn::NumWorkGroups))
}

/// Compiles a variant; `folder` may hold edited shaders.
///
/// # Errors
/// [`Error::Shader`] with the compiler's message, which names the line.
pub fn compile(
    device: &wgpu::Device,
    cache: Option<&wgpu::PipelineCache>,
    kernel: &Kernel,
    variant: &'static Variant,
    consts: Consts,
    folder: Option<&Path>,
) -> Result<Pipeline> {
    let fail = |message: String| Error::Shader { kernel: kernel.name.into(), variant: variant.name.into(), message };
    let text = source(variant, &consts, folder)?;
    let parsed = naga::front::wgsl::parse_str(&text).map_err(|e| fail(e.emit_to_string(&text)))?;
    check_params(kernel, &parsed).map_err(fail)?;
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(variant.wgsl[0].stem),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    };
    // The built-in shaders guard what comes from data themselves, and are run under naga's checks by
    // the tests' reference comparison; checking every access again costs up to half the speed. Edited
    // ones keep all checks.
    let module = if folder.is_none() {
        // SAFETY: see above; no shader loops without a bound from its parameters.
        unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
    } else {
        device.create_shader_module(descriptor)
    };
    let layout = device
        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &layout_entries(&parsed) });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let constants = constants(&consts, &parsed);
    let entry = |entry: &&str| {
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(variant.wgsl[0].stem),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(*entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                // Every cell is written before it is read, and filling costs AMD's compiler minutes a shader.
                zero_initialize_workgroup_memory: false,
            },
            cache,
        })
    };
    let entries = entries(&consts).iter().map(entry).collect();
    match pollster::block_on(scope.pop()) {
        Some(error) => Err(fail(error.to_string())),
        None => Ok(Pipeline { entries, layout, variant, consts, folds: folds(&parsed) }),
    }
}

/// Bindings as the shader declares them. wgpu could derive them too, but drops what an entry point
/// does not use.
fn layout_entries(module: &naga::Module) -> Vec<wgpu::BindGroupLayoutEntry> {
    let mut entries: Vec<_> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| {
            let ty = match variable.space {
                naga::AddressSpace::Uniform => wgpu::BufferBindingType::Uniform,
                naga::AddressSpace::Storage { access } => {
                    wgpu::BufferBindingType::Storage { read_only: !access.contains(naga::StorageAccess::STORE) }
                }
                _ => return None,
            };
            Some(wgpu::BindGroupLayoutEntry {
                binding: variable.binding?.binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
                count: None,
            })
        })
        .collect();
    entries.sort_by_key(|e| e.binding);
    entries
}
