//! Results and samples as lm-evaluation-harness writes them, so that its users' tools read ours.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::journal::Identity;
use super::measure::{Number, Sample, SetResult, group_number};
use super::requests::{PreparedTask, Request};
use super::settings::EvalSettings;
use crate::atomic_write;
use crate::date;
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::metrics::statistics::mean;
use crate::tasks::{Ask, Item, Over, Response};

/// The version of lm-evaluation-harness whose layout and rules this follows.
const IMITATED: &str = "0.4.13";

/// A finished evaluation.
pub struct EvalRun<'a> {
    pub identity: &'a Identity,
    /// When its first run began, in seconds since 1970.
    pub begun: u64,
    /// What was asked.
    pub settings: &'a EvalSettings,
    pub chat_template: &'a str,
    pub tasks: Vec<(&'a PreparedTask, Vec<SetResult<'a>>)>,
}

/// Returns the content of the results file. It depends on answers alone: runs that end with the same answers give the same bytes.
pub fn results(run: &EvalRun) -> Value {
    let mut all = Results::default();
    for (task, sets) in &run.tasks {
        all.task(task, sets);
    }
    let uses_chat = run.tasks.iter().any(|(task, _)| task.profile.chat);
    let template = if uses_chat { json!(run.chat_template) } else { Value::Null };
    json!({
        "results": all.results,
        "groups": all.groups,
        "group_subtasks": all.subtasks,
        "configs": all.configs,
        "versions": all.versions,
        "n-shot": all.shots,
        "higher_is_better": all.higher,
        "n-samples": all.samples,
        "config": {
            "model": "qwgpu",
            "model_args": run.settings,
            "model_sha": run.identity.digest,
            "batch_size": "auto",
            "limit": run.settings.limit,
            "bootstrap_iters": 100,
            "gen_kwargs": null,
            "random_seed": 0,
            "numpy_seed": 1234,
            "torch_seed": 1234,
            "fewshot_seed": 1234,
        },
        "date": run.begun,
        "lm_eval_version": IMITATED,
        "task_hashes": all.hashes,
        "model_source": "qwgpu",
        "model_name": run.identity.model,
        "model_name_sanitized": sanitized(&run.identity.model),
        "system_instruction": null,
        "system_instruction_sha": null,
        "fewshot_as_multiturn": run.settings.fewshot_as_multiturn,
        "chat_template": template,
        "chat_template_sha": uses_chat.then(|| sha256(run.chat_template)),
        "max_length": run.settings.context,
        "qwgpu": { "version": env!("CARGO_PKG_VERSION"), "identity": run.identity, "sets": all.extras },
    })
}

#[derive(Default)]
struct Results {
    results: Map<String, Value>,
    groups: Map<String, Value>,
    subtasks: Map<String, Value>,
    configs: Map<String, Value>,
    versions: Map<String, Value>,
    shots: Map<String, Value>,
    higher: Map<String, Value>,
    samples: Map<String, Value>,
    hashes: Map<String, Value>,
    extras: Map<String, Value>,
}

impl Results {
    fn task(&mut self, task: &PreparedTask, sets: &[SetResult]) {
        let metrics = task.profile.metrics;
        let grouped = sets.len() > 1;
        let mut groups: Vec<(String, Vec<&SetResult>)> = Vec::new();
        if grouped {
            groups.push((task.name.clone(), sets.iter().collect()));
            for set in sets {
                for group in &set.data().groups {
                    let name = format!("{}_{group}", task.task.name);
                    match groups.iter_mut().find(|known| known.0 == name) {
                        Some(known) => known.1.push(set),
                        None => groups.push((name, vec![set])),
                    }
                }
            }
        }
        for (name, members) in &groups {
            let numbers = metrics.iter().filter_map(|metric| group_number(metric, members));
            let documents: usize = members.iter().map(|set| set.samples.len()).sum();
            let mut entry = entry(name, if *name == task.name { "" } else { " - " }, documents, numbers);
            // lm-evaluation-harness weights by documents; some tools report this mean over subjects.
            for metric in metrics.iter().filter(|metric| matches!(metric.over, Over::Mean)) {
                let values: Vec<f64> =
                    members.iter().filter_map(|set| set.number(metric)).filter_map(|number| number.value).collect();
                if let Ok(value) = mean(&values) {
                    entry.insert(format!("{}_macro,{}", metric.name, metric.filter), json!(value));
                }
            }
            self.results.insert(name.clone(), Value::Object(entry.clone()));
            self.groups.insert(name.clone(), Value::Object(entry));
            let names: Vec<&str> = members.iter().map(|set| set.data().name.as_str()).collect();
            self.subtasks.insert(name.clone(), json!(names));
        }
        for set in sets {
            let name = set.data().name.clone();
            let numbers = metrics.iter().filter_map(|metric| set.number(metric));
            let alias = if grouped { " - " } else { "" };
            self.results.insert(name.clone(), Value::Object(entry(&name, alias, set.samples.len(), numbers)));
            self.configs.insert(
                name.clone(),
                json!({
                    "task": name,
                    "profile": task.profile.name,
                    "num_fewshot": task.shots,
                    "output_type": match set.samples.first().map(|s| &s.request.prompt.ask) {
                        Some(Ask::Reply { .. }) => "generate_until",
                        _ => "multiple_choice",
                    },
                }),
            );
            self.versions.insert(name.clone(), json!(task.profile.version));
            self.shots.insert(name.clone(), json!(task.shots));
            let higher: Map<String, Value> =
                metrics.iter().map(|m| (m.name.to_owned(), json!(m.higher_is_better))).collect();
            self.higher.insert(name.clone(), Value::Object(higher));
            let counts = json!({ "original": set.data().documents.len(), "effective": set.samples.len() });
            self.samples.insert(name.clone(), counts);
            let triples: String = set.samples.iter().map(|sample| Hashes::of(sample).joined()).collect();
            self.hashes.insert(name.clone(), json!(sha256(triples)));
            self.extras.insert(
                name,
                json!({
                    "errors": set.errors(),
                    "missing": set.missing,
                    "ties": set.ties(),
                    "truncated": set.truncated(),
                    "chance": metrics.iter().find(|m| m.primary).and_then(|m| m.chance),
                }),
            );
        }
    }
}

