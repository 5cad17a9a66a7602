//! How a study is measured, as its report says.

use serde_json::json;

use super::bench;
use super::study::{Args, Model};
use super::study_form::{Step, digest};
use crate::bench::report::commit;
use crate::checkpoint::Checkpoint;
use crate::date;
use crate::generate::open;
use crate::report::data::{Conditions, Fact};

/// What computes, as reports name it.
pub(super) struct Machine {
    /// The adapter of perplexities and scores, and that of speed and memory.
    pub scores: String,
    pub speed: String,
    driver: Option<String>,
    /// Bytes a second of a plain copy where speed is measured.
    pub bandwidth: Option<f64>,
}

impl Machine {
    pub fn new(args: &Args) -> anyhow::Result<Machine> {
        let adapter = |path| anyhow::Ok(open(&args.device_on(path).device()?)?.run.adapter);
        let (scores, speed) = (adapter(args.device.path)?, adapter(args.speed_path())?);
        Ok(Machine { scores, speed, driver: None, bandwidth: None })
    }

    /// Finds what takes a moment: the driver, and the bandwidth.
    pub fn probe(&mut self, args: &Args) -> anyhow::Result<()> {
        let device = args.device_on(args.speed_path());
        let facts: Option<(String, f64)> = Step::new(&args.out, json!([args.speed_path().name(), self.speed]))
            .done("copy", || Ok(bench::probes(&device)?.map(|(facts, probes)| (facts.driver, probes.bandwidth()))))?;
        (self.driver, self.bandwidth) = facts.unzip();
        Ok(())
    }
}

/// The formats of a checkpoint's weights with their shares, the largest first: `Q4_K 61 %, Q6_K 39 %`.
pub(super) fn stored(checkpoint: &Checkpoint) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for tensor in checkpoint.tensors() {
        let name = tensor.storage.name;
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += tensor.elements(),
            None => counts.push((name, tensor.elements())),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let all: usize = counts.iter().map(|(_, count)| count).sum();
    let share = |(name, count): &(&str, usize)| format!("{name} {:.1} %", *count as f64 * 100.0 / all.max(1) as f64);
    counts.iter().map(share).collect::<Vec<_>>().join(", ")
}

/// Everything a reader should know of how it was measured.
pub(super) fn conditions(args: &Args, machine: &Machine, models: &[Model]) -> Conditions {
    let fact = |name: &str, value: String| Fact { name: name.to_owned(), value };
    let digests = models.iter().flat_map(|model| {
        let texts = model.texts.iter().map(|(text, ids)| (text.title.to_owned(), digest(ids)));
        let own = [(String::new(), model.digest.clone()), ("tokenizer".to_owned(), model.tokenizer.clone())];
        own.into_iter()
            .chain(texts.map(|(title, digest)| (format!("tokens of {title}"), digest)))
            .map(|(of, digest)| fact(format!("{} {of}", model.name).trim(), digest))
    });
    let version =
        commit().map_or(env!("CARGO_PKG_VERSION").to_owned(), |c| format!("{} at {c}", env!("CARGO_PKG_VERSION")));
    let arguments: Vec<String> = std::env::args().skip(1).map(quoted).collect();
    Conditions {
        command: format!("qwgpu {}", arguments.join(" ")),
        date: date::today(),
        qwgpu: version,
        adapter: machine.scores.clone(),
        driver: machine.driver.clone(),
        path: args.device.path.name(),
        perplexity_protocol: "disjoint windows, no token in front, each on its own".into(),
        speed_protocol: format!(
            "prompt {} and {} generated, batch 1, greedy, after one run; {}, path {}",
            args.speed.0,
            args.speed.1,
            machine.speed,
            args.speed_path().name()
        ),
        digests: digests.collect(),
        seeds: vec![fact("few-shot examples", "1234".into()), fact("bootstrap", "0".into())],
        others: [
            fact("calibration", args.calibration.file.as_ref().map_or("none".into(), |f| f.display().to_string())),
            fact("calibration samples", format!("{} of {} tokens", args.calibration.samples, args.calibration.length)),
        ]
        .into_iter()
        .chain(models.iter().flat_map(Model::facts))
        .collect(),
    }
}

/// An argument as a shell reads it back.
fn quoted(argument: String) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    match !argument.is_empty() && argument.chars().all(plain) {
        true => argument,
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    }
}
