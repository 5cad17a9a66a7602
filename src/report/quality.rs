//! Parts of the page about quality: scores, perplexities, and how they go together.

use super::Findings;
use super::compare::{Change, Rise, Verdict};
use super::correlate::{Coefficients, LEAST_RUNS, Related};
use super::data::{Run, Score};
use super::figures::Figures;
use super::html::{Cell, Table, escape, folded, link, paragraph};
use super::number;
use crate::metrics::correlation::Correlation;

/// The mark behind a number, in words for who points at it.
fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Worse => " <abbr class=\"worse\" title=\"significantly worse than 16 bits\">▼</abbr>",
        Verdict::Better => " <abbr class=\"better\" title=\"significantly better than 16 bits\">▲</abbr>",
        Verdict::Equivalent => " <abbr title=\"within one point of 16 bits\">≈</abbr>",
        Verdict::Open => "",
    }
}

/// `low to high`, or that there is none.
fn interval(interval: Option<(f64, f64)>, text: impl Fn(f64) -> String) -> String {
    number::or_missing(interval, |(low, high)| format!("{} to {}", text(low), text(high)))
}

fn bits(run: &Run) -> Cell {
    Cell::number(&number::or_missing(run.true_bits, |bits| number::fixed(bits, 2)))
}

/// Scores of each model's runs, and what they are against 16 bits.
pub fn scores(findings: &Findings<'_>) -> String {
    let study = findings.study;
    let main = study.main_scores();
    if main.is_empty() {
        return paragraph("No scores were measured.");
    }
    let mut html = paragraph(
        "Points of 100. ▼ worse and ▲ better than the model's 16-bit run at p < 0.05 after Holm's correction over \
         the table; ≈ no significant difference, and within ±1 point by two one-sided tests, or by 299 documents or \
         more that all came out alike. No mark: neither is shown, which does not make the two equal. A number leads to \
         its documents; that of a score over several sets leads to the results file, and the sets' own scores, folded \
         below, lead to their documents. Scores with fractions, as ROUGE has, are tested from 10 pairs on. \
         Compare within a column only: profile and shots stand in its head.",
    );
    for model in study.models() {
        let titles = main.iter().map(|score| {
            let better = if score.higher_is_better { "" } else { ", lower is better" };
            let documents = study.of(model).filter_map(|run| Some(run.score_like(score)?.documents));
            let documents = number::or_missing(span(documents), |span| format!("{span} documents"));
            format!("{} ({}, {} shot{better}; {documents})", score.title(), score.profile, score.shots)
        });
        let titles: Vec<String> = titles.collect();
        let head: Vec<&str> = ["run", "true bits"].into_iter().chain(titles.iter().map(String::as_str)).collect();
        let mut table = Table::new(&format!("{model}: scores"), &head);
        for run in study.of(model) {
            let cells =
                main.iter().map(|score| run.score_like(score).map_or_else(Cell::missing, |s| cell(findings, s)));
            table.row([Cell::text(&run.title()), bits(run)].into_iter().chain(cells).collect());
        }
        if let Some(row) = chance(&main) {
            table.row(row);
        }
        html += &table.html();
    }
    for (summary, whole) in [("All comparisons with 16 bits", true), ("Parts of tasks and further metrics", false)] {
        let table = comparisons(findings, summary, whole);
        if !table.is_empty() {
            html += &folded(summary, &table.html());
        }
    }
    html
}

/// What all runs have, or from the smallest to the largest where they differ.
fn span(counts: impl Iterator<Item = u64> + Clone) -> Option<String> {
    let [least, most] = [counts.clone().min()?, counts.max()?].map(|count| number::fixed(count as f64, 0));
    Some(if least == most { least } else { format!("{least} to {most}") })
}

fn cell(findings: &Findings<'_>, score: &Score) -> Cell {
    let change = findings.changes.iter().find(|change| std::ptr::eq(change.score, score));
    let value = link(score.samples.as_deref(), &number::fixed(score.points(), 1));
    let below = match (change, score.stderr) {
        (Some(change), _) => number::signed(change.difference, 1),
        (None, Some(error)) => format!("± {}", number::fixed(error * 100.0 / score.scale, 1)),
        (None, None) => String::new(),
    };
    let faults = [(score.errors, "in error"), (score.truncated, "truncated"), (score.ties, "tied")];
    let faults: Vec<String> = faults.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let faults = if faults.is_empty() { String::new() } else { format!("<small>{}</small>", faults.join(", ")) };
    let below = if below.is_empty() { below } else { format!("<small>{below}</small>") };
    Cell::html(format!("{value}{}{below}{faults}", change.map_or("", |change| mark(change.verdict()))))
}

/// What guessing scores, where it is known of a task.
fn chance(main: &[&Score]) -> Option<Vec<Cell>> {
    main.iter().any(|score| score.chance.is_some()).then(|| {
        let cells = main.iter().map(|score| {
            let chance = score.chance.map(|chance| number::fixed(chance * 100.0 / score.scale, 1));
            Cell::number(&chance.unwrap_or_else(|| "–".to_owned()))
        });
        [Cell::text("guessing"), Cell::text("")].into_iter().chain(cells).collect()
    })
}

