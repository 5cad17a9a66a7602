//! Parts of the page about cost: memory, speed, size, true bits and outliers.

use maud::{Markup, html};

use super::Analysis;
use super::data::{Purpose, RunResult, SpeedResult};
use super::figures::Figures;
use super::html::{cell, grid, link, linked, number as number_cell, number_or_dash, row, table, true_bits, words};
use super::number::{self, extent};
use super::run::speed_ratio;
use crate::metrics::statistics::Summary;

/// Returns the memory and speed of every run.
pub(super) fn memory_speed(analysis: &Analysis<'_>, figures: &mut Figures<'_>) -> Markup {
    let head = ["run", "true bits", "weights", "keys and values", "scratch", "host peak (RSS)"];
    let memory = analysis.study.runs.iter().map(|run| {
        let m = &run.memory;
        let bytes = [m.weights, m.kv, m.scratch, m.host_rss_peak];
        let bytes = bytes.map(|bytes| linked(m.samples.as_deref(), &number::or_missing(bytes, number::bytes)));
        row(&run.full_title(), std::iter::once(true_bits(run)).chain(bytes))
    });
    let memory = table("Memory. Each column is measured separately", head, memory);
    let head = "run|prompt/generated|prefill, tok/s|decode, tok/s|decode against 16 bits|bytes a token|\
                share of copy bandwidth|first token, cold";
    let speed = analysis.study.runs.iter().flat_map(|run| {
        let missing = || row(&run.full_title(), head.split('|').skip(1).map(|_| number_cell(number::MISSING)));
        let speeds = run.speeds.iter().map(|speed| row(&run.full_title(), speed_cells(analysis, run, speed)));
        speeds.chain(run.speeds.is_empty().then(missing)).collect::<Vec<_>>()
    });
    let caption = "Speed at batch 1, greedy: median, and least to most of the repeats";
    let speed = table(caption, head.split('|'), speed);
    let drawn = [
        figures.memory(),
        figures.rate("Decoding, tokens a second", 3, |run| Some(&run.speeds.first()?.decode)),
        figures.rate("Prefill, tokens a second", 2, |run| Some(&run.speeds.first()?.prefill)),
        figures.bandwidth(),
    ];
    html! {
        @if let Some(table) = memory { (table) }
        p {
            "Rates are compared only where both runs vary by 5 % or less (coefficient of variation). A number links to \
             the file of its measurement."
        }
        @if let Some(table) = speed { (table) }
        (grid(&drawn.into_iter().flatten().collect::<Vec<_>>()))
    }
}

fn speed_cells(analysis: &Analysis<'_>, run: &RunResult, speed: &SpeedResult) -> [Markup; 7] {
    let samples = speed.samples.as_deref();
    let before = analysis.study.baseline(run).and_then(|baseline| baseline.speed_like(speed));
    let against = match (Summary::new(&speed.decode), before.and_then(|before| Summary::new(&before.decode))) {
        _ if run.is_baseline() => number_or_dash(None),
        (Some(after), Some(before)) => match speed_ratio(&after, &before) {
            Ok(ratio) => number_cell(&format!("× {}", number::fixed(ratio, 2))),
            Err(reason) => words(&reason),
        },
        _ => number_cell(number::MISSING),
    };
    [
        number_cell(&format!("{}/{}", speed.prompt, speed.generated)),
        rate(&speed.prefill, samples),
        rate(&speed.decode, samples),
        against,
        linked(samples, &number::or_missing(speed.bytes_per_token, number::bytes)),
        linked(samples, &number::or_missing(speed.share_of_copy(), number::percent)),
        linked(samples, &number::or_missing(speed.first_token_cold, |s| format!("{} s", number::fixed(s, 3)))),
    ]
}

fn rate(repeats: &[f64], samples: Option<&str>) -> Markup {
    let Some(rates) = Summary::new(repeats) else { return number_cell(number::MISSING) };
    let text = |rate: f64| number::fixed(rate, if rate < 1000.0 { 1 } else { 0 });
    let unsteady = (!rates.steady()).then_some("worse");
    cell(&html! {
        (link(samples, &text(rates.median)))
        small { (text(rates.min)) " to " (text(rates.max)) }
        small class=[unsteady] { "varies: " (number::or_missing(rates.cv, number::percent)) }
    })
}

