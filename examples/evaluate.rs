//! Scores a model on a benchmark: `cargo run --release --example evaluate -- Qwen2.5-0.5B snli data results`.

use std::path::Path;

use qwgpu::eval::{EvalSettings, Evaluation, Shard};
use qwgpu::{DeviceChoice, Error, OpenOptions, Result};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    run(&words)
}

pub fn run(words: &[String]) -> Result<()> {
    let [path, task, data, out] = words else { panic!("give a model, a task, a data folder and a results folder") };
    let options = OpenOptions { device: DeviceChoice::cpu(), ..OpenOptions::default() };
    let mut model = options.open(path, &mut ())?;
    let settings = EvalSettings {
        tasks: vec![task.clone()],
        data: data.into(),
        limit: "4".parse().ok(),
        context: model.engine.context(),
        ..EvalSettings::new(path, &model.run)
    };
    let evaluation = Evaluation::prepare(settings)?;
    let out = Path::new(out);
    std::fs::create_dir_all(out).map_err(|source| Error::Io { path: out.to_owned(), source })?;
    // A run that is stopped goes on from its journal.
    let mut journal = evaluation.journal(&out.join("journal.jsonl"), false)?;
    evaluation.run(&mut model, Shard::ALL, &mut journal, true, &mut ())?;
    let run = evaluation.finish(journal.responses(), journal.begun);
    for set in run.tasks.iter().flat_map(|(_, sets)| sets) {
        println!("{}: {} documents", set.set.name, set.samples.len());
    }
    println!("{}", run.write(out)?.display());
    Ok(())
}
