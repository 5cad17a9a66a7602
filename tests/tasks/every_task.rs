//! What holds of every task in the list, on the bundled data.

use std::path::Path;

use qwgpu::tasks::{OutputType, Profile, Response, Subset, TASKS, Task};

use crate::errors::assert_says;
use crate::files::{copy_folder, fixture};
use crate::prompts::choices;

/// Returns a folder with data of every task: those of the bundled model, and of other tasks those that their prompts
/// are tested on.
fn data() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    for folder in ["tasks/choice/data", "tasks/reply/data", "tiny-data"] {
        copy_folder(&fixture(folder), data.path());
    }
    // Only English prompts are bundled.
    copy_folder(&fixture("tiny-data/followbench/data"), &data.path().join("followbench/data_zh"));
    // spBLEU is a metric only where this file is.
    let pieces = data.path().join("flores200/flores200_sacrebleu_tokenizer_spm.model");
    std::fs::copy(fixture("metrics/pieces.model"), pieces).unwrap();
    data
}

/// Calls `check` with each profile of each task, and the task's sets.
fn each_profile(check: impl Fn(&str, &Profile, &[Subset])) {
    let data = data();
    for task in TASKS {
        let sets = (task.read)(data.path()).unwrap();
        assert!(sets.iter().all(|set| !set.documents.is_empty() && !set.files.is_empty()), "{}", task.name);
        task.profiles.iter().for_each(|profile| check(&format!("{} {}", task.name, profile.name), profile, &sets));
    }
}

/// Every item of a document belongs to a metric of the profile, every metric gets an item, and a filter has
/// at most one primary metric.
#[test]
fn items_are_those_of_the_metrics() {
    each_profile(|what, profile, sets| {
        // One for each filter: FLORES has a filter for each language, of which a set has one.
        let primary = |filter| profile.metrics.iter().filter(|m| m.primary && m.filter == filter).count();
        assert!(profile.metrics.iter().any(|metric| metric.primary), "{what}");
        assert!(profile.metrics.iter().all(|metric| primary(metric.filter) <= 1), "{what}");
        let mut missing: Vec<&str> = profile.metrics.iter().map(|metric| metric.name).collect();
        for (set, document) in sets.iter().flat_map(|set| set.documents.iter().map(move |one| (set, one))) {
            let answers = match (profile.prompt)(set, document).output {
                OutputType::Choices(all) => choices(&vec![-1.0; all.len()]),
                OutputType::Reply { .. } => vec![Response::Reply("A".to_owned())],
            };
            for outcome in (profile.score)(set, document, &answers).unwrap() {
                for (name, _) in outcome.items {
                    let of_metrics = profile.metrics.iter().filter(|m| (m.name, m.filter) == (name, outcome.filter));
                    assert_eq!(of_metrics.count(), 1, "{what}: {name},{}", outcome.filter);
                    missing.retain(|metric| *metric != name);
                }
            }
        }
        assert!(missing.is_empty(), "{what}: no document has {missing:?}");
    });
}

/// A model whose log-probabilities are not numbers would be right wherever the first choice is; answers of another kind
/// have no worth either.
#[test]
fn answers_that_are_none_are_errors() {
    each_profile(|what, profile, sets| {
        let (set, document) = (&sets[0], &sets[0].documents[0]);
        let fails = |answers: &[Response], why: &str| {
            assert_says((profile.score)(set, document, answers).expect_err(what), &[why]);
        };
        match (profile.prompt)(set, document).output {
            OutputType::Choices(all) => {
                fails(&choices(&vec![f64::NAN; all.len()]), "NaN");
                fails(&choices(&vec![-1.0; all.len() - 1]), &format!("expected {} log-likelihoods", all.len()));
            }
            OutputType::Reply { .. } => fails(&choices(&[-1.0]), "repl"),
        }
    });
}

#[test]
fn missing_data_are_named() {
    for task in TASKS {
        let error = (task.read)(Path::new("nowhere")).err().unwrap_or_else(|| panic!("{} reads", task.name));
        assert_says(error, &["nowhere", task.name.split('_').next().unwrap(), "no such file"]);
    }
}

/// Names and profiles are found by name.
#[test]
fn names_are_unique() {
    let all = |names: Vec<&str>| {
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "{names:?}");
    };
    all(TASKS.iter().map(|task: &&Task| task.name).collect());
    TASKS.iter().for_each(|task| all(task.profiles.iter().map(|profile| profile.name).collect()));
}

/// The first column of the README's table of tasks.
#[test]
fn the_readme_lists_all_tasks() {
    let readme = include_str!("../../README.md");
    let (_, table) = readme.split_once("\n| task |").expect("a table of tasks");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut listed: Vec<&str> = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(',').map(str::trim)).collect();
    let mut known: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);
}

/// The table of tasks in docs/EVALUATION.md names each profile with its number of few-shot examples.
#[test]
fn the_manual_lists_all_profiles() {
    let manual = include_str!("../../docs/EVALUATION.md");
    for task in TASKS {
        let profiles: Vec<String> = task.profiles.iter().map(|one| format!("{} {}", one.name, one.shots)).collect();
        let row = format!("\n| {} | {} |", task.name, profiles.join(", "));
        assert!(manual.contains(&row), "docs/EVALUATION.md has no row `{}`", row.trim());
    }
}