/// Returns the scores of all models against their sizes.
pub(super) fn size(analysis: &Analysis<'_>, figures: &mut Figures<'_>) -> Markup {
    let scores = analysis.study.main_scores();
    let drawn: Vec<Markup> = scores.iter().filter_map(|score| figures.score_bytes(score)).collect();
    html! {
        @if drawn.is_empty() {
            p { "No run has both a score and its weights' bytes." }
        } @else {
            p {
                "Is a larger model in fewer bits better than a smaller one in 16? The dashed line is the best of a \
                 size or less."
            }
            (grid(&drawn))
        }
    }
}

/// Returns the outliers by layer and bits.
pub(super) fn outliers(analysis: &Analysis<'_>, figures: &mut Figures<'_>) -> Markup {
    let study = analysis.study;
    let head = ["run", "true bits", "share", "threshold", "layers, least to most"];
    let rows = study.runs.iter().filter_map(|run| {
        let outliers = run.outliers.as_ref()?;
        let layers = extent(outliers.layers.iter().copied());
        let layers = layers.map(|(least, most)| format!("{} to {}", number::percent(least), number::percent(most)));
        let cells = [
            true_bits(run),
            linked(outliers.samples.as_deref(), &number::percent(outliers.share)),
            number_or_dash(outliers.threshold.map(|threshold| threshold.to_string())),
            number_cell(&number::or_missing(layers, |text| text)),
        ];
        Some(row(&run.full_title(), cells))
    });
    let Some(table) = table("Weights kept in 16 bits", head, rows) else {
        return html! { p { "No run has outliers." } };
    };
    let drawn: Vec<Markup> = study.models().into_iter().filter_map(|model| figures.outlier_layers(model)).collect();
    html! { (table) (grid(&drawn)) }
}

/// Returns every score and perplexity against true bits.
pub(super) fn bits(analysis: &Analysis<'_>, figures: &mut Figures<'_>) -> Markup {
    let study = analysis.study;
    let models = study.models().into_iter().map(|model| {
        let texts = study.texts().into_iter().filter_map(|text| figures.perplexity_bits(model, text));
        let mut drawn: Vec<Markup> = texts.collect();
        drawn.extend(study.main_scores().into_iter().filter_map(|score| figures.score_bits(model, score)));
        (model, drawn)
    });
    let models: Vec<(&str, Vec<Markup>)> = models.filter(|(_, drawn)| !drawn.is_empty()).collect();
    html! {
        @if models.is_empty() {
            p { "No run has both its true bits and a score or a perplexity." }
        } @else {
            p {
                "True bits count codes, scales, zeros, outliers and outlier positions, so that all methods share one \
                 axis. A filled mark is a method with its own settings. A hollow mark is a method whose outlier \
                 threshold was chosen to reach the true bits of another one."
            }
            @for (model, drawn) in &models { h3 { (model) } (grid(drawn)) }
        }
    }
}

/// Returns the ablations, each beside its method's preset at the same bits.
pub(super) fn ablation(analysis: &Analysis<'_>) -> Markup {
    let study = analysis.study;
    let changed = || study.runs.iter().filter(|run| run.purpose == Purpose::Ablation);
    let same = |a: &RunResult, b: &RunResult| (&a.model, &a.method, a.bits) == (&b.model, &b.method, b.bits);
    let (texts, scores) = (study.texts(), study.main_scores());
    let titles = texts.iter().map(|text| text.title()).chain(scores.iter().map(|score| score.title()));
    let head = ["run", "true bits", "outliers"].map(str::to_owned).into_iter().chain(titles);
    let shown = study.runs.iter().filter(|run| !run.is_baseline() && changed().any(|other| same(other, run)));
    let rows = shown.map(|run| {
        let outliers = run.outliers.as_ref();
        let share = number::or_missing(outliers.map(|outliers| outliers.share), number::percent);
        let perplexities = texts.iter().map(|text| run.perplexity_like(text).map(|p| number::perplexity(p.value)));
        let points = scores.iter().map(|score| run.score_like(score).map(|s| number::fixed(s.points(), 1)));
        let numbers = perplexities.chain(points).map(|text| number_cell(&number::or_missing(text, |text| text)));
        let first = [true_bits(run), linked(outliers.and_then(|outliers| outliers.samples.as_deref()), &share)];
        row(&run.full_title(), first.into_iter().chain(numbers))
    });
    match table("Perplexity, and points of 100", head, rows) {
        None => html! { p { "No run changes an option to measure what it contributes." } },
        Some(table) => html! { p { "Each changed run with its method's default run at the same bits." } (table) },
    }
}
