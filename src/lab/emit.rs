//! Shaders in the languages of drivers, as the engine hands them over: by naga's writers. Built-in shaders guard what comes
//! from data themselves and have no checks of bounds; edited ones have them where they run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo};
use naga::{AddressSpace, Module, ShaderStage};

use super::text::ShaderText;
use crate::error::Result;
use crate::plan::Needs;

/// A language that drivers take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShaderLanguage {
    /// Vulkan's.
    Spirv,
    /// Metal's.
    Msl,
    /// Direct3D 12's.
    Hlsl,
    /// OpenGL ES's.
    Glsl,
}

/// A shader as a driver gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmittedShader {
    /// A module of SPIR-V.
    Spirv(Vec<u32>),
    /// Source text.
    Source(String),
}

impl ShaderLanguage {
    /// All of them.
    pub const ALL: [ShaderLanguage; 4] =
        [ShaderLanguage::Spirv, ShaderLanguage::Msl, ShaderLanguage::Hlsl, ShaderLanguage::Glsl];

    /// Returns the name, as `--to` takes it.
    pub fn name(self) -> &'static str {
        ["spirv", "msl", "hlsl", "glsl"][self as usize]
    }

    /// Returns the feature of `needs` that the language lacks, and why no adapter misses it.
    pub fn lacks(self, needs: Needs) -> Option<(Needs, &'static str)> {
        let (lacking, reason) = match self {
            ShaderLanguage::Spirv | ShaderLanguage::Msl => return None,
            ShaderLanguage::Hlsl => {
                (Needs::COOP_MATRIX | Needs::COOP_MATRIX8, "HLSL 6 has none; adapters of DX12 never report it")
            }
            ShaderLanguage::Glsl => (Needs::all(), "GLES has none; adapters of OpenGL never report it"),
        };
        let lacking = needs & lacking;
        (!lacking.is_empty()).then_some((lacking, reason))
    }

    fn capabilities(self) -> Capabilities {
        match self {
            ShaderLanguage::Spirv => spv::supported_capabilities(),
            ShaderLanguage::Msl => msl::supported_capabilities(),
            ShaderLanguage::Hlsl => hlsl::supported_capabilities(),
            ShaderLanguage::Glsl => glsl::supported_capabilities(),
        }
    }
}

/// Returns a shader in `language`, with checks of bounds if it is `checked`. `folder` may hold edited shaders.
///
/// # Errors
/// [`Error::Shader`](crate::Error::Shader) with the compiler's message; a file of the folder cannot be read.
pub fn emit(
    text: &ShaderText,
    language: ShaderLanguage,
    folder: Option<&Path>,
    checked: bool,
) -> Result<EmittedShader> {
    if let Some((lacking, reason)) = language.lacks(text.variant.needs) {
        return Err(text.error(format!("needs {lacking}: {reason}")));
    }
    let (module, info) = text.module(folder, granted(text.variant.needs) & language.capabilities())?;
    // The writers panic at what they do not support.
    let written = catch_unwind(AssertUnwindSafe(|| match language {
        ShaderLanguage::Spirv => spirv(&module, &info, checked).map(EmittedShader::Spirv),
        ShaderLanguage::Msl => metal(&module, &info, checked).map(EmittedShader::Source),
        ShaderLanguage::Hlsl => direct3d(&module, &info, checked).map(EmittedShader::Source),
        ShaderLanguage::Glsl => opengl(&module, &info).map(EmittedShader::Source),
    }));
    written.unwrap_or_else(|_| Err("the writer panicked".into())).map_err(|message| text.error(message))
}

/// Returns what wgpu grants a shader on a device with these features.
fn granted(needs: Needs) -> Capabilities {
    let table = [
        (Needs::SUBGROUP, Capabilities::SUBGROUP),
        (Needs::SUBGROUP8, Capabilities::SUBGROUP),
        (Needs::F16, Capabilities::SHADER_FLOAT16),
        (Needs::INT64, Capabilities::SHADER_INT64),
        (Needs::COOP_MATRIX, Capabilities::COOPERATIVE_MATRIX),
        (Needs::COOP_MATRIX8, Capabilities::COOPERATIVE_MATRIX),
    ];
    let always = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    table.iter().filter(|(need, _)| needs.contains(*need)).fold(always, |all, (_, one)| all | *one)
}

