//! The same documents from files as the hubs give them out.

use serde_json::json;

use qwgpu::tasks::named;

use super::*;

fn write(folder: &Path, file: &str, rows: &[Value]) {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    put(folder, file, lines.join("\n"));
}

/// That `task` reads the same from both folders.
fn same(name: &str, original: &Path, hub: &Path) {
    let (original, hub) = ((task(name).read)(original).unwrap(), (task(name).read)(hub).unwrap());
    assert_eq!(original.len(), hub.len(), "{name}");
    for (original, hub) in original.iter().zip(&hub) {
        assert_eq!(original.name, hub.name);
        assert_eq!(original.documents, hub.documents, "{name}");
        assert_eq!(original.pool, hub.pool, "{name}");
    }
}

#[test]
fn mmlu_by_subject_and_whole() {
    let (data, by_subject, whole) = (data(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sets = (task("mmlu").read)(data.path()).unwrap();
    let (mut tests, mut devs) = (Vec::new(), Vec::new());
    for set in &sets {
        let subject = set.name.strip_prefix("mmlu_").unwrap();
        let folder = by_subject.path().join("mmlu").join(subject);
        write(&folder, "test-00000-of-00002.jsonl", &set.documents[..1]);
        write(&folder, "test-00001-of-00002.jsonl", &set.documents[1..]);
        write(&folder, "dev.jsonl", &set.pool);
        tests.extend(set.documents.clone());
        devs.extend(set.pool.clone());
    }
    write(&whole.path().join("mmlu"), "all/test.jsonl", &tests);
    write(&whole.path().join("mmlu"), "all/dev.jsonl", &devs);
    same("mmlu", data.path(), by_subject.path());
    same("mmlu", data.path(), whole.path());
    std::fs::remove_file(by_subject.path().join("mmlu/anatomy/test-00001-of-00002.jsonl")).unwrap();
    let error = (task("mmlu").read)(by_subject.path()).err().unwrap().to_string();
    assert!(error.contains("anatomy/test-00001-of-00002.jsonl"), "{error}");
}

#[test]
fn ceval_by_subject() {
    let (data, hub) = (data(), tempfile::tempdir().unwrap());
    for set in (task("ceval").read)(data.path()).unwrap() {
        let folder = hub.path().join("ceval").join(set.name.strip_prefix("ceval_").unwrap());
        write(&folder, "val.jsonl", &set.documents);
        write(&folder, "dev.jsonl", &set.pool);
    }
    same("ceval", data.path(), hub.path());
}

#[test]
fn snli_with_missing_labels() {
    let (data, hub) = (data(), tempfile::tempdir().unwrap());
    let set = set(task("snli"), data.path());
    let mut rows = set.documents.clone();
    rows.insert(1, json!({ "premise": "One.", "hypothesis": "Two.", "label": -1 }));
    write(&hub.path().join("snli"), "test.jsonl", &rows);
    write(&hub.path().join("snli"), "validation.jsonl", &set.pool);
    same("snli", data.path(), hub.path());
}

/// The hub has labels as texts.
#[test]
fn hellaswag_by_split() {
    let (data, hub) = (data(), tempfile::tempdir().unwrap());
    let set = set(task("hellaswag"), data.path());
    write(&hub.path().join("hellaswag/data"), "validation-00000-of-00001.jsonl", &set.documents);
    write(&hub.path().join("hellaswag/data"), "train-00000-of-00001.jsonl", &set.pool);
    same("hellaswag", data.path(), hub.path());
}

#[test]
fn truthfulqa_by_form() {
    let (data, hub) = (data(), tempfile::tempdir().unwrap());
    let folder = hub.path().join("truthfulqa");
    write(&folder, "multiple_choice/validation.jsonl", &set(task("truthfulqa_mc1"), data.path()).documents);
    write(&folder, "generation/validation.jsonl", &set(task("truthfulqa_gen"), data.path()).documents);
    for name in ["truthfulqa_mc1", "truthfulqa_mc2", "truthfulqa_gen"] {
        same(name, data.path(), hub.path());
    }
}

#[test]
fn bbq_by_category() {
    let (data, hub) = (data(), tempfile::tempdir().unwrap());
    let path = hub.path().join("bbq/Age");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::copy(data.path().join("bbq/data/Age.jsonl"), path.join("test.jsonl")).unwrap();
    same("bbq", data.path(), hub.path());
}

/// The authors' archive has a folder of its own, which may stand for `snli` or lie in it.
#[test]
fn snli_as_unpacked() {
    let data = data();
    for root in ["snli_1.0", "snli/snli_1.0"] {
        let other = tempfile::tempdir().unwrap();
        let rows = |split: &[Value]| -> Vec<Value> {
            let row = |d: &Value| {
                let label = ["entailment", "neutral", "contradiction"][d["label"].as_u64().unwrap() as usize];
                json!({ "gold_label": label, "sentence1": d["premise"], "sentence2": d["hypothesis"] })
            };
            split.iter().map(row).collect()
        };
        let set = set(task("snli"), data.path());
        write(&other.path().join(root), "snli_1.0_test.jsonl", &rows(&set.documents));
        write(&other.path().join(root), "snli_1.0_dev.jsonl", &rows(&set.pool));
        same("snli", data.path(), other.path());
    }
}

/// All categories as one set of rows, in any order, become the usual sets.
#[test]
fn bbq_as_one_set() {
    let data = data();
    let text = std::fs::read_to_string(data.path().join("bbq/data/Age.jsonl")).unwrap();
    let others = text.replace("\"category\": \"Age\"", "\"category\": \"SES\"");
    std::fs::write(data.path().join("bbq/data/SES.jsonl"), &others).unwrap();
    let mixed: String = text.lines().zip(others.lines()).map(|(age, ses)| format!("{ses}\n{age}\n")).collect();
    for file in ["bbq/All/test.jsonl", "bbq/data/All.jsonl", "bbq/test.jsonl", "bbq/All/test/0000.jsonl"] {
        let hub = tempfile::tempdir().unwrap();
        let path = hub.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &mixed).unwrap();
        same("bbq", data.path(), hub.path());
        std::fs::write(&path, mixed.replacen("\"SES\"", "\"Shoes\"", 1)).unwrap();
        let error = (task("bbq").read)(hub.path()).err().unwrap().to_string();
        assert!(error.contains("line 1: category") && error.contains("\"Shoes\""), "{error}");
    }
}

/// `CONFIG/SPLIT/0000`, as the hub converts sets.
#[test]
fn converted_folders() {
    let (data, hub) = (data(), tempfile::tempdir().unwrap());
    let set = set(task("truthfulqa_mc1"), data.path());
    let folder = hub.path().join("truthfulqa/multiple_choice/validation");
    write(&folder, "0000.jsonl", &set.documents[..1]);
    write(&folder, "0001.jsonl", &set.documents[1..2]);
    write(&folder, "0002.jsonl", &set.documents[2..]);
    same("truthfulqa_mc1", data.path(), hub.path());
    std::fs::remove_file(folder.join("0001.jsonl")).unwrap();
    let error = (task("truthfulqa_mc1").read)(hub.path()).err().unwrap().to_string();
    assert!(error.contains("validation/0001.jsonl"), "{error}");
}

/// Digits in a text become the number, and documents that have the number keep their digest.
#[test]
fn labels_may_be_digits() {
    let data = data();
    let (path, before) = (data.path().join("bbq/data/Age.jsonl"), set(task("bbq"), data.path()).documents);
    let text = std::fs::read_to_string(&path).unwrap();
    for label in 0..3 {
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(&format!("\"label\": {label}"), &format!("\"label\": \"{label}\"")))
            .unwrap();
    }
    assert_ne!(std::fs::read_to_string(&path).unwrap(), text);
    let after = set(task("bbq"), data.path()).documents;
    assert_eq!(
        after.iter().map(document_hash).collect::<Vec<_>>(),
        before.iter().map(document_hash).collect::<Vec<_>>()
    );
}

