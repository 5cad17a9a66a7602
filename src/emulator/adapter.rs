//! The emulated adapter as a backend: compiles the variants of kernels and runs the steps of plans by them.

use std::collections::HashMap;
use std::rc::Rc;

use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};

use super::memory::{Buffer, Shadow, Words};
use super::program::ShaderProgram;
use super::{DispatchResult, EmulatorOptions, folder, lower, run};
use crate::error::{Error, Result};
use crate::gpu::{Class, Options, pipeline, tuning};
use crate::plan::cpu::{Cpu, Executor};
use crate::plan::dispatch::{dispatches, entries};
use crate::plan::{Consts, Kernel, Needs, Path, Step, Variant};

/// Backend that runs shaders by emulation.
pub type Emulator = Cpu<EmulatedAdapter>;

/// Steps' results that the emulator keeps.
#[derive(Clone, Debug)]
pub struct StepResult {
    /// Name of the step.
    pub step: String,
    /// Kernel of the step.
    pub kernel: &'static Kernel,
    /// Variant that ran.
    pub variant: &'static Variant,
    /// Constants that chose the shader's files.
    pub consts: Consts,
    /// Findings and counters.
    pub outcome: DispatchResult,
}

/// Message of a compiler, and its place.
#[derive(Clone, Debug, Default)]
pub struct CompileError {
    /// Line and column of the shader's text, from 1; 0 if the compiler names none.
    pub line: u32,
    /// See `line`.
    pub column: u32,
    /// The message.
    pub message: String,
}

/// An emulated adapter: subgroups of one size, all features.
pub struct EmulatedAdapter {
    options: Options,
    settings: EmulatorOptions,
    forced: HashMap<&'static str, &'static Variant>,
    programs: HashMap<ProgramKey, Rc<Compiled>>,
    /// Results of the steps run so far, if it looks for faults or counts; else of those with findings.
    pub outcomes: Vec<StepResult>,
    /// File, and the line in it, of the shader that did not compile.
    pub failed: Option<(String, u32)>,
}

/// Kernel, variant, and its constants.
type ProgramKey = (&'static str, &'static str, Consts);

struct Compiled {
    /// By entry point.
    programs: HashMap<&'static str, ShaderProgram>,
    variant: &'static Variant,
    consts: Consts,
}

impl EmulatedAdapter {
    /// Returns an adapter with subgroups of `settings.subgroup` lanes.
    pub fn new(settings: EmulatorOptions, options: Options) -> EmulatedAdapter {
        EmulatedAdapter {
            options,
            settings,
            forced: HashMap::new(),
            programs: HashMap::new(),
            outcomes: Vec::new(),
            failed: None,
        }
    }

    /// Returns the features that variants may need.
    pub fn has(&self) -> Needs {
        let mut has = Needs::all() - self.options.without;
        if self.settings.subgroup < 8 {
            has -= Needs::SUBGROUP8;
        }
        has
    }

    /// Returns whether the adapter runs a variant.
    pub fn can_run(&self, variant: &Variant) -> bool {
        self.has().contains(variant.needs)
    }

    /// Makes `kernel` run `variant` in all plans prepared from here on.
    pub fn force(&mut self, kernel: &'static Kernel, variant: &'static Variant) {
        self.forced.insert(kernel.name, variant);
    }

    fn variant(&self, kernel: &'static Kernel) -> (&'static Variant, Consts) {
        let width = self.settings.subgroup as u32;
        if let Some(variant) = self.forced.get(kernel.name) {
            return (variant, tuning::consts(kernel, variant, Class::Discrete, width));
        }
        let has = if self.options.path == Path::Portable { Needs::empty() } else { self.has() };
        tuning::choose(kernel, Class::Discrete, has, width)
    }

    fn compiled(&mut self, step: &Step) -> Result<Rc<Compiled>> {
        let (variant, consts) = self.variant(step.kernel);
        let consts = consts.specialized(&step.consts);
        let key = (step.kernel.name, variant.name, consts.clone());
        if let Some(known) = self.programs.get(&key) {
            return Ok(Rc::clone(known));
        }
        let folder = self.options.shaders.as_deref();
        let text = pipeline::source(variant, &consts, folder)?;
        let mut programs = HashMap::new();
        for &entry in entries(&consts) {
            let program = match compile(&text, &consts, entry) {
                Ok(program) => program,
                Err(error) => {
                    let (file, line) = folder::place(variant, &consts, error.line, folder)?;
                    let source =
                        text.lines().nth(error.line as usize - usize::from(error.line > 0)).unwrap_or_default();
                    let message = format!("{file}:{line}:{}: {}\n    {}", error.column, error.message, source.trim());
                    self.failed = Some((file, line));
                    return Err(Error::Shader {
                        kernel: step.kernel.name.into(),
                        variant: variant.name.into(),
                        message,
                    });
                }
            };
            programs.insert(entry, program);
        }
        let compiled = Rc::new(Compiled { programs, variant, consts });
        self.programs.insert(key, Rc::clone(&compiled));
        Ok(compiled)
    }
}

