//! Parts of the page about cost: memory, speed, size, true bits, outliers; and how it was measured.

use super::Findings;
use super::claims::{Claim, Outcome};
use super::data::{Purpose, Run, Speed, Study};
use super::figures::Figures;
use super::html::{Cell, Table, escape, link, paragraph};
use super::number;
use super::run::Spread;

fn grid(figures: String) -> String {
    if figures.is_empty() { figures } else { format!("<div class=\"figures\">\n{figures}</div>\n") }
}

fn true_bits(run: &Run) -> Cell {
    Cell::number(&number::or_missing(run.true_bits, |bits| number::fixed(bits, 2)))
}

/// Memory and speed.
pub fn memory_speed(findings: &Findings<'_>, figures: &mut Figures) -> String {
    let study = findings.study;
    let head = ["run", "true bits", "weights", "keys and values", "scratch", "host peak (RSS)"];
    let mut table = Table::new("Memory. Each column is a measurement of its own", &head);
    for run in &study.runs {
        let m = &run.memory;
        let bytes = [m.weights, m.kv, m.scratch, m.host_rss_peak];
        let bytes = bytes.map(|bytes| Cell::linked(m.samples.as_deref(), &number::or_missing(bytes, number::bytes)));
        table.row([Cell::text(&run.full_title()), true_bits(run)].into_iter().chain(bytes).collect());
    }
    let mut html = table.html();
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
    let mut table = Table::new("Speed at batch 1, greedy: median, and least to most of the repeats", &head);
    for run in &study.runs {
        if run.speeds.is_empty() {
            table.row(
                std::iter::once(Cell::text(&run.full_title()))
                    .chain((1..head.len()).map(|_| Cell::missing()))
                    .collect(),
            );
        }
        for speed in &run.speeds {
            let linked = |text: String| Cell::linked(speed.samples.as_deref(), &text);
            let seconds = |s: Option<f64>| linked(number::or_missing(s, |s| format!("{} s", number::fixed(s, 3))));
            table.row(vec![
                Cell::text(&run.full_title()),
                Cell::number(&format!("{}/{}", speed.prompt, speed.generated)),
                rate(&speed.prefill, speed.samples.as_deref()),
                rate(&speed.decode, speed.samples.as_deref()),
                against(findings, run, speed),
                linked(number::or_missing(speed.bytes_per_token, number::bytes)),
                linked(number::or_missing(speed.share_of_copy(), number::percent)),
                seconds(speed.first_token_cold),
            ]);
        }
    }
    html += &paragraph(
        "Rates are compared only where both runs vary by 5 % or less (coefficient of variation). A number leads to its \
         measurement where there is a file of it.",
    );
    html += &table.html();
    let first = |pick: fn(&Speed) -> &Vec<f64>| move |run: &Run| Some(pick(run.speeds.first()?).clone());
    let drawn = figures.memory(study)
        + &figures.rate(study, "Decoding, tokens a second", 3, first(|speed| &speed.decode))
        + &figures.rate(study, "Prefill, tokens a second", 2, first(|speed| &speed.prefill))
        + &figures.bandwidth(study);
    html + &grid(drawn)
}

fn rate(repeats: &[f64], samples: Option<&str>) -> Cell {
    let Some(spread) = Spread::new(repeats) else { return Cell::missing() };
    let text = |rate: f64| number::fixed(rate, if rate < 1000.0 { 1 } else { 0 });
    let variation = number::or_missing(spread.variation, number::percent);
    let unsteady = if spread.steady() { "" } else { " class=\"worse\"" };
    Cell::html(format!(
        "{}<small>{} to {}</small><small{unsteady}>varies: {variation}</small>",
        link(samples, &text(spread.median)),
        text(spread.least),
        text(spread.most)
    ))
}

