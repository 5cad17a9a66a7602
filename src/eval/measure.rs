//! From answers to numbers: scores of each document, then of each set, group and task.

use std::collections::HashMap;

use serde_json::Value;

use super::journal::verdict_key;
use super::requests::{Request, SubsetRequests, TaskRequests};
use crate::error::Result;
use crate::metrics::statistics::{bootstrap_standard_error, mean, pooled_standard_error, standard_error};
use crate::tasks::{Aggregation, FilterResult, Item, Metric, Response, Subset};

/// Resamples for the error of a corpus measure, as lm-evaluation-harness has them for BLEU and chrF.
const RESAMPLES: usize = 100;

/// A document with its answers and their scores.
pub struct ScoredSample<'a> {
    pub id: usize,
    pub document: &'a Value,
    pub request: &'a Request,
    pub response: &'a Response,
    /// The scores, or why there are none.
    pub outcomes: Result<Vec<FilterResult>, String>,
}

/// The samples of a set, scored.
pub struct SubsetResult<'a> {
    pub set: &'a Subset,
    pub samples: Vec<ScoredSample<'a>>,
    /// Documents of the run that have no answer yet.
    pub missing: usize,
}

/// A metric's number.
#[derive(Clone, Debug)]
pub struct MetricValue {
    pub name: &'static str,
    pub filter: &'static str,
    /// None where it has no value: no documents, or a judge must be asked first.
    pub value: Option<f64>,
    pub standard_error: Option<f64>,
    /// Documents it is a number of.
    pub documents: usize,
}

/// Scores the documents of `task`, set by set, that have answers in `responses`, and verdicts of `judge` where needed.
pub fn score_task<'a>(
    task: &'a TaskRequests,
    responses: &'a HashMap<String, Response>,
    judge: Option<&str>,
) -> Vec<SubsetResult<'a>> {
    let score_set = |prepared: &'a SubsetRequests| {
        let (set, requests) = (&prepared.set, &prepared.requests);
        let known = requests.iter().enumerate();
        let known = known.filter_map(|(id, request)| Some((id, request, responses.get(&request.key)?)));
        let sample = |(id, request, response): (usize, &'a Request, &'a Response)| {
            let document = &set.documents[id];
            let outcomes = match response {
                Response::Error(why) => Err(why.clone()),
                _ => {
                    let verdict = judge.and_then(|judge| responses.get(&verdict_key(&request.key, judge)));
                    let all: Vec<Response> = [response].into_iter().chain(verdict).cloned().collect();
                    (task.profile.score)(set, document, &all).map_err(|error| error.to_string())
                }
            };
            ScoredSample { id, document, request, response, outcomes }
        };
        let samples: Vec<ScoredSample> = known.map(sample).collect();
        SubsetResult { missing: requests.len() - samples.len(), set, samples }
    };
    task.sets.iter().map(score_set).collect()
}

impl SubsetResult<'_> {
    /// Counts the documents without a score.
    pub fn errors(&self) -> usize {
        self.samples.iter().filter(|sample| sample.outcomes.is_err()).count()
    }

    /// Counts the documents whose beginning was cut off.
    pub fn truncated(&self) -> usize {
        self.samples.iter().filter(|sample| sample.request.truncated).count()
    }

    /// Counts the documents whose best choices are equally likely.
    pub fn ties(&self) -> usize {
        let tied = |sample: &&ScoredSample| match sample.response {
            Response::Choices(sums) => {
                let best = sums.iter().map(|sum| sum.0).fold(f64::NEG_INFINITY, f64::max);
                sums.iter().filter(|sum| sum.0 == best).count() > 1
            }
            _ => false,
        };
        self.samples.iter().filter(tied).count()
    }

    /// Returns the prompts that a judge must still be asked, with their documents.
    pub fn judge_requests(&self) -> Vec<(&ScoredSample<'_>, &str)> {
        let mut requests = Vec::new();
        for sample in &self.samples {
            let mut items = sample.outcomes.iter().flatten().flat_map(|outcome| &outcome.items);
            let prompt = items.find_map(|(_, item)| if let Item::Request(prompt) = item { Some(prompt) } else { None });
            requests.extend(prompt.map(|prompt| (sample, prompt.as_str())));
        }
        requests
    }

    /// Returns what each document gives to a metric.
    pub fn items(&self, metric: &Metric) -> Vec<&Item> {
        let outcomes = self.samples.iter().filter_map(|sample| sample.outcomes.as_ref().ok()).flatten();
        let of_filter = outcomes.filter(|outcome| outcome.filter == metric.filter);
        of_filter.flat_map(|outcome| &outcome.items).filter(|item| item.0 == metric.name).map(|item| &item.1).collect()
    }

    /// Computes a metric; None if no document has to do with it.
    pub fn number(&self, metric: &Metric) -> Option<MetricValue> {
        number(metric, &self.items(metric))
    }
}

