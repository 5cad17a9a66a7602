//! Hard and soft satisfaction rates and consistent satisfaction levels, over the records of documents.

use std::collections::BTreeMap;

use super::LEVELS;
use crate::tasks::{Aggregation, Item, Metric};

/// Rules give 0 or 1, so that their soft rate would be the hard one.
pub(super) const METRICS: &[Metric] = &[
    Metric { primary: true, ..metric("hsr", "rule", mean::<false>) },
    metric("hsr_1", "rule", rate::<1, false>),
    metric("hsr_2", "rule", rate::<2, false>),
    metric("hsr_3", "rule", rate::<3, false>),
    metric("hsr_4", "rule", rate::<4, false>),
    metric("hsr_5", "rule", rate::<5, false>),
    Metric { scale: LEVELS as f64, ..metric("csl", "rule", consistent_levels) },
    metric("hsr", "all", mean::<false>),
    metric("hsr_1", "all", rate::<1, false>),
    metric("hsr_2", "all", rate::<2, false>),
    metric("hsr_3", "all", rate::<3, false>),
    metric("hsr_4", "all", rate::<4, false>),
    metric("hsr_5", "all", rate::<5, false>),
    metric("ssr", "all", mean::<true>),
    metric("ssr_1", "all", rate::<1, true>),
    metric("ssr_2", "all", rate::<2, true>),
    metric("ssr_3", "all", rate::<3, true>),
    metric("ssr_4", "all", rate::<4, true>),
    metric("ssr_5", "all", rate::<5, true>),
    Metric { scale: LEVELS as f64, ..metric("csl", "all", consistent_levels) },
    Metric { higher_is_better: false, ..metric("unparsed", "all", unparsed) },
];

const fn metric(name: &'static str, filter: &'static str, measure: fn(&[Item]) -> f64) -> Metric {
    Metric { filter, aggregation: Aggregation::Corpus(measure), ..Metric::share(name, None) }
}

/// Returns a record as `score` makes it: group, level, and its hard or soft score, if the verdict could be read.
fn records(items: &[Item], soft: bool) -> impl Iterator<Item = (&str, usize, Option<f64>)> {
    items.iter().filter_map(move |item| {
        let Item::Record(record) = item else { return None };
        let level = record["level"].as_u64()? as usize;
        Some((record["group"].as_str()?, level, record[if soft { "soft" } else { "hard" }].as_f64()))
    })
}

/// Computes the mean score of the documents of a level: the share of replies that meet all constraints, or the mean
/// share of constraints they meet. NaN without any; so are the others.
fn rate<const LEVEL: usize, const SOFT: bool>(items: &[Item]) -> f64 {
    mean_of(records(items, SOFT).filter(|&(_, level, _)| level == LEVEL).filter_map(|(_, _, score)| score))
}

/// Computes the mean of the levels' rates, each level with the same weight.
fn mean<const SOFT: bool>(items: &[Item]) -> f64 {
    let rates = [rate::<1, SOFT>, rate::<2, SOFT>, rate::<3, SOFT>, rate::<4, SOFT>, rate::<5, SOFT>];
    mean_of(rates.iter().map(|rate| rate(items)).filter(|rate| !rate.is_nan()))
}

/// The levels of a group: whether there is a record, and the score in it.
type Levels = [Option<Option<f64>>; LEVELS];

/// Computes the mean number of levels that are met in a row from level 1 on. A group is left out where a level is
/// absent, since those that a limit cuts off would count only if they failed early, or where one that decides has no
/// readable verdict.
fn consistent_levels(items: &[Item]) -> f64 {
    // A resample may hold a group more than once: a level that is there already begins the group anew.
    let mut groups: BTreeMap<&str, Vec<Levels>> = BTreeMap::new();
    for (group, level, score) in records(items, false) {
        let Some(index) = level.checked_sub(1).filter(|index| *index < LEVELS) else { continue };
        let copies = groups.entry(group).or_default();
        if copies.iter().all(|levels| levels[index].is_some()) {
            copies.push(Levels::default());
        }
        let place = copies.iter_mut().map(|levels| &mut levels[index]).find(|place| place.is_none());
        *place.expect("one has room") = Some(score);
    }
    mean_of(groups.values().flatten().filter_map(|levels| {
        let scores = levels.iter().copied().collect::<Option<Vec<_>>>()?;
        let met = scores.iter().take_while(|&&score| score == Some(1.0)).count();
        match scores.get(met) {
            Some(None) => None,
            _ => Some(met as f64),
        }
    }))
}

/// Computes the share of documents whose verdict could not be read.
fn unparsed(items: &[Item]) -> f64 {
    mean_of(records(items, false).map(|(_, _, score)| f64::from(u8::from(score.is_none()))))
}

fn mean_of(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.fold((0.0, 0u32), |(sum, count), number| (sum + number, count + 1));
    if count == 0 { f64::NAN } else { sum / f64::from(count) }
}
