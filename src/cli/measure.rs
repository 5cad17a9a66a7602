//! The shared part of the benches: an adapter, a measured model, a table.

use std::time::Instant;

use super::model::{DeviceArgs, ModelArgs};
use super::output::note;
use super::progress::Bar;
use crate::bench::models::{ModelResult, SpeedProtocol, measure};
use crate::error::Error;
use crate::generate::Compute;
use crate::gpu::Gpu;

/// Opens the adapter that kernels are timed on.
pub fn open(device: &DeviceArgs) -> anyhow::Result<Gpu> {
    if device.path == Compute::Cpu {
        return Err(Error::request("--path", "portable or fast", "cpu", "only adapters' kernels are timed").into());
    }
    let (gpu, run) = device.choice().open_gpu_run()?;
    note(&run.to_string());
    Ok(gpu)
}

/// Loads a model and measures it.
pub fn measure_model(
    model: &ModelArgs,
    [prompt, generated]: [usize; 2],
    repeats: Option<usize>,
) -> anyhow::Result<ModelResult> {
    let start = Instant::now();
    let mut loaded = model.load()?;
    let load_s = start.elapsed().as_secs_f64();
    let repeats = repeats.unwrap_or(if loaded.run.software { 2 } else { 5 });
    let protocol = SpeedProtocol { prompt, generated, repeats };
    Ok(measure(&mut loaded, &model.label(), load_s, protocol, &mut Bar::new())?)
}

/// Aligns the columns of a Markdown table for a terminal.
pub fn aligned(table: &str) -> String {
    let is_rule = |line: &&str| !line.starts_with("|--");
    let cells =
        |line: &str| -> Vec<String> { line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect() };
    let rows: Vec<Vec<String>> = table.lines().filter(is_rule).map(cells).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let width = |c: usize| rows.iter().filter(|r| r.len() == columns).map(|r| r[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, &w)| format!("{cell:<w$}")).collect();
        text += line.join("  ").trim_end();
        text.push('\n');
    }
    text
}