fn against(findings: &Findings<'_>, run: &Run, speed: &Speed) -> Cell {
    let before = findings.study.baseline(run).and_then(|baseline| baseline.speed_like(speed));
    match (Spread::new(&speed.decode), before.and_then(|before| Spread::new(&before.decode))) {
        _ if run.is_baseline() => Cell::number("–"),
        (Some(after), Some(before)) => match after.over(&before) {
            Ok(ratio) => Cell::number(&format!("× {}", number::fixed(ratio, 2))),
            Err(reason) => Cell::text(&reason),
        },
        _ => Cell::missing(),
    }
}

/// Scores of all models against their sizes.
pub fn size(findings: &Findings<'_>, figures: &mut Figures) -> String {
    let study = findings.study;
    let drawn: String = study.main_scores().iter().map(|score| figures.score_bytes(study, score)).collect();
    if drawn.is_empty() {
        return paragraph("No run has both a score and its weights' bytes.");
    }
    paragraph("Does a larger model in fewer bits do more than a smaller one in 16? The dashed line is the frontier.")
        + &grid(drawn)
}

/// Outliers by layer and bits.
pub fn outliers(findings: &Findings<'_>, figures: &mut Figures) -> String {
    let study = findings.study;
    let mut table =
        Table::new("Weights kept in 16 bits", &["run", "true bits", "share", "threshold", "layers, least to most"]);
    for run in &study.runs {
        let Some(outliers) = &run.outliers else { continue };
        let least = outliers.layers.iter().copied().reduce(f64::min);
        let most = outliers.layers.iter().copied().reduce(f64::max);
        let layers = least.zip(most).map(|(a, b)| format!("{} to {}", number::percent(a), number::percent(b)));
        table.row(vec![
            Cell::text(&run.full_title()),
            true_bits(run),
            Cell::linked(outliers.samples.as_deref(), &number::percent(outliers.share)),
            Cell::number(&outliers.threshold.map_or_else(|| "–".to_owned(), |t| t.to_string())),
            Cell::number(&layers.unwrap_or_else(|| number::MISSING.to_owned())),
        ]);
    }
    if table.is_empty() {
        return paragraph("No run has outliers.");
    }
    let drawn: String = study.models().iter().map(|model| figures.outlier_layers(study, model)).collect();
    table.html() + &grid(drawn)
}

/// Every score and perplexity against true bits.
pub fn bits(findings: &Findings<'_>, figures: &mut Figures) -> String {
    let study = findings.study;
    let mut html = paragraph(
        "True bits count codes, scales, zeros, outliers and outlier positions, so that all methods share one axis. A \
         filled mark is a method with its own settings. A hollow mark is a method whose outlier threshold was chosen \
         to reach the true bits of another one.",
    );
    let mut any = false;
    for model in study.models() {
        let mut drawn: String = study.texts().iter().map(|text| figures.perplexity_bits(study, model, text)).collect();
        drawn.extend(study.main_scores().iter().map(|score| figures.score_bits(study, model, score)));
        if !drawn.is_empty() {
            any = true;
            html += &format!("<h3>{}</h3>\n{}", escape(model), grid(drawn));
        }
    }
    if any { html } else { paragraph("No run has both its true bits and a score or a perplexity.") }
}

/// Writes the ablations: each beside its method's preset at the same bits.
pub fn ablation(findings: &Findings<'_>) -> String {
    let study = findings.study;
    let changed: Vec<&Run> = study.runs.iter().filter(|run| run.purpose == Purpose::Ablation).collect();
    let twins =
        |run: &Run| changed.iter().any(|c| (&c.model, &c.method, c.bits) == (&run.model, &run.method, run.bits));
    let (texts, scores) = (study.texts(), study.main_scores());
    let titles: Vec<String> = texts.iter().map(|t| t.title()).chain(scores.iter().map(|s| s.title())).collect();
    let head: Vec<&str> =
        ["run", "true bits", "outliers"].into_iter().chain(titles.iter().map(String::as_str)).collect();
    let mut table = Table::new("Perplexity, and points of 100", &head);
    for run in study.runs.iter().filter(|run| !run.is_baseline() && twins(run)) {
        let share = run.outliers.as_ref().map(|outliers| outliers.share);
        let file = run.outliers.as_ref().and_then(|outliers| outliers.samples.as_deref());
        let mut cells = vec![
            Cell::text(&run.full_title()),
            true_bits(run),
            Cell::linked(file, &number::or_missing(share, number::percent)),
        ];
        let perplexities = texts.iter().map(|text| run.perplexity_like(text).map(|p| number::perplexity(p.value)));
        let points = scores.iter().map(|score| run.score_like(score).map(|s| number::fixed(s.points(), 1)));
        cells.extend(perplexities.chain(points).map(|text| Cell::number(&number::or_missing(text, |text| text))));
        table.row(cells);
    }
    if changed.is_empty() {
        return paragraph("No run leaves something out to see what it is worth.");
    }
    paragraph("What outliers and small groups are worth: each changed run beside its method's own at the same bits.")
        + &table.html()
}

