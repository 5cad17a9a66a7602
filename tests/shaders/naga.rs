//! Every shader of every variant through naga's writers, so that a shader which this machine's driver
//! takes but Metal, Direct3D 12 or OpenGL could not get shows here: one named test per kernel, variant
//! and writer.
//!
//! Each module is validated with what its variant says it needs and the writer supports, no more:
//! the writers alone emit bad text for what they lack.

use std::panic::catch_unwind;

use libtest_mimic::{Failed, Trial as Test};
use naga::back::{glsl, hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ShaderStage};
use qwgpu::formats;
use qwgpu::gpu::pipeline;
use qwgpu::plan::{Consts, Kernel, Needs, Variant};

/// A target language: its name, what it can express, and how it is written.
struct Writer {
    name: &'static str,
    capabilities: fn() -> Capabilities,
    write: fn(&Module, &ModuleInfo) -> Result<usize, String>,
}

static WRITERS: &[Writer] = &[
    Writer { name: "spirv", capabilities: spv::supported_capabilities, write: write_spirv },
    Writer { name: "msl", capabilities: msl::supported_capabilities, write: write_msl },
    Writer { name: "hlsl", capabilities: hlsl::supported_capabilities, write: write_hlsl },
    Writer { name: "glsl", capabilities: glsl::supported_capabilities, write: write_glsl },
];

/// What a writer cannot do, and why that costs nothing: (writer, need, reason).
static EXCEPTIONS: &[(&str, Needs, &str)] = &[
    ("hlsl", Needs::COOP_MATRIX, "HLSL 6 has none; adapters of DX12 never report it"),
    ("glsl", Needs::COOP_MATRIX, "GLES has none; adapters of OpenGL never report it"),
    ("glsl", Needs::SUBGROUP, "GLES has none; adapters of OpenGL never report it"),
    ("glsl", Needs::SUBGROUP8, "GLES has none; adapters of OpenGL never report it"),
    ("glsl", Needs::F16, "GLES has none; adapters of OpenGL never report it"),
    ("glsl", Needs::INT64, "GLES has none; adapters of OpenGL never report it"),
];

/// Returns a test for each kernel, variant and writer.
pub fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for kernel in formats::kernels() {
        for variant in kernel.variants {
            let texts = variant.texts();
            for ((width, consts), writer) in texts.into_iter().flat_map(|t| WRITERS.iter().map(move |w| (t.clone(), w)))
            {
                let name = format!("{}/{}{width}/{}", kernel.name, variant.name, writer.name);
                let test = Test::test(name, move || translate(kernel, variant, &consts, writer));
                let exception =
                    EXCEPTIONS.iter().find(|(of, need, _)| *of == writer.name && variant.needs.contains(*need));
                tests.push(match exception {
                    Some((_, need, reason)) => test.with_kind(format!("{need}: {reason}")).with_ignored_flag(true),
                    None => test,
                });
            }
        }
    }
    tests
}

fn translate(
    kernel: &Kernel,
    variant: &'static Variant,
    consts: &Consts,
    writer: &'static Writer,
) -> Result<(), Failed> {
    let text = pipeline::source(variant, consts, None)?;
    let module = naga::front::wgsl::parse_str(&text).map_err(|e| e.emit_to_string(&text))?;
    pipeline::check_params(kernel, &module)?;
    let granted = capabilities(variant.needs) & (writer.capabilities)();
    let info = Validator::new(ValidationFlags::all(), granted)
        .validate(&module)
        .map_err(|e| format!("needs {}, but {}", variant.needs, e.emit_to_string(&text)))?;
    let constants = pipeline::constants(consts, &module).into_iter().map(|(name, v)| (name.to_owned(), v)).collect();
    let entry = Some((ShaderStage::Compute, "main"));
    let (module, info) = naga::back::pipeline_constants::process_overrides(&module, &info, entry, &constants)?;
    let written = catch_unwind(|| (writer.write)(&module, &info)).map_err(|_| "the writer panicked")?;
    if written? == 0 {
        return Err("the writer wrote nothing".into());
    }
    Ok(())
}

/// What wgpu grants a shader on a device with these features.
fn capabilities(needs: Needs) -> Capabilities {
    let table = [
        (Needs::SUBGROUP, Capabilities::SUBGROUP),
        (Needs::SUBGROUP8, Capabilities::SUBGROUP),
        (Needs::F16, Capabilities::SHADER_FLOAT16),
        (Needs::INT64, Capabilities::SHADER_INT64),
        (Needs::COOP_MATRIX, Capabilities::COOPERATIVE_MATRIX),
    ];
    let always = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    table.iter().filter(|(need, _)| needs.contains(*need)).fold(always, |all, (_, one)| all | *one)
}

fn write_spirv(module: &Module, info: &ModuleInfo) -> Result<usize, String> {
    let entry = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into() };
    let options = spv::Options { fake_missing_bindings: true, ..Default::default() };
    spv::write_vec(module, info, &options, Some(&entry)).map(|words| words.len()).map_err(|e| e.to_string())
}

fn write_msl(module: &Module, info: &ModuleInfo) -> Result<usize, String> {
    let options = msl::Options { lang_version: (3, 1), ..Default::default() };
    let entry = msl::PipelineOptions { entry_point: Some((ShaderStage::Compute, "main".into())), ..Default::default() };
    let (text, translated) = msl::write_string(module, info, &options, &entry).map_err(|e| e.to_string())?;
    for name in translated.entry_point_names {
        name.map_err(|e| e.to_string())?;
    }
    Ok(text.len())
}

fn write_hlsl(module: &Module, info: &ModuleInfo) -> Result<usize, String> {
    let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_6, ..Default::default() };
    let entry = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, "main".into())) };
    let mut text = String::new();
    let translated =
        hlsl::Writer::new(&mut text, &options, &entry).write(module, info, None).map_err(|e| e.to_string())?;
    for name in translated.entry_point_names {
        name.map_err(|e| e.to_string())?;
    }
    Ok(text.len())
}

fn write_glsl(module: &Module, info: &ModuleInfo) -> Result<usize, String> {
    let options = glsl::Options { version: glsl::Version::new_gles(310), ..Default::default() };
    let entry =
        glsl::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into(), multiview: None };
    let mut text = String::new();
    glsl::Writer::new(&mut text, module, info, &options, &entry, Default::default())
        .and_then(|mut writer| writer.write())
        .map_err(|e| e.to_string())?;
    Ok(text.len())
}