#[test]
fn groups_of_bbq_are_taken_apart() {
    let (data, groups) = (data(), tempfile::tempdir().unwrap());
    let text = std::fs::read_to_string(data.path().join("bbq/data/Age.jsonl")).unwrap();
    let mut row: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    for (info, answer, expected) in [
        (["the Kenyan", "Africa"], "Ann", &["the kenyan", "africa"][..]),
        (["lowSES-African American", "F-Black"], "Ann", &["low ses", "african american", "f", "black"]),
        (["The woman", "nonDisabled"], "Ann", &["the f", "woman", "non disabled"]),
        (["German", "boy"], "Ann", &["germ", "man", "m", "boy"]),
        (["", ""], "The Latina woman", &["latino"]),
    ] {
        (row["answer_info"]["ans0"], row["ans0"]) = (json!(info), json!(answer));
        write(&groups.path().join("bbq"), "Age.jsonl", std::slice::from_ref(&row));
        let set = (task("bbq").read)(groups.path()).unwrap().remove(0);
        assert_eq!(set.documents[0]["ans0_groups"], json!(expected));
    }
}

/// One subject needs no file of another.
#[test]
fn a_subject_needs_its_own_files_only() {
    let (data, alone) = (data(), tempfile::tempdir().unwrap());
    for file in
        ["mmlu/test/anatomy_test.csv", "mmlu/dev/anatomy_dev.csv", "ceval/val/law_val.csv", "ceval/dev/law_dev.csv"]
    {
        let to = alone.path().join(file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(data.path().join(file), to).unwrap();
    }
    for (name, set) in [("mmlu:anatomy", "mmlu_anatomy"), ("ceval:law", "ceval_law")] {
        let (_, found) = named::open(name, alone.path()).unwrap();
        let (_, all) = named::open(name, data.path()).unwrap();
        assert_eq!(found.iter().map(|set| set.name.as_str()).collect::<Vec<_>>(), [set]);
        assert_eq!(found[0].documents, all[0].documents);
    }
    let error = named::open("mmlu:virology", alone.path()).err().unwrap().to_string();
    assert!(error.contains("virology_test"), "{error}");
    assert!(named::open("mmlu", alone.path()).is_err());
}

#[test]
fn parts_of_a_task_are_put_together() {
    let normalized =
        |names: &str| named::normalized(&names.split(',').map(str::to_owned).collect::<Vec<_>>()).join(" ");
    for (names, expected) in [
        ("mmlu,snli", "mmlu snli"),
        ("mmlu:stem,humanities,snli", "mmlu:stem,humanities snli"),
        ("mmlu:anatomy,snli,mmlu:virology", "mmlu:anatomy,virology snli"),
        ("mmlu_anatomy,mmlu_virology", "mmlu:anatomy,virology"),
        ("ceval-valid_law", "ceval:law"),
        ("followbench_zh,truthfulqa_mc1", "followbench_zh truthfulqa_mc1"),
        // Refused later, by name.
        ("nothing,mmlu,mmlu:stem", "nothing mmlu mmlu:stem"),
    ] {
        assert_eq!(normalized(names), expected, "{names}");
    }
}
