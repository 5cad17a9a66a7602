//! The command line: one file a command.

mod bench;
mod bench_all;
mod calibration;
mod chat;
mod check;
mod devices;
mod doctor;
mod eval;
mod eval_table;
mod generate;
mod interrupt;
mod measure;
mod method_args;
mod model;
mod options;
mod output;
mod ppl;
mod progress;
mod quantize;
mod sampling;
mod shader;
mod study;
mod tune;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::method_args::{add_options, explain};
use self::output::ExitStatus;
use crate::error::Error;

/// Run, quantize and evaluate language models on any GPU, by compute shaders in WGSL
#[derive(Parser)]
#[command(name = "qwgpu", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
Models:
  A Hugging Face folder, a .gguf file, or random:NAME, a published shape with random weights for measuring speed and \
memory (random:qwen2.5-7b).

Output:
  Results go to standard output, everything else to standard error. --json prints one JSON value.

Files:
  ~/.cache/qwgpu ($XDG_CACHE_HOME/qwgpu)
      compiled shaders, in quantized/ the models that --quant made, and in tuning/ the shader variants that were fastest

Environment:
  WGPU_BACKEND=vulkan|metal|dx12|gl
      the graphics API

Exit codes:
  0         done
  1         a check failed, scores are incomplete, or chat refused a message
  2         bad usage or bad input
  3         no suitable adapter
  4         the device was lost
  130, 143  interrupted by Ctrl-C, or terminated

Examples:
  qwgpu doctor
  qwgpu generate --model model.gguf --prompt 'Why is the sky blue?'
  qwgpu COMMAND --help")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Doctor(doctor::Args),
    Devices(devices::Args),
    Chat(chat::Args),
    Generate(generate::Args),
    Ppl(ppl::Args),
    Check(check::Args),
    Eval(eval::Args),
    Merge(eval::MergeArgs),
    Study(study::Args),
    Quantize(quantize::Args),
    Bench(bench::Args),
    Tune(tune::Args),
    /// Find faults of a shader and count what it costs, on an emulated adapter
    #[command(after_long_help = shader::HELP)]
    Shader(shader::Args),
}

/// Parses the arguments of this process and runs the command. Returns the exit code.
pub fn main() -> ExitCode {
    main_with(std::env::args_os())
}

/// Returns the command line, without the options of quantization methods.
#[doc(hidden)]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses `arguments`, of which the first is the program's name, and runs the command. Returns the exit code.
pub fn main_with(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let mut command = Cli::command()
        .mut_subcommand("quantize", |quantize| add_options(quantize, &arguments))
        .mut_subcommand("tune", |tune| {
            let optional = tune.mut_arg("model", |model| model.required(false).default_value(tune::MODEL));
            optional.mut_arg("autotune", |autotune| autotune.hide(true))
        });
    options::init(&command);
    let matches = command.try_get_matches_from_mut(&arguments).unwrap_or_else(|error| explain(error).exit());
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit());
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
        Command::Tune(args) => tune::run(&args),
        Command::Shader(args) => shader::run(&args),
    };
    match result {
        Ok(ExitStatus::Done) => ExitCode::SUCCESS,
        Ok(ExitStatus::Failed) => ExitCode::from(1),
        Err(error) => {
            let code = exit_code(&error);
            // The interruption is the user's own doing: no message needed.
            if code != 130 {
                output::note(&options::with_options(&format!("qwgpu: {}", message(&error))));
            }
            ExitCode::from(code)
        }
    }
}

/// Returns an error with its causes. An error of the library has its cause in its own message.
fn message(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text += &format!(": {cause}");
        }
    }
    text
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Error>() {
        Some(Error::NoAdapter { .. }) => 3,
        Some(Error::DeviceLost(_)) => 4,
        Some(Error::Interrupted) => 130,
        _ => 2,
    }
}
