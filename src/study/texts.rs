//! The texts that perplexity is measured on, joined as GPTQ's code joins them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, Result};

/// A text that perplexity is measured on.
pub struct StudyText {
    /// The name that settings use.
    pub name: &'static str,
    /// The name that tables show.
    pub title: &'static str,
    files: &'static [&'static str],
    join: fn(&Path, &str) -> Result<String>,
}

/// All texts.
pub static TEXTS: &[StudyText] = &[
    StudyText {
        name: "wikitext2",
        title: "WikiText2",
        files: &["wikitext2/wikitext-2-raw/wiki.test.raw", "wikitext-2-raw/wiki.test.raw"],
        join: |_, text| Ok(wikitext(text)),
    },
    StudyText {
        name: "ptb",
        title: "PTB",
        files: &["ptb/ptb.test.txt"],
        join: |_, text| Ok(text.lines().map(str::trim).collect::<Vec<_>>().join(" ")),
    },
    StudyText { name: "c4", title: "C4", files: &["c4/c4_demo.jsonl", "c4/c4-validation.jsonl"], join: c4 },
];

/// Documents of C4 that are read at most.
const DOCUMENTS: usize = 1100;

impl StudyText {
    /// Finds the text of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<&'static StudyText> {
        TEXTS.iter().find(|text| text.name == name).ok_or_else(|| {
            let known: Vec<&str> = TEXTS.iter().map(|text| text.name).collect();
            Error::request("`texts`", format!("some of {}", known.join(", ")), name, "correct the name")
        })
    }

    /// Reads the text below the data folder.
    ///
    /// # Errors
    /// No such file, or one that is not text.
    pub fn read(&self, data: &Path) -> Result<String> {
        let paths: Vec<PathBuf> = self.files.iter().map(|file| data.join(file)).collect();
        let Some(path) = paths.iter().find(|path| path.is_file()) else {
            let expected = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ");
            return Err(Error::request(self.name, expected, "neither", "put it there, or leave it out of `texts`"));
        };
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        (self.join)(path, &text)
    }
}

/// Joins rows of `wikitext-2-raw-v1` by an empty line: a row is a line with its end, or nothing where it is blank.
fn wikitext(text: &str) -> String {
    let rows = text.split_inclusive('\n').map(|row| if row.trim().is_empty() { "" } else { row });
    rows.collect::<Vec<_>>().join("\n\n")
}

fn c4(path: &Path, text: &str) -> Result<String> {
    let document = |(number, line): (usize, &str)| {
        let bad = |found: String| {
            let expected = "a JSON object with a string in \"text\"";
            Error::malformed(path, format!("line {}", number + 1), expected, found, "take the file as published")
        };
        let value: Value = serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
        value["text"].as_str().map(str::to_owned).ok_or_else(|| bad("none".into()))
    };
    let documents = text.lines().take(DOCUMENTS).enumerate().map(document);
    Ok(documents.collect::<Result<Vec<_>>>()?.join(" "))
}