/// Computes a metric over several sets: a mean weighted by documents with the pooled error, or the corpus of all.
pub fn group_number(metric: &Metric, sets: &[&SubsetResult]) -> Option<MetricValue> {
    if let Aggregation::Corpus(_) = metric.aggregation {
        return number(metric, &sets.iter().flat_map(|set| set.items(metric)).collect::<Vec<_>>());
    }
    let numbers: Vec<MetricValue> = sets.iter().filter_map(|set| set.number(metric)).collect();
    let documents = numbers.iter().map(|n| n.documents).sum::<usize>();
    let sums: Option<Vec<f64>> = numbers.iter().map(|n| Some(n.value? * n.documents as f64)).collect();
    let parts: Option<Vec<(f64, u64)>> =
        numbers.iter().map(|n| Some((n.standard_error?, n.documents as u64))).collect();
    (documents > 0).then(|| MetricValue {
        name: metric.name,
        filter: metric.filter,
        value: sums.map(|sums| sums.iter().sum::<f64>() / documents as f64),
        standard_error: parts.and_then(|parts| pooled_standard_error(&parts).ok()),
        documents,
    })
}

fn number(metric: &Metric, items: &[&Item]) -> Option<MetricValue> {
    if items.is_empty() {
        return None;
    }
    let asks = items.iter().any(|item| matches!(item, Item::Request(_)));
    let (value, standard_error) = match metric.aggregation {
        _ if asks => (None, None),
        Aggregation::Mean => {
            let numbers: Vec<f64> = items.iter().filter_map(|item| item_number(item)).collect();
            (mean(&numbers).ok(), standard_error(&numbers).ok())
        }
        Aggregation::Corpus(measure) => {
            let of = |indices: &mut dyn Iterator<Item = usize>| {
                measure(&indices.map(|i| items[i].clone()).collect::<Vec<_>>())
            };
            let value = of(&mut (0..items.len()));
            (value.is_finite().then_some(value), corpus_error(items, &of))
        }
    };
    Some(MetricValue { name: metric.name, filter: metric.filter, value, standard_error, documents: items.len() })
}

/// Estimates the error of a corpus measure by resampling documents, or groups of documents that belong together.
fn corpus_error(items: &[&Item], measure: &(impl Fn(&mut dyn Iterator<Item = usize>) -> f64 + Sync)) -> Option<f64> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut named: HashMap<&str, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let name = match item {
            Item::Record(record) => record["group"].as_str(),
            _ => None,
        };
        let new = groups.len();
        let group = name.map_or(new, |name| *named.entry(name).or_insert(new));
        if group == new {
            groups.push(Vec::new());
        }
        groups[group].push(index);
    }
    if groups.len() < 2 {
        return None;
    }
    let resample = |drawn: &[usize]| measure(&mut drawn.iter().flat_map(|group| groups[*group].iter().copied()));
    bootstrap_standard_error(groups.len(), RESAMPLES, resample).ok()
}

/// Returns the number of an item, if it is one.
pub fn item_number(item: &Item) -> Option<f64> {
    match item {
        Item::Number(value) => Some(*value),
        _ => None,
    }
}
