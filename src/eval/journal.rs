//! Answers as they come, in a file that only grows: a run that is killed goes on where it was.
//!
//! One line a document, JSON with a check sum; the first line says which model answers. A last line that was
//! torn is dropped. Answers of another model are refused, never mixed in.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::settings::{EvalSettings, is_f32};
use crate::error::{Error, Result};
use crate::generate::KvType;
use crate::lock::lock;
use crate::tasks::Response;

/// Raised when the engine's arithmetic changes, so that old answers are not mixed with new ones.
pub const NUMERICS: u32 = 1;

/// The longest line of a journal: a reply of some thousand tokens.
const LONGEST: usize = 4 << 20;

/// The model that answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The model's name as the user gave it.
    pub model: String,
    /// Digests of its files, its tokenizer and its template.
    pub digest: String,
    pub tokenizer: String,
    pub template: String,
    /// `fast`, `portable` or `cpu`: their sums differ in the last digits.
    pub path: String,
    /// True if it runs a GGUF file's blocks packed; otherwise they are widened to bf16.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub packed: bool,
    /// Type of the keys and values in the cache.
    #[serde(default, skip_serializing_if = "is_f32")]
    pub kv_cache: KvType,
    pub numerics: u32,
}

/// Returns the key of a judge's verdict on the reply under `key`.
pub fn verdict_key(key: &str, judge: &str) -> String {
    format!("{key} judged by {judge}")
}

/// A journal open for writing.
pub struct Journal {
    path: PathBuf,
    file: File,
    /// When its first run began, in seconds since 1970.
    pub begun: u64,
    responses: HashMap<String, Response>,
    unsynced: usize,
    synced: Instant,
}

impl Journal {
    /// Opens the journal of `identity` at `path`, or begins it at `now` for the requests of `settings`. With `fresh` it
    /// forgets what it held.
    ///
    /// # Errors
    /// Another process writes it; it is of another model; a line but the last is damaged.
    pub fn open(path: &Path, identity: &Identity, settings: &EvalSettings, now: u64, fresh: bool) -> Result<Journal> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(Error::io(path))?;
        lock(&file, path, || {
            let fix = "wait for it, or write to another `out`";
            Error::request(path.display().to_string(), "no other run", "one that is under way", fix)
        })?;
        if fresh {
            // Only now: another run may have held it.
            file.set_len(0).map_err(Error::io(path))?;
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(Error::io(path))?;
        let Contents { header, responses, whole } = read(path, &text)?;
        let mut journal =
            Journal { path: path.to_owned(), file, begun: now, responses, unsynced: 0, synced: Instant::now() };
        // What was torn goes, so that the next line begins on its own.
        journal.file.set_len(whole as u64).map_err(Error::io(path))?;
        journal.file.seek(SeekFrom::End(0)).map_err(Error::io(path))?;
        match header {
            Some(header) => {
                header.identity.expect(path, identity)?;
                journal.begun = header.begun;
                // More, or other, documents are asked now: answers are found by their requests.
                if header.settings != *settings {
                    // More documents of the same tasks go on with the same results; others get files of their own.
                    if differs(&header.settings, settings, &["model", "limit"]).is_some() {
                        journal.begun = now.max(header.begun + 1);
                    }
                    journal.line(&json!({ "settings": settings, "begun": journal.begun }))?;
                    journal.sync()?;
                }
            }
            None => {
                journal.line(&json!({ "identity": identity, "begun": now, "settings": settings }))?;
                journal.sync()?;
            }
        }
        Ok(journal)
    }

    /// Returns the answer under `key`, if there is one.
    pub fn get(&self, key: &str) -> Option<&Response> {
        self.responses.get(key)
    }

    /// Returns all answers by their keys.
    pub fn responses(&self) -> &HashMap<String, Response> {
        &self.responses
    }

    /// Writes an answer. It is on the disk after a second, or 64 answers.
    pub fn put(&mut self, key: &str, response: Response) -> Result<()> {
        self.line(&json!({ "key": key, "kept": response }))?;
        self.responses.insert(key.to_owned(), response);
        self.unsynced += 1;
        if self.unsynced >= 64 || self.synced.elapsed() > Duration::from_secs(1) {
            self.sync()?;
        }
        Ok(())
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn sync(&mut self) -> Result<()> {
        self.unsynced = 0;
        self.synced = Instant::now();
        self.file.sync_data().map_err(Error::io(&self.path))
    }

    fn line(&mut self, value: &Value) -> Result<()> {
        let text = value.to_string();
        let line = format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes()));
        self.file.write_all(line.as_bytes()).map_err(Error::io(&self.path))
    }
}

#[derive(Deserialize)]
struct JournalHeader {
    identity: Identity,
    begun: u64,
    settings: EvalSettings,
}

