//! Parts of the page about quality: scores, perplexities, and how the two go together.

use maud::{Markup, html};

use super::Findings;
use super::compare::{ChangeVerdict, LEVEL, Rise};
use super::correlate::{Coefficients, LEAST_RUNS, Related, mean};
use super::data::Score;
use super::figures::Figures;
use super::html::{Table, cell, folded, grid, link, linked, number as number_cell, number_or_dash, true_bits, words};
use super::number;
use crate::metrics::correlation::Correlation;

/// Returns the mark behind a number, with its meaning as a tooltip.
fn mark(class: &str, meaning: &str, sign: &str) -> Markup {
    html! { " " abbr class=[(!class.is_empty()).then_some(class)] title=(meaning) { (sign) } }
}

/// Returns `low to high`.
fn range((low, high): (f64, f64), text: impl Fn(f64) -> String) -> String {
    format!("{} to {}", text(low), text(high))
}

fn head(first: &[&str], titles: impl Iterator<Item = String>) -> Vec<String> {
    first.iter().map(|&title| title.to_owned()).chain(titles).collect()
}

/// Returns the scores of each model's runs and their comparison with 16 bits.
pub(super) fn scores(findings: &Findings<'_>) -> Markup {
    let study = findings.study;
    let main = study.main_scores();
    if main.is_empty() {
        return html! { p { "No scores were measured." } };
    }
    let tables = study.models().into_iter().map(|model| {
        let titles = main.iter().map(|score| {
            let better = if score.higher_is_better { "" } else { ", lower is better" };
            let documents = study.of(model).filter_map(|run| Some(run.score_like(score)?.documents));
            let documents = number::or_missing(span(documents), |span| format!("{span} documents"));
            format!("{} ({}, {} shot{better}; {documents})", score.title(), score.profile, score.shots)
        });
        let mut table = Table::new(format!("{model}: scores"), head(&["run", "true bits"], titles));
        for run in study.of(model) {
            let cells = main.iter().map(|score| match run.score_like(score) {
                Some(score) => score_cell(findings, score),
                None => number_cell(number::MISSING),
            });
            table.row(&run.title(), std::iter::once(true_bits(run)).chain(cells));
        }
        if main.iter().any(|score| score.chance.is_some()) {
            let chances = main
                .iter()
                .map(|score| number_or_dash(score.chance.map(|chance| number::fixed(chance * 100.0 / score.scale, 1))));
            table.row("guessing", std::iter::once(words("")).chain(chances));
        }
        table
    });
    let comparisons = [("All comparisons with 16 bits", true), ("Parts of tasks and further metrics", false)]
        .map(|(summary, main)| (summary, comparisons(findings, summary, main)));
    html! {
        p {
            "Points of 100. ▼ worse and ▲ better than the model's 16-bit run at p < 0.05 after Holm's correction over \
             the table; ≈ no significant difference, and within ±1 point by two one-sided tests, or by 299 documents \
             or more that all came out alike. No mark: neither is shown, which does not mean that the two are equal. A \
             number links to its documents. A score over several sets links to the results file; the scores of the \
             sets, folded below, link to their documents. Scores with fractions, such as ROUGE, are tested from 10 \
             pairs on. Compare only within a column; its head gives profile and shots."
        }
        @for table in tables { (table) }
        @for (summary, table) in &comparisons {
            @if !table.is_empty() { (folded(summary, &html! { (table) })) }
        }
    }
}

/// Returns the count that all have, or the smallest and the largest.
fn span(counts: impl Iterator<Item = u64> + Clone) -> Option<String> {
    let [least, most] = [counts.clone().min()?, counts.max()?].map(|count| number::fixed(count as f64, 0));
    Some(if least == most { least } else { format!("{least} to {most}") })
}

fn score_cell(findings: &Findings<'_>, score: &Score) -> Markup {
    let change = findings.change(score);
    let below = match (change, score.stderr) {
        (Some(change), _) => Some(number::signed(change.difference, 1)),
        (None, Some(error)) => Some(format!("± {}", number::fixed(error * 100.0 / score.scale, 1))),
        (None, None) => None,
    };
    let faults = [(score.errors, "in error"), (score.truncated, "truncated"), (score.ties, "tied")];
    let faults: Vec<String> = faults.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    cell(&html! {
        (link(score.samples.as_deref(), &number::fixed(score.points(), 1)))
        @match change.map(|change| change.verdict()) {
            Some(ChangeVerdict::Worse) => (mark("worse", "significantly worse than 16 bits", "▼")),
            Some(ChangeVerdict::Better) => (mark("better", "significantly better than 16 bits", "▲")),
            Some(ChangeVerdict::Equivalent) => (mark("", "within one point of 16 bits", "≈")),
            Some(ChangeVerdict::Open) | None => {},
        }
        @if let Some(below) = below { small { (below) } }
        @if !faults.is_empty() { small { (faults.join(", ")) } }
    })
}

