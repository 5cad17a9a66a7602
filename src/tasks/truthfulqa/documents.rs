//! The files of TruthfulQA.

use std::path::Path;

use serde_json::{Value, json};

use super::super::Subset;
use super::super::data::{Record, Split};
use crate::error::Result;

/// Reads one set, from the authors' `data/mc_task.json`, or the hub's files of truthfulqa/truthful_qa.
pub(super) fn multiple_choice(data: &Path, name: &str) -> Result<Vec<Subset>> {
    let rows = Split::read(data, &["truthfulqa/multiple_choice/validation", "truthfulqa/mc_task"])?;
    Ok(vec![Subset::read(name, rows, Split::default(), document)?])
}

fn document(record: &Record) -> Result<Value> {
    let (mc1, mc2) = (targets(record, "mc1_targets")?, targets(record, "mc2_targets")?);
    let count = |targets: &Value, label| labels(targets).filter(|found| *found == label).count();
    if count(&mc1, 1) != 1 {
        return Err(record.error("mc1_targets", "one true answer", count(&mc1, 1)));
    }
    if count(&mc2, 1) == 0 {
        return Err(record.error("mc2_targets", "true answers", "none"));
    }
    Ok(json!({ "question": record.filled("question")?, "mc1_targets": mc1, "mc2_targets": mc2 }))
}

fn labels(targets: &Value) -> impl Iterator<Item = i64> + '_ {
    targets["labels"].as_array().into_iter().flatten().filter_map(Value::as_i64)
}

/// Answers and which of them are true (1) or false (0), in the order of the file: as two lists, or as an object whose
/// keys are the answers.
fn targets(record: &Record, field: &str) -> Result<Value> {
    let targets = record.object(field)?;
    let (choices, labels): (Vec<&str>, Vec<i64>) = match targets.fields.get("labels").and_then(Value::as_array) {
        Some(labels) => {
            let numbers = labels.iter().map(|label| label.as_i64().filter(|label| (0..2).contains(label)));
            let numbers = numbers.collect::<Option<_>>();
            (targets.texts("choices")?, numbers.ok_or_else(|| targets.error("labels", "each 0 or 1", "others"))?)
        }
        None => {
            let labels = targets.fields.keys().map(|answer| targets.integer(answer, 0..2)).collect::<Result<_>>()?;
            (targets.fields.keys().map(String::as_str).collect(), labels)
        }
    };
    if choices.len() != labels.len() {
        return Err(targets.error("labels", format!("{} of them", choices.len()), labels.len()));
    }
    if choices.iter().any(|choice| choice.trim().is_empty()) {
        return Err(targets.error("choices", "texts", "an empty one"));
    }
    Ok(json!({ "choices": choices, "labels": labels }))
}