/// How it was measured.
pub fn conditions(study: &Study) -> String {
    let conditions = &study.conditions;
    let fact = |name: &str, value: &str| format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(value));
    let mut facts = vec![
        fact("date", &conditions.date),
        fact("qwgpu", &conditions.qwgpu),
        fact("adapter", &conditions.adapter),
        fact("driver", conditions.driver.as_deref().unwrap_or("not reported")),
        fact("path", &conditions.path),
        fact("perplexity", &conditions.perplexity_protocol),
        fact("speed", &conditions.speed_protocol),
    ];
    facts.insert(0, format!("<dt>command</dt><dd><code>{}</code></dd>\n", escape(&conditions.command)));
    for model in study.models() {
        let parameters = study.of(model).next().map(|run| number::parameters(run.parameters));
        facts.push(fact(model, &format!("{} parameters", parameters.unwrap_or_default())));
    }
    for (name, list) in [("seed", &conditions.seeds), ("digest", &conditions.digests), ("", &conditions.others)] {
        facts.extend(list.iter().map(|f| fact(format!("{name} {}", f.name).trim(), &f.value)));
    }
    format!("<dl>\n{}</dl>\n", facts.concat())
        + &paragraph(
            "Statistics: McNemar's test for documents that are right or wrong, exact below 25 that differ, with the \
             adjusted Wald interval of Bonett and Price (2012) for the difference of paired shares; else a paired \
             bootstrap of 10,000 resamples, from 10 pairs on; Holm's correction over the scores of a model; equivalence \
             by two one-sided t tests at ±1 point, and where all n pairs differ alike, mostly not at all, by the \
             probability 0.99ⁿ to see that if 1 % of the documents differed otherwise. Where runs did not answer the \
             same documents, or a metric is no mean, the comparison is an unpaired z test, which sees less.",
        )
        + "<p>As data: <a href=\"study.json\">study.json</a>, <a href=\"scores.csv\">scores.csv</a>, \
           <a href=\"perplexity.csv\">perplexity.csv</a>, <a href=\"memory_speed.csv\">memory_speed.csv</a>, \
           <a href=\"correlations.csv\">correlations.csv</a>.</p>\n"
}

/// The study's claims and what became of them.
pub fn claims(claims: &[Claim]) -> String {
    let items = claims.iter().map(|claim| {
        let class = match claim.outcome {
            Outcome::Held => "better",
            Outcome::Fell => "worse",
            Outcome::Untested => "quiet",
        };
        let (text, evidence, rule) = (escape(claim.claim), escape(&claim.evidence), escape(claim.rule));
        format!(
            "<li><p><strong>{text}</strong></p>\n<p><strong class=\"{class}\">{}</strong>: {evidence}</p>\n\
             <p class=\"quiet\">Rule: {rule}</p></li>\n",
            claim.outcome.title()
        )
    });
    let items: String = items.collect();
    let whose = "Jin et al., A Comprehensive Evaluation of Quantization Strategies for Large Language Models, 2024.";
    format!("{}<ol class=\"claims\">\n{items}</ol>\n", paragraph(whose))
}
