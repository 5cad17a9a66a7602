//! What holds of every task in the list, on the bundled data.

use qwgpu::tasks::{Answer, Ask, TASKS};

use crate::files::{copy_folder, fixture};
use crate::prompts::choices;

/// Every item of a document belongs to a metric of the profile, every metric gets an item, and a filter has
/// at most one primary metric.
#[test]
fn items_are_those_of_the_metrics() {
    let data = tempfile::tempdir().unwrap();
    copy_folder(&fixture("tiny-data"), data.path());
    // Only English prompts are bundled.
    copy_folder(&fixture("tiny-data/followbench/data"), &data.path().join("followbench/data_zh"));
    // spBLEU is a metric only where this file is.
    let pieces = data.path().join("flores200/flores200_sacrebleu_tokenizer_spm.model");
    std::fs::copy(fixture("metrics/pieces.model"), pieces).unwrap();
    for task in TASKS {
        let sets = (task.read)(data.path()).unwrap();
        for profile in task.profiles {
            let what = format!("{} {}", task.name, profile.name);
            // One for each filter: FLORES has a filter for each language, of which a set has one.
            let primary = |filter| profile.metrics.iter().filter(|m| m.primary && m.filter == filter).count();
            assert!(profile.metrics.iter().any(|metric| metric.primary), "{what}");
            assert!(profile.metrics.iter().all(|metric| primary(metric.filter) <= 1), "{what}");
            let mut missing: Vec<&str> = profile.metrics.iter().map(|metric| metric.name).collect();
            for (set, document) in sets.iter().flat_map(|set| set.documents.iter().map(move |one| (set, one))) {
                let answers = match (profile.prompt)(set, document).ask {
                    Ask::Choices(all) => choices(&vec![-1.0; all.len()]),
                    Ask::Reply { .. } => vec![Answer::Reply("A".to_owned())],
                };
                for outcome in (profile.score)(set, document, &answers).unwrap() {
                    for (name, _) in outcome.items {
                        let of_metrics =
                            profile.metrics.iter().filter(|m| (m.name, m.filter) == (name, outcome.filter));
                        assert_eq!(of_metrics.count(), 1, "{what}: {name},{}", outcome.filter);
                        missing.retain(|metric| *metric != name);
                    }
                }
            }
            assert!(missing.is_empty(), "{what}: no document has {missing:?}");
        }
    }
}
