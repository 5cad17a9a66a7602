//! `cargo bench --bench kernels [TEXT]`: the model-sized cases of every kernel; the same as
//! `qwgpu bench kernels --filter TEXT`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Cargo adds `--bench`; the first other word is a filter, as for cargo's own benches.
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_some_and(|word| !word.starts_with('-')) {
        words.insert(0, "--filter".into());
    }
    let command = ["qwgpu", "bench", "kernels"].map(String::from);
    qwgpu::cli::main_with(command.into_iter().chain(words))
}
