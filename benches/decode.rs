//! `cargo bench --bench decode [-- OPTIONS]`: prefill and decode of a model of random weights; the same
//! as `qwgpu bench decode`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let mut command: Vec<String> = ["qwgpu", "bench", "decode"].map(String::from).into();
    if !words.iter().any(|word| word.starts_with("--model")) {
        command.extend(["--model", "random:qwen2.5-0.5b"].map(String::from));
    }
    qwgpu::cli::main_with(command.into_iter().chain(words))
}
