//! FollowBench: how many constraints of an instruction a reply keeps, when a constraint is added at each of five
//! levels (Jiang et al., 2024; rules, judge's prompts and measures as in github.com/YJiangcm/FollowBench, 6278f4c).
//!
//! Rules decide 43 in 100 prompts: the filter `rule`. For the others a judge is asked; with its verdicts the filter
//! `all` has values.

mod judge;
mod list;
mod measures;
mod rules;
mod text;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::choice::{text, texts, unfit};
use super::data::{self, Record};
use super::{FewShot, FilterResult, Item, OutputType, Profile, Prompt, Response, Subset, Task};
use crate::error::Result;
use rules::Instruction;
use text::Language;

pub static TASK: Task = Task::new(
    "followbench",
    "FollowBench",
    "instructions with one to five constraints",
    |data| read(data, Language::English),
    PROFILES,
);

pub static TASK_ZH: Task = Task::new(
    "followbench_zh",
    "FollowBench (zh)",
    "instructions in Chinese with one to five constraints",
    |data| read(data, Language::Chinese),
    PROFILES,
);

const PROFILES: &[Profile] =
    &[Profile { chat: true, sampler: FewShot::FirstN, ..Profile::new("chat", prompt, score, measures::METRICS) }];

/// The files, and what kind of constraint each adds.
const KINDS: [&str; 6] = ["content", "situation", "style", "format", "example", "mixed"];

const LEVELS: usize = 5;

/// Reads a set for each kind. Documents are the prompts of levels 1 to 5; one that a judge has to score holds the
/// `path` to it, the instructions from level 0 on.
fn read(data: &Path, language: Language) -> Result<Vec<Subset>> {
    let (task, folder) = match language {
        Language::English => ("followbench", "data"),
        Language::Chinese => ("followbench_zh", "data_zh"),
    };
    let set = |kind: &str| {
        let file = data::find(data, &[&format!("followbench/{folder}/{kind}_constraints.json")])?;
        let documents = documents(&data::json_array(&file)?, kind, language)?;
        let name = format!("{task}_{kind}");
        Ok(Subset { name, files: vec![PathBuf::from(&file)], documents, ..Subset::default() })
    };
    KINDS.iter().map(|kind| set(kind)).collect()
}

fn documents(records: &[Record], kind: &str, language: Language) -> Result<Vec<Value>> {
    let first = usize::from(kind == "example");
    let mut documents = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for group in records.chunks(LEVELS + 1 - first) {
        let mut path: Vec<&str> = Vec::new();
        let example_id = group[0].integer("example_id", 0..i64::MAX)?;
        if !seen.insert(example_id) {
            return Err(group[0].error("example_id", "each example once, its levels in a row", example_id));
        }
        for (record, level) in group.iter().zip(first..) {
            let found = (record.integer("example_id", 0..i64::MAX)?, record.integer("level", 0..6)?);
            if found != (example_id, level as i64) {
                let expected = format!("example {example_id}, level {level}");
                return Err(record.error("level", expected, format!("example {}, level {}", found.0, found.1)));
            }
            // Some examples start from nothing: level 0 is not sent.
            path.push(if level == 0 { record.text("instruction")? } else { record.filled("instruction")? });
            if level > 0 {
                documents.push(document(record, kind, language, level, &path)?);
            }
        }
        if path.len() + first <= LEVELS {
            let last = &group[group.len() - 1];
            return Err(last.error("level", format!("levels up to {LEVELS}"), "the end of the file"));
        }
    }
    Ok(documents)
}

fn document(record: &Record, kind: &str, language: Language, level: usize, path: &[&str]) -> Result<Value> {
    let mut fields = Map::new();
    for name in ["example_id", "category", "source", "level", "instruction", "target"] {
        fields.insert(name.to_owned(), record.value(name)?.clone());
    }
    let example_id = record.integer("example_id", 0..i64::MAX)?;
    // Digits in a text are taken, too, but scores need numbers. Both keep their place.
    fields.insert("example_id".to_owned(), example_id.into());
    fields.insert("level".to_owned(), level.into());
    let (source, target) = (record.text("source")?, record.text("target")?);
    let question = Instruction { kind, source, example_id, level, target };
    rules::check_target(&question, language).map_err(|expected| record.error("target", expected, target))?;
    fields.insert("kind".to_owned(), kind.into());
    fields.insert("language".to_owned(), language.name().into());
    if !rules::decides(&question, language) {
        fields.insert("path".to_owned(), path.into());
    }
    Ok(Value::Object(fields))
}

fn prompt(_: &Subset, document: &Value) -> Prompt {
    let (request, target) = (text(document, "instruction"), text(document, "target"));
    Prompt { delimiter: "", ..Prompt::new(request, target, OutputType::reply(&[], 2048)) }
}

fn score(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    let (reply, verdict) = match responses {
        [Response::Reply(reply)] => (reply, None),
        [Response::Reply(reply), Response::Reply(verdict)] => (reply, Some(verdict)),
        _ => return Err(unfit("a reply, and perhaps a judge's", responses)),
    };
    let language = Language::named(text(document, "language"));
    let level = document["level"].as_u64().map_or(LEVELS, |level| level as usize).clamp(1, LEVELS);
    let (kind, example_id) = (text(document, "kind"), document["example_id"].as_i64().unwrap_or_default());
    let question =
        Instruction { kind, source: text(document, "source"), example_id, level, target: text(document, "target") };
    let group = format!("{kind}/{example_id}");
    if let Some(met) = rules::met(&question, language, reply) {
        let met = f64::from(u8::from(met));
        let record = json!({"group": group, "level": level, "hard": met, "soft": met});
        return Ok(vec![outcome("rule", Item::Record(record.clone())), outcome("all", Item::Record(record))]);
    }
    let item = match verdict {
        None => Item::Request(judge::request(language, kind, &texts(document, "path"), reply)),
        Some(verdict) => {
            let met = judge::verdict(language, level, verdict);
            let hard = met.map(|met| f64::from(u8::from(met == level)));
            let soft = met.map(|met| met as f64 / level as f64);
            Item::Record(json!({"group": group, "level": level, "hard": hard, "soft": soft}))
        }
    };
    Ok(vec![outcome("all", item)])
}

/// Returns the same item for all metrics of a filter.
fn outcome(filter: &'static str, item: Item) -> FilterResult {
    let metrics = measures::METRICS.iter().filter(|metric| metric.filter == filter);
    let items = metrics.map(|metric| (metric.name, item.clone())).collect();
    FilterResult { filter, filtered: None, items }
}
