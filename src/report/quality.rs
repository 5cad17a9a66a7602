//! Parts of the page about quality: scores, perplexities, and how the two go together.

use maud::{Markup, html};

use super::Analysis;
use super::compare::{ChangeVerdict, LEVEL, Rise};
use super::correlate::{Coefficients, LEAST_RUNS, Relation, mean};
use super::data::{RunResult, Score};
use super::figures::Figures;
use super::html::{
    cell, folded, grid, link, linked, number as number_cell, number_or_dash, row, table, true_bits, words,
};
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

fn head(titles: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    ["run", "true bits"].into_iter().map(str::to_owned).chain(titles)
}

/// Returns the scores of each model's runs and their comparison with 16 bits.
pub(super) fn scores(analysis: &Analysis<'_>) -> Markup {
    let study = analysis.study;
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
        let run_row = |run: &RunResult| {
            let cells = main.iter().map(|score| match run.score_like(score) {
                Some(score) => score_cell(analysis, score),
                None => number_cell(number::MISSING),
            });
            row(&run.title(), std::iter::once(true_bits(run)).chain(cells))
        };
        let guessing = main.iter().any(|score| score.chance.is_some()).then(|| {
            let chance = |score: &&Score| Some(number::fixed(score.chance? * 100.0 / score.scale, 1));
            row("guessing", std::iter::once(words("")).chain(main.iter().map(|score| number_or_dash(chance(score)))))
        });
        table(&format!("{model}: scores"), head(titles), study.of(model).map(run_row).chain(guessing))
    });
    let comparisons = [("All comparisons with 16 bits", true), ("Parts of tasks and further metrics", false)]
        .map(|(summary, main)| (summary, comparisons(analysis, summary, main)));
    html! {
        p {
            "Points of 100. ▼ worse and ▲ better than the model's 16-bit run at p < 0.05 after Holm's correction over \
             the table; ≈ no significant difference, and within ±1 point by two one-sided tests, or by 299 documents \
             or more that all came out alike. No mark: neither is shown, which does not mean that the two are equal. A \
             number links to its documents. A score over several sets links to the results file; the scores of the \
             sets, folded below, link to their documents. Scores with fractions, such as ROUGE, are tested from 10 \
             pairs on. Compare only within a column; its head gives profile and shots."
        }
        @for table in tables.flatten() { (table) }
        @for (summary, table) in &comparisons { @if let Some(table) = table { (folded(summary, table)) } }
    }
}

/// Returns the count that all have, or the smallest and the largest.
fn span(counts: impl Iterator<Item = u64> + Clone) -> Option<String> {
    let [least, most] = [counts.clone().min()?, counts.max()?].map(|count| number::fixed(count as f64, 0));
    Some(if least == most { least } else { format!("{least} to {most}") })
}

fn score_cell(analysis: &Analysis<'_>, score: &Score) -> Markup {
    let change = analysis.change(score);
    let error = || Some(format!("± {}", number::fixed(score.stderr? * 100.0 / score.scale, 1)));
    let below = change.map(|change| number::signed(change.difference, 1)).or_else(error);
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
fn comparisons(analysis: &Analysis<'_>, caption: &str, main: bool) -> Option<Markup> {
    let head = "run|score|value|difference|95 % interval|test|pairs|p|p, Holm|p, beyond ±1 point|".split('|');
    let all = analysis.study.runs.iter().flat_map(|run| run.scores.iter().map(move |score| (run, score)));
    let all = all.map(|(run, score)| (run, score, analysis.change(score)));
    let shown = all.filter(|(_, score, change)| score.is_main() == main && (change.is_some() || !main));
    let rows = shown.map(|(run, score, change)| {
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
        row(&run.full_title(), cells)
    });
    table(caption, head, rows)
}

/// Returns the perplexities of each model's runs.
pub(super) fn perplexities(analysis: &Analysis<'_>) -> Markup {
    let study = analysis.study;
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
        let rows = study.of(model).map(|run| {
            let cells = texts.iter().map(|text| {
                let Some(perplexity) = run.perplexity_like(text) else { return number_cell(number::MISSING) };
                let value = link(perplexity.samples.as_deref(), &number::perplexity(perplexity.value));
                cell(&html! { (value) @if let Some(rise) = analysis.rise(perplexity) { (ratio(rise)) } })
            });
            row(&run.title(), std::iter::once(true_bits(run)).chain(cells))
        });
        table(&format!("{model}: perplexities"), head(titles), rows)
    });
    html! {
        p {
            "Lower is better. Below each number is its ratio to the 16-bit run's, with the 95 % interval by paired \
             bootstrap of the windows; ▼ worse (higher) and ▲ better (lower) at p < 0.05 after Holm's correction. \
             Below 10 windows there is no test, no interval and no mark. Perplexities of different protocols or \
             windows cannot be compared."
        }
        @for table in tables.flatten() { (table) }
        (distances(analysis))
    }
}

/// Returns the distance of each run's predictions from the 16-bit run's.
fn distances(analysis: &Analysis<'_>) -> Markup {
    let head = ["run", "true bits", "text", "tokens", "mean", "99.9 %", "same first choice", "RMS Δp"];
    let tables = analysis.study.models().into_iter().map(|model| {
        let all = analysis.study.of(model).flat_map(|run| run.perplexities.iter().map(move |found| (run, found)));
        let rows = all.filter_map(|(run, perplexity)| {
            let distance = perplexity.distance?;
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
            Some(row(&run.title(), cells))
        });
        table(&format!("{model}: Kullback-Leibler divergence from 16 bits, in nats"), head, rows)
    });
    let tables: Vec<Markup> = tables.flatten().collect();
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
pub(super) fn correlations(analysis: &Analysis<'_>, figures: &mut Figures<'_>) -> Markup {
    if analysis.relations.is_empty() {
        return html! { p { "No model has both a perplexity and a score, so nothing can be correlated." } };
    }
    let means = [("all runs", false), ("without collapsed runs", true)].map(|(name, sound)| {
        let mean = mean(&analysis.relations, sound, LEAST_RUNS);
        let text = mean.map_or_else(|| format!("none has {LEAST_RUNS} runs"), |mean| mean.text());
        format!("Mean Pearson coefficient, {name}: {text}.")
    });
    let head = ["score", "text", "runs", "n", "Pearson", "Pearson of ln", "Spearman"];
    let tables = analysis.study.models().into_iter().map(|model| {
        let rows = analysis.relations.iter().filter(|relation| relation.model == model).flat_map(|relation| {
            let runs = match relation.left_out {
                0 => "all".to_owned(),
                odd => format!("all but {odd} without a finite perplexity"),
            };
            let sound = (relation.collapsed > 0).then(|| coefficients(relation, "without collapsed", &relation.sound));
            std::iter::once(coefficients(relation, &runs, &relation.all)).chain(sound)
        });
        table(&format!("{model}: perplexity against score"), head, rows)
    });
    let first = analysis.relations.first().map(|relation| relation.text.key());
    let drawn = analysis.relations.iter().filter(|r| Some(r.text.key()) == first && r.points.len() > 1);
    let drawn: Vec<Markup> = drawn.filter_map(|relation| figures.relation(relation)).collect();
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
        @for table in tables.flatten() { (table) }
        (grid(&drawn))
    }
}

fn coefficients(relation: &Relation<'_>, runs: &str, found: &Coefficients) -> Markup {
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
    let count = number_cell(&found.runs.to_string());
    let numbers = [found.plain, found.logarithm, found.rank].map(coefficient);
    row(&relation.score.title(), [words(&relation.text.text), words(runs), count].into_iter().chain(numbers))
}
