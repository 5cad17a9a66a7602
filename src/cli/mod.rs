//! The command line: one file a command.

mod bench;
mod bench_all;
mod chat;
mod check;
mod devices;
mod diagnosis;
mod doctor;
mod eval;
mod eval_table;
mod generate;
mod interrupt;
mod machine;
mod measure;
mod method_args;
mod model;
mod options;
mod output;
mod ppl;
mod progress;
mod quantize;
mod sampling;
mod study;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::output::Outcome;
use crate::error::Error;

/// Runs Qwen models on any GPU, from WGSL compute shaders, and measures what they do there.
#[derive(Parser)]
#[command(name = "qwgpu", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
Models: a Hugging Face folder, a .gguf file, or random:NAME, a published shape with random weights
(random:qwen2.5-7b) for measuring speed and memory.

Results go to standard output, everything else to standard error. With --json a command prints one
JSON value.

Exit codes: 0 done, 1 a check failed, 2 bad usage or bad input, 3 no suitable adapter, 4 the device was
lost, 130 interrupted. Ctrl-C stops within a second, a second Ctrl-C at once.

Environment: WGPU_BACKEND=vulkan|metal|dx12|gl chooses the graphics API.

Start with `qwgpu doctor`; `qwgpu COMMAND --help` has examples.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what would stop a model on this machine, and how to mend it
    #[command(after_long_help = doctor::HELP)]
    Doctor(doctor::Args),
    /// List the adapters, what they can do and what qwgpu would run on them
    #[command(after_long_help = devices::HELP)]
    Devices(devices::Args),
    /// Talk with a model
    #[command(after_long_help = chat::HELP)]
    Chat(chat::Args),
    /// Continue a prompt
    #[command(after_long_help = generate::HELP)]
    Generate(generate::Args),
    /// Measure the perplexity of a text
    #[command(after_long_help = ppl::HELP)]
    Ppl(ppl::Args),
    /// Compare every step of the model with the CPU reference and name the first that parts
    #[command(after_long_help = check::HELP)]
    Check(check::Args),
    /// Ask a model the questions of benchmarks and score its answers
    #[command(after_long_help = eval::HELP)]
    Eval(eval::Args),
    /// Put the shares of an evaluation together
    #[command(after_long_help = eval::MERGE_HELP)]
    Merge(eval::MergeArgs),
    /// Measure what quantization costs, method by method, and write the report
    #[command(after_long_help = study::HELP)]
    Study(study::Args),
    /// Quantize a model into a folder that others read too
    #[command(after_long_help = quantize::HELP)]
    Quantize(quantize::Args),
    /// Measure how fast kernels and models are here
    #[command(after_long_help = bench::HELP)]
    Bench(bench::Args),
}

/// Parses this process's arguments, runs the command and says how it ended.
pub fn main() -> ExitCode {
    main_with(std::env::args_os())
}

/// Parses `arguments`, the first of which names the program, runs the command and says how it ended.
pub fn main_with(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let cli = Cli::parse_from(&arguments);
    interrupt::install();
    let result = match cli.command {
        Command::Doctor(args) => doctor::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Chat(args) => chat::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Ppl(args) => ppl::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Merge(args) => eval::merge(&args),
        Command::Study(args) => study::run(&args, &arguments),
        Command::Quantize(args) => quantize::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Err(error) => {
            let code = exit_code(&error);
            // The interruption is the user's own doing: no message needed.
            if code != 130 {
                output::note(&options::with_options(&format!("qwgpu: {error:#}")));
            }
            ExitCode::from(code)
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Error>() {
        Some(Error::NoAdapter { .. }) => 3,
        Some(Error::DeviceLost(_)) => 4,
        Some(Error::Interrupted) => 130,
        _ => 2,
    }
}
