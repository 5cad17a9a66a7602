//! The splits of a data set, under the names of original archives and of the hubs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Record, Records, read};
use crate::error::{Error, Result};

/// Endings of files that name their own fields, in the order they are looked for.
const ENDINGS: [&str; 5] = ["parquet", "jsonl", "json", "csv", "tsv"];

/// The most files of a split.
const MOST: usize = 100_000;

/// The rows of a split, and the files they come from.
#[derive(Clone, Debug, Default)]
pub struct Split {
    pub files: Vec<PathBuf>,
    pub records: Records,
}

impl Split {
    /// Reads the first there is of `names`, paths below `folder` without an ending: `test` is `test.jsonl`, all of
    /// `test-00000-of-00002.parquet` and so on, or all of `test/0000.parquet` and so on, as the hubs give files out, each
    /// also in a folder `data` or `default` beside it.
    ///
    /// # Errors
    /// There is none; of several files with a number one is missing, or they are of two revisions; as [`read`].
    pub fn read(folder: &Path, names: &[&str]) -> Result<Split> {
        Split::find(folder, names)?.ok_or_else(|| {
            let names: Vec<String> = names.iter().map(|name| folder.join(name).display().to_string()).collect();
            let expected = format!("{} with an ending of {}", names.join(" or "), ENDINGS.join(", "));
            Error::request("data", expected, "no such file", FIX)
        })
    }

    /// Does the same, without an error where there is none of `names`.
    ///
    /// # Errors
    /// As [`Split::read`].
    pub fn find(folder: &Path, names: &[&str]) -> Result<Option<Split>> {
        for name in names {
            let path = folder.join(name);
            let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
                continue;
            };
            let files = files(folder, name)?;
            if !files.is_empty() {
                let records = files.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?;
                return Ok(Some(Split { files, records: records.into_iter().flatten().collect() }));
            }
        }
        Ok(None)
    }
}

const FIX: &str = "put the published files there, or name another folder";

/// Returns the first of `candidates` that is a file or folder below `data`.
///
/// # Errors
/// None is: the error names all places.
pub fn find(data: &Path, candidates: &[&str]) -> Result<PathBuf> {
    let looked: Vec<PathBuf> = candidates.iter().map(|candidate| data.join(candidate)).collect();
    looked.iter().find(|path| path.exists()).cloned().ok_or_else(|| missing(&looked))
}

/// Returns the files of the split `name`; none if there are none.
fn files(folder: &Path, name: &str) -> Result<Vec<PathBuf>> {
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

/// Returns the files `NAME-00000-of-00003.ENDING`, all three of them.
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

/// Returns the files `0000.ENDING`, `0001.ENDING` of a folder up to the last there is, as the hub converts sets to Parquet.
fn converted(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let number = |file: &str| -> Option<usize> {
        let digits = file.strip_suffix(ending)?.strip_suffix('.')?;
        digits.parse().ok().filter(|number| digits.len() == 4 && *number < MOST)
    };
    let last = names(folder)?.iter().filter_map(|file| number(file)).max();
    all(folder, last.map_or(0, |last| last + 1), |number| format!("{number:04}.{ending}"))
}

/// Returns the names in a folder, sorted; none where there is no folder.
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

/// Returns `count` files with a number, of which none may be missing.
fn all(folder: &Path, count: usize, name: impl Fn(usize) -> String) -> Result<Vec<PathBuf>> {
    let files = (0..count).map(|number| folder.join(name(number)));
    files.map(|file| if file.is_file() { Ok(file) } else { Err(missing(&[file])) }).collect()
}

/// Checks that no two records are equal in `field`, an id.
///
/// # Errors
/// Two are: the error names the second, and where the first stands. One lacks the field.
pub fn unique(records: &[Record], field: &str) -> Result<()> {
    let mut seen: BTreeMap<String, &Record> = BTreeMap::new();
    for record in records {
        let value = record.value(field)?;
        // A number in some copies is a text in others.
        let id = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let Some(first) = seen.insert(id.clone(), record) {
            let found = format!("{id}, as {}: {} has", first.file.display(), first.place);
            return Err(record.error(field, "an id of its own", found));
        }
    }
    Ok(())
}

/// Returns the error that none of these places holds the data.
pub fn missing(looked: &[PathBuf]) -> Error {
    let names: Vec<String> = looked.iter().map(|path| path.display().to_string()).collect();
    Error::request("data", names.join(" or "), "no such file", FIX)
}
