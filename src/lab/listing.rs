//! Listings of shaders for people and files: in a driver's language, or as instructions of a card.

use std::path::Path;
use std::str::FromStr;

use super::compile::compiled;
use super::emit::{EmittedShader, ShaderLanguage, emit};
use super::radv::{CARDS, Compiler};
use super::text::TextSelection;
use crate::error::{Error, Result};

/// What a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmitTarget {
    /// The shader in a driver's language.
    Language(ShaderLanguage),
    /// The instructions that AMD's compiler ACO makes of it.
    Aco,
}

impl FromStr for EmitTarget {
    type Err = String;

    fn from_str(name: &str) -> Result<EmitTarget, String> {
        let language =
            ShaderLanguage::ALL.into_iter().find(|language| language.name() == name).map(EmitTarget::Language);
        let target = language.or((name == "aco").then_some(EmitTarget::Aco));
        target.ok_or_else(|| "expected spirv, msl, hlsl, glsl or aco".into())
    }
}

/// Returns the listing of the selected texts of kernels whose names begin with `kernel`, each with its name before it.
/// With `out` the one selected text is
/// written to that file instead, SPIR-V as the binary. `qwgpu` is the program of the command line.
///
/// # Errors
/// Nothing is selected, or several texts for one file; a shader does not compile; the driver is not there; the file
/// cannot be written.
pub fn listing(
    kernel: &str,
    selection: &TextSelection,
    target: EmitTarget,
    out: Option<&Path>,
    qwgpu: &Path,
) -> Result<String> {
    let texts = selection.texts(kernel, CARDS[0].subgroup)?;
    let names = || texts.iter().map(super::text::ShaderText::name).collect::<Vec<_>>().join(", ");
    if out.is_some() && texts.len() > 1 {
        return Err(Error::request("`out`", "one shader", names(), "choose by `variant` and `width`"));
    }
    let cards = selection.cards()?;
    let mut compiler = match target {
        EmitTarget::Aco => Some(Compiler::start(cards[0], qwgpu)?),
        EmitTarget::Language(_) => None,
    };
    let mut listing = String::new();
    for text in &texts {
        let folder = selection.shaders.as_deref();
        let code = match (target, &mut compiler) {
            (EmitTarget::Language(language), _) => emit(text, language, folder, folder.is_some())?,
            (EmitTarget::Aco, Some(compiler)) => EmittedShader::Source(compiled(compiler, text, folder)?.assembly),
            (EmitTarget::Aco, None) => unreachable!("it was started"),
        };
        match out {
            Some(path) => std::fs::write(path, code.bytes()).map_err(Error::io(path))?,
            None => listing += &format!("=== {}\n{}\n", text.name(), code.text().trim_end()),
        }
    }
    Ok(listing)
}
