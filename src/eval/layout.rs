//! Results and samples as lm-evaluation-harness writes them, so that its users' tools read ours.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::journal::Identity;
use super::measure::{MetricValue, ScoredSample, SubsetResult, group_number};
use super::requests::{Request, TaskRequests};
use super::settings::EvalSettings;
use crate::atomic_write;
use crate::date;
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::metrics::statistics::mean;
use crate::tasks::{Aggregation, Item, OutputType, Response};
use crate::text::python_float;

/// The version of lm-evaluation-harness whose layout and rules this follows.
const IMITATED: &str = "0.4.13";

/// A finished evaluation.
pub struct EvalRun<'a> {
    /// Digests of the model, its tokenizer and its template, and the path.
    pub identity: &'a Identity,
    /// When its first run began, in seconds since 1970.
    pub begun: u64,
    /// Tasks, model and options.
    pub settings: &'a EvalSettings,
    /// The model's chat template.
    pub chat_template: &'a str,
    /// Each task with the results of its sets.
    pub tasks: Vec<(&'a TaskRequests, Vec<SubsetResult<'a>>)>,
}

impl EvalRun<'_> {
    /// Returns the content of the results file. It depends on responses alone: runs that end with the same give the same
    /// bytes.
    pub fn results(&self) -> Value {
        let uses_chat = self.tasks.iter().any(|(task, _)| task.profile.chat);
        let template = if uses_chat { json!(self.chat_template) } else { Value::Null };
        let mut results = json!({
            "results": {},
            "groups": {},
            "group_subtasks": {},
            "configs": {},
            "versions": {},
            "n-shot": {},
            "higher_is_better": {},
            "n-samples": {},
            "config": {
                "model": "qwgpu",
                "model_args": self.settings,
                "model_sha": self.identity.digest,
                "batch_size": "auto",
                "limit": self.settings.limit,
                "bootstrap_iters": 100,
                "gen_kwargs": null,
                "random_seed": 0,
                "numpy_seed": 1234,
                "torch_seed": 1234,
                "fewshot_seed": 1234,
            },
            "date": self.begun,
            "lm_eval_version": IMITATED,
            "task_hashes": {},
            "model_source": "qwgpu",
            "model_name": self.identity.model,
            "model_name_sanitized": sanitized(&self.identity.model),
            "system_instruction": null,
            "system_instruction_sha": null,
            "fewshot_as_multiturn": self.settings.fewshot_as_multiturn,
            "chat_template": template,
            "chat_template_sha": uses_chat.then(|| sha256(self.chat_template)),
            "max_length": self.settings.context,
            "qwgpu": { "version": env!("CARGO_PKG_VERSION"), "identity": self.identity, "sets": {} },
        });
        for (task, sets) in &self.tasks {
            if sets.len() > 1 {
                insert_groups(&mut results, task, sets);
            }
            sets.iter().for_each(|set| insert_set(&mut results, task, set, sets.len() > 1));
        }
        results
    }

    /// Writes results and a samples file for each set below `out` as lm-evaluation-harness does, what a judge is to be asked
    /// and exports for other tools where there are any, and returns the results file.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, out: &Path) -> Result<PathBuf> {
        let folder = out.join(sanitized(&self.identity.model));
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        for (task, sets) in &self.tasks {
            for set in sets {
                let file = samples_file(&set.set.name, self.begun);
                let path = folder.join(format!("judge_{file}"));
                let requests = set.judge_requests().into_iter();
                let requests = requests.map(|(sample, prompt)| json!({ "doc_id": sample.id, "prompt": prompt }));
                match lines(requests) {
                    // A judge may have answered since.
                    none if none.is_empty() && path.exists() => {
                        std::fs::remove_file(&path).map_err(Error::io(&path))?
                    }
                    none if none.is_empty() => {}
                    lines => atomic_write::write(&path, lines)?,
                }
                atomic_write::write(&folder.join(&file), lines(set.samples.iter().flat_map(sample_lines)))?;
                if let Some(export) = task.task.export {
                    let exported = set.samples.iter().filter_map(|sample| match sample.response {
                        Response::Reply(reply) => Some(export(sample.document, reply.trim())),
                        _ => None,
                    });
                    atomic_write::write(&folder.join(format!("export_{file}")), lines(exported))?;
                }
            }
        }
        let path = folder.join(format!("results_{}.json", date::time(self.begun).replace(':', "-")));
        atomic_write::write(&path, serde_json::to_vec_pretty(&self.results()).expect("a JSON value"))?;
        Ok(path)
    }

    /// Counts the documents that have no score.
    pub fn unscored(&self) -> usize {
        self.sets().map(SubsetResult::errors).sum()
    }

    /// Counts the replies that wait for a verdict of the judge; without a judge there are none.
    pub fn unjudged(&self) -> usize {
        self.settings.judge.as_ref().map_or(0, |_| self.sets().map(|set| set.judge_requests().len()).sum())
    }

    fn sets(&self) -> impl Iterator<Item = &SubsetResult<'_>> {
        self.tasks.iter().flat_map(|(_, sets)| sets)
    }
}

