//! Files of these tasks: as published, and with something wrong in them.

use std::collections::BTreeSet;
use std::path::Path;

use super::{fixtures, open};
use crate::errors::assert_says;
use crate::files::{copy_folder, put};

/// Returns a copy of the made-up data with one file changed; without a text the file is removed.
fn changed(file: &str, text: Option<&str>) -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    copy_folder(&fixtures().join("data"), data.path());
    match text {
        Some(text) => put(data.path(), file, text),
        None => std::fs::remove_file(data.path().join(file)).unwrap(),
    }
    data
}

/// Returns the error of a changed file, which names the file.
fn refused(task: &str, file: &str, text: Option<&str>) -> String {
    let data = changed(file, text);
    let name = Path::new(file).file_stem().unwrap().to_str().unwrap();
    assert_says(open(task, data.path()).err().unwrap(), &[name])
}

#[test]
fn missing_files_are_named() {
    for (task, file) in [
        ("gsm8k", "gsm8k/test.jsonl"),
        ("gsm8k", "gsm8k/train.jsonl"),
        ("cnn_dailymail", "cnn_dailymail/cnn_dailymail_test.csv"),
        ("xsum", "xsum/test.jsonl"),
        ("flores", "flores200/flores200_dataset/devtest/zho_Hans.devtest"),
    ] {
        refused(task, file, None);
    }
}

#[test]
fn bad_fields_are_named() {
    let error = refused("gsm8k", "gsm8k/test.jsonl", Some("{\"question\": \"q\"}\n"));
    assert!(error.contains("line 1: answer"), "{error}");
    for answer in ["It is 7.", "#### seven", "#### .", "", "#### 007"] {
        let line = format!("{{\"question\": \"q\", \"answer\": \"{answer}\"}}\n");
        let error = refused("gsm8k", "gsm8k/train.jsonl", Some(&line));
        assert!(error.contains("line 1: answer"), "{error}");
    }
    let error = refused("xsum", "xsum/test.jsonl", Some("{\"document\": \" \\n\", \"summary\": \"s\", \"id\": 1}\n"));
    assert!(error.contains("line 1: document: expected a text"), "{error}");
    let error =
        refused("cnn_dailymail", "cnn_dailymail/cnn_dailymail_test.csv", Some("article,highlights,id\n\"\",h,i\n"));
    assert!(error.contains("line 2: article: expected a text"), "{error}");
    let error = refused("cnn_dailymail", "cnn_dailymail/cnn_dailymail_test.csv", Some("article,summary,id\na,h,i\n"));
    assert!(error.contains("highlights"), "{error}");
}

#[test]
fn sentences_must_stand_side_by_side() {
    let file = "flores200/flores200_dataset/devtest/zho_Hans.devtest";
    let error = refused("flores", file, Some("一。\n二。\n"));
    assert!(error.contains("number of lines: expected 3, as") && error.contains("eng_Latn.devtest"), "{error}");
    let error = refused("flores", file, Some("一。\n\n三。\n"));
    assert!(error.contains("line 2: expected a sentence, found an empty line"), "{error}");
    refused("flores", file, Some(""));
}

#[test]
fn line_ends_of_two_characters_change_nothing() {
    let data = fixtures().join("data");
    for (task, file) in [
        ("gsm8k", "gsm8k/test.jsonl"),
        ("xsum", "xsum/test.jsonl"),
        ("flores", "flores200/flores200_dataset/devtest/zho_Hans.devtest"),
    ] {
        let text = std::fs::read_to_string(data.join(file)).unwrap().replace('\n', "\r\n");
        let other = changed(file, Some(&text));
        let documents = |data: &Path| open(task, data).unwrap().1.swap_remove(0).documents;
        assert_eq!(documents(&data), documents(other.path()), "{task}");
    }
}

#[test]
fn files_of_the_hub_are_read() {
    let data = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| put(data.path(), file, text);
    write("gsm8k/main/test-00000-of-00001.jsonl", "{\"question\": \"q\", \"answer\": \"#### 1\"}\n");
    write("gsm8k/main/train.jsonl", "{\"question\": \"q\", \"answer\": \"#### 2\"}\n");
    write("cnn_dailymail/3.0.0/test.jsonl", "{\"article\": \"a\", \"highlights\": \"h\", \"id\": \"i\"}\n");
    write("xsum/data/test.json", "[{\"document\": \"d\", \"summary\": \"s\", \"id\": \"1\"}]");
    let row = "{\"id\": 1, \"sentence_eng_Latn\": \"One.\", \"sentence_zho_Hans\": \"一。\"}\n";
    write("flores200/devtest.jsonl", row);
    for (task, sets) in [("gsm8k", 1), ("cnn_dailymail", 1), ("xsum", 1), ("flores", 2)] {
        let found = open(task, data.path()).unwrap().1;
        assert_eq!(found.len(), sets, "{task}");
        assert_eq!(found[0].documents.len(), 1, "{task}");
    }
    assert!(open("flores:deu_Latn-eng_Latn", data.path()).err().unwrap().to_string().contains("sentence_deu_Latn"));
}

#[test]
fn ids_that_stand_twice_are_named() {
    let text = "article,highlights,id\na,h,x1\nb,h,x2\nc,h,x1\n";
    let error = refused("cnn_dailymail", "cnn_dailymail/cnn_dailymail_test.csv", Some(text));
    assert!(error.contains("line 4: id: expected an id of its own, found x1, as "), "{error}");
    assert!(error.contains("cnn_dailymail_test.csv: line 2 has"), "{error}");
    let row = |id: &str| format!("{{\"document\": \"d\", \"summary\": \"s\", \"id\": {id}}}\n");
    let error = refused("xsum", "xsum/test.jsonl", Some(&(row("7") + &row("\"7\""))));
    assert!(error.contains("line 2: id: expected an id of its own, found 7, as "), "{error}");
}

#[test]
fn questions_that_are_the_examples_are_refused() {
    let train = std::fs::read_to_string(fixtures().join("data/gsm8k/train.jsonl")).unwrap();
    let error = refused("gsm8k", "gsm8k/test.jsonl", Some(&train));
    assert!(error.contains("documents of gsm8k") && error.contains("train.jsonl"), "{error}");
}

/// Of languages that few prompts are in, as the hub gives rows out.
#[test]
fn all_languages_have_names() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("flores/all/devtest");
    std::fs::create_dir_all(&folder).unwrap();
    let row = "{\"sentence_min_Arab\": \"a\", \"sentence_sat_Olck\": \"b\"}\n";
    std::fs::write(folder.join("0000.jsonl"), row).unwrap();
    let (task, sets) = open("flores:min_Arab-sat_Olck", data.path()).unwrap();
    let prompt = (task.profiles[0].prompt)(&sets[0], &sets[0].documents[0]);
    assert_eq!(prompt.text, "Minangkabau (Arabic script) sentence: a\nSantali sentence:");
    let rows: Vec<_> =
        include_str!("../../../src/tasks/flores/languages.tsv").lines().map(|row| row.split_once('\t')).collect();
    let (codes, names): (BTreeSet<_>, BTreeSet<_>) = rows.iter().map(|row| row.unwrap()).unzip();
    assert_eq!((rows.len(), codes.len(), names.len()), (204, 204, 204));
}