fn comparisons(findings: &Findings<'_>, caption: &str, whole: bool) -> Table {
    let head = [
        "run",
        "score",
        "value",
        "difference",
        "95 % interval",
        "test",
        "pairs",
        "p",
        "p, Holm",
        "p, beyond ±1 point",
        "",
    ];
    let mut table = Table::new(caption, &head);
    let all = findings.study.runs.iter().flat_map(|run| run.scores.iter().map(move |score| (run, score)));
    for (run, score) in all.filter(|(_, score)| score.is_main() == whole) {
        let change: Option<&Change<'_>> = findings.changes.iter().find(|c| std::ptr::eq(c.score, score));
        if change.is_none() && whole {
            continue;
        }
        let p = |p: Option<f64>| Cell::number(&p.map_or_else(|| "–".to_owned(), number::probability));
        let points = |value: f64| number::signed(value, 1);
        let text = |text: Option<String>| Cell::number(&text.unwrap_or_else(|| "–".to_owned()));
        let verdict = change.map(|change| match change.verdict() {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Equivalent => "within ±1 point",
            Verdict::Open => "neither shown",
        });
        table.row(vec![
            Cell::text(&run.full_title()),
            Cell::text(&score.title()),
            Cell::html(link(score.samples.as_deref(), &number::fixed(score.points(), 2))),
            text(change.map(|change| points(change.difference))),
            text(
                change
                    .and_then(|change| change.interval)
                    .map(|(low, high)| format!("{} to {}", points(low), points(high))),
            ),
            Cell::text(change.map_or("–", |change| change.test.title())),
            text(change.map(|change| change.pairs.to_string())),
            p(change.and_then(|change| change.p)),
            p(change.and_then(|change| change.corrected)),
            p(change.and_then(|change| change.equivalence)),
            Cell::text(verdict.unwrap_or("–")),
        ]);
    }
    table
}

/// Perplexities of each model's runs.
pub fn perplexities(findings: &Findings<'_>) -> String {
    let study = findings.study;
    let texts = study.texts();
    if texts.is_empty() {
        return paragraph("No perplexities were measured.");
    }
    let mut html = paragraph(
        "Lower is better. Below each number: times the 16-bit run's, with the 95 % interval from the same windows \
         by paired bootstrap; ▼ worse (higher) and ▲ better (lower) at p < 0.05 after Holm's correction. Below 10 \
         windows there is no test, no interval and no mark. Perplexities of different \
         protocols or windows do not compare.",
    );
    for model in study.models() {
        let titles = texts.iter().map(|text| {
            let all = study.of(model).filter_map(|run| run.perplexity_like(text));
            let windows = all.clone().map(|perplexity| perplexity.windows.len() as u64);
            let windows = span(windows.filter(|windows| *windows > 0)).map(|span| format!("{span} windows, "));
            let tokens =
                number::or_missing(span(all.map(|perplexity| perplexity.tokens)), |s| format!("{s} tokens scored"));
            format!("{}: {}{tokens}", text.title(), windows.unwrap_or_default())
        });
        let titles: Vec<String> = titles.collect();
        let head: Vec<&str> = ["run", "true bits"].into_iter().chain(titles.iter().map(String::as_str)).collect();
        let mut table = Table::new(&format!("{model}: perplexities"), &head);
        for run in study.of(model) {
            let cells = texts.iter().map(|text| {
                let Some(perplexity) = run.perplexity_like(text) else { return Cell::missing() };
                let value = link(perplexity.samples.as_deref(), &number::perplexity(perplexity.value));
                let rise = findings.rises.iter().find(|rise| std::ptr::eq(rise.perplexity, perplexity));
                Cell::html(format!("{value}{}", rise.map_or_else(String::new, ratio)))
            });
            table.row([Cell::text(&run.title()), bits(run)].into_iter().chain(cells).collect());
        }
        html += &table.html();
    }
    html + &distances(findings)
}

/// How far each run's predictions are from the 16-bit run's.
fn distances(findings: &Findings<'_>) -> String {
    let head = ["run", "true bits", "text", "tokens", "mean", "99.9 %", "same first choice", "RMS Δp"];
    let mut html = String::new();
    for model in findings.study.models() {
        let mut table = Table::new(&format!("{model}: Kullback-Leibler divergence from 16 bits, in nats"), &head);
        for run in findings.study.of(model) {
            for (perplexity, distance) in run.perplexities.iter().filter_map(|p| Some((p, p.distance?))) {
                let linked = |text: String| Cell::linked(perplexity.distance_samples.as_deref(), &text);
                let percent = |share: f64| linked(format!("{} %", number::fixed(share * 100.0, 1)));
                table.row(vec![
                    Cell::text(&run.title()),
                    bits(run),
                    Cell::text(&perplexity.text),
                    Cell::number(&distance.positions.to_string()),
                    linked(number::fixed(distance.mean, 4)),
                    linked(number::fixed(distance.quantile_999, 3)),
                    percent(distance.same_top),
                    percent(distance.rms_difference),
                ]);
            }
        }
        if !table.is_empty() {
            html += &table.html();
        }
    }
    if html.is_empty() {
        return html;
    }
    paragraph(
        "How far each next-token prediction is from the 16-bit run's on the same text: the divergence's mean and its \
         99.9 % quantile, how often both give most to the same token, and the root mean square of the difference of \
         the probability of the text's token. The 256 tokens that 16 bits deem likeliest count one by one, all others \
         as one, so that it is a lower bound.",
    ) + &html
}

