//! Where the parts of a data set lie, as original archives and as the hubs name them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Record, Records, csv, read};
use crate::error::{Error, Result};

/// Endings of files that name their own fields, in the order they are looked for.
const ENDINGS: [&str; 4] = ["parquet", "jsonl", "json", "csv"];

/// The most files of a split.
const MOST: usize = 100_000;

/// The first of `candidates` that is a file or folder below `data`.
///
/// # Errors
/// None is: the error names all places.
pub fn find(data: &Path, candidates: &[&str]) -> Result<PathBuf> {
    let looked: Vec<PathBuf> = candidates.iter().map(|candidate| data.join(candidate)).collect();
    looked.iter().find(|path| path.exists()).cloned().ok_or_else(|| missing(&looked))
}

/// Files of one split as the hubs give them out, in order: `test.jsonl`, all of `test-00000-of-00002.parquet` and so on,
/// or all of `test/0000.parquet` and so on, in `folder` or in its folders `data` and `default`. Empty if there are none.
///
/// # Errors
/// Of several files with a number one is missing, or they are of two revisions; a folder cannot be read.
pub fn split(folder: &Path, name: &str) -> Result<Vec<PathBuf>> {
    for folder in [folder.to_owned(), folder.join("data"), folder.join("default")] {
        for ending in ENDINGS {
            let file = folder.join(format!("{name}.{ending}"));
            if file.is_file() {
                return Ok(vec![file]);
            }
            for files in [numbered(&folder, name, ending)?, converted(&folder.join(name), ending)?] {
                if !files.is_empty() {
                    return Ok(files);
                }
            }
        }
    }
    Ok(Vec::new())
}

/// The files `NAME-00000-of-00003.ENDING`, all three of them.
fn numbered(folder: &Path, name: &str, ending: &str) -> Result<Vec<PathBuf>> {
    let total = |file: &str| -> Option<usize> {
        let numbers = file.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(ending)?.strip_suffix('.')?;
        numbers.split_once("-of-")?.1.parse().ok().filter(|total| *total <= MOST)
    };
    let files: Vec<(String, usize)> =
        names(folder)?.into_iter().filter_map(|file| total(&file).map(|total| (file, total))).collect();
    let Some((first, total)) = files.first() else { return Ok(Vec::new()) };
    if let Some((other, _)) = files.iter().find(|(_, other)| other != total) {
        let fix = "these are parts of two revisions: keep those of one";
        return Err(Error::malformed(&folder.join(first), "files of a split", "the same total in all", other, fix));
    }
    all(folder, *total, |number| format!("{name}-{number:05}-of-{total:05}.{ending}"))
}

/// The files `0000.ENDING`, `0001.ENDING` of a folder up to the last there is, as the hub converts sets to Parquet.
fn converted(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let number = |file: &str| -> Option<usize> {
        let digits = file.strip_suffix(ending)?.strip_suffix('.')?;
        digits.parse().ok().filter(|number| digits.len() == 4 && *number < MOST)
    };
    let last = names(folder)?.iter().filter_map(|file| number(file)).max();
    all(folder, last.map_or(0, |last| last + 1), |number| format!("{number:04}.{ending}"))
}

/// The names in a folder, sorted; none where there is no folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in folder.read_dir().map_err(Error::io(folder))? {
        names.extend(entry.map_err(Error::io(folder))?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// `count` files with a number, of which none may be missing.
fn all(folder: &Path, count: usize, name: impl Fn(usize) -> String) -> Result<Vec<PathBuf>> {
    let files = (0..count).map(|number| folder.join(name(number)));
    files.map(|file| if file.is_file() { Ok(file) } else { Err(missing(&[file])) }).collect()
}

/// The rows of several files, one after the other.
///
/// # Errors
/// As [`read`].
pub fn read_all(files: &[PathBuf]) -> Result<Records> {
    let records = files.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?;
    Ok(records.into_iter().flatten().collect())
}

/// That no two records are equal in all of `fields`, which are an id where the set was published.
///
/// # Errors
/// Two are: the error names the second, and where the first stands. One lacks a field.
pub fn unique<'a>(records: impl IntoIterator<Item = &'a Record>, fields: &[&str]) -> Result<()> {
    let mut seen: BTreeMap<Vec<String>, &Record> = BTreeMap::new();
    for record in records {
        let values = fields.iter().map(|field| record.value(field)).collect::<Result<Vec<_>>>()?;
        // A number in some copies is a text in others.
        let text = |value: &&Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let id: Vec<String> = values.iter().map(text).collect();
        let shown = id.join(", ");
        if let Some(first) = seen.insert(id, record) {
            let found = format!("{shown}, as {}: {} has", first.file.display(), first.place);
            return Err(record.error(&fields.join(", "), "an id of its own", found));
        }
    }
    Ok(())
}

/// The rows of a subject's split, and their files: `SPLIT/SUBJECT_SPLIT.csv` as MMLU and C-Eval are given out, whose
/// columns are `names` if it has no header, or the hub's folder of the subject.
///
/// # Errors
/// There is neither, and as [`read`].
pub fn subject(
    folder: &Path,
    subject: &str,
    name: &str,
    names: Option<&[&str]>,
) -> Result<(Vec<PathBuf>, Vec<Record>)> {
    let original = folder.join(name).join(format!("{subject}_{name}.csv"));
    if original.is_file() {
        let records = csv(&original, names)?;
        return Ok((vec![original], records));
    }
    let files = split(&folder.join(subject), name)?;
    if files.is_empty() {
        return Err(missing(&[original, folder.join(subject).join(format!("{name}.parquet"))]));
    }
    let records = read_all(&files)?;
    Ok((files, records))
}

/// That none of these places holds the data.
pub fn missing(looked: &[PathBuf]) -> Error {
    let names: Vec<String> = looked.iter().map(|path| path.display().to_string()).collect();
    let fix = "put the published files there, or name another folder";
    Error::request("data", names.join(" or "), "no such file", fix)
}
