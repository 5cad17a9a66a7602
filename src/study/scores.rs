//! From an evaluation to the scores of a report.

use crate::eval::measure::{MetricValue, SetResult, group_number, item_number};
use crate::eval::requests::TaskRequests;
use crate::report::data::Score;
use crate::tasks::{Aggregation, Item, Metric};

/// Returns the scores of a task: of the whole, then of each set where there are several. `samples` gives the file of a set's
/// samples, as the report links it, and of no set the file that sums up all.
pub fn scores(
    task: &TaskRequests,
    sets: &[SetResult],
    digest: &str,
    samples: impl Fn(Option<&str>) -> String,
) -> Vec<Score> {
    let mut scores = Vec::new();
    let all: Vec<&SetResult> = sets.iter().collect();
    for metric in task.profile.metrics {
        let Some(number) = group_number(metric, &all) else { continue };
        let file = samples(sets.first().filter(|_| sets.len() == 1).map(|set| set.set.name.as_str()));
        scores.extend(score(task, metric, None, &number, &all, digest, Some(file)));
    }
    if sets.len() > 1 {
        for (set, metric) in sets.iter().flat_map(|set| task.profile.metrics.iter().map(move |metric| (set, metric))) {
            let Some(number) = set.number(metric) else { continue };
            let name = &set.set.name;
            let file = Some(samples(Some(name)));
            // Subjects are many; their items stand in their samples.
            let one = score(task, metric, Some(name.clone()), &number, &[set], digest, file);
            scores.extend(one.map(|score| Score { items: Vec::new(), primary: false, ..score }));
        }
    }
    scores
}

fn score(
    task: &TaskRequests,
    metric: &Metric,
    set: Option<String>,
    number: &MetricValue,
    sets: &[&SetResult],
    digest: &str,
    samples: Option<String>,
) -> Option<Score> {
    let name =
        if metric.filter == "none" { metric.name.to_owned() } else { format!("{}, {}", metric.name, metric.filter) };
    let count = |of: &dyn Fn(&SetResult) -> usize| sets.iter().map(|set| of(set) as u64).sum();
    let items = items(metric, sets);
    Some(Score {
        task: match task.name.split_once(':') {
            Some((_, part)) => format!("{}: {part}", task.task.title),
            None => task.task.title.to_owned(),
        },
        set,
        metric: name,
        primary: metric.primary,
        profile: task.profile.name.to_owned(),
        shots: task.shots as u64,
        documents: if items.is_empty() { number.documents as u64 } else { items.len() as u64 },
        value: number.value?,
        stderr: number.standard_error,
        chance: metric.chance,
        scale: metric.scale,
        higher_is_better: metric.higher_is_better,
        items,
        digest: digest.to_owned(),
        samples,
        ties: count(&|set| set.ties()),
        errors: count(&|set| set.errors()),
        truncated: count(&|set| set.truncated()),
    })
}

/// Returns the value of each document in a mean over all documents; None where the document has an error.
fn items(metric: &Metric, sets: &[&SetResult]) -> Vec<Option<f64>> {
    if matches!(metric.aggregation, Aggregation::Corpus(_)) {
        return Vec::new();
    }
    let mut items = Vec::new();
    for sample in sets.iter().flat_map(|set| &set.samples) {
        let Ok(outcomes) = &sample.outcomes else {
            items.push(None);
            continue;
        };
        let mut of_metric = outcomes.iter().filter(|outcome| outcome.filter == metric.filter).flat_map(|o| &o.items);
        let item: Option<&Item> = of_metric.find(|item| item.0 == metric.name).map(|item| &item.1);
        match item.and_then(item_number) {
            Some(value) => items.push(Some(value)),
            // A metric of some documents only is not paired document by document.
            None => return Vec::new(),
        }
    }
    items
}
