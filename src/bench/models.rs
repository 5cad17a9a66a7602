//! Tokens a second and memory of a whole model: greedy, one sequence, nothing ends it early.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::count;
use super::{Probes, Spread, Took, usage};
use crate::error::{Error, Result};
use crate::generate::{Flow, Model};
use crate::progress::Progress;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens generated after it.
    pub generated: usize,
    /// Measured runs, after one that is not.
    pub repeats: usize,
}

/// What came out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    pub model: String,
    pub prompt: usize,
    pub generated: usize,
    pub repeats: usize,
    /// Tokens that prefill together.
    pub chunk: usize,
    /// Loading, or making random weights.
    pub load_s: f64,
    /// The run before the measured ones, which compiles shaders: until the first token.
    pub cold_first_token_s: f64,
    pub prefill: Speed,
    pub decode: Speed,
    /// Tokens a second of each measured run, in order: prefill, decoding.
    #[serde(skip)]
    pub rates: [Vec<f64>; 2],
    pub weight_bytes: u64,
    pub cache_bytes: u64,
    pub scratch_bytes: u64,
    /// The most memory the process held; only where it ran nothing else.
    pub peak_host_bytes: Option<u64>,
}

/// One phase of a run, per token.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Speed {
    pub tokens_per_s: Spread,
    /// Milliseconds of CPU time over all threads, the median.
    pub cpu_ms_per_token: Option<f64>,
    /// Counted from the plan, the cache at its mean length.
    pub bytes_per_token: f64,
    pub flops_per_token: f64,
    pub share_of_copy: Option<f64>,
    pub share_of_fma: Option<f64>,
}

/// Runs `protocol`. Shares need the `probes` of the same adapter.
pub fn measure(
    model: &mut Model,
    name: &str,
    load_s: f64,
    protocol: Protocol,
    probes: Option<&Probes>,
    progress: &mut dyn Progress,
) -> Result<Measured> {
    let Protocol { prompt, generated, repeats } = protocol;
    if prompt == 0 || generated == 0 || repeats == 0 {
        let found = format!("{prompt}, {generated} and {repeats}");
        return Err(Error::request("prompt, generated and repeats", "1 or more each", found, "give larger numbers"));
    }
    // Any tokens do: none of the work depends on which.
    let vocab = model.engine.model.config.vocab_size.min(100_000);
    let ids: Vec<u32> = (0..=prompt).map(|i| ((i * 7919 + 785) % vocab) as u32).collect();
    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    let mut cold = 0.0;
    let total = ((repeats + 1) * (prompt + generated)) as u64;
    for repeat in 0..=repeats {
        let what = if repeat == 0 { "warming up".to_owned() } else { format!("run {repeat} of {repeats}") };
        let mut done = repeat * (prompt + generated);
        progress.at(&what, done as u64, total)?;
        model.engine.truncate(0);
        let before = Took::start();
        model.engine.prefill(&ids[..prompt])?;
        let fed = before.stop();
        done += prompt;
        progress.at(&what, done as u64, total)?;
        let before = Took::start();
        let mut first = 0.0;
        model.engine.greedy(&ids[prompt..], generated, |_| {
            if first == 0.0 {
                first = before.at.elapsed().as_secs_f64();
            }
            done += 1;
            progress.at(&what, done as u64, total)?;
            Ok(Flow::Continue)
        })?;
        let continued = before.stop();
        if repeat == 0 {
            cold = fed.seconds + first;
        } else {
            prefill.push(fed);
            decode.push(continued);
        }
    }
    let (weight_bytes, cache_bytes, scratch_bytes) = model.engine.memory();
    let work = count::engine(&model.engine, prompt, generated);
    let probes = probes.filter(|_| model.run.path != "cpu");
    let software = model.run.software;
    Ok(Measured {
        model: name.to_owned(),
        prompt,
        generated,
        repeats,
        chunk: model.engine.chunk(),
        load_s,
        cold_first_token_s: cold,
        prefill: speed(&prefill, prompt, work.prefill, probes, software),
        decode: speed(&decode, generated, work.decode, probes, software),
        rates: [(&prefill, prompt), (&decode, generated)]
            .map(|(runs, tokens)| runs.iter().map(|took| tokens as f64 / took.seconds).collect()),
        weight_bytes,
        cache_bytes,
        scratch_bytes,
        peak_host_bytes: None,
    })
}

/// The moment something began.
struct Start {
    at: Instant,
    cpu: Option<f64>,
}

impl Took {
    fn start() -> Start {
        Start { at: Instant::now(), cpu: usage::cpu_seconds() }
    }
}

impl Start {
    fn stop(&self) -> Took {
        let cpu_seconds = self.cpu.zip(usage::cpu_seconds()).map(|(before, after)| after - before);
        Took { seconds: self.at.elapsed().as_secs_f64(), cpu_seconds }
    }
}

fn speed(runs: &[Took], tokens: usize, work: count::Work, probes: Option<&Probes>, software: bool) -> Speed {
    let n = tokens as f64;
    let cpu: Option<Vec<f64>> = runs.iter().map(|t| t.cpu_seconds).collect();
    let cpu = cpu.map(|cpu| Spread::of(cpu).median);
    let seconds = Spread::of(runs.iter().map(|t| t.seconds)).median;
    // A GPU's host threads are not what computes.
    let took = Took { seconds, cpu_seconds: cpu.filter(|_| software) };
    Speed {
        tokens_per_s: Spread::of(runs.iter().map(|t| n / t.seconds)),
        cpu_ms_per_token: cpu.map(|s| s * 1e3 / n),
        bytes_per_token: work.bytes,
        flops_per_token: work.flops,
        share_of_copy: probes.map(|p| p.share_of_copy((work.bytes * n) as u64, took)),
        share_of_fma: probes.map(|p| p.share_of_fma((work.flops * n) as u64, took)),
    }
}
