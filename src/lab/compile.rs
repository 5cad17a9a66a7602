//! Shaders through AMD's compiler: registers, spills, waves, instructions for a weight, loads in flight, time.

use std::ops::Range;
use std::path::Path;

use serde::Serialize;

use super::emit::{EmittedShader, ShaderLanguage, emit};
use super::isa::Program;
use super::radv::{CompileRequest, CompiledPipeline, Compiler};
use super::text::{ShaderText, TextSelection};
use crate::error::{Error, Result};
use crate::gpu::{Class, tuning};
use crate::plan::Needs;
use crate::progress::Progress;

/// What the compiler made of one text of a variant for one card. None is what it does not say.
#[derive(Clone, Debug, Serialize)]
pub struct ShaderReport {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Name of the variant.
    pub variant: &'static str,
    /// Entry point; a variant that splits its work has two.
    pub entry: &'static str,
    /// Name of the card's chip.
    pub card: &'static str,
    /// Bits of a weight, scales aside; None for kernels without weights.
    pub width: Option<u32>,
    /// Name of the GGUF block type, where the text is made for one.
    pub block: Option<&'static str>,
    /// Whether the engine would run this variant on the card.
    pub chosen: bool,
    /// Vector registers of a lane.
    pub vgprs: Option<u64>,
    /// Scalar registers of a subgroup.
    pub sgprs: Option<u64>,
    /// Registers that did not fit and live in memory.
    pub spills: Option<u64>,
    /// Bytes of workgroup memory.
    pub lds: Option<u64>,
    /// Subgroups that fit into a SIMD unit at a time.
    pub waves: Option<u64>,
    /// Instructions of the program.
    pub instructions: Option<u64>,
    /// Vector instructions of the main loop for each weight that a lane loads in it.
    pub valu_per_weight: Option<f64>,
    /// Loads of the main loop that are in flight at its first wait for one.
    pub loads_before_wait: Option<u64>,
    /// Loads in loops that are waited for at once with no other in flight.
    pub lone_loads: Option<u64>,
    /// Time that the compiler took.
    pub seconds: Option<f64>,
    /// Reason why there are no numbers.
    pub error: Option<String>,
}

/// Features of these cards under RADV. Cooperative matrices are not asked for: drivers before Mesa 23.3 have none.
pub const HAS: Needs = Needs::SUBGROUP.union(Needs::SUBGROUP8).union(Needs::F16).union(Needs::INT64);

/// Compiles the selected texts of the kernels whose names begin with `kernel`, for each card. `qwgpu` is the program of
/// the command line.
///
/// # Errors
/// Nothing is selected; the driver is not there; what `progress` returns. A shader that does not compile is part of
/// the result.
pub fn compile(
    kernel: &str,
    selection: &TextSelection,
    qwgpu: &Path,
    progress: &mut dyn Progress,
) -> Result<Vec<ShaderReport>> {
    let mut reports = Vec::new();
    for card in selection.cards()? {
        let texts = selection.texts(kernel, card.subgroup)?;
        let mut compiler = Compiler::start(card, qwgpu)?;
        progress.note(&format!("{}, {}", compiler.driver.device, compiler.driver.version));
        for (at, text) in texts.iter().enumerate() {
            progress.at(text.kernel.name, at as u64, texts.len() as u64)?;
            reports.push(report(&mut compiler, text, selection.shaders.as_deref())?);
        }
        progress.at("done", texts.len() as u64, texts.len() as u64)?;
    }
    Ok(reports)
}

/// Returns what the compiler makes of a text. `folder` may hold edited shaders.
///
/// # Errors
/// The text does not compile to SPIR-V; the compiler ended.
pub fn compiled(compiler: &mut Compiler, text: &ShaderText, folder: Option<&Path>) -> Result<CompiledPipeline> {
    let lacking = text.variant.needs.difference(HAS);
    if !lacking.is_empty() {
        return Err(text.error(format!("needs {lacking}, which is not asked of RADV")));
    }
    // Nothing runs it, so that an edited shader has no checks of bounds either: its counts are those it would have built in.
    let EmittedShader::Spirv(spirv) = emit(text, ShaderLanguage::Spirv, folder, false)? else {
        unreachable!("SPIR-V is words")
    };
    let (module, _) = text.module(folder, naga::valid::Capabilities::all())?;
    let bindings = module.global_variables.iter().filter_map(|(_, variable)| {
        variable.binding.map(|binding| (binding.binding, variable.space == naga::AddressSpace::Uniform))
    });
    let compiled = compiler.compile(&CompileRequest { spirv, bindings: bindings.collect() })?;
    if compiled.error.is_empty() { Ok(compiled) } else { Err(text.error(compiled.error)) }
}

