//! Every shader of every variant through naga's writers, so that a shader which this machine's driver
//! takes but Metal, Direct3D 12 or OpenGL could not get shows here: one named test per kernel, variant
//! and writer.
//!
//! Each module is validated with what its variant says it needs and the writer supports, no more:
//! the writers alone emit bad text for what they lack.

use libtest_mimic::{Failed, Trial as Test};
use qwgpu::formats;
use qwgpu::lab::emit::{EmittedShader, ShaderLanguage, emit};
use qwgpu::lab::text::ShaderText;

/// Returns a test for each kernel, variant and writer.
pub fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for kernel in formats::kernels() {
        for text in kernel.variants.iter().flat_map(|variant| ShaderText::all(kernel, variant, 32)) {
            for language in ShaderLanguage::ALL {
                let name = format!("{}/{}", text.name(), language.name());
                let exception = language.lacks(text.variant.needs);
                let text = text.clone();
                let test = Test::test(name, move || translate(&text, language));
                tests.push(match exception {
                    Some((need, reason)) => test.with_kind(format!("{need}: {reason}")).with_ignored_flag(true),
                    None => test,
                });
            }
        }
    }
    tests
}

fn translate(text: &ShaderText, language: ShaderLanguage) -> Result<(), Failed> {
    let code = emit(text, language, None, false)?;
    // A word of a driver's own language, which no other has.
    let (mark, shown) = match language {
        ShaderLanguage::Spirv => ("OpEntryPoint 5 ", code.text()),
        ShaderLanguage::Msl => ("kernel void main_", code.text()),
        ShaderLanguage::Hlsl => ("[numthreads(", code.text()),
        ShaderLanguage::Glsl => ("#version 310 es", code.text()),
    };
    let is_module = matches!(&code, EmittedShader::Spirv(words) if words[0] == 0x0723_0203);
    if !shown.contains(mark) || is_module != (language == ShaderLanguage::Spirv) {
        return Err(format!("no `{mark}` in {shown}").into());
    }
    Ok(())
}