/// Returns every comparison of the main scores, or of the others.
fn comparisons(findings: &Findings<'_>, caption: &str, main: bool) -> Table {
    let mut table = Table::new(
        caption,
        "run|score|value|difference|95 % interval|test|pairs|p|p, Holm|p, beyond ±1 point|".split('|'),
    );
    let all = findings.study.runs.iter().flat_map(|run| run.scores.iter().map(move |score| (run, score)));
    for (run, score) in all.filter(|(_, score)| score.is_main() == main) {
        let change = findings.change(score);
        if change.is_none() && main {
            continue;
        }
        let points = |value: f64| number::signed(value, 1);
        let p = |p: Option<f64>| number_or_dash(p.map(number::probability));
        let verdict = change.map(|change| match change.verdict() {
            ChangeVerdict::Better => "better",
            ChangeVerdict::Worse => "worse",
            ChangeVerdict::Equivalent => "within ±1 point",
            ChangeVerdict::Open => "neither shown",
        });
        let cells = [
            words(&score.title()),
            cell(&link(score.samples.as_deref(), &number::fixed(score.points(), 2))),
            number_or_dash(change.map(|change| points(change.difference))),
            number_or_dash(change.and_then(|change| change.interval).map(|interval| range(interval, points))),
            words(change.map_or("–", |change| change.test.title())),
            number_or_dash(change.map(|change| change.pairs.to_string())),
            p(change.and_then(|change| change.p)),
            p(change.and_then(|change| change.corrected)),
            p(change.and_then(|change| change.equivalence)),
            words(verdict.unwrap_or("–")),
        ];
        table.row(&run.full_title(), cells);
    }
    table
}

/// Returns the perplexities of each model's runs.
pub(super) fn perplexities(findings: &Findings<'_>) -> Markup {
    let study = findings.study;
    let texts = study.texts();
    if texts.is_empty() {
        return html! { p { "No perplexities were measured." } };
    }
    let tables = study.models().into_iter().map(|model| {
        let titles = texts.iter().map(|text| {
            let all = study.of(model).filter_map(|run| run.perplexity_like(text));
            let windows = all.clone().map(|perplexity| perplexity.windows.len() as u64);
            let windows = span(windows.filter(|windows| *windows > 0)).map(|span| format!("{span} windows, "));
            let tokens = span(all.map(|perplexity| perplexity.tokens));
            let tokens = number::or_missing(tokens, |span| format!("{span} tokens scored"));
            format!("{}: {}{tokens}", text.title(), windows.unwrap_or_default())
        });
        let mut table = Table::new(format!("{model}: perplexities"), head(&["run", "true bits"], titles));
        for run in study.of(model) {
            let cells = texts.iter().map(|text| {
                let Some(perplexity) = run.perplexity_like(text) else { return number_cell(number::MISSING) };
                let value = link(perplexity.samples.as_deref(), &number::perplexity(perplexity.value));
                cell(&html! { (value) @if let Some(rise) = findings.rise(perplexity) { (ratio(rise)) } })
            });
            table.row(&run.title(), std::iter::once(true_bits(run)).chain(cells));
        }
        table
    });
    html! {
        p {
            "Lower is better. Below each number is its ratio to the 16-bit run's, with the 95 % interval by paired \
             bootstrap of the windows; ▼ worse (higher) and ▲ better (lower) at p < 0.05 after Holm's correction. \
             Below 10 windows there is no test, no interval and no mark. Perplexities of different protocols or \
             windows cannot be compared."
        }
        @for table in tables { (table) }
        (distances(findings))
    }
}

/// Returns the distance of each run's predictions from the 16-bit run's.
fn distances(findings: &Findings<'_>) -> Markup {
    let head = ["run", "true bits", "text", "tokens", "mean", "99.9 %", "same first choice", "RMS Δp"];
    let tables = findings.study.models().into_iter().map(|model| {
        let mut table = Table::new(format!("{model}: Kullback-Leibler divergence from 16 bits, in nats"), head);
        for run in findings.study.of(model) {
            for (perplexity, distance) in run.perplexities.iter().filter_map(|p| Some((p, p.distance?))) {
                let linked = |text: String| linked(perplexity.distance_samples.as_deref(), &text);
                let percent = |share: f64| linked(format!("{} %", number::fixed(share * 100.0, 1)));
                let cells = [
                    true_bits(run),
                    words(&perplexity.text),
                    number_cell(&distance.positions.to_string()),
                    linked(number::fixed(distance.mean, 4)),
                    linked(number::fixed(distance.quantile_999, 3)),
                    percent(distance.same_top),
                    percent(distance.rms_difference),
                ];
                table.row(&run.title(), cells);
            }
        }
        table
    });
    let tables: Vec<Table> = tables.filter(|table| !table.is_empty()).collect();
    html! {
        @if !tables.is_empty() {
            p {
                "Distance of each next-token prediction from the 16-bit run's on the same text: the mean and the 99.9 \
                 % quantile of the divergence, how often both have the same likeliest token, and the root mean square \
                 difference of the probability of the text's token. The 256 tokens that the 16-bit run deems likeliest \
                 count one by one and all others as one, so that the divergence is a lower bound."
            }
            @for table in tables { (table) }
        }
    }
}

