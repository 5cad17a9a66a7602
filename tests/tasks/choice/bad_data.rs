//! Data that is not as published, which must be refused with its file, place and field.

use super::*;
use crate::errors::assert_says;

/// Replaces `from` in one file of the made-up data by `to`, and reads: the error must hold all of `parts`.
fn refused(name: &str, file: &str, from: &str, to: &str, parts: &[&str]) {
    let data = data();
    let path = data.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from:?} is not in {file}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    let error = (task(name).read)(data.path()).err().unwrap_or_else(|| panic!("{file}: {to:?} is accepted"));
    assert_says(error, &[&[path.file_name().unwrap().to_str().unwrap()], parts].concat());
}

#[test]
fn mmlu() {
    let file = "mmlu/test/anatomy_test.csv";
    let refused = |from, to, parts: &[&str]| refused("mmlu", file, from, to, parts);
    refused("4,5,C", "4,5,E", &["line 3: answer", "one of A, B, C, D", "\"E\""]);
    refused("4,5,C", "4,5,", &["line 3: answer", "found \"\""]);
    refused("4,5,C", "4,C", &["line 3", "6 fields (question, A, B, C, D, answer)", "found 5"]);
    refused("Which number is even?", " ", &["line 3: question", "nothing but white space"]);
    refused("stress", "", &["choices", "4 texts"]);
    refused("Straße means", "\"Straße means", &["line 4", "closing quote"]);
    self::refused("mmlu", "mmlu/dev/anatomy_dev.csv", "6,D", "6,F", &["line 3: answer"]);
}

#[test]
fn ceval() {
    let file = "ceval/val/law_val.csv";
    let refused = |from, to, parts: &[&str]| refused("ceval", file, from, to, parts);
    refused("3,C", "3,c", &["line 3: answer", "one of A, B, C, D", "\"c\""]);
    refused("id,question", "id,text", &["line 2: question", "only id, text, A"]);
    refused("id,question", "question,question", &["line 1", "question twice"]);
    refused("2,方程", "two,方程", &["line 3: id", "an integer", "\"two\""]);
    refused("木星", "", &["line 2: C", "nothing but white space"]);
    refused("3,C", "3,C,why", &["line 3", "7 fields", "found 8"]);
}

#[test]
fn snli() {
    let file = "snli/test.tsv";
    let test = |from, to, parts: &[&str]| refused("snli", file, from, to, parts);
    test("brown.\t1", "brown.\t3", &["line 3: label", "an integer of 0 to 2", "\"3\""]);
    test("brown.\t1", "brown.", &["line 3", "3 fields", "found 2"]);
    test("Nobody sings.", "", &["line 4: hypothesis"]);
    test("premise", "sentence", &["line 2: premise", "only sentence, hypothesis, label"]);
    let dev = |from, to, parts: &[&str]| refused("snli", "snli/snli_1.0_dev.jsonl", from, to, parts);
    dev("\"entailment\", \"sentence1\"", "\"perhaps\", \"sentence1\"", &["line 1: gold_label", "entailment, neutral"]);
    dev("\"sentence2\": \"The bird is happy.\"}", "\"sentence2\": \"The", &["line 4", "column"]);
    dev("\"sentence1\"", "\"gold_label\"", &["line 1", "the key \"gold_label\" twice"]);
}

#[test]
fn hellaswag() {
    let refused = |from, to, parts: &[&str]| refused("hellaswag", "hellaswag/hellaswag_val.jsonl", from, to, parts);
    refused("\"label\": 0", "\"label\": 4", &["line 1: label", "an integer of 0 to 3", "found 4"]);
    refused(", \"is a stone.\"", "", &["line 1: endings", "expected 4 texts, found 3"]);
    refused("\"Polishing stones\"", "\"\"", &["line 1: activity_label", "nothing but white space"]);
    refused("\"ctx_b\": \"she\"", "\"ctx_b\": null", &["line 1: ctx_b", "found null"]);
}

#[test]
fn truthfulqa() {
    let file = "truthfulqa/data/mc_task.json";
    for name in ["truthfulqa_mc1", "truthfulqa_mc2"] {
        let refused = |from, to, parts: &[&str]| refused(name, file, from, to, parts);
        refused("\"Yes, it is tea.\": 0", "\"Yes, it is tea.\": 2", &["record 1: mc1_targets", "an integer of 0 to 1"]);
        refused("\"Yes, it is tea.\": 0", "\"Yes, it is tea.\": 1", &["record 1: mc1_targets", "one true answer", "2"]);
        refused("\"Yes, it is tea.\"", "\"\"", &["record 1: mc1_targets", "an empty one"]);
        refused("\"Only on Sundays.\"", "\"Yes, it is tea.\"", &["\"Yes, it is tea.\" twice"]);
        refused("Who built the moon?", "", &["record 2: question"]);
        refused("\"mc2_targets\"", "\"mc3_targets\"", &["record 1: mc2_targets", "only question, mc1_targets"]);
    }
    let refused = |from, to, parts: &[&str]| refused("truthfulqa_gen", "truthfulqa/TruthfulQA.csv", from, to, parts);
    refused("They grow at night", " ; ", &["line 4: Incorrect Answers", "at least one answer"]);
    refused("Who built the moon?", "", &["line 3: Question"]);
    refused("Correct Answers", "Answers", &["Correct Answers", "only Type, Category"]);
}

