//! The tables of docs/PERFORMANCE.md, and what the commands print.

use std::path::Path;

use super::kernels::KernelTiming;
use super::models::{ModelResult, PhaseSpeed};
use super::results::Results;
use super::{Clock, Probe, Probes};
use crate::error::{Error, Result};
use crate::metrics::statistics::Summary;

const BEGIN: &str = "<!-- begin: results -->\n";
const END: &str = "<!-- end -->";

/// Returns a document with the tables of all results between its markers.
///
/// # Errors
/// The document lacks the markers.
pub fn fill(document: &str, file: &Path, results: &[Results]) -> Result<String> {
    let parts = document.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        let fix = format!("write {} and {END} where the tables go", BEGIN.trim());
        return Err(Error::malformed(file, "markers", BEGIN.trim(), "none", fix));
    };
    Ok(format!("{before}{BEGIN}{}{END}{after}", adapters(results)))
}

/// Returns one section for each adapter.
pub fn adapters(results: &[Results]) -> String {
    if results.is_empty() {
        return "No results yet.\n".into();
    }
    results.iter().map(adapter).collect::<Vec<_>>().join("\n")
}

fn adapter(r: &Results) -> String {
    let fact = |name: &str| r.adapter[name].as_str().unwrap_or_default().to_owned();
    let (cases, faults) = r.checked();
    let without = if r.without.is_empty() { String::new() } else { format!(", without {}", r.without.join(", ")) };
    let edited = if r.edited_shaders { ", EDITED SHADERS" } else { "" };
    let mut text = format!(
        "### {}\n\n{}, driver {}; path {}, limits of the {}{without}{edited}; qwgpu {} ({}), {}.\n\
         Self-check: {}. {}\n\n{}\n",
        fact("name"),
        fact("backend"),
        fact("driver"),
        r.path,
        r.limits,
        r.qwgpu,
        r.commit,
        r.date,
        if faults == 0 {
            format!("all {cases} cases agree with the reference")
        } else {
            format!("{faults} of {cases} cases FAILED")
        },
        probes(&r.probes, r.clock),
        models(&r.models, Some(&r.probes)),
    );
    for skipped in &r.skipped {
        text += &format!("{} was not measured: {}.\n\n", skipped.model, skipped.reason.trim_end_matches('.'));
    }
    text + &kernels(&r.kernels, &r.probes, false)
}

/// Returns a sentence on the rates of the adapter.
pub fn probes(p: &Probes, clock: Clock) -> String {
    let clock = match (clock, p.copy.elapsed.cpu_seconds) {
        (_, Some(_)) => "wall clock; shares and speed-ups by CPU time over all threads",
        (Clock::Timestamps, None) => "timestamps of the device",
        (Clock::Wall, None) => "wall clock",
    };
    let rate = |probe: &Probe, unit: &str| {
        let per_cpu = |s| format!(" ({} per CPU second)", figure(probe.amount as f64 / s / 1e9));
        let cpu = probe.elapsed.cpu_seconds.map(per_cpu).unwrap_or_default();
        format!("{} {unit}{cpu}", figure(probe.per_second() / 1e9))
    };
    format!("Copy: {}; multiply-add: {}. Clock: {clock}.", rate(&p.copy, "GB/s"), rate(&p.fma, "GFLOP/s"))
}

/// Returns one line for each model, with shares of what the adapter's `probes` reach, and the predicted speeds where
/// there are some.
pub fn models(models: &[ModelResult], probes: Option<&Probes>) -> String {
    let predicted = models.iter().any(|m| m.predicted.is_some());
    let [title, rule] = if predicted { [" predicted: prefill, decode |", "--:|"] } else { [""; 2] };
    let mut text = format!(
        "| model | prompt + new | prefill tokens/s | decode tokens/s | CPU ms a token, prefill, decode | of fma rate, prefill | of copy bandwidth, decode | weights, cache, scratch | first token, cold |{title}\n|---|--:|--:|--:|--:|--:|--:|--:|--:|{rule}\n",
    );
    for m in models {
        let cpu = |s: &PhaseSpeed| s.cpu_ms_per_token.map_or("-".into(), figure);
        text += &format!(
            "| {} | {} + {} | {} | {} | {}, {} | {} | {} | {}, {}, {} | {:.1} s |{}\n",
            m.model,
            m.prompt,
            m.generated,
            range(&m.prefill),
            range(&m.decode),
            cpu(&m.prefill),
            cpu(&m.decode),
            percent(probes.map(|p| p.fma.share(m.prefill.flops_per_token, m.prefill.per_token()))),
            percent(probes.map(|p| p.copy.share(m.decode.bytes_per_token, m.decode.per_token()))),
            bytes(m.weight_bytes as f64),
            bytes(m.cache_bytes as f64),
            bytes(m.scratch_bytes as f64),
            m.cold_first_token_s,
            m.predicted.as_ref().map_or(String::new(), |p| {
                format!(" {}, {} |", figure(p.prefill_tokens_per_s), figure(p.decode_tokens_per_s))
            }),
        );
    }
    text
}

fn range(speed: &PhaseSpeed) -> String {
    let Some(s) = Summary::new(&speed.tokens_per_s) else { return "-".into() };
    let unsteady = s.cv.filter(|_| !s.steady()).map(|cv| format!(", unsteady: cv {:.0} %", cv * 100.0));
    format!("{} ({} to {}{})", figure(s.median), figure(s.min), figure(s.max), unsteady.unwrap_or_default())
}

/// Returns one line for each case, of the variant that plans run; with `all` one for each variant.
pub fn kernels(rows: &[KernelTiming], probes: &Probes, all: bool) -> String {
    let predicted = rows.iter().any(|row| row.predicted_s.is_some());
    let [title, rule] = if predicted { [" predicted µs |", "--:|"] } else { [""; 2] };
    let mut text = format!(
        "| kernel, case | variant | µs | GB/s | GFLOP/s | of copy | of fma | against portable |{title}\n|---|---|--:|--:|--:|--:|--:|--:|{rule}\n",
    );
    for row in rows {
        let name = format!("{} {}", row.kernel, row.case);
        let mark = if row.chosen && all { " (runs)" } else { "" };
        match (&row.time, &row.reason) {
            (Some(t), _) if all || row.chosen => {
                let (bytes, flops) = (row.bytes as f64, row.flops as f64);
                let rate = |amount: f64| figure(amount / t.best.seconds / 1e9);
                let computes = row.flops > 0;
                text += &format!(
                    "| {name} | {}{mark} | {} | {} | {} | {} | {} | {} x |{}\n",
                    row.variant,
                    figure(t.best.seconds * 1e6),
                    rate(bytes),
                    if computes { rate(flops) } else { "-".into() },
                    percent(Some(probes.copy.share(bytes, t.best))),
                    percent(computes.then(|| probes.fma.share(flops, t.best))),
                    figure(t.speedup),
                    row.predicted_s.map_or(String::new(), |s| format!(" {} |", figure(s * 1e6))),
                );
            }
            (None, Some(reason)) if all => text += &format!("| {name} | {} | {reason} |\n", row.variant),
            _ => {}
        }
    }
    text
}

/// Returns three significant digits.
pub fn figure(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |s| if s < 0.1 { format!("{:.1} %", s * 100.0) } else { format!("{:.0} %", s * 100.0) })
}

/// Returns bytes in powers of a thousand, as bandwidths are given.
pub fn bytes(value: f64) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let (unit, name) = units.into_iter().find(|(unit, _)| value >= *unit).unwrap_or((1.0, "B"));
    format!("{} {name}", figure(value / unit))
}