fn ratio(rise: &Rise<'_>) -> String {
    let sure = rise.corrected.is_some_and(|p| p < super::compare::LEVEL);
    let mark = match rise.ratio {
        ratio if sure && ratio > 1.0 => " <abbr class=\"worse\" title=\"significantly higher than 16 bits\">▼</abbr>",
        ratio if sure && ratio < 1.0 => " <abbr class=\"better\" title=\"significantly lower than 16 bits\">▲</abbr>",
        _ => "",
    };
    let mut below = format!("× {}", number::perplexity(rise.ratio));
    if rise.interval.is_some() {
        below += &format!(" ({})", interval(rise.interval, number::perplexity));
    }
    if rise.collapsed {
        below += ", collapsed";
    }
    format!("{mark}<small>{}</small>", escape(&below))
}

/// Correlations of perplexity and score.
pub fn correlations(findings: &Findings<'_>, figures: &mut Figures) -> String {
    if findings.related.is_empty() {
        return paragraph("No model has both a perplexity and a score, so nothing can be correlated.");
    }
    let mut html = paragraph(
        "Over all runs of a model, the 16-bit one among them: Pearson's r of perplexity, of its logarithm, and \
         Spearman's rho, with the number of runs, the two-sided p and the 95 % interval by Fisher's z (from four runs \
         on, and where |r| is not 1). Spearman's p is exact up to nine runs, counted over all orders; the others are by \
         Student's t. p below 0.05 is marked *. A run above ten times the 16-bit perplexity decides r almost alone; so each \
         coefficient stands with and without such runs.",
    );
    for (name, sound) in [("all runs", false), ("without collapsed runs", true)] {
        let mean = super::correlate::mean(&findings.related, sound, LEAST_RUNS);
        html += &paragraph(&match mean {
            Some(mean) => format!("Mean Pearson coefficient, {name}: {}.", mean.text()),
            None => format!("Mean Pearson coefficient, {name}: none has {LEAST_RUNS} runs."),
        });
    }
    html += &paragraph(
        "In the means a sign is turned so that a lower perplexity going with a better score is above 0; |r| leaves signs \
         out, as the study does. Coefficients of fewer than 4 runs are not in them.",
    );
    let head = ["score", "text", "runs", "n", "Pearson", "Pearson of ln", "Spearman"];
    for model in findings.study.models() {
        let mut table = Table::new(&format!("{model}: perplexity against score"), &head);
        for related in findings.related.iter().filter(|related| related.model == model) {
            let left_out = match related.left_out {
                0 => "all".to_owned(),
                odd => format!("all but {odd} left out: perplexity no number"),
            };
            table.row(row(related, &left_out, &related.all, related.points.len()));
            if related.collapsed > 0 {
                let left = related.points.len() - related.collapsed;
                table.row(row(related, "without collapsed", &related.sound, left));
            }
        }
        if !table.is_empty() {
            html += &table.html();
        }
    }
    let first = findings.related.first().map(|related| related.text.key());
    let drawn = findings.related.iter().filter(|r| Some(r.text.key()) == first && r.points.len() > 1);
    let drawn: String = drawn.map(|related| figures.related(findings.study, related)).collect();
    html + &format!("<div class=\"figures\">\n{drawn}</div>\n")
}

fn row(related: &Related<'_>, runs: &str, coefficients: &Coefficients, count: usize) -> Vec<Cell> {
    let cell = |found: Option<Correlation>| match found {
        None => Cell::number("–"),
        Some(found) => {
            let range = interval(found.interval, |value| number::fixed(value, 2));
            let range = if found.interval.is_some() { format!(", {range}") } else { String::new() };
            let star = if found.p < super::compare::LEVEL { "*" } else { "" };
            Cell::html(format!(
                "{}{star}<small>{}</small>",
                number::fixed(found.r, 3),
                escape(&format!("p {}{range}", number::probability(found.p)))
            ))
        }
    };
    vec![
        Cell::text(&related.score.title()),
        Cell::text(&related.text.text),
        Cell::text(runs),
        Cell::number(&count.to_string()),
        cell(coefficients.plain),
        cell(coefficients.logarithm),
        cell(coefficients.rank),
    ]
}
