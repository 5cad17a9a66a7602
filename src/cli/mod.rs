//! The command line: one file a command.

mod check;
mod devices;
mod generate;
mod interrupt;
mod model;
mod ppl;
mod progress;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;

/// Runs Qwen models on any GPU, from WGSL compute shaders, and measures what they do there.
#[derive(Parser)]
#[command(name = "qwgpu", version, max_term_width = 100)]
#[command(after_help = "\
Models: a Hugging Face folder, a .gguf file, or random:NAME, a published shape with random weights
(random:qwen2.5-7b) for measuring speed and memory.

Exit codes: 0 done, 1 a check failed, 2 bad usage or bad input, 3 no suitable adapter, 4 the device was
lost, 130 interrupted.

Environment: WGPU_BACKEND=vulkan|metal|dx12|gl chooses the graphics API.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the adapters, what they can do and what qwgpu would run on them
    Devices(devices::Args),
    /// Continue a prompt
    Generate(generate::Args),
    /// Measure the perplexity of a text
    Ppl(ppl::Args),
    /// Compare every step of the model with the CPU reference and name the first that parts
    Check(check::Args),
}

/// How a command ended, if not with an error.
pub(crate) enum Outcome {
    Done,
    /// A check or comparison failed; it has been printed.
    Failed,
}

/// Parses the arguments, runs the command and says how it ended.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    interrupt::install();
    let result = match cli.command {
        Command::Devices(args) => devices::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Ppl(args) => ppl::run(&args),
        Command::Check(args) => check::run(&args),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Err(error) => {
            let code = exit_code(&error);
            // The interruption is the user's own doing: no message needed.
            if code != 130 {
                eprintln!("qwgpu: {error:#}");
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

/// Prints one JSON value on standard output; a reader that went away ends the program quietly.
pub(crate) fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print_out(&format!("{value:#}\n"))
}

/// Writes to standard output at once.
pub(crate) fn print_out(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => Ok(result?),
    }
}

/// A text file, which must be UTF-8.
pub(crate) fn read_text(path: &std::path::Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = format!("byte {}", e.utf8_error().valid_up_to());
        Error::malformed(path, at, "UTF-8 text", "other bytes", "convert the file to UTF-8").into()
    })
}
