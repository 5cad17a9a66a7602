//! `qwgpu tune`: the fastest shader variants of this adapter for a model.

use serde_json::json;

use super::model::ModelArgs;
use super::output::{ExitStatus, print_json, print_out};
use super::progress::Bar;
use crate::generate::{Autotune, tune};
use crate::gpu::choices::Choices;
use crate::gpu::tune::{CandidateResult, KernelChoice};

/// Shapes that are tuned for where no model is named.
pub const MODEL: &str = "random:qwen2.5-0.5b";

const HELP: &str = "\
The first start of a model on a GPU does the same within three seconds and keeps the result; --autotune off runs the \
listed variants. On a software adapter nothing is timed at a start, since the CPU's other work disturbs it: there this \
command alone does, and its result is used with --autotune kept.

With --shaders nothing is kept.

Exit codes: 1 if of a kernel no variant agrees with the reference.

JSON fields: adapter, file (null if nothing is kept), kernels (kernel, shapes, candidates with name, seconds and fault, \
winner, earlier, cases).

Examples:
  qwgpu tune
  qwgpu tune --model model.gguf
  qwgpu tune --model random:qwen2.5-7b --quant gptq:4 --json";

/// Choose the fastest shader variants for a model on this adapter, and keep the choice
///
/// Times the candidates of each kernel, which are variants and their constants, on the model's own shapes, compares the
/// fastest with the CPU reference, and prints what was tried, what runs, and what ran before. A candidate that fails or
/// is wrong is named on standard error, and the next one runs.
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let mut model = args.model.clone();
    model.run.autotune = Autotune::Off;
    let mut engine = model.load()?.engine;
    let choices = tune(&mut engine, &mut Bar::new())?;
    if args.json {
        let gpu = engine.gpu().expect("tuning has refused other devices");
        let file = Choices::read(gpu).file().filter(|file| !gpu.has_edited_shaders() && file.exists());
        print_json(&json!({ "adapter": gpu.facts, "file": file, "kernels": choices }))?;
    } else {
        choices.iter().try_for_each(|choice| print_out(&table(choice)))?;
    }
    Ok(if choices.iter().all(|choice| choice.cases > 0) { ExitStatus::Done } else { ExitStatus::Failed })
}

/// Writes a kernel with its shapes, and a line for each candidate.
fn table(choice: &KernelChoice) -> String {
    let line = |tried: &CandidateResult| {
        let time = tried.seconds.map_or("not timed".to_owned(), |s| format!("{:.3} ms", s * 1e3));
        let mut words: Vec<String> = tried.fault.iter().map(|fault| format!("wrong: {fault}")).collect();
        if tried.name == choice.winner {
            words.push(format!("runs, agrees with the reference in {} of its cases", choice.cases));
        }
        if tried.name == choice.earlier {
            words.push("ran before".to_owned());
        }
        format!("{}\n", format!("  {:<24}{time:>14}  {}", tried.name, words.join("; ")).trim_end())
    };
    let lines: String = choice.candidates.iter().map(line).collect();
    format!("{}: {}\n{lines}", choice.kernel, choice.shapes.join(", "))
}
