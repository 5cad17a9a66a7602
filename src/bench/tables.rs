//! The tables of docs/PERFORMANCE.md, and what the commands print.

use super::kernels::Row;
use super::models::{Measured, Speed};
use super::report::Report;
use super::{Clock, Probes, count};
use crate::error::{Error, Result};
use crate::model::Config;

/// Above this coefficient of variation a speed is marked as unsteady.
const STEADY: f64 = 0.05;

/// Replaces what stands between `<!-- begin: name -->` and the next `<!-- end -->`.
///
/// # Errors
/// A document without these markers.
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

/// The whole document with both its generated parts.
pub fn document(old: &str, file: &std::path::Path, reports: &[Report]) -> Result<String> {
    let filled = fill(old, file, "counts", &counts()?)?;
    fill(&filled, file, "results", &results(reports))
}

/// What models of published shapes read and compute, by counting.
pub fn counts() -> Result<String> {
    let mut text = String::from(
        "| model, bf16 | weights | cache per token | decode reads | decode computes | prefill computes | decode limit at 100 GB/s | prefill limit at 1 TFLOP/s |\n|---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for name in ["qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-7b", "qwen2.5-72b"] {
        let config = Config::published(name).expect("a published shape");
        let c = count::shape(&config, 512, 128, 512)?;
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

/// One section an adapter.
pub fn results(reports: &[Report]) -> String {
    if reports.is_empty() {
        return "No results yet.\n".into();
    }
    reports.iter().map(adapter).collect::<Vec<_>>().join("\n")
}

fn adapter(r: &Report) -> String {
    let fact = |name: &str| r.adapter[name].as_str().unwrap_or_default().to_owned();
    let (cases, faults) = r.checked();
    let commit = r.commit.as_ref().map(|c| format!(" ({c})")).unwrap_or_default();
    let without = if r.without.is_empty() { String::new() } else { format!(", without {}", r.without.join(", ")) };
    let edited = if r.edited_shaders { ", EDITED SHADERS" } else { "" };
    let mut text = format!(
        "### {}\n\n{}, driver {}; path {}, limits of the {}{without}{edited}; qwgpu {}{commit}, {}.\n\
         Self-check: {}. {}\n\n{}\n",
        fact("name"),
        fact("backend"),
        fact("driver"),
        r.path,
        r.limits,
        r.qwgpu,
        r.date,
        if faults == 0 {
            format!("all {cases} cases agree with the reference")
        } else {
            format!("{faults} of {cases} cases FAILED")
        },
        probes(&r.probes, r.clock),
        models(&r.models),
    );
    for skipped in &r.skipped {
        text += &format!("{} was not measured: {}.\n\n", skipped.model, skipped.reason.trim_end_matches('.'));
    }
    text + &kernels(&r.kernels, false)
}

/// What the probes found.
pub fn probes(p: &Probes, clock: Clock) -> String {
    let clock = match (clock, p.copy.cpu_seconds) {
        (_, Some(_)) => "wall clock; shares and speed-ups by CPU time over all threads",
        (Clock::Timestamps, None) => "timestamps of the device",
        (Clock::Wall, None) => "wall clock",
    };
    let cpu = |amount: u64, took: super::Took| {
        let per_cpu = |s| format!(" ({} per CPU second)", figure(amount as f64 / s / 1e9));
        took.cpu_seconds.map(per_cpu).unwrap_or_default()
    };
    format!(
        "Copy: {} GB/s{}; multiply-add: {} GFLOP/s{}. Clock: {clock}.",
        figure(p.bandwidth() / 1e9),
        cpu(p.copy_bytes, p.copy),
        figure(p.flops() / 1e9),
        cpu(p.fma_flops, p.fma),
    )
}

/// One line a model.
pub fn models(models: &[Measured]) -> String {
    let mut text = String::from(
        "| model | prompt + new | prefill tokens/s | decode tokens/s | CPU ms a token, prefill, decode | of fma rate, prefill | of copy bandwidth, decode | weights, cache, scratch | first token, cold |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for m in models {
        let cpu = |s: &Speed| s.cpu_ms_per_token.map_or("-".into(), figure);
        text += &format!(
            "| {} | {} + {} | {} | {} | {}, {} | {} | {} | {}, {}, {} | {:.1} s |\n",
            m.model,
            m.prompt,
            m.generated,
            spread(&m.prefill),
            spread(&m.decode),
            cpu(&m.prefill),
            cpu(&m.decode),
            percent(m.prefill.share_of_fma),
            percent(m.decode.share_of_copy),
            bytes(m.weight_bytes as f64),
            bytes(m.cache_bytes as f64),
            bytes(m.scratch_bytes as f64),
            m.cold_first_token_s,
        );
    }
    text
}

fn spread(speed: &Speed) -> String {
    let s = speed.tokens_per_s;
    let unsteady = if s.cv > STEADY { format!(", unsteady: cv {:.0} %", s.cv * 100.0) } else { String::new() };
    format!("{} ({} to {}{unsteady})", figure(s.median), figure(s.min), figure(s.max))
}

/// One line a variant; with `all` also those that could not run.
pub fn kernels(rows: &[Row], all: bool) -> String {
    let mut text = String::from(
        "| kernel, case | variant | µs | GB/s | GFLOP/s | of copy | of fma | against portable |\n|---|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let name = format!("{} {}", row.kernel, row.case);
        let mark = if row.chosen { " (runs)" } else { "" };
        match (&row.timed, &row.reason) {
            (Some(t), _) => {
                let rate = |amount: u64| figure(amount as f64 / t.took.seconds / 1e9);
                text += &format!(
                    "| {name} | {}{mark} | {} | {} | {} | {} | {} | {} x |\n",
                    row.variant,
                    figure(t.took.seconds * 1e6),
                    rate(row.bytes),
                    if row.flops > 0 { rate(row.flops) } else { "-".into() },
                    percent(t.share_of_copy),
                    percent(t.share_of_fma),
                    figure(t.speedup),
                );
            }
            (None, Some(reason)) if all => text += &format!("| {name} | {} | {reason} |\n", row.variant),
            (None, _) => {}
        }
    }
    text
}

/// Three significant digits.
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

/// Bytes in powers of a thousand, as bandwidths are given.
fn bytes(value: f64) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let (unit, name) = units.into_iter().find(|(unit, _)| value >= *unit).unwrap_or((1.0, "B"));
    format!("{} {name}", figure(value / unit))
}

/// A table of `|` lines with its columns aligned, for a terminal.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_between_markers_is_replaced() {
        let file = std::path::Path::new("x.md");
        let old = "a\n<!-- begin: t -->\nold\n<!-- end -->\nb <!-- end -->";
        assert_eq!(fill(old, file, "t", "new\n").unwrap(), "a\n<!-- begin: t -->\nnew\n<!-- end -->\nb <!-- end -->");
        assert!(fill(old, file, "u", "").is_err());
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(["1235", "12.3", "1.20", "0.012"], [1234.6, 12.34, 1.2, 0.0123].map(figure));
        assert_eq!((bytes(988e6), bytes(12_288.0), bytes(7.0)), ("988 MB".into(), "12.3 kB".into(), "7.00 B".into()));
        assert_eq!(aligned("| a | b |\n|---|--:|\n| long | 1 |\n"), "a     b\nlong  1\n");
    }
}
