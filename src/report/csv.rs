//! The report's tables as CSV files (RFC 4180). A number that was not measured is an empty field.
//!
//! Each column is a header and the function that gives its field. Rows of serde structs would name each column twice,
//! where it is declared and where it is filled, and would write 1 as `1.0`.

use serde_json::json;

use super::Analysis;
use super::compare::{Change, Rise};
use super::correlate::Relation;
use super::data::{Perplexity, RunResult, Score, SpeedResult};
use crate::metrics::correlation::Correlation;
use crate::metrics::statistics::Summary;

type Column<Row> = (&'static str, fn(&Row) -> String);

/// The first columns of every table about runs.
static RUN: &[Column<RunResult>] = &[
    ("model", |run| run.model.clone()),
    ("parameters", |run| run.parameters.to_string()),
    ("method", |run| run.method.clone()),
    ("bits", |run| run.bits.to_string()),
    ("true_bits", |run| text(run.true_bits)),
    ("purpose", |run| json!(run.purpose).as_str().unwrap_or_default().to_owned()),
    ("options", |run| {
        let options = run.options.iter().map(|option| format!("{} {}", option.name, option.value).trim().to_owned());
        options.collect::<Vec<_>>().join("; ")
    }),
];

fn text<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Returns an end of an interval: 0 is the lower one, 1 the upper.
fn end(number: usize, interval: Option<(f64, f64)>) -> String {
    text(interval.map(|(low, high)| [low, high][number]))
}

/// Returns a header and one line for each row: the fields of its run, if rows have runs, and those of `columns`.
fn table<'a, Row>(
    of_run: &[Column<RunResult>],
    columns: &[Column<Row>],
    rows: impl IntoIterator<Item = (Option<&'a RunResult>, Row)>,
) -> String {
    let names = of_run.iter().map(|column| column.0).chain(columns.iter().map(|column| column.0));
    let mut lines: Vec<Vec<String>> = vec![names.map(str::to_owned).collect()];
    lines.extend(rows.into_iter().map(|(run, row)| {
        let first = run.iter().flat_map(|run| of_run.iter().map(|(_, field)| field(run)));
        first.chain(columns.iter().map(|(_, field)| field(&row))).collect()
    }));
    let mut writer = csv::Writer::from_writer(Vec::new());
    lines.iter().for_each(|line| writer.write_record(line).expect("memory takes every line"));
    String::from_utf8(writer.into_inner().expect("memory takes every line")).expect("every field is text")
}

/// Returns every score and its comparison with the 16-bit run's. Differences are points of 100.
pub(super) fn scores(analysis: &Analysis<'_>) -> String {
    let columns: &[Column<(&Score, Option<&Change<'_>>)>] = &[
        ("task", |(score, _)| score.task.clone()),
        ("set", |(score, _)| text(score.set.as_ref())),
        ("metric", |(score, _)| score.metric.clone()),
        ("profile", |(score, _)| score.profile.clone()),
        ("shots", |(score, _)| score.shots.to_string()),
        ("documents", |(score, _)| score.documents.to_string()),
        ("value", |(score, _)| score.value.to_string()),
        ("stderr", |(score, _)| text(score.stderr)),
        ("scale", |(score, _)| score.scale.to_string()),
        ("chance", |(score, _)| text(score.chance)),
        ("higher_is_better", |(score, _)| score.higher_is_better.to_string()),
        ("test", |(_, change)| text(change.map(|change| change.test.title()))),
        ("pairs", |(_, change)| text(change.map(|change| change.pairs))),
        ("difference_points", |(_, change)| text(change.map(|change| change.difference))),
        ("low_points", |(_, change)| end(0, change.and_then(|change| change.interval))),
        ("high_points", |(_, change)| end(1, change.and_then(|change| change.interval))),
        ("p", |(_, change)| text(change.and_then(|change| change.p))),
        ("p_holm", |(_, change)| text(change.and_then(|change| change.corrected))),
        ("p_equivalence_1_point", |(_, change)| text(change.and_then(|change| change.equivalence))),
        ("ties", |(score, _)| score.ties.to_string()),
        ("errors", |(score, _)| score.errors.to_string()),
        ("truncated", |(score, _)| score.truncated.to_string()),
        ("samples", |(score, _)| text(score.samples.as_ref())),
    ];
    let scores = analysis.study.runs.iter().flat_map(|run| run.scores.iter().map(move |score| (run, score)));
    table(RUN, columns, scores.map(|(run, score)| (Some(run), (score, analysis.change(score)))))
}

/// Returns every perplexity, its ratio to the 16-bit run's, and the distance of the predictions from that run's.
pub(super) fn perplexities(analysis: &Analysis<'_>) -> String {
    let columns: &[Column<(&Perplexity, Option<&Rise<'_>>)>] = &[
        ("text", |(found, _)| found.text.clone()),
        ("protocol", |(found, _)| found.protocol.clone()),
        ("window", |(found, _)| found.window.to_string()),
        ("tokens", |(found, _)| found.tokens.to_string()),
        ("windows", |(found, _)| found.windows.len().to_string()),
        ("perplexity", |(found, _)| found.value.to_string()),
        ("ratio", |(_, rise)| text(rise.map(|rise| rise.ratio))),
        ("ratio_low", |(_, rise)| end(0, rise.and_then(|rise| rise.interval))),
        ("ratio_high", |(_, rise)| end(1, rise.and_then(|rise| rise.interval))),
        ("p", |(_, rise)| text(rise.and_then(|rise| rise.p))),
        ("p_holm", |(_, rise)| text(rise.and_then(|rise| rise.corrected))),
        ("collapsed", |(_, rise)| text(rise.map(|rise| rise.collapsed))),
        ("samples", |(found, _)| text(found.samples.as_ref())),
        ("kl_positions", |(found, _)| text(found.distance.map(|distance| distance.positions))),
        ("kl_mean", |(found, _)| text(found.distance.map(|distance| distance.mean))),
        ("kl_quantile_999", |(found, _)| text(found.distance.map(|distance| distance.quantile_999))),
        ("same_top", |(found, _)| text(found.distance.map(|distance| distance.same_top))),
        ("rms_difference", |(found, _)| text(found.distance.map(|distance| distance.rms_difference))),
    ];
    let all = analysis.study.runs.iter().flat_map(|run| run.perplexities.iter().map(move |found| (run, found)));
    table(RUN, columns, all.map(|(run, found)| (Some(run), (found, analysis.rise(found)))))
}

/// A run, one of its speeds, and the repeats of its prefill and decoding summed up.
type SpeedRow<'a> = (&'a RunResult, Option<&'a SpeedResult>, [Option<Summary>; 2]);

/// Returns memory in bytes and rates in tokens a second: a line for each speed, or one line if there is none.
pub(super) fn memory_speed(analysis: &Analysis<'_>) -> String {
    let columns: &[Column<SpeedRow<'_>>] = &[
        ("weight_bytes", |(run, ..)| text(run.memory.weights)),
        ("kv_bytes", |(run, ..)| text(run.memory.kv)),
        ("scratch_bytes", |(run, ..)| text(run.memory.scratch)),
        ("host_rss_peak_bytes", |(run, ..)| text(run.memory.host_rss_peak)),
        ("prompt", |(_, speed, _)| text(speed.map(|speed| speed.prompt))),
        ("generated", |(_, speed, _)| text(speed.map(|speed| speed.generated))),
        ("prefill_tok_s_median", |(.., [prefill, _])| text(prefill.map(|rates| rates.median))),
        ("prefill_tok_s_min", |(.., [prefill, _])| text(prefill.map(|rates| rates.min))),
        ("prefill_tok_s_max", |(.., [prefill, _])| text(prefill.map(|rates| rates.max))),
        ("prefill_tok_s_cv", |(.., [prefill, _])| text(prefill.and_then(|rates| rates.cv))),
        ("decode_tok_s_median", |(.., [_, decode])| text(decode.map(|rates| rates.median))),
        ("decode_tok_s_min", |(.., [_, decode])| text(decode.map(|rates| rates.min))),
        ("decode_tok_s_max", |(.., [_, decode])| text(decode.map(|rates| rates.max))),
        ("decode_tok_s_cv", |(.., [_, decode])| text(decode.and_then(|rates| rates.cv))),
        ("bytes_per_token", |(_, speed, _)| text(speed.and_then(|speed| speed.bytes_per_token))),
        ("copy_bytes_per_second", |(_, speed, _)| text(speed.and_then(|speed| speed.copy_bandwidth))),
        ("share_of_copy", |(_, speed, _)| text(speed.and_then(|speed| speed.share_of_copy()))),
        ("first_token_cold_s", |(_, speed, _)| text(speed.and_then(|speed| speed.first_token_cold))),
    ];
    let rows = analysis.study.runs.iter().flat_map(|run| {
        let speeds = if run.speeds.is_empty() { vec![None] } else { run.speeds.iter().map(Some).collect() };
        speeds.into_iter().map(move |speed: Option<&SpeedResult>| {
            let rates = |of: fn(&SpeedResult) -> &[f64]| Summary::new(of(speed?));
            (Some(run), (run, speed, [rates(|speed| &speed.prefill), rates(|speed| &speed.decode)]))
        })
    });
    table(RUN, columns, rows)
}

/// A perplexity and a score, the runs that count, and the name and value of a coefficient.
type CoefficientRow<'a> = (&'a Relation<'a>, &'static str, &'static str, Option<Correlation>);

/// Returns every correlation of a perplexity with a score.
pub(super) fn correlations(analysis: &Analysis<'_>) -> String {
    let columns: &[Column<CoefficientRow<'_>>] = &[
        ("model", |(relation, ..)| relation.model.to_owned()),
        ("text", |(relation, ..)| relation.text.text.clone()),
        ("protocol", |(relation, ..)| relation.text.protocol.clone()),
        ("task", |(relation, ..)| relation.score.task.clone()),
        ("metric", |(relation, ..)| relation.score.metric.clone()),
        ("profile", |(relation, ..)| relation.score.profile.clone()),
        ("shots", |(relation, ..)| relation.score.shots.to_string()),
        ("collapsed_runs", |(relation, ..)| relation.collapsed.to_string()),
        ("left_out_runs", |(relation, ..)| relation.left_out.to_string()),
        ("runs", |(_, runs, ..)| (*runs).to_owned()),
        ("coefficient", |(_, _, name, _)| (*name).to_owned()),
        ("r", |(.., found)| text(found.map(|found| found.r))),
        ("n", |(.., found)| text(found.map(|found| found.pairs))),
        ("p", |(.., found)| text(found.map(|found| found.p))),
        ("low", |(.., found)| end(0, found.and_then(|found| found.interval))),
        ("high", |(.., found)| end(1, found.and_then(|found| found.interval))),
    ];
    let mut rows = Vec::new();
    for relation in &analysis.relations {
        for (runs, all) in [("all", relation.all), ("without collapsed", relation.sound)] {
            let named = [("pearson", all.plain), ("pearson of ln", all.logarithm), ("spearman", all.rank)];
            rows.extend(named.map(|(name, found)| (None, (relation, runs, name, found))));
        }
    }
    table(&[], columns, rows)
}
