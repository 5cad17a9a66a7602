//! The `qwgpu` command: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    qwgpu::cli::main()
}