fn entry(name: &str, indent: &str, documents: usize, numbers: impl Iterator<Item = Number>) -> Map<String, Value> {
    let mut entry = Map::new();
    entry.insert("name".into(), json!(name));
    entry.insert("alias".into(), json!(format!("{indent}{name}")));
    entry.insert("sample_len".into(), json!(documents));
    for number in numbers {
        let or = |value: Option<f64>| value.map_or(json!("N/A"), |value| json!(value));
        entry.insert(format!("{},{}", number.name, number.filter), or(number.value));
        entry.insert(format!("{}_stderr,{}", number.name, number.filter), or(number.standard_error));
    }
    entry
}

/// Returns the lines of a set's samples file: one for each document and filter.
pub fn samples(set: &SetResult) -> String {
    let mut lines = String::new();
    for sample in &set.samples {
        let hashes = Hashes::of(sample);
        match &sample.outcomes {
            Ok(outcomes) => {
                for outcome in outcomes {
                    let mut line = line(sample, outcome.filter, outcome.filtered.as_deref());
                    let names: Vec<&str> = outcome.items.iter().map(|item| item.0).collect();
                    line.insert("metrics".into(), json!(names));
                    hashes.insert(&mut line);
                    for (name, item) in &outcome.items {
                        line.insert((*name).to_owned(), item_value(item));
                    }
                    lines += &Value::Object(line).to_string();
                    lines.push('\n');
                }
            }
            Err(why) => {
                let mut line = line(sample, "none", None);
                line.insert("metrics".into(), json!([]));
                hashes.insert(&mut line);
                line.insert("error".into(), json!(why));
                lines += &Value::Object(line).to_string();
                lines.push('\n');
            }
        }
    }
    lines
}

fn line(sample: &Sample, filter: &str, filtered: Option<&[String]>) -> Map<String, Value> {
    let request = sample.request;
    let mut arguments = Map::new();
    match &request.prompt.ask {
        Ask::Choices(_) => {
            for (number, continuation) in request.continuations.iter().enumerate() {
                let argument = json!({ "arg_0": request.context, "arg_1": continuation });
                arguments.insert(format!("gen_args_{number}"), argument);
            }
        }
        Ask::Reply { until, tokens } => {
            let how = json!({ "until": until, "do_sample": false, "temperature": 0.0, "max_gen_toks": tokens });
            arguments.insert("gen_args_0".into(), json!({ "arg_0": request.context, "arg_1": how }));
        }
    }
    let (answers, plain): (Value, Value) = match sample.response {
        Response::Choices(sums) => {
            let pairs: Vec<[String; 2]> = sums
                .iter()
                .map(|&(sum, greedy)| [python(sum), if greedy { "True" } else { "False" }.to_owned()])
                .collect();
            (json!(pairs.iter().map(|pair| [pair]).collect::<Vec<_>>()), json!(pairs))
        }
        Response::Reply(text) => (json!([[text]]), json!([text])),
        Response::Error(_) => (json!([]), json!([])),
    };
    let filtered = filtered.map_or(plain, |texts| json!(texts));
    let mut line = Map::new();
    line.insert("doc_id".into(), json!(sample.id));
    line.insert("doc".into(), sample.document.clone());
    line.insert("target".into(), target(request));
    line.insert("arguments".into(), Value::Object(arguments));
    line.insert("resps".into(), answers);
    line.insert("filtered_resps".into(), filtered);
    line.insert("filter".into(), json!(filter));
    line
}

