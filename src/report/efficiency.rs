//! Parts of the page about cost: memory, speed, size, true bits and outliers.

use maud::{Markup, html};

use super::Findings;
use super::data::{Purpose, RunResult, SpeedResult};
use super::figures::Figures;
use super::html::{Table, cell, grid, link, linked, number as number_cell, number_or_dash, true_bits, words};
use super::number::{self, extent};
use super::run::RateSummary;

/// Returns the memory and speed of every run.
pub(super) fn memory_speed(findings: &Findings<'_>, figures: &mut Figures<'_>) -> Markup {
    let head = ["run", "true bits", "weights", "keys and values", "scratch", "host peak (RSS)"];
    let mut memory = Table::new("Memory. Each column is measured separately", head);
    let head = [
        "run",
        "prompt/generated",
        "prefill, tok/s",
        "decode, tok/s",
        "decode against 16 bits",
        "bytes a token",
        "share of copy bandwidth",
        "first token, cold",
    ];
    let mut speed = Table::new("Speed at batch 1, greedy: median, and least to most of the repeats", head);
    for run in &findings.study.runs {
        let m = &run.memory;
        let bytes = [m.weights, m.kv, m.scratch, m.host_rss_peak];
        let bytes = bytes.map(|bytes| linked(m.samples.as_deref(), &number::or_missing(bytes, number::bytes)));
        memory.row(&run.full_title(), std::iter::once(true_bits(run)).chain(bytes));
        if run.speeds.is_empty() {
            speed.row(&run.full_title(), head[1..].iter().map(|_| number_cell(number::MISSING)));
        }
        for found in &run.speeds {
            speed.row(&run.full_title(), speed_cells(findings, run, found));
        }
    }
    let drawn = [
        figures.memory(),
        figures.rate("Decoding, tokens a second", 3, |run| Some(&run.speeds.first()?.decode)),
        figures.rate("Prefill, tokens a second", 2, |run| Some(&run.speeds.first()?.prefill)),
        figures.bandwidth(),
    ];
    html! {
        (memory)
        p {
            "Rates are compared only where both runs vary by 5 % or less (coefficient of variation). A number links to \
             the file of its measurement."
        }
        (speed)
        (grid(&drawn.into_iter().flatten().collect::<Vec<_>>()))
    }
}

fn speed_cells(findings: &Findings<'_>, run: &RunResult, speed: &SpeedResult) -> [Markup; 7] {
    let samples = speed.samples.as_deref();
    let before = findings.study.baseline(run).and_then(|baseline| baseline.speed_like(speed));
    let against = match (RateSummary::new(&speed.decode), before.and_then(|before| RateSummary::new(&before.decode))) {
        _ if run.is_baseline() => number_or_dash(None),
        (Some(after), Some(before)) => match after.over(&before) {
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
    let Some(rates) = RateSummary::new(repeats) else { return number_cell(number::MISSING) };
    let text = |rate: f64| number::fixed(rate, if rate < 1000.0 { 1 } else { 0 });
    let unsteady = (!rates.steady()).then_some("worse");
    cell(&html! {
        (link(samples, &text(rates.median)))
        small { (text(rates.least)) " to " (text(rates.most)) }
        small class=[unsteady] { "varies: " (number::or_missing(rates.variation, number::percent)) }
    })
}

/// Returns the scores of all models against their sizes.
pub(super) fn size(findings: &Findings<'_>, figures: &mut Figures<'_>) -> Markup {
    let scores = findings.study.main_scores();
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
pub(super) fn outliers(findings: &Findings<'_>, figures: &mut Figures<'_>) -> Markup {
    let study = findings.study;
    let head = ["run", "true bits", "share", "threshold", "layers, least to most"];
    let mut table = Table::new("Weights kept in 16 bits", head);
    for run in &study.runs {
        let Some(outliers) = &run.outliers else { continue };
        let layers = extent(outliers.layers.iter().copied());
        let layers = layers.map(|(least, most)| format!("{} to {}", number::percent(least), number::percent(most)));
        let cells = [
            true_bits(run),
            linked(outliers.samples.as_deref(), &number::percent(outliers.share)),
            number_or_dash(outliers.threshold.map(|threshold| threshold.to_string())),
            number_cell(&number::or_missing(layers, |text| text)),
        ];
        table.row(&run.full_title(), cells);
    }
    if table.is_empty() {
        return html! { p { "No run has outliers." } };
    }
    let drawn: Vec<Markup> = study.models().into_iter().filter_map(|model| figures.outlier_layers(model)).collect();
    html! { (table) (grid(&drawn)) }
}

/// Returns every score and perplexity against true bits.
pub(super) fn bits(findings: &Findings<'_>, figures: &mut Figures<'_>) -> Markup {
    let study = findings.study;
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
pub(super) fn ablation(findings: &Findings<'_>) -> Markup {
    let study = findings.study;
    let changed: Vec<&RunResult> = study.runs.iter().filter(|run| run.purpose == Purpose::Ablation).collect();
    if changed.is_empty() {
        return html! { p { "No run changes an option to measure what it contributes." } };
    }
    let same = |a: &RunResult, b: &RunResult| (&a.model, &a.method, a.bits) == (&b.model, &b.method, b.bits);
    let (texts, scores) = (study.texts(), study.main_scores());
    let titles = texts.iter().map(|text| text.title()).chain(scores.iter().map(|score| score.title()));
    let head = ["run", "true bits", "outliers"].map(str::to_owned).into_iter().chain(titles);
    let mut table = Table::new("Perplexity, and points of 100", head);
    for run in study.runs.iter().filter(|run| !run.is_baseline() && changed.iter().any(|other| same(other, run))) {
        let outliers = run.outliers.as_ref();
        let share = number::or_missing(outliers.map(|outliers| outliers.share), number::percent);
        let perplexities = texts.iter().map(|text| run.perplexity_like(text).map(|p| number::perplexity(p.value)));
        let points = scores.iter().map(|score| run.score_like(score).map(|s| number::fixed(s.points(), 1)));
        let numbers = perplexities.chain(points).map(|text| number_cell(&number::or_missing(text, |text| text)));
        let first = [true_bits(run), linked(outliers.and_then(|outliers| outliers.samples.as_deref()), &share)];
        table.row(&run.full_title(), first.into_iter().chain(numbers));
    }
    html! {
        p {
            "Each changed run with its method's default run at the same bits."
        }
        (table)
    }
}
