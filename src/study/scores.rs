//! From an evaluation to the scores of a report.

use crate::eval::measure::{MetricValue, ScoredSample, SubsetResult, group_number, item_number};
use crate::eval::requests::TaskRequests;
use crate::report::data::Score;
use crate::tasks::{Aggregation, Metric};

/// Returns the scores of a task: of the whole, then of each set where there are several. `samples` gives the file of a set's
/// samples, as the report links it, and of no set the file that sums up all.
pub fn scores(
    task: &TaskRequests,
    sets: &[SubsetResult],
    digest: &str,
    samples: impl Fn(Option<&str>) -> String,
) -> Vec<Score> {
    let title = task.task.title;
    let title = task.name.split_once(':').map_or(title.to_owned(), |(_, part)| format!("{title}: {part}"));
    let mut groups: Vec<(Option<&str>, Vec<&SubsetResult>)> = vec![(None, sets.iter().collect())];
    if sets.len() > 1 {
        groups.extend(sets.iter().map(|set| (Some(set.set.name.as_str()), vec![set])));
    }
    let mut scores = Vec::new();
    for (name, sets) in &groups {
        let count = |of: fn(&SubsetResult) -> usize| sets.iter().map(|set| of(set) as u64).sum();
        for metric in task.profile.metrics {
            let number = if name.is_some() { sets[0].number(metric) } else { group_number(metric, sets) };
            let Some(MetricValue { value: Some(value), standard_error, documents, .. }) = number else { continue };
            let items = items(metric, sets);
            scores.push(Score {
                task: title.clone(),
                set: name.map(str::to_owned),
                metric: match metric.filter {
                    "none" => metric.name.to_owned(),
                    filter => format!("{}, {filter}", metric.name),
                },
                primary: metric.primary && name.is_none(),
                profile: task.profile.name.to_owned(),
                shots: task.shots as u64,
                documents: if items.is_empty() { documents } else { items.len() } as u64,
                value,
                stderr: standard_error,
                chance: metric.chance,
                scale: metric.scale,
                higher_is_better: metric.higher_is_better,
                // Subjects are many; their items stand in their samples.
                items: if name.is_some() { Vec::new() } else { items },
                digest: digest.to_owned(),
                samples: Some(samples(if let [set] = sets[..] { Some(&set.set.name) } else { None })),
                ties: count(|set| set.ties()),
                errors: count(|set| set.errors()),
                truncated: count(|set| set.truncated()),
            });
        }
    }
    scores
}

/// Returns the value of each document in a mean over all documents; None where the document has an error.
fn items(metric: &Metric, sets: &[&SubsetResult]) -> Vec<Option<f64>> {
    if matches!(metric.aggregation, Aggregation::Corpus(_)) {
        return Vec::new();
    }
    let value = |sample: &ScoredSample| {
        let Ok(outcomes) = &sample.outcomes else { return Some(None) };
        let mut items = outcomes.iter().filter(|outcome| outcome.filter == metric.filter).flat_map(|o| &o.items);
        items.find(|(name, _)| *name == metric.name).and_then(|(_, item)| item_number(item)).map(Some)
    };
    // A metric of some documents only is not paired document by document.
    sets.iter().flat_map(|set| &set.samples).map(value).collect::<Option<_>>().unwrap_or_default()
}
