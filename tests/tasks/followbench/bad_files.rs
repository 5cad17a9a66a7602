//! Its files: whole ones, and those that something is wrong with.

use std::path::Path;

use serde_json::{Value, json};

use super::{TASK, TASK_ZH, read};
use crate::errors::assert_says;
use crate::files::put;

const KINDS: [&str; 6] = ["content", "situation", "style", "format", "example", "mixed"];

fn row(kind: &str, example_id: u64, level: u64) -> Value {
    let target = if kind == "example" { "{instruction}\nAnswer: {answer}" } else { "" };
    json!({
        "example_id": example_id, "category": kind, "source": "made up", "level": level,
        "instruction": format!("{kind} {example_id}: {level}"), "target": target,
    })
}

fn rows(kind: &str) -> Vec<Value> {
    let first = u64::from(kind == "example");
    [3, 9].iter().flat_map(|&id| (first..6).map(move |level| row(kind, id, level))).collect()
}

/// A data folder of two examples of each kind, in which `change` was done to the rows of one.
fn folder(kind: &str, change: impl Fn(&mut Vec<Value>)) -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    for each in KINDS {
        let mut rows = rows(each);
        if each == kind {
            change(&mut rows);
        }
        // As published: line ends of two characters.
        let text = serde_json::to_string_pretty(&rows).unwrap().replace('\n', "\r\n");
        put(data.path(), &format!("followbench/data/{each}_constraints.json"), text);
    }
    data
}

fn refused(kind: &str, change: impl Fn(&mut Vec<Value>)) -> String {
    let data = folder(kind, change);
    assert_says(read(&TASK, data.path()).unwrap_err(), &[&format!("{kind}_constraints.json")])
}

#[test]
fn levels_are_grouped_and_paths_grow() {
    let data = folder("style", |_| {});
    let sets = read(&TASK, data.path()).unwrap();
    assert_eq!(sets.iter().map(|set| set.documents.len()).collect::<Vec<_>>(), [10; 6]);
    let document = &sets[2].documents[6];
    assert_eq!((document["example_id"].as_u64(), document["level"].as_u64()), (Some(9), Some(2)));
    assert_eq!(document["path"], json!(["style 9: 0", "style 9: 1", "style 9: 2"]));
    assert!(sets[4].documents[0].get("path").is_none(), "a rule decides");
    assert_eq!(sets[4].name, "followbench_example");
}

#[test]
fn bad_files_are_named() {
    let error = refused("style", |rows| drop(rows.remove(3)));
    assert!(error.contains("record 4: level: expected example 3, level 3, found example 3, level 4"), "{error}");
    let error = refused("style", |rows| drop(rows.pop()));
    assert!(error.contains("expected levels up to 5, found the end of the file"), "{error}");
    let error = refused("mixed", |rows| rows[7]["level"] = json!(6));
    assert!(error.contains("record 8: level: expected an integer of 0 to 5"), "{error}");
    let error = refused("mixed", |rows| rows.extend(rows.clone()));
    assert!(error.contains("record 13: example_id: expected each example once"), "{error}");
    let error = refused("content", |rows| rows[2]["instruction"] = json!(" "));
    assert!(error.contains("record 3: instruction"), "{error}");
    let error = refused("content", |rows| drop(rows[1].as_object_mut().unwrap().remove("target")));
    assert!(error.contains("record 2: target"), "{error}");
    let error = refused("example", |rows| rows[0]["target"] = json!("Answer:"));
    assert!(error.contains("expected a template with {answer}"), "{error}");
    let conll = |rows: &mut Vec<Value>| {
        rows[1]["source"] = json!("CONLL2003");
        rows[1]["target"] = json!("Bonn");
    };
    assert!(refused("content", conll).contains("expected a list of names in quotes"));
    let data = folder("style", |_| {});
    std::fs::remove_file(data.path().join("followbench/data/style_constraints.json")).unwrap();
    assert!(read(&TASK, data.path()).unwrap_err().to_string().contains("style_constraints.json"));
    assert!(read(&TASK_ZH, data.path()).is_err());
}

/// Digits in a text become numbers, which rules and scores go by; documents with numbers keep their bytes.
#[test]
fn levels_may_be_digits() {
    let digits = |rows: &mut Vec<Value>| {
        for row in rows {
            for name in ["example_id", "level"] {
                row[name] = row[name].to_string().into();
            }
        }
    };
    let (plain, digits) = (folder("format", |_| {}), folder("format", digits));
    let text = |data: &Path| serde_json::to_string(&read(&TASK, data).unwrap()[3].documents).unwrap();
    assert!(
        text(plain.path())
            .starts_with("[{\"example_id\":3,\"category\":\"format\",\"source\":\"made up\",\"level\":1,")
    );
    assert_eq!(text(digits.path()), text(plain.path()));
}