fn policies(checked: bool) -> BoundsCheckPolicies {
    let policy = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    BoundsCheckPolicies { index: policy, buffer: policy, image_load: policy, binding_array: policy }
}

fn spirv(module: &Module, info: &ModuleInfo, checked: bool) -> Result<Vec<u32>, String> {
    let entry = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into() };
    let options = spv::Options {
        lang_version: (1, 6),
        flags: spv::WriterFlags::empty(),
        fake_missing_bindings: true,
        bounds_check_policies: policies(checked),
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: checked,
        emit_int_div_checks: checked,
        ..Default::default()
    };
    spv::write_vec(module, info, &options, Some(&entry)).map_err(|e| e.to_string())
}

fn metal(module: &Module, info: &ModuleInfo, checked: bool) -> Result<String, String> {
    let mut resources = msl::EntryPointResources::default();
    for (_, variable) in module.global_variables.iter() {
        if let Some(binding) = variable.binding {
            let mutable = matches!(variable.space, AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE));
            let slot = binding.binding as u8;
            let target = msl::BindTarget { buffer: Some(slot), mutable, ..Default::default() };
            resources.resources.insert(binding, target);
            resources.sizes_buffer = resources.sizes_buffer.max(Some(slot + 1));
        }
    }
    let options = msl::Options {
        lang_version: (3, 1),
        per_entry_point_map: [("main".to_owned(), resources)].into(),
        bounds_check_policies: policies(checked),
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: checked,
        emit_int_div_checks: checked,
        ..Default::default()
    };
    let entry = msl::PipelineOptions { entry_point: Some((ShaderStage::Compute, "main".into())), ..Default::default() };
    let (text, translated) = msl::write_string(module, info, &options, &entry).map_err(|e| e.to_string())?;
    translated.entry_point_names.into_iter().try_for_each(|name| name.map(drop)).map_err(|e| e.to_string())?;
    Ok(text)
}

fn direct3d(module: &Module, info: &ModuleInfo, checked: bool) -> Result<String, String> {
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_6,
        zero_initialize_workgroup_memory: false,
        restrict_indexing: checked,
        force_loop_bounding: checked,
        ..Default::default()
    };
    let entry = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, "main".into())) };
    let mut text = String::new();
    let translated =
        hlsl::Writer::new(&mut text, &options, &entry).write(module, info, None).map_err(|e| e.to_string())?;
    translated.entry_point_names.into_iter().try_for_each(|name| name.map(drop)).map_err(|e| e.to_string())?;
    Ok(text)
}

fn opengl(module: &Module, info: &ModuleInfo) -> Result<String, String> {
    let options = glsl::Options {
        version: glsl::Version::new_gles(310),
        zero_initialize_workgroup_memory: false,
        ..Default::default()
    };
    let entry =
        glsl::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into(), multiview: None };
    let mut text = String::new();
    glsl::Writer::new(&mut text, module, info, &options, &entry, Default::default())
        .and_then(|mut writer| writer.write())
        .map_err(|e| e.to_string())?;
    Ok(text)
}

impl EmittedShader {
    /// Returns the bytes of a file: of a module or of the text.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            EmittedShader::Spirv(words) => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
            EmittedShader::Source(text) => text.clone().into_bytes(),
        }
    }

    /// Returns a text for people: the source, or one instruction of SPIR-V a line, its name and its words.
    pub fn text(&self) -> String {
        let words = match self {
            EmittedShader::Source(text) => return text.clone(),
            EmittedShader::Spirv(words) => words,
        };
        let mut text = String::new();
        // A header of five words, then instructions that begin with their length and their number.
        let mut rest = words.get(5..).unwrap_or_default();
        while let Some(&first) = rest.first() {
            let length = (first as usize >> 16).clamp(1, rest.len());
            let op = spirv::Op::from_u32(first & 0xffff).map_or_else(|| "?".to_owned(), |op| format!("Op{op:?}"));
            text += &op;
            for word in &rest[1..length] {
                text += &format!(" {word}");
            }
            text.push('\n');
            rest = &rest[length..];
        }
        text
    }
}
