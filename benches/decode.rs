//! `cargo bench --bench decode [-- FILTER --save-baseline NAME]`: tokens of Qwen2.5-0.5B with random weights, in bf16,
//! quantized by each method and in each block type of GGUF, as `prefill/WEIGHTS` and `decode/WEIGHTS`.

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput};
use qwgpu::formats::gguf::blocks::BLOCKS;
use qwgpu::formats::{METHODS, Quant, QuantType};
use qwgpu::generate::Flow;
use qwgpu::{Model, OpenOptions};

const MODEL: &str = "random:qwen2.5-0.5b";
/// Tokens before the first that is decoded.
const PROMPT: usize = 128;
/// Tokens decoded before the sequence starts again.
const DECODED: usize = 128;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
        .configure_from_args();
    let methods = METHODS.iter().map(|&method| QuantType::Method(Quant { method, bits: method.default_bits }));
    let blocks = BLOCKS.iter().map(|&block| QuantType::Block(block));
    for quant in std::iter::once(None).chain(methods.chain(blocks).map(Some)) {
        let weights = quant.map_or("bf16".to_owned(), |quant| quant.to_string());
        let mut model = None;
        let mut open = || {
            let options = OpenOptions { quant, context: Some(PROMPT + DECODED + 1), ..OpenOptions::default() };
            options.open(MODEL, &mut ()).expect("a model on the device")
        };
        bench(&mut criterion, "prefill", &weights, PROMPT, |runs| {
            let model = model.get_or_insert_with(&mut open);
            (0..runs).map(|_| prefill(model)).sum()
        });
        bench(&mut criterion, "decode", &weights, 1, |runs| {
            let model = model.get_or_insert_with(&mut open);
            let mut left = runs as usize;
            let mut elapsed = Duration::ZERO;
            while left > 0 {
                let tokens = left.min(DECODED);
                elapsed += decode(model, tokens);
                left -= tokens;
            }
            elapsed
        });
    }
    criterion.final_summary();
}

/// Times `run`, which takes a number of runs of some tokens each.
fn bench(criterion: &mut Criterion, phase: &str, weights: &str, tokens: usize, mut run: impl FnMut(u64) -> Duration) {
    let mut group = criterion.benchmark_group(phase);
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(tokens as u64));
    group.bench_function(weights, |bencher| bencher.iter_custom(&mut run));
    group.finish();
}

/// Reads the prompt and waits for the device. Speed does not depend on the tokens.
fn prefill(model: &mut Model) -> Duration {
    let ids: Vec<u32> = (0..PROMPT as u32).collect();
    model.engine.truncate(0);
    let start = Instant::now();
    model.engine.prefill(&ids).expect("a device that answers");
    start.elapsed()
}

/// Decodes tokens after the prompt.
fn decode(model: &mut Model, tokens: usize) -> Duration {
    prefill(model);
    let start = Instant::now();
    let read = |_| Ok(Flow::Continue);
    model.engine.greedy(&[0], tokens, read).expect("a device that answers");
    start.elapsed()
}