/// Compiles an entry point of a shader's text with these values of its overrides.
///
/// # Errors
/// The compiler's message.
pub fn compile(text: &str, consts: &Consts, entry: &str) -> std::result::Result<ShaderProgram, CompileError> {
    let unplaced = |message: String| CompileError { message, ..CompileError::default() };
    let at = |place: Option<naga::SourceLocation>, message: String| match place {
        Some(place) => CompileError { line: place.line_number, column: place.line_position, message },
        None => unplaced(message),
    };
    let module = naga::front::wgsl::parse_str(text).map_err(|e| at(e.location(text), e.message().to_owned()))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::all())
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all())
        .validate(&module)
        .map_err(|e| at(e.location(text), causes(e.as_inner())))?;
    let constants = pipeline::constants(consts, &module).into_iter().map(|(name, value)| (name.to_owned(), value));
    let entry = Some((naga::ShaderStage::Compute, entry));
    let (module, info) = naga::back::pipeline_constants::process_overrides(&module, &info, entry, &constants.collect())
        .map_err(|e| unplaced(causes(&e)))?;
    lower(&module, &info, text).map_err(|(line, message)| CompileError { line, column: u32::from(line > 0), message })
}

/// Returns an error's message and those of its causes.
fn causes(error: &dyn std::error::Error) -> String {
    let rest = error.source().map(|cause| format!(": {}", causes(cause)));
    format!("{error}{}", rest.unwrap_or_default())
}

impl Executor for EmulatedAdapter {
    fn tolerance(&self, kernel: &'static Kernel) -> f64 {
        self.variant(kernel).0.nmse
    }

    fn prepare(&mut self, steps: &[Step]) -> Result<()> {
        steps.iter().try_for_each(|step| self.compiled(step).map(|_| ()))
    }

    fn run(&mut self, step: &Step, inputs: Vec<&[u32]>, outputs: Vec<&mut [u32]>) -> Result<()> {
        let compiled = self.compiled(step)?;
        let params: Vec<u32> = bytemuck::pod_collect_to_vec(&step.params);
        let mut written: Vec<Vec<u32>> = outputs.iter().map(|words| words.to_vec()).collect();
        written.iter_mut().for_each(pad);
        let padded: Vec<Vec<u32>> = inputs.iter().map(|words| copy_padded(words)).collect();
        // NaN, so that a part which nobody wrote shows.
        written.push(vec![u32::MAX; step.part_words * compiled.consts.splits() as usize]);
        for (entry, groups) in dispatches(step.kernel, compiled.variant, &compiled.consts, step.cells) {
            let program = &compiled.programs[entry];
            let mut written: Vec<_> = written.iter_mut().map(|words| Some(&mut words[..])).collect();
            let mut buffers = Vec::new();
            for binding in &program.bindings {
                let number = binding.number as usize;
                let words = match number {
                    0 => Words::Read(&params),
                    n if n <= inputs.len() => match padded[n - 1].as_slice() {
                        [] => Words::Read(inputs[n - 1]),
                        padded => Words::Read(padded),
                    },
                    n => match written.get_mut(n - inputs.len() - 1).and_then(Option::take) {
                        Some(words) => Words::Write(words),
                        None => return Err(Error::DeviceLost(format!("{}: no binding {number}", step.name))),
                    },
                };
                let bytes = words.get().len() as u32 * 4;
                let watched = binding.writable && self.settings.sanitize;
                buffers.push(Buffer { words, shadow: if watched { Shadow::new(bytes, 4) } else { Shadow::default() } });
            }
            let outcome = run(program, self.settings, groups, buffers).map_err(Error::DeviceLost)?;
            if self.settings.profile || self.settings.sanitize || !outcome.findings.all.is_empty() {
                let (step, kernel) = (step.name.clone(), step.kernel);
                let (variant, consts) = (compiled.variant, compiled.consts.clone());
                self.outcomes.push(StepResult { step, kernel, variant, consts, outcome });
            }
        }
        for (output, written) in outputs.into_iter().zip(&written) {
            output.copy_from_slice(&written[..output.len()]);
        }
        Ok(())
    }
}

// Bindings are vectors of 16 bytes.
fn pad(words: &mut Vec<u32>) {
    words.resize(words.len().max(4).next_multiple_of(4), 0);
}

/// Returns the padded words of a binding, or nothing where they need no padding.
fn copy_padded(words: &[u32]) -> Vec<u32> {
    if words.len() >= 4 && words.len().is_multiple_of(4) {
        return Vec::new();
    }
    let mut padded = words.to_vec();
    pad(&mut padded);
    padded
}
