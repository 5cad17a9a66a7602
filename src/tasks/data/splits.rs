//! Where the parts of a data set lie, as original archives and as the hubs name them.

use std::path::{Path, PathBuf};

use super::{Record, Records, csv, read};
use crate::error::{Error, Result};

/// Endings of files that name their own fields, in the order they are looked for.
const ENDINGS: [&str; 4] = ["parquet", "jsonl", "json", "csv"];

/// The first of `candidates` that is a file or folder below `data`.
///
/// # Errors
/// None is: the error names all places.
pub fn find(data: &Path, candidates: &[&str]) -> Result<PathBuf> {
    let looked: Vec<PathBuf> = candidates.iter().map(|candidate| data.join(candidate)).collect();
    looked.iter().find(|path| path.exists()).cloned().ok_or_else(|| missing(&looked))
}

/// Files of one split as the hubs give them out, in order: `test.jsonl`, or all of
/// `test-00000-of-00002.parquet` and so on, in `folder` or in its folder `data`. Empty if there are none.
///
/// # Errors
/// Of several files with a number one is missing; a folder cannot be read.
pub fn split(folder: &Path, name: &str) -> Result<Vec<PathBuf>> {
    for folder in [folder.to_owned(), folder.join("data")] {
        for ending in ENDINGS {
            let file = folder.join(format!("{name}.{ending}"));
            if file.is_file() {
                return Ok(vec![file]);
            }
            let files = numbered(&folder, name, ending)?;
            if !files.is_empty() {
                return Ok(files);
            }
        }
    }
    Ok(Vec::new())
}

/// The files `NAME-00000-of-00003.ENDING`, all three of them.
fn numbered(folder: &Path, name: &str, ending: &str) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut count = None;
    for entry in folder.read_dir().map_err(Error::io(folder))? {
        let file = entry.map_err(Error::io(folder))?.file_name();
        let numbers = file.to_str().and_then(|file| {
            file.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(ending)?.strip_suffix('.')?.split_once("-of-")
        });
        count = count.or(numbers.and_then(|(_, of)| of.parse::<usize>().ok()).filter(|count| *count <= 100_000));
    }
    let files = (0..count.unwrap_or(0)).map(|number| {
        let file = folder.join(format!("{name}-{number:05}-of-{:05}.{ending}", count.unwrap_or(0)));
        if file.is_file() { Ok(file) } else { Err(missing(&[file])) }
    });
    files.collect()
}

/// The rows of several files, one after the other.
///
/// # Errors
/// As [`read`].
pub fn read_all(files: &[PathBuf]) -> Result<Records> {
    let records = files.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?;
    Ok(records.into_iter().flatten().collect())
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