/// Compiles a text and reports on it. `folder` may hold edited shaders.
///
/// # Errors
/// The compiler ended; a file of the folder cannot be read.
pub fn report(compiler: &mut Compiler, text: &ShaderText, folder: Option<&Path>) -> Result<ShaderReport> {
    let (compiled, error) = match compiled(compiler, text, folder) {
        Ok(compiled) => (Some(compiled), None),
        Err(Error::Shader { message, .. }) => (None, Some(message)),
        Err(error) => return Err(error),
    };
    let number = |name: &str| compiled.as_ref().and_then(|c| c.statistics.get(name)).copied();
    let program = compiled.as_ref().map(|c| Program::parse(&c.assembly));
    let main = program.as_ref().map(|program| (program, program.main_loop()));
    let valu_per_weight = main.as_ref().and_then(|(program, main)| valu_per_weight(text, program, main));
    let card = compiler.card;
    let (chosen, _) = tuning::choose(text.kernel, Class::Discrete, HAS, card.subgroup);
    Ok(ShaderReport {
        kernel: text.kernel.name,
        variant: text.variant.name,
        entry: text.entry,
        card: card.name,
        width: text.width(),
        block: text.block,
        chosen: chosen.name == text.variant.name,
        vgprs: number("VGPRs"),
        sgprs: number("SGPRs"),
        spills: number("Spilled VGPRs").zip(number("Spilled SGPRs")).map(|(v, s)| v + s),
        lds: number("LDS size").or(number("LDS Size")),
        waves: number("Subgroups per SIMD"),
        instructions: number("Instructions"),
        valu_per_weight,
        loads_before_wait: main.as_ref().map(|(program, main)| program.loads_before_wait(main)),
        lone_loads: program.as_ref().map(Program::lone_loads),
        seconds: compiled.as_ref().map(|c| c.seconds),
        error,
    })
}

/// Returns the vector instructions of the main loop for each weight that a lane takes in a turn. None for kernels
/// without weights.
fn valu_per_weight(text: &ShaderText, program: &Program, main: &Range<usize>) -> Option<f64> {
    let bits = u64::from(text.width().filter(|_| text.is_product())?);
    // Where a shader takes a unit of 32 codes of each load, the load may bring two.
    let units = text.variant.wgsl.iter().any(|file| file.stem.starts_with("lib/matvec"));
    let turn = program.turn(main, if units { 32 * bits } else { u64::MAX })?;
    // Where it calls `weights` once a turn, loads of single words bring more than the eight that it takes.
    let eight = ["lib/matmul", "lib/matmul_coop"].iter().any(|stem| text.takes(stem));
    let taken = if eight { turn.weight_bits.min(8 * bits) } else { turn.weight_bits };
    (taken > 0).then(|| (turn.valu * bits) as f64 / taken as f64)
}

/// Returns a table of reports for people, its titles first.
pub fn table(reports: &[ShaderReport]) -> Vec<[String; 10]> {
    let titles =
        ["shader", "card", "VGPRs", "spills", "LDS", "waves", "instructions", "VALU/weight", "loads ahead", "seconds"];
    let row = |r: &ShaderReport| {
        let width = r.block.map(str::to_owned).or(r.width.map(|bits| bits.to_string()));
        let name: Vec<String> = [r.kernel.to_owned(), r.variant.to_owned()].into_iter().chain(width).collect();
        let entry = if r.entry == "main" { String::new() } else { format!("/{}", r.entry) };
        let count = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let ratio = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), |n| format!("{n:.2}"));
        [
            name.join("/") + &entry + if r.chosen { " *" } else { "" },
            r.card.to_owned(),
            count(r.vgprs),
            count(r.spills),
            count(r.lds),
            count(r.waves),
            count(r.instructions),
            ratio(r.valu_per_weight),
            count(r.loads_before_wait),
            ratio(r.seconds),
        ]
    };
    [titles.map(str::to_owned)].into_iter().chain(reports.iter().map(row)).collect()
}