#[test]
fn bbq() {
    let refused = |from, to, parts: &[&str]| refused("bbq", "bbq/data/Age.jsonl", from, to, parts);
    refused("\"label\": 2", "\"label\": 3", &["line 1: label", "an integer of 0 to 2", "found 3"]);
    refused("\"label\": 2", "\"label\": null", &["line 1: label", "found null"]);
    refused("\"ans1\": \"Bob\"", "\"ans1\": \"\"", &["line 1: ans1", "nothing but white space"]);
    refused(", \"ans2\": \"Not known\"", "", &["line 1: ans2", "a field of this name"]);
    refused(
        "\"Not known\", \"unknown\"",
        "\"Not known\", \"old\"",
        &["line 1: answer_info: ans2", "the group unknown"],
    );
    refused("[\"Bob\", \"nonOld\"]", "[\"Bob\", \"unknown\"]", &["line 1: answer_info: ans1", "the group unknown"]);
    refused("\"Age\"", "\"Agility\"", &["line 1: category", "one of Age"]);
    refused("\"neg\"", "\"negative\"", &["line 1: question_polarity", "neg, nonneg"]);
    refused("[\"old\"]", "\"old\"", &["additional_metadata: stereotyped_groups", "a list of texts"]);
}

#[test]
fn missing_files_are_named() {
    let data = data();
    std::fs::remove_file(data.path().join("mmlu/dev/virology_dev.csv")).unwrap();
    std::fs::remove_file(data.path().join("ceval/val/law_val.csv")).unwrap();
    std::fs::remove_file(data.path().join("snli/test.tsv")).unwrap();
    std::fs::remove_file(data.path().join("truthfulqa/TruthfulQA.csv")).unwrap();
    std::fs::remove_dir_all(data.path().join("bbq/data")).unwrap();
    let missing = [
        ("mmlu", "virology_dev"),
        ("ceval", "law_val"),
        ("snli", "snli_1.0_test"),
        ("truthfulqa_gen", "TruthfulQA"),
        ("bbq", "Sexual_orientation"),
    ];
    for (name, file) in missing {
        let error = (task(name).read)(data.path()).err().unwrap().to_string();
        assert!(error.contains(file) && error.contains("no such file"), "{name}: {error}");
    }
}

/// A byte order mark and CRLF change nothing.
#[test]
fn marks_and_line_ends_do_not_matter() {
    let data = data();
    for (name, file) in
        [("mmlu", "mmlu/test/abstract_algebra_test.csv"), ("snli", "snli/test.tsv"), ("bbq", "bbq/data/Age.jsonl")]
    {
        let path = data.path().join(file);
        let before = set(task(name), data.path()).documents;
        let text = std::fs::read_to_string(&path).unwrap();
        // Line breaks within quotes belong to the text.
        let text = if name == "mmlu" { text } else { text.replace('\n', "\r\n") };
        std::fs::write(&path, format!("\u{feff}{text}")).unwrap();
        assert_eq!(set(task(name), data.path()).documents, before, "{name}");
    }
}

#[test]
fn ids_that_stand_twice() {
    let twice = |name, file, from, to, parts: &[&str]| refused(name, file, from, to, parts);
    let parts = ["line 3: id: expected an id of its own, found 0, as ", "law_val.csv: line 2 has"];
    twice("ceval", "ceval/val/law_val.csv", "2,方程", "0,方程", &parts);
    twice("ceval", "ceval/dev/law_dev.csv", "1,一周", "0,一周", &["line 3: id"]);
    let parts = ["line 2: example_id: expected an id of its own, found 0, as ", "Age.jsonl: line 1 has"];
    twice("bbq", "bbq/data/Age.jsonl", "\"example_id\": 1", "\"example_id\": \"0\"", &parts);
}

/// One split's file copied over the other's.
#[test]
fn sets_that_are_their_own_examples() {
    for (name, from, to) in [
        ("mmlu", "mmlu/dev/anatomy_dev.csv", "mmlu/test/anatomy_test.csv"),
        ("ceval", "ceval/dev/law_dev.csv", "ceval/val/law_val.csv"),
    ] {
        let data = data();
        qwgpu::tasks::named::open(name, data.path()).unwrap();
        std::fs::copy(data.path().join(from), data.path().join(to)).unwrap();
        let error = qwgpu::tasks::named::open(name, data.path()).err().unwrap().to_string();
        for part in [from, to, "all 3 of them among the examples"] {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
    }
    // Without examples of its own a set is not a copy of them.
    qwgpu::tasks::named::open("bbq", data().path()).unwrap();
}
