//! Prompts and results of an evaluation as people read them.

use serde_json::Value;

use super::output::columns;
use crate::eval::EvalRun;
use crate::eval::requests::TaskRequests;

/// Formats the first prompt of each set.
pub(super) fn prompts(tasks: &[TaskRequests]) -> String {
    let mut text = String::new();
    for (task, set) in tasks.iter().flat_map(|task| task.sets.iter().map(move |set| (task, set))) {
        let Some(first) = set.requests.first() else { continue };
        text += &format!(
            "=== {} ({}, {} shots, {} documents)\n{}",
            set.set.name,
            task.profile.name,
            task.shots,
            set.requests.len(),
            first.context
        );
        text += "⏎\n";
        for continuation in &first.continuations {
            text += &format!("  choice {continuation:?}\n");
        }
    }
    text
}

/// Formats the results as a table.
pub(super) fn table(run: &EvalRun, results: &Value) -> String {
    let mut rows = vec![["task", "profile", "shots", "n", "metric", "value", "stderr", "chance"].map(str::to_owned)];
    let mut notes = String::new();
    for (task, sets) in &run.tasks {
        let names = results["results"].as_object().into_iter().flatten().map(|(name, _)| name);
        let of_task = |name: &&String| {
            let group = format!("{}_", task.task.name);
            (**name == task.name && sets.len() > 1)
                || (results["groups"].get(name.as_str()).is_some() && name.starts_with(&group))
        };
        let groups: Vec<&String> = names.filter(of_task).collect();
        let single: Vec<&String> = sets.iter().map(|set| &set.set.name).collect();
        for name in if groups.is_empty() || sets.len() <= 3 { [groups, single].concat() } else { groups } {
            let entry = &results["results"][name];
            for metric in task.profile.metrics {
                let number = |kind: &str| entry[format!("{}{kind},{}", metric.name, metric.filter)].as_f64();
                let Some(value) = number("") else { continue };
                let label = match metric.filter {
                    "none" => metric.name.to_owned(),
                    filter => format!("{} ({filter})", metric.name),
                };
                let shown = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
                rows.push([
                    entry["alias"].as_str().unwrap_or(name).to_owned(),
                    task.profile.name.to_owned(),
                    task.shots.to_string(),
                    entry["sample_len"].to_string(),
                    label,
                    shown(Some(value)),
                    shown(number("_stderr")),
                    shown(metric.chance),
                ]);
            }
        }
        for set in sets {
            let name = &set.set.name;
            for (count, what) in [
                (set.errors(), "documents have no score; see `error` in the samples"),
                (set.missing, "documents were not asked"),
                (set.truncated(), "prompts were cut at their beginning; give a larger --context"),
            ] {
                if count > 0 {
                    notes += &format!("{name}: {count} {what}\n");
                }
            }
        }
    }
    columns(&rows) + &notes
}
