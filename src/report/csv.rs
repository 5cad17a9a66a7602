//! The tables as files. What is missing is an empty field.

use super::Findings;
use super::data::{Method, Run};
use super::run::Spread;
use crate::metrics::correlation::Correlation;

/// Lines of fields, quoted by RFC 4180 where needed.
struct Lines(String);

impl Lines {
    fn new(head: &str) -> Lines {
        Lines(format!("{head}\n"))
    }

    fn add(&mut self, fields: &[String]) {
        let quoted: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
        self.0 += &quoted.join(",");
        self.0.push('\n');
    }
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

const RUN: &str = "model,parameters,method,bits,true_bits,purpose,options";

fn run_fields(run: &Run) -> Vec<String> {
    let method = match run.method {
        Method::Bf16 => "bf16",
        Method::Int8 => "int8",
        Method::Gptq => "gptq",
        Method::Spqr => "spqr",
        Method::Rtn => "rtn",
    };
    let options: Vec<String> =
        run.options.iter().map(|o| format!("{} {}", o.name, o.value).trim().to_owned()).collect();
    let purpose = match run.purpose {
        super::data::Purpose::Preset => "preset",
        super::data::Purpose::EqualBits => "equal-bits",
        super::data::Purpose::Ablation => "ablation",
    };
    let bits = (run.bits.to_string(), text(run.true_bits));
    vec![
        run.model.clone(),
        run.parameters.to_string(),
        method.to_owned(),
        bits.0,
        bits.1,
        purpose.to_owned(),
        options.join("; "),
    ]
}

/// Every score; differences in points of 100.
pub fn scores(findings: &Findings<'_>) -> String {
    let mut lines = Lines::new(&format!(
        "{RUN},task,set,metric,profile,shots,documents,value,stderr,scale,chance,higher_is_better,test,pairs,\
         difference_points,low_points,high_points,p,p_holm,p_equivalence_1_point,ties,errors,truncated,samples"
    ));
    for run in &findings.study.runs {
        for score in &run.scores {
            let change = findings.changes.iter().find(|change| std::ptr::eq(change.score, score));
            let mut fields = run_fields(run);
            fields.extend([
                score.task.clone(),
                text(score.set.as_ref()),
                score.metric.clone(),
                score.profile.clone(),
                score.shots.to_string(),
                score.documents.to_string(),
                score.value.to_string(),
                text(score.stderr),
                score.scale.to_string(),
                text(score.chance),
                score.higher_is_better.to_string(),
                text(change.map(|change| change.test.title())),
                text(change.map(|change| change.pairs)),
                text(change.map(|change| change.difference)),
                text(change.and_then(|change| change.interval).map(|interval| interval.0)),
                text(change.and_then(|change| change.interval).map(|interval| interval.1)),
                text(change.and_then(|change| change.p)),
                text(change.and_then(|change| change.corrected)),
                text(change.and_then(|change| change.equivalence)),
                score.ties.to_string(),
                score.errors.to_string(),
                score.truncated.to_string(),
                text(score.samples.as_ref()),
            ]);
            lines.add(&fields);
        }
    }
    lines.0
}

/// Every perplexity.
pub fn perplexities(findings: &Findings<'_>) -> String {
    let mut lines = Lines::new(&format!(
        "{RUN},text,protocol,window,tokens,windows,perplexity,ratio,ratio_low,ratio_high,p,p_holm,collapsed,samples,\
         kl_positions,kl_mean,kl_quantile_999,same_top,rms_difference"
    ));
    for run in &findings.study.runs {
        for perplexity in &run.perplexities {
            let rise = findings.rises.iter().find(|rise| std::ptr::eq(rise.perplexity, perplexity));
            let mut fields = run_fields(run);
            fields.extend([
                perplexity.text.clone(),
                perplexity.protocol.clone(),
                perplexity.window.to_string(),
                perplexity.tokens.to_string(),
                perplexity.windows.len().to_string(),
                perplexity.value.to_string(),
                text(rise.map(|rise| rise.ratio)),
                text(rise.and_then(|rise| rise.interval).map(|interval| interval.0)),
                text(rise.and_then(|rise| rise.interval).map(|interval| interval.1)),
                text(rise.and_then(|rise| rise.p)),
                text(rise.and_then(|rise| rise.corrected)),
                text(rise.map(|rise| rise.collapsed)),
                text(perplexity.samples.as_ref()),
            ]);
            let distance = perplexity.distance;
            fields.extend([
                text(distance.map(|distance| distance.positions)),
                text(distance.map(|distance| distance.mean)),
                text(distance.map(|distance| distance.quantile_999)),
                text(distance.map(|distance| distance.same_top)),
                text(distance.map(|distance| distance.rms_difference)),
            ]);
            lines.add(&fields);
        }
    }
    lines.0
}

/// Memory in bytes, rates in tokens a second, a line for each protocol of speed or one without.
pub fn memory_speed(findings: &Findings<'_>) -> String {
    let rate = |name: &str| ["median", "min", "max", "cv"].map(|part| format!("{name}_{part}")).join(",");
    let mut lines = Lines::new(&format!(
        "{RUN},weight_bytes,kv_bytes,scratch_bytes,host_rss_peak_bytes,prompt,\
         generated,{},{},bytes_per_token,copy_bytes_per_second,share_of_copy,first_token_cold_s",
        rate("prefill_tok_s"),
        rate("decode_tok_s")
    ));
    for run in &findings.study.runs {
        let m = &run.memory;
        let bytes = [m.weights, m.kv, m.scratch, m.host_rss_peak].map(text);
        let speeds: Vec<_> = if run.speeds.is_empty() { vec![None] } else { run.speeds.iter().map(Some).collect() };
        for speed in speeds {
            let mut fields = run_fields(run);
            fields.extend(bytes.clone());
            fields.extend([text(speed.map(|speed| speed.prompt)), text(speed.map(|speed| speed.generated))]);
            for repeats in [speed.map(|speed| &speed.prefill), speed.map(|speed| &speed.decode)] {
                let spread = repeats.and_then(|repeats| Spread::new(repeats));
                let numbers = [spread.map(|s| s.median), spread.map(|s| s.least), spread.map(|s| s.most)];
                fields.extend(numbers.map(text));
                fields.push(text(spread.and_then(|s| s.variation)));
            }
            fields.extend([
                text(speed.and_then(|speed| speed.bytes_per_token)),
                text(speed.and_then(|speed| speed.copy_bandwidth)),
                text(speed.and_then(|speed| speed.share_of_copy())),
                text(speed.and_then(|speed| speed.first_token_cold)),
            ]);
            lines.add(&fields);
        }
    }
    lines.0
}

/// Every correlation of perplexity and score.
pub fn correlations(findings: &Findings<'_>) -> String {
    let mut lines = Lines::new(
        "model,text,protocol,task,metric,profile,shots,collapsed_runs,left_out_runs,runs,coefficient,r,n,p,low,high",
    );
    for related in &findings.related {
        for (runs, coefficients) in [("all", related.all), ("without collapsed", related.sound)] {
            let named = [
                ("pearson", coefficients.plain),
                ("pearson of ln", coefficients.logarithm),
                ("spearman", coefficients.rank),
            ];
            for (name, found) in named {
                let of = |part: fn(Correlation) -> f64| text(found.map(part));
                let interval = found.and_then(|found| found.interval);
                lines.add(&[
                    related.model.to_owned(),
                    related.text.text.clone(),
                    related.text.protocol.clone(),
                    related.score.task.clone(),
                    related.score.metric.clone(),
                    related.score.profile.clone(),
                    related.score.shots.to_string(),
                    related.collapsed.to_string(),
                    related.left_out.to_string(),
                    runs.to_owned(),
                    name.to_owned(),
                    of(|found| found.r),
                    text(found.map(|found| found.pairs)),
                    of(|found| found.p),
                    text(interval.map(|interval| interval.0)),
                    text(interval.map(|interval| interval.1)),
                ]);
            }
        }
    }
    lines.0
}