impl Identity {
    /// Checks that answers come from the model `wanted`.
    ///
    /// # Errors
    /// They come from another one.
    pub fn expect(&self, path: &Path, wanted: &Identity) -> Result<()> {
        let found = self;
        let differ = |what: &str| {
            let fix = "give another `out`, or `fresh` to begin again";
            let found = format!("those of {}, {what}", found.model);
            Err(Error::malformed(path, "identity", format!("answers of {}", wanted.model), found, fix))
        };
        match () {
            () if found.digest != wanted.digest => differ("another model or quantization"),
            () if found.tokenizer != wanted.tokenizer => differ("with another tokenizer"),
            () if found.template != wanted.template => differ("with another chat template"),
            () if found.path != wanted.path => differ(&format!("computed on path {}", found.path)),
            () if found.packed && !wanted.packed => differ("its blocks packed as the file has them"),
            () if found.packed != wanted.packed => differ("its blocks widened to bf16"),
            () if found.kv_cache != wanted.kv_cache => differ(&format!("with a cache in {}", found.kv_cache.name())),
            () if found.numerics != wanted.numerics => differ("computed by another version"),
            () => Ok(()),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JournalLine {
    Answer {
        key: String,
        kept: Response,
    },
    /// Settings of a later run, and the time that its results are named after.
    Settings {
        settings: Box<EvalSettings>,
        begun: u64,
    },
}

/// The answers of several journals.
pub struct MergedJournals {
    pub responses: HashMap<String, Response>,
    pub identity: Identity,
    /// Settings of the first of them.
    pub settings: EvalSettings,
    /// When the first was begun.
    pub begun: u64,
}

/// Reads the answers of the journals at `paths`.
///
/// # Errors
/// Journals of different models, or a damaged one.
pub fn merged(paths: &[PathBuf]) -> Result<MergedJournals> {
    let mut all: Option<MergedJournals> = None;
    for path in paths {
        let text = std::fs::read(path).map_err(Error::io(path))?;
        let Contents { header, responses, .. } = read(path, &text)?;
        let Some(JournalHeader { identity, begun, settings }) = header else {
            return Err(Error::malformed(path, "line 1", "a journal", "an empty file", "run its share again"));
        };
        let Some(all) = &mut all else {
            all = Some(MergedJournals { responses, identity, settings, begun });
            continue;
        };
        identity.expect(path, &all.identity)?;
        if let Some((name, expected, found)) = differs(&all.settings, &settings, &["model", "adapter"]) {
            let fix = "run all shares with the same options, or give each run its own `out`";
            return Err(Error::malformed(path, name, format!("{expected}, as the other shares"), found, fix));
        }
        all.responses.extend(responses);
        all.begun = all.begun.min(begun);
    }
    all.ok_or_else(|| Error::request("merge", "journals", "none", "give the folder that the shares wrote to"))
}

/// Returns the first setting in which two runs differ, with both values, `others` aside: the model's place and the adapter
/// may depend on the machine.
fn differs(first: &EvalSettings, second: &EvalSettings, others: &[&str]) -> Option<(String, Value, Value)> {
    let fields = |settings| serde_json::to_value(settings).expect("settings are plain data");
    let (Value::Object(first), second) = (fields(first), fields(second)) else { return None };
    let mut pairs = first.into_iter().map(|(name, value)| (second[&name].clone(), name, value));
    let found = pairs.find(|(found, name, expected)| !others.contains(&name.as_str()) && found != expected);
    found.map(|(found, name, expected)| (name, expected, found))
}

/// The contents of a journal.
struct Contents {
    header: Option<JournalHeader>,
    responses: HashMap<String, Response>,
    /// Bytes of whole lines.
    whole: usize,
}

/// Reads the lines of a journal.
fn read(path: &Path, text: &[u8]) -> Result<Contents> {
    let mut header: Option<JournalHeader> = None;
    let mut responses = HashMap::new();
    let mut at = 0;
    let mut number = 0;
    while at < text.len() {
        number += 1;
        let end = text[at..].iter().position(|byte| *byte == b'\n').map(|length| at + length);
        let json = end.and_then(|end| checked(&text[at..end]));
        let whole = end.map_or(text.len(), |end| end + 1);
        let bad = |found: &str| {
            let fix = "the file was changed; remove it, or give `fresh`";
            Error::malformed(path, format!("line {number}"), "a line with its check sum", found, fix)
        };
        let Some(json) = json else {
            // Only the end of the file can be torn.
            if whole == text.len() { break } else { return Err(bad("another")) }
        };
        if number == 1 {
            header = Some(serde_json::from_slice(json).map_err(|e| bad(&e.to_string()))?);
        } else {
            match serde_json::from_slice(json).map_err(|e| bad(&e.to_string()))? {
                JournalLine::Answer { key, kept } => {
                    responses.insert(key, kept);
                }
                JournalLine::Settings { settings, begun } => {
                    if let Some(header) = &mut header {
                        (header.settings, header.begun) = (*settings, begun);
                    }
                }
            }
        }
        at = whole;
    }
    Ok(Contents { header, responses, whole: at })
}

/// Returns a line's JSON, if its check sum is right.
fn checked(line: &[u8]) -> Option<&[u8]> {
    let (sum, json) = line.split_at_checked(9)?;
    let sum = u32::from_str_radix(std::str::from_utf8(&sum[..8]).ok()?, 16).ok()?;
    (line.len() <= LONGEST && line[8] == b' ' && crc32fast::hash(json) == sum).then_some(json)
}