/// Adds the numbers of a task of several sets, and of each group of them.
fn insert_groups(results: &mut Value, task: &TaskRequests, sets: &[SubsetResult]) {
    let metrics = task.profile.metrics;
    let mut groups: Vec<(String, Vec<&SubsetResult>)> = vec![(task.name.clone(), sets.iter().collect())];
    for (set, group) in sets.iter().flat_map(|set| set.set.groups.iter().map(move |group| (set, group))) {
        let name = format!("{}_{group}", task.task.name);
        match groups.iter_mut().find(|known| known.0 == name) {
            Some(known) => known.1.push(set),
            None => groups.push((name, vec![set])),
        }
    }
    for (name, members) in &groups {
        let numbers = metrics.iter().filter_map(|metric| group_number(metric, members));
        let documents: usize = members.iter().map(|set| set.samples.len()).sum();
        let mut entry = entry(name, if *name == task.name { "" } else { " - " }, documents, numbers);
        // lm-evaluation-harness weights by documents; some tools report this mean over subjects.
        for metric in metrics.iter().filter(|metric| matches!(metric.aggregation, Aggregation::Mean)) {
            let values: Vec<f64> = members.iter().filter_map(|set| set.number(metric)?.value).collect();
            if let Ok(value) = mean(&values) {
                entry[format!("{}_macro,{}", metric.name, metric.filter)] = json!(value);
            }
        }
        results["results"][name] = entry.clone();
        results["groups"][name] = entry;
        results["group_subtasks"][name] = members.iter().map(|set| json!(set.set.name)).collect();
    }
}

/// Adds what the results file has of a set, which may be one of several.
fn insert_set(results: &mut Value, task: &TaskRequests, set: &SubsetResult, one_of_several: bool) {
    let (name, metrics) = (&set.set.name, task.profile.metrics);
    let numbers = metrics.iter().filter_map(|metric| set.number(metric));
    let indent = if one_of_several { " - " } else { "" };
    results["results"][name] = entry(name, indent, set.samples.len(), numbers);
    results["configs"][name] = json!({
        "task": name,
        "profile": task.profile.name,
        "num_fewshot": task.shots,
        "output_type": match set.samples.first().map(|sample| &sample.request.prompt.output) {
            Some(OutputType::Reply { .. }) => "generate_until",
            _ => "multiple_choice",
        },
    });
    results["versions"][name] = json!(task.profile.version);
    results["n-shot"][name] = json!(task.shots);
    let higher = metrics.iter().map(|metric| (metric.name.to_owned(), json!(metric.higher_is_better)));
    results["higher_is_better"][name] = higher.collect::<Map<_, _>>().into();
    results["n-samples"][name] = json!({ "original": set.set.documents.len(), "effective": set.samples.len() });
    let hashes: String = set.samples.iter().map(|sample| hashes(sample).concat()).collect();
    results["task_hashes"][name] = json!(sha256(hashes));
    results["qwgpu"]["sets"][name] = json!({
        "errors": set.errors(),
        "missing": set.missing,
        "ties": set.ties(),
        "truncated": set.truncated(),
        "chance": metrics.iter().find(|metric| metric.primary).and_then(|metric| metric.chance),
    });
}

