//! What the benches share: an adapter, and a measured model.

use std::time::Instant;

use super::model::{DeviceArgs, ModelArgs, PathArg};
use super::output::note;
use super::progress::Bar;
use crate::bench::models::{ModelResult, Protocol, measure};
use crate::error::Error;
use crate::generate::Run;
use crate::gpu::Gpu;

/// Opens the adapter that kernels are timed on.
pub fn open(device: &DeviceArgs) -> anyhow::Result<Gpu> {
    if device.path == PathArg::Cpu {
        return Err(Error::request("--path", "portable or fast", "cpu", "only adapters' kernels are timed").into());
    }
    let gpu = device.choice().open_gpu()?;
    note(&Run::on(&gpu.facts, gpu.path()).to_string());
    Ok(gpu)
}

/// Loads a model and measures it.
pub fn measure_model(
    model: &ModelArgs,
    prompt: usize,
    generated: usize,
    repeats: Option<usize>,
) -> anyhow::Result<ModelResult> {
    let start = Instant::now();
    let mut loaded = model.load()?;
    let load_s = start.elapsed().as_secs_f64();
    let repeats = repeats.unwrap_or(if loaded.run.software { 2 } else { 5 });
    let protocol = Protocol { prompt, generated, repeats };
    Ok(measure(&mut loaded, &model.label(), load_s, protocol, &mut Bar::new())?)
}
