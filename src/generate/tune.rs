//! Tuning of a loaded model's kernels for its adapter, at a start or when asked.

use std::time::{Duration, Instant};

use super::engine::{Engine, PassOutput};
use crate::error::{Error, Result};
use crate::gpu::choices::Choices;
use crate::gpu::tune::{KernelChoice, KernelUse};
use crate::gpu::{Class, Gpu};
use crate::progress::Progress;

/// Time for the candidates of all kernels at a start.
const AT_START: Duration = Duration::from_secs(3);
/// The same where tuning is what was asked for.
const WHEN_ASKED: Duration = Duration::from_secs(60);
/// Tokens that the timed steps of attention see, their own included.
const DEPTH: usize = 1024;
/// Candidates of a token, as sampling with usual settings has.
const DRAWN: usize = 20;

/// Use of tuning when a model is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Autotune {
    /// Run what is listed for the class of adapter
    #[default]
    Off,
    /// Run what `qwgpu tune` or an earlier start kept, on a software adapter too
    Kept,
    /// On a GPU run what is kept, and choose at the first start; on a software adapter as off
    Auto,
}

/// Chooses what runs the kernels of a model, before its programs are made.
pub(super) fn at_start(engine: &mut Engine, autotune: Autotune, progress: &mut dyn Progress) -> Result<()> {
    let Some(gpu) = engine.gpu() else { return Ok(()) };
    let listed = gpu.facts.class == Class::Software && autotune == Autotune::Auto;
    if autotune == Autotune::Off || listed || gpu.has_edited_shaders() {
        return Ok(());
    }
    let budget = (autotune == Autotune::Auto).then_some(AT_START);
    let choices = choose(engine, false, budget, progress)?;
    if choices.is_empty() {
        progress.note("no tuning of this model is kept for this adapter; `qwgpu tune` makes one");
    }
    let others = choices.iter().filter(|choice| choice.winner != choice.candidates[0].name);
    let others: Vec<String> = others.map(|choice| format!("{} {}", choice.kernel, choice.winner)).collect();
    if !others.is_empty() {
        progress.note(&format!("tuned: {}", others.join(", ")));
    }
    Ok(())
}

/// Chooses anew what runs the kernels of a model, in programs made from here on, and keeps it for later starts; not with
/// edited shaders, which may change. The sequence is empty then.
///
/// # Errors
/// No adapter runs the model; those of the device; what `progress` returns.
pub fn tune(engine: &mut Engine, progress: &mut dyn Progress) -> Result<Vec<KernelChoice>> {
    if engine.gpu().is_none() {
        let fix = "choose an adapter of `qwgpu devices`";
        return Err(Error::request("`device`", "an adapter with a driver", "none", fix));
    }
    choose(engine, true, Some(WHEN_ASKED), progress)
}

/// Takes kept choices, but not if `anew`, and makes the others, if there is a `budget`.
fn choose(
    engine: &mut Engine,
    anew: bool,
    budget: Option<Duration>,
    progress: &mut dyn Progress,
) -> Result<Vec<KernelChoice>> {
    let start = Instant::now();
    let (context, chunk) = (engine.context(), engine.chunk().min(engine.context()));
    // A kernel is timed in the first pass that has it.
    let mut uses: Vec<(usize, KernelUse)> = Vec::new();
    for (rows, output) in [(1, PassOutput::Token), (1, PassOutput::Drawn(DRAWN)), (chunk, PassOutput::Nothing)] {
        for of in KernelUse::of(&engine.plan(rows, output).0) {
            if !uses.iter().any(|(_, known)| std::ptr::eq(known.kernel, of.kernel)) {
                uses.push((rows, of));
            }
        }
    }
    let mut kept = Choices::read(adapter(engine));
    let (before, mut choices) = (kept.clone(), Vec::new());
    for (number, (rows, of)) in uses.iter().enumerate() {
        let choice = match (kept.find(adapter(engine), of), budget) {
            (Some((winner, choice)), _) if !anew => {
                adapter(engine).choose(of.kernel, winner);
                choice
            }
            (_, None) => continue,
            (earlier, Some(budget)) => {
                progress.at(&format!("tuning {}", of.kernel.name), number as u64, uses.len() as u64)?;
                let depth = context.min(DEPTH);
                engine.truncate(0);
                engine.skip(depth - rows);
                engine.place(&vec![0; *rows])?;
                // What a kernel leaves of its share is for those after it.
                let share = budget.saturating_sub(start.elapsed()) / (uses.len() - number) as u32;
                let mut choice = adapter(engine).tune(of, share);
                engine.truncate(0);
                // What the timed steps left there may be no numbers.
                engine.cache.clear(&mut *engine.backend, depth - rows..depth)?;
                choice.earlier = earlier.map_or(choice.earlier, |(_, earlier)| earlier.winner);
                // Where nothing is right, the next start tries again; and edited shaders may change.
                if choice.cases > 0 && !adapter(engine).has_edited_shaders() {
                    kept.put(choice.clone());
                }
                choice
            }
        };
        choice.notices().iter().for_each(|notice| progress.note(notice));
        choices.push(choice);
    }
    if kept != before
        && let Err(error) = kept.write()
    {
        progress.note(&format!("the tuning is not kept: {error}"));
    }
    Ok(choices)
}

fn adapter(engine: &mut Engine) -> &mut Gpu {
    engine.gpu().expect("callers have seen that there is one")
}