/// Returns a perplexity's ratio to 16 bits, with its mark and interval.
fn ratio(rise: &Rise<'_>) -> Markup {
    let sure = rise.corrected.is_some_and(|p| p < LEVEL);
    let interval = rise.interval.map(|interval| format!(" ({})", range(interval, number::perplexity)));
    html! {
        @if sure && rise.ratio > 1.0 { (mark("worse", "significantly higher than 16 bits", "▼")) }
        @if sure && rise.ratio < 1.0 { (mark("better", "significantly lower than 16 bits", "▲")) }
        small {
            "× " (number::perplexity(rise.ratio)) (interval.unwrap_or_default())
            @if rise.collapsed { ", collapsed" }
        }
    }
}

/// Returns the correlations of perplexity and score.
pub(super) fn correlations(findings: &Findings<'_>, figures: &mut Figures<'_>) -> Markup {
    if findings.related.is_empty() {
        return html! { p { "No model has both a perplexity and a score, so nothing can be correlated." } };
    }
    let means = [("all runs", false), ("without collapsed runs", true)].map(|(name, sound)| {
        let mean = mean(&findings.related, sound, LEAST_RUNS);
        let text = mean.map_or_else(|| format!("none has {LEAST_RUNS} runs"), |mean| mean.text());
        format!("Mean Pearson coefficient, {name}: {text}.")
    });
    let head = ["score", "text", "runs", "n", "Pearson", "Pearson of ln", "Spearman"];
    let tables = findings.study.models().into_iter().map(|model| {
        let mut table = Table::new(format!("{model}: perplexity against score"), head);
        for related in findings.related.iter().filter(|related| related.model == model) {
            let runs = match related.left_out {
                0 => "all".to_owned(),
                odd => format!("all but {odd} without a finite perplexity"),
            };
            let (title, all) = (related.score.title(), related.points.len());
            table.row(&title, coefficients(related, &runs, &related.all, all));
            if related.collapsed > 0 {
                table.row(&title, coefficients(related, "without collapsed", &related.sound, all - related.collapsed));
            }
        }
        table
    });
    let first = findings.related.first().map(|related| related.text.key());
    let drawn = findings.related.iter().filter(|r| Some(r.text.key()) == first && r.points.len() > 1);
    let drawn: Vec<Markup> = drawn.filter_map(|related| figures.related(related)).collect();
    html! {
        p {
            "Over all runs of a model, the 16-bit one among them: Pearson's r of perplexity, of its logarithm, and \
             Spearman's rho, with the number of runs, the two-sided p and the 95 % interval by Fisher's z (from four \
             runs on, and where |r| is not 1). Spearman's p is exact up to nine runs, counted over all orders; the \
             others are by Student's t. p below 0.05 is marked *. A run above ten times the 16-bit perplexity \
             determines r almost alone, so each coefficient is given with and without such runs."
        }
        @for mean in means { p { (mean) } }
        p {
            "In the means r is above 0 where a lower perplexity goes with a better score; |r| leaves signs out, as the \
             paper does. Coefficients of fewer than 4 runs are left out."
        }
        @for table in tables.filter(|table| !table.is_empty()) { (table) }
        (grid(&drawn))
    }
}

fn coefficients(related: &Related<'_>, runs: &str, found: &Coefficients, count: usize) -> Vec<Markup> {
    let coefficient = |found: Option<Correlation>| match found {
        None => number_or_dash(None),
        Some(found) => {
            let interval = found.interval.map(|interval| format!(", {}", range(interval, |r| number::fixed(r, 2))));
            cell(&html! {
                (number::fixed(found.r, 3)) @if found.p < LEVEL { "*" }
                small { "p " (number::probability(found.p)) (interval.unwrap_or_default()) }
            })
        }
    };
    let mut cells = vec![words(&related.text.text), words(runs), number_cell(&count.to_string())];
    cells.extend([found.plain, found.logarithm, found.rank].map(coefficient));
    cells
}
