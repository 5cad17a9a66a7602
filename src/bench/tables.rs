//! The tables of docs/PERFORMANCE.md, and what the commands print.

use super::kernels::KernelTiming;
use super::models::{ModelResult, PhaseSpeed};
use super::results::Results;
use super::{Clock, Elapsed, Probes, work};
use crate::error::{Error, Result};
use crate::model::Config;

/// Above this coefficient of variation a speed is marked as unsteady.
const STEADY: f64 = 0.05;

/// Replaces the text between `<!-- begin: name -->` and the next `<!-- end -->`.
///
/// # Errors
/// The document lacks the markers.
pub fn fill(document: &str, file: &std::path::Path, name: &str, text: &str) -> Result<String> {
    let begin = format!("<!-- begin: {name} -->\n");
    let parts = document.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once("<!-- end -->")?;
        Some((before, after))
    });
    let Some((before, after)) = parts else {
        return Err(Error::malformed(file, format!("marker {name}"), begin.trim(), "none", "put the markers back"));
    };
    Ok(format!("{before}{begin}{text}<!-- end -->{after}"))
}

/// Returns the document with both generated parts written again.
///
/// # Errors
/// A marker is missing.
pub fn document(old: &str, file: &std::path::Path, results: &[Results]) -> Result<String> {
    let filled = fill(old, file, "counts", &counts()?)?;
    fill(&filled, file, "results", &adapters(results))
}

/// Returns the table of what models of published shapes read and compute, by counting.
pub fn counts() -> Result<String> {
    let mut text = String::from(
        "| model, bf16 | weights | cache per token | decode reads | decode computes | prefill computes | decode limit at 100 GB/s | prefill limit at 1 TFLOP/s |\n|---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for name in ["qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-7b", "qwen2.5-72b"] {
        let config = Config::published(name).expect("a published shape");
        let c = work::shape(&config, 512, 128, 512)?;
        text += &format!(
            "| {name} | {} | {} | {} | {:.2} GFLOP | {:.2} GFLOP | {} tokens/s | {} tokens/s |\n",
            bytes(c.weight_bytes as f64),
            bytes(c.cache_bytes_per_token as f64),
            bytes(c.decode.bytes),
            c.decode.flops / 1e9,
            c.prefill.flops / 1e9,
            figure(1e11 / c.decode.bytes),
            figure(1e12 / c.prefill.flops),
        );
    }
    Ok(text)
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
    let clock = match (clock, p.copy.cpu_seconds) {
        (_, Some(_)) => "wall clock; shares and speed-ups by CPU time over all threads",
        (Clock::Timestamps, None) => "timestamps of the device",
        (Clock::Wall, None) => "wall clock",
    };
    let cpu = |amount: u64, elapsed: Elapsed| {
        let per_cpu = |s| format!(" ({} per CPU second)", figure(amount as f64 / s / 1e9));
        elapsed.cpu_seconds.map(per_cpu).unwrap_or_default()
    };
    format!(
        "Copy: {} GB/s{}; multiply-add: {} GFLOP/s{}. Clock: {clock}.",
        figure(p.bandwidth() / 1e9),
        cpu(p.copy_bytes, p.copy),
        figure(p.flops() / 1e9),
        cpu(p.fma_flops, p.fma),
    )
}

/// Returns one line for each model, with shares of what the adapter's `probes` reach.
pub fn models(models: &[ModelResult], probes: Option<&Probes>) -> String {
    let mut text = String::from(
        "| model | prompt + new | prefill tokens/s | decode tokens/s | CPU ms a token, prefill, decode | of fma rate, prefill | of copy bandwidth, decode | weights, cache, scratch | first token, cold |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for m in models {
        let cpu = |s: &PhaseSpeed| s.cpu_ms_per_token.map_or("-".into(), figure);
        text += &format!(
            "| {} | {} + {} | {} | {} | {}, {} | {} | {} | {}, {}, {} | {:.1} s |\n",
            m.model,
            m.prompt,
            m.generated,
            range(&m.prefill),
            range(&m.decode),
            cpu(&m.prefill),
            cpu(&m.decode),
            percent(probes.map(|p| p.share_of_fma(m.prefill.flops_per_token, m.prefill.per_token()))),
            percent(probes.map(|p| p.share_of_copy(m.decode.bytes_per_token, m.decode.per_token()))),
            bytes(m.weight_bytes as f64),
            bytes(m.cache_bytes as f64),
            bytes(m.scratch_bytes as f64),
            m.cold_first_token_s,
        );
    }
    text
}

fn range(speed: &PhaseSpeed) -> String {
    let s = speed.tokens_per_s;
    let unsteady = if s.cv > STEADY { format!(", unsteady: cv {:.0} %", s.cv * 100.0) } else { String::new() };
    format!("{} ({} to {}{unsteady})", figure(s.median), figure(s.min), figure(s.max))
}

/// Returns one line for each case, of the variant that plans run; with `all` one for each variant.
pub fn kernels(rows: &[KernelTiming], probes: &Probes, all: bool) -> String {
    let mut text = String::from(
        "| kernel, case | variant | µs | GB/s | GFLOP/s | of copy | of fma | against portable |\n|---|---|--:|--:|--:|--:|--:|--:|\n",
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
                    "| {name} | {}{mark} | {} | {} | {} | {} | {} | {} x |\n",
                    row.variant,
                    figure(t.best.seconds * 1e6),
                    rate(bytes),
                    if computes { rate(flops) } else { "-".into() },
                    percent(Some(probes.share_of_copy(bytes, t.best))),
                    percent(computes.then(|| probes.share_of_fma(flops, t.best))),
                    figure(t.speedup),
                );
            }
            (None, Some(reason)) if all => text += &format!("| {name} | {} | {reason} |\n", row.variant),
            _ => {}
        }
    }
    text
}

/// Returns three significant digits.
fn figure(value: f64) -> String {
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
fn bytes(value: f64) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let (unit, name) = units.into_iter().find(|(unit, _)| value >= *unit).unwrap_or((1.0, "B"));
    format!("{} {name}", figure(value / unit))
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

#[test]
fn figures_have_three_digits() {
    assert_eq!(["1235", "12.3", "1.20", "0.012"], [1234.6, 12.34, 1.2, 0.0123].map(figure));
    assert_eq!((bytes(988e6), bytes(12_288.0), bytes(7.0)), ("988 MB".into(), "12.3 kB".into(), "7.00 B".into()));
}