/// Returns the right answer as lm-evaluation-harness logs it: text, also of a number.
fn target(request: &Request) -> Value {
    match &request.prompt.logged_target {
        None => json!(request.prompt.target),
        Some(Value::Number(index)) => json!(index.to_string()),
        Some(other) => other.clone(),
    }
}

fn item_value(item: &Item) -> Value {
    match item {
        Item::Number(value) => json!(value),
        Item::Texts { reply, references } => json!([references, reply]),
        Item::Record(record) => record.clone(),
        Item::Request(prompt) => json!({ "judge": prompt }),
    }
}

/// Digests of a document, of its prompt and of its target.
struct Hashes([String; 3]);

impl Hashes {
    fn of(sample: &Sample) -> Hashes {
        // As `json.dumps(document, indent=2, ensure_ascii=False)` has it.
        let document = serde_json::to_vec_pretty(sample.document).expect("a JSON value");
        let target = match target(sample.request) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Hashes([sha256(&document), sha256(&sample.request.context), sha256(target)])
    }

    fn joined(&self) -> String {
        self.0.concat()
    }

    fn insert(&self, line: &mut Map<String, Value>) {
        for (name, hash) in ["doc_hash", "prompt_hash", "target_hash"].into_iter().zip(&self.0) {
            line.insert(name.into(), json!(hash));
        }
    }
}

/// Writes a number as Python does.
fn python(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').expect("an exponent");
        let exponent: i32 = exponent.parse().expect("a number");
        return format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    format!("{value:?}")
}

/// Returns a model's name as part of a path.
fn sanitized(name: &str) -> String {
    let bad = |c: char| "<>:/|\\?*[]\"".contains(c);
    let mut clean = String::new();
    for c in name.chars() {
        match bad(c) {
            true if clean.ends_with("__") => {}
            true => clean += "__",
            false => clean.push(c),
        }
    }
    clean
}

/// Returns the name of a set's samples file.
pub fn samples_file(set: &str, begun: u64) -> String {
    format!("samples_{}_{}.jsonl", sanitized(set), date::time(begun).replace(':', "-"))
}

/// Writes the results file and a samples file for each set below `out`, requests to a judge and exports for other
/// tools where there are any; gives the results file.
///
/// # Errors
/// The folder cannot be written.
pub fn write(run: &EvalRun, results: &Value, out: &Path) -> Result<PathBuf> {
    let folder = out.join(sanitized(&run.identity.model));
    std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    for set in run.tasks.iter().flat_map(|(_, sets)| sets) {
        let line =
            |(sample, prompt): (&Sample, &str)| json!({ "doc_id": sample.id, "prompt": prompt }).to_string() + "\n";
        let lines: String = set.requests().into_iter().map(line).collect();
        let path = folder.join(format!("judge_{}", samples_file(&set.data().name, run.begun)));
        match lines.is_empty() {
            // A judge may have answered since.
            true if path.exists() => std::fs::remove_file(&path).map_err(Error::io(&path))?,
            true => {}
            false => atomic_write::write(&path, lines)?,
        }
        atomic_write::write(&folder.join(samples_file(&set.data().name, run.begun)), samples(set))?;
    }
    for (task, sets) in &run.tasks {
        let Some(export) = task.task.export else { continue };
        for set in sets {
            let line = |sample: &Sample| match sample.response {
                Response::Reply(reply) => export(sample.document, reply.trim()).to_string() + "\n",
                _ => String::new(),
            };
            let lines: String = set.samples.iter().map(line).collect();
            let name = format!("export_{}", samples_file(&set.data().name, run.begun));
            atomic_write::write(&folder.join(name), lines)?;
        }
    }
    let path = folder.join(format!("results_{}.json", date::time(run.begun).replace(':', "-")));
    atomic_write::write(&path, serde_json::to_vec_pretty(results).expect("a JSON value"))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_python_does() {
        for (value, text) in
            [(-0.9708921313285828, "-0.9708921313285828"), (-1e-5, "-1e-05"), (-12.0, "-12.0"), (0.0001, "0.0001")]
        {
            assert_eq!(python(value), text);
        }
    }

    #[test]
    fn names_become_folders() {
        assert_eq!(sanitized("a/b:c//d"), "a__b__c__d");
    }
}
