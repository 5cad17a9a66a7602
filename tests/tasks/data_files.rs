//! Readers of data files: the formats as they are given out, and files that are damaged.

use std::path::PathBuf;

use qwgpu::tasks::data::{self, MAX_RECORD, Records, Split};

use crate::errors::assert_says;

/// A file of these bytes in a folder of its own.
fn file(name: &str, bytes: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Records as one JSON text each.
fn shown(records: &Records) -> Vec<String> {
    records.iter().map(|record| serde_json::to_string(&record.fields).unwrap()).collect()
}

fn read(name: &str, bytes: impl AsRef<[u8]>) -> Vec<String> {
    shown(&data::read(&file(name, bytes).1).unwrap())
}

/// The error of a file, which must name it, and hold all of `parts`.
fn refused(name: &str, bytes: impl AsRef<[u8]>, parts: &[&str]) {
    let (_folder, path) = file(name, bytes);
    assert_says(data::read(&path).unwrap_err(), &[&[name], parts].concat());
}

#[test]
fn csv_with_mark_line_breaks_and_quotes() {
    let rows = read("a.csv", "\u{feff}id,text\r\n0,\"one\r\ntwo, \"\"three\"\"\"\r\n1, 四 \r\n");
    assert_eq!(rows, [r#"{"id":"0","text":"one\r\ntwo, \"three\""}"#, r#"{"id":"1","text":" 四 "}"#]);
    assert_eq!(read("a.csv", "id,text\r\n\r\n0,\"quoted\"\r\n\r\n"), [r#"{"id":"0","text":"quoted"}"#]);
    assert_eq!(read("a.csv", "id,text\n0,no line end"), [r#"{"id":"0","text":"no line end"}"#]);
}

#[test]
fn csv_without_a_header() {
    let (_folder, path) = file("a.csv", "Which?,left,A\n\"Why\n?\",right,B\n\n");
    let records = data::delimited(&path, b',', Some(&["question", "choice", "answer"])).unwrap();
    let expected = [
        r#"{"question":"Which?","choice":"left","answer":"A"}"#,
        r#"{"question":"Why\n?","choice":"right","answer":"B"}"#,
    ];
    assert_eq!(shown(&records), expected);
    assert_eq!(records[1].place, "line 2");
    let error = data::delimited(&path, b',', Some(&["question", "answer"])).unwrap_err().to_string();
    assert!(error.contains("line 1: expected 2 fields (question, answer), found 3"), "{error}");
}

#[test]
fn tsv_with_quoted_fields() {
    let rows = read("a.tsv", "premise\tlabel\nA man, alone.\t1\n\"He said \"\"no\"\".\"\t0\n");
    assert_eq!(rows, [r#"{"premise":"A man, alone.","label":"1"}"#, r#"{"premise":"He said \"no\".","label":"0"}"#]);
}

#[test]
fn json_keeps_the_order_of_keys() {
    let object = r#"{"z":1,"a":{"y":"三","b":[1.5,null,true]}}"#;
    assert_eq!(read("a.jsonl", format!("\u{feff}{object}\r\n\r\n{object}")), [object, object]);
    assert_eq!(read("a.json", format!(" [{object},\n{object}]\n")), [object, object]);
    assert_eq!(read("a.json", format!("{object}\n{object}\n")), [object, object]);
}

#[test]
fn lines_keep_what_is_in_them() {
    let (_folder, path) = file("a.devtest", "\u{feff}one \r\n\r\n three");
    assert_eq!(data::lines(&path).unwrap(), ["one ", "", " three"]);
}

#[test]
fn damaged_text_is_refused_by_name() {
    refused("a.csv", "id,text\n0,a\n1\n", &["line 3", "2 fields (id, text)", "found 1"]);
    refused("a.csv", "id,text\r\n0,\"a\r\nb\"\r\n1\r\n", &["line 4", "found 1"]);
    refused("a.csv", "id,id\n0,a\n", &["line 1", "id twice"]);
    refused("a.csv", "id,text\n0,a\n1,\"b\n2,c\n", &["line 3", "closing quote"]);
    refused("a.csv", "id,text\n0,\"a\n", &["line 2", "closing quote"]);
    refused("a.csv", "id,text\n0,a\0b\n", &["line 2", "NUL byte at byte 1"]);
    refused("a.csv", "id,text\n0,a\n\0", &["line 3", "NUL"]);
    refused("a.csv", "id,text\n0,a\n\0\n1,b\n", &["line 3", "NUL"]);
    refused("a.csv", b"id,text\n0,ab\xff\n", &["line 2", "UTF-8", "byte 2"]);
    refused("a.csv", "id,text\n", &["at least one", "none"]);
    refused("a.csv", "", &["at least one", "none"]);
    refused("a.csv", format!("id,text\n0,\"{}\n", "a\n".repeat(MAX_RECORD / 2 + 1)), &["line 2"]);
    refused("a.jsonl", "x".repeat(MAX_RECORD + 1), &["line 1", "at most"]);
    refused("a.jsonl", b"{\"a\":\"\xc3\"}", &["line 1", "UTF-8"]);
    refused("a.jsonl", "", &["none"]);
    refused("a.xlsx", "PK", &["xlsx", "not supported"]);
}

#[test]
fn damaged_json_is_refused_by_name() {
    refused("a.jsonl", "{\"a\":1}\n{\"a\":\"cut", &["line 2", "column"]);
    refused("a.jsonl", "{\"a\":1}\n[1]\n", &["line 2", "object"]);
    refused("a.jsonl", "{\"a\":1,\"b\":{\"c\":1,\"c\":2}}", &["line 1", "the key \"c\" twice"]);
    refused("a.jsonl", "{\"a\":\"\\u0000\"}", &["line 1", "NUL character"]);
    refused("a.jsonl", "{\"a\":NaN}", &["line 1"]);
    refused("a.jsonl", format!("{{\"a\":{}1{}}}", "[".repeat(20000), "]".repeat(20000)), &["line 1", "recursion"]);
    refused("a.json", "[{\"a\":1}\n,{\"a\":2,}]", &["line 2"]);
    refused("a.json", "[{\"a\":1}, 2]", &["record 2", "object"]);
    refused("a.json", "[]", &["none"]);
    refused("a.json", "[", &["line 1"]);
}

#[test]
fn missing_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = data::find(folder.path(), &["mmlu/test", "test.jsonl"]).unwrap_err().to_string();
    assert!(error.contains("mmlu/test") && error.contains("test.jsonl"), "{error}");
    let error = data::read(&folder.path().join("a.csv")).unwrap_err().to_string();
    assert!(error.contains("a.csv"), "{error}");
    let error = data::lines(folder.path()).unwrap_err().to_string();
    assert!(error.contains("a folder"), "{error}");
}

#[test]
fn fields_are_checked_by_name() {
    let (_folder, path) = file("a.jsonl", r#"{"text":" ","number":7,"digits":"3","list":["a",1],"object":{"x":1}}"#);
    let record = &data::read(&path).unwrap()[0];
    let says = |error: qwgpu::Error, part: &str| {
        let error = error.to_string();
        assert!(error.contains("a.jsonl: line 1: ") && error.contains(part), "{error}");
    };
    assert_eq!(record.text("text").unwrap(), " ");
    assert_eq!(record.integer("digits", 0..4).unwrap(), 3);
    assert_eq!(record.object("object").unwrap().integer("x", 0..2).unwrap(), 1);
    says(record.filled("text").unwrap_err(), "nothing but white space");
    says(record.text("answer").unwrap_err(), "only text, number");
    says(record.text("number").unwrap_err(), "expected a text, found 7");
    says(record.integer("number", 0..4).unwrap_err(), "an integer of 0 to 3, found 7");
    says(record.one_of("digits", &["A", "B"]).unwrap_err(), "one of A, B, found \"3\"");
    says(record.texts("list").unwrap_err(), "a list of texts");
    says(record.object("object").unwrap().text("x").unwrap_err(), "object: x: expected a text");
}

#[cfg(feature = "parquet")]
mod parquet {
    use super::*;

    fn fixture(name: &str) -> PathBuf {
        crate::files::fixture("tasks/choice").join(name)
    }

    #[test]
    fn rows_of_a_hub_file() {
        let expected = [
            r#"{"question":"Which is even?","subject":"made_up","choices":["1","2","3","5"],"answer":1,"more":{"score":0.5,"labels":[1,0]}}"#,
            r#"{"question":"哪个？","subject":"made_up","choices":["甲","乙"],"answer":0,"more":{"score":null,"labels":[]}}"#,
        ];
        assert_eq!(shown(&data::read(&fixture("rows_snappy.parquet")).unwrap()), expected);
        assert_eq!(shown(&data::read(&fixture("rows_plain.parquet")).unwrap()), expected);
        #[cfg(feature = "zstd")]
        assert_eq!(shown(&data::read(&fixture("rows_zstd.parquet")).unwrap()), expected);
        #[cfg(not(feature = "zstd"))]
        {
            let error = data::read(&fixture("rows_zstd.parquet")).unwrap_err().to_string();
            assert!(error.contains("rows_zstd.parquet") && error.contains("cargo feature zstd"), "{error}");
        }
    }

    #[test]
    fn damaged_files_are_refused_by_name() {
        refused("a.parquet", "", &["a.parquet"]);
        refused("a.parquet", "PAR1", &["a.parquet"]);
        let whole = std::fs::read(fixture("rows_snappy.parquet")).unwrap();
        for length in (0..whole.len()).step_by(61) {
            refused("a.parquet", &whole[..length], &["a.parquet"]);
        }
        // A flipped byte may still make a file of other values, but must not end the process.
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            let _ = data::read(&file("a.parquet", bytes).1);
        }
    }
}

/// Parts of two downloads in one folder, of which neither must be read as the whole.
#[test]
fn parts_of_two_revisions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str| std::fs::write(folder.path().join(name), "{\"a\":1}\n").unwrap();
    put("test-00000-of-00002.jsonl");
    put("test-00001-of-00002.jsonl");
    assert_eq!(Split::read(folder.path(), &["test"]).unwrap().files.len(), 2);
    put("test-00000-of-00001.jsonl");
    let error = Split::read(folder.path(), &["test"]).unwrap_err().to_string();
    assert!(
        error.contains("test-00000-of-00001.jsonl") && error.contains("found test-00000-of-00002.jsonl"),
        "{error}"
    );
}

#[test]
fn converted_splits_are_read_in_order() {
    let (folder, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let split = folder.path().join("default/test");
    std::fs::create_dir_all(&split).unwrap();
    for name in ["0001.jsonl", "0000.jsonl", "notes.jsonl", "00002.jsonl"] {
        std::fs::write(split.join(name), "{\"a\":1}\n").unwrap();
    }
    let files = Split::read(folder.path(), &["test"]).unwrap().files;
    assert_eq!(files, [split.join("0000.jsonl"), split.join("0001.jsonl")]);
    assert!(Split::find(empty.path(), &["test"]).unwrap().is_none());
}
