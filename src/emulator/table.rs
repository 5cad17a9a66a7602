//! Counters for readers: of all kernels as a table in Markdown, of one beside the lines of its shader.

use std::collections::BTreeMap;

use super::lab::{ShaderProfile, profile_case};
use crate::error::Result;
use crate::formats;
use crate::plan::{Case, Kernel, Trial};

/// Most bytes that a case of the table moves, so that all of them take seconds.
const MOST_BYTES: u64 = 64 << 10;

/// Returns the largest small case that moves at most [`MOST_BYTES`], else the first one.
fn case(kernel: &'static Kernel) -> &'static Case {
    let bytes = |case: &Case| Trial::new(case).0.plan.steps.iter().map(|step| step.bytes).sum::<u64>();
    let small = kernel.cases.iter().filter(|case| !case.bench);
    let sized = small.clone().map(|case| (bytes(case), case)).filter(|(bytes, _)| *bytes <= MOST_BYTES);
    let largest = sized.max_by_key(|(bytes, _)| *bytes).map(|(_, case)| case);
    largest.or(small.clone().next()).unwrap_or(&kernel.cases[0])
}

/// Counts a small case of each variant of each kernel with subgroups of 32, a row for each.
///
/// # Errors
/// A shader does not compile.
pub fn counters_table() -> Result<String> {
    let titles = "| kernel | variant | case | instructions | per output | requests | lines | fewest | moved | needed \
                  | banks | barriers | chain | waits | idle |\n|---|---|---|";
    let mut text = format!("{titles}{}\n", "--:|".repeat(12));
    for kernel in formats::kernels() {
        let case = case(kernel);
        for variant in kernel.variants {
            let Some(p) = profile_case(kernel, variant, case, 32)? else { continue };
            let ShaderProfile { requests, lines, fewest_lines, bytes_moved, bytes_needed, .. } = p;
            let total: u64 = p.instructions.values().filter_map(serde_json::Value::as_u64).sum();
            text += &format!(
                "| {} | {} | {} | {total} | {:.1} | {requests} | {lines} | {fewest_lines} | {bytes_moved} | {bytes_needed} | {} | {} | {} | {} | {:.0} % |\n",
                p.kernel,
                p.variant,
                p.case,
                p.instructions_per_output,
                p.bank_conflicts,
                p.barriers,
                p.dependent_loads,
                p.waits,
                p.idle_lanes * 100.0
            );
        }
    }
    Ok(text)
}

/// Returns the titles of the most important counters, and a row of them for each profile.
pub fn profile_rows(profiles: &[ShaderProfile]) -> Vec<[String; 12]> {
    let titles = "case|instructions|float|int|requests|lines|fewest|moved|needed|banks|idle|costliest line";
    let titles: Vec<&str> = titles.split('|').collect();
    let mut rows: Vec<[String; 12]> = vec![std::array::from_fn(|column| titles[column].to_owned())];
    for p in profiles {
        let class = |name: &str| p.instructions.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
        let total: u64 = p.instructions.values().filter_map(serde_json::Value::as_u64).sum();
        let costliest = p.costliest.as_ref();
        rows.push([
            format!("{}/{}/{} x{}", p.kernel, p.variant, p.case, p.subgroup),
            total.to_string(),
            class("float").to_string(),
            class("int").to_string(),
            p.requests.to_string(),
            p.lines.to_string(),
            p.fewest_lines.to_string(),
            p.bytes_moved.to_string(),
            p.bytes_needed.to_string(),
            p.bank_conflicts.to_string(),
            format!("{:.0} %", p.idle_lanes * 100.0),
            costliest.map_or_else(String::new, |(file, line, share)| format!("{file}:{line} {:.0} %", share * 100.0)),
        ]);
    }
    rows
}

/// Returns the shader's files with the counts of each line before it.
pub fn annotated(profile: &ShaderProfile) -> String {
    let counts: BTreeMap<(&str, u32), _> = profile.by_line.iter().map(|(f, l, c)| ((f.as_str(), *l), c)).collect();
    let mut text = format!(
        "{}/{}, case {}, subgroups of {}\n{:>12} {:>9} {:>9}\n",
        profile.kernel, profile.variant, profile.case, profile.subgroup, "instructions", "requests", "lines"
    );
    for (file, shader) in &profile.files {
        text += &format!("--- {file}\n");
        for (at, line) in shader.lines().enumerate() {
            let cell = |value: u64| if value == 0 { String::new() } else { value.to_string() };
            let [instructions, requests, lines] = match counts.get(&(file.as_str(), at as u32 + 1)) {
                Some(c) => [c.instructions, c.requests, c.lines].map(cell),
                None => Default::default(),
            };
            text += format!("{instructions:>12} {requests:>9} {lines:>9}  {line}").trim_end();
            text.push('\n');
        }
    }
    text
}