fn entry(name: &str, indent: &str, documents: usize, numbers: impl Iterator<Item = MetricValue>) -> Value {
    let mut entry = json!({ "name": name, "alias": format!("{indent}{name}"), "sample_len": documents });
    for number in numbers {
        let or = |value: Option<f64>| value.map_or(json!("N/A"), |value| json!(value));
        entry[format!("{},{}", number.name, number.filter)] = or(number.value);
        entry[format!("{}_stderr,{}", number.name, number.filter)] = or(number.standard_error);
    }
    entry
}

/// Returns JSON values, each on a line.
fn lines(values: impl Iterator<Item = Value>) -> String {
    values.map(|value| value.to_string() + "\n").collect()
}

/// Returns what the samples file has of a document: a line for each filter.
fn sample_lines(sample: &ScoredSample) -> Vec<Value> {
    let request = sample.request;
    let arguments: Map<String, Value> = match &request.prompt.output {
        OutputType::Choices(_) => {
            let arguments = request.continuations.iter().map(|text| json!({ "arg_0": request.context, "arg_1": text }));
            (0..).zip(arguments).map(|(number, argument)| (format!("gen_args_{number}"), argument)).collect()
        }
        OutputType::Reply { until, max_new_tokens: most } => {
            let how = json!({ "until": until, "do_sample": false, "temperature": 0.0, "max_gen_toks": most });
            [("gen_args_0".to_owned(), json!({ "arg_0": request.context, "arg_1": how }))].into_iter().collect()
        }
    };
    let (answers, plain) = match sample.response {
        Response::Choices(sums) => {
            let pair =
                |&(sum, greedy): &(f64, bool)| [python_float(sum), if greedy { "True" } else { "False" }.to_owned()];
            let pairs: Vec<[String; 2]> = sums.iter().map(pair).collect();
            (json!(pairs.iter().map(|pair| [pair]).collect::<Vec<_>>()), json!(pairs))
        }
        Response::Reply(text) => (json!([[text]]), json!([text])),
        Response::Error(_) => (json!([]), json!([])),
    };
    let [doc_hash, prompt_hash, target_hash] = hashes(sample);
    let line = |filter: &str, filtered: Option<&[String]>, items: &[(&'static str, Item)]| {
        let mut line = json!({
            "doc_id": sample.id,
            "doc": sample.document,
            "target": target(request),
            "arguments": arguments,
            "resps": answers,
            "filtered_resps": filtered.map_or_else(|| plain.clone(), |texts| json!(texts)),
            "filter": filter,
            "metrics": items.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            "doc_hash": doc_hash,
            "prompt_hash": prompt_hash,
            "target_hash": target_hash,
        });
        items.iter().for_each(|(name, item)| line[*name] = item_value(item));
        line
    };
    match &sample.outcomes {
        Ok(outcomes) => {
            outcomes.iter().map(|outcome| line(outcome.filter, outcome.filtered.as_deref(), &outcome.items)).collect()
        }
        Err(why) => {
            let mut line = line("none", None, &[]);
            line["error"] = json!(why);
            vec![line]
        }
    }
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

/// Returns digests of a document, of its prompt and of its target.
fn hashes(sample: &ScoredSample) -> [String; 3] {
    // As `json.dumps(document, indent=2, ensure_ascii=False)` has it.
    let document = serde_json::to_vec_pretty(sample.document).expect("a JSON value");
    let target = match target(sample.request) {
        Value::String(text) => text,
        other => other.to_string(),
    };
    [sha256(&document), sha256(&sample.request.context), sha256(target)]
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
