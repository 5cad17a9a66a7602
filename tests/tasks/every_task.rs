//! What holds of every task in the list, on the bundled data.

use qwgpu::tasks::{Answer, Ask, TASKS};

use crate::files::{copy_folder, fixture};
use crate::prompts::choices;

/// Every item of a document belongs to a metric of the profile, every metric gets an item, and one of them is primary.
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
            assert_eq!(profile.metrics.iter().filter(|metric| metric.primary).count(), 1, "{what}");
            let mut missing: Vec<_> = profile.metrics.iter().map(|metric| (metric.name, metric.filter)).collect();
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
                        missing.retain(|metric| *metric != (name, outcome.filter));
                    }
                }
            }
            assert!(missing.is_empty(), "{what}: no document has {missing:?}");
        }
    }
}
