//! Calibration samples: tokens of a text, of JSONL documents, or of instructions put into the model's chat
//! template. The same file, settings and seed give the same samples.

use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::text::{ChatTemplate, Message, Tokenizer};

/// The samples that a quantization is calibrated on.
#[derive(Clone, Debug, Serialize)]
pub struct Calibration {
    /// A text, documents (.jsonl) or instructions (.json); methods that are not calibrated need none.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// Number of samples.
    pub samples: usize,
    /// Tokens of a sample; those from instructions may be shorter.
    pub length: usize,
    /// Draws documents and places at random; None takes samples one after the other from the beginning.
    pub seed: Option<u64>,
    /// The field of a JSONL document that holds its text.
    pub field: String,
}

impl Default for Calibration {
    /// 128 samples of 2048 tokens from the beginning of no file.
    fn default() -> Calibration {
        Calibration { file: None, samples: 128, length: 2048, seed: None, field: "text".to_owned() }
    }
}

/// Reads samples from `file`, by its ending: .jsonl documents, .json instructions (Alpaca's), else text.
///
/// # Errors
/// A record that is none, or too little text.
pub fn samples(
    file: &Path,
    contents: &str,
    wanted: &Calibration,
    tokenizer: &Tokenizer,
    chat: Option<&ChatTemplate>,
) -> Result<Vec<Vec<u32>>> {
    let ending = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let samples = match ending {
        "jsonl" => windows(documents(file, contents, &wanted.field)?, wanted, tokenizer)?,
        "json" => instructions(file, contents, wanted, tokenizer, chat)?,
        _ => windows(vec![contents.to_owned()], wanted, tokenizer)?,
    };
    if samples.len() < wanted.samples {
        let expected = format!("{} of {} tokens", wanted.samples, wanted.length);
        let fix = "give a longer file, or fewer `samples` or a smaller `length`";
        return Err(Error::malformed(file, "calibration samples", expected, samples.len(), fix));
    }
    Ok(samples)
}

fn documents(file: &Path, contents: &str, field: &str) -> Result<Vec<String>> {
    let text = |(number, line): (usize, &str)| {
        let record: Option<Value> = serde_json::from_str(line).ok();
        let text = record.as_ref().and_then(|record| record.get(field)).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| {
            let expected = format!("a JSON object with a text in {field:?}");
            let found = record.map_or("no JSON", |_| "no such text");
            Error::malformed(file, format!("line {}", number + 1), expected, found, "choose another `field`")
        })
    };
    contents.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(text).collect()
}

/// Windows of whole length. Without a seed they follow each other through the documents; with one, each
/// comes from a document drawn at random, from a place drawn at random, as GPTQ's reference does.
fn windows(documents: Vec<String>, wanted: &Calibration, tokenizer: &Tokenizer) -> Result<Vec<Vec<u32>>> {
    let Calibration { samples, length, .. } = *wanted;
    let Some(seed) = wanted.seed else {
        let mut ids = Vec::new();
        for document in documents {
            ids.extend(tokenizer.encode(&document)?);
            if ids.len() >= samples * length {
                break;
            }
        }
        return Ok(ids.chunks_exact(length).take(samples).map(<[u32]>::to_vec).collect());
    };
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..documents.len()).collect();
    order.shuffle(&mut random);
    let mut long: Vec<Vec<u32>> = Vec::new();
    let mut found = Vec::new();
    // Each document once, in random order; then again those that were long enough.
    for document in order {
        if found.len() == samples {
            break;
        }
        let ids = tokenizer.encode(&documents[document])?;
        if ids.len() >= length {
            found.push(window(&ids, length, &mut random));
            long.push(ids);
        }
    }
    while found.len() < samples && !long.is_empty() {
        let document = random.random_range(0..long.len());
        found.push(window(&long[document], length, &mut random));
    }
    Ok(found)
}

fn window(ids: &[u32], length: usize, random: &mut ChaCha8Rng) -> Vec<u32> {
    let start = random.random_range(0..=ids.len() - length);
    ids[start..start + length].to_vec()
}

/// Instructions in the chat template, cut to the length; none is joined with another.
fn instructions(
    file: &Path,
    contents: &str,
    wanted: &Calibration,
    tokenizer: &Tokenizer,
    chat: Option<&ChatTemplate>,
) -> Result<Vec<Vec<u32>>> {
    let fix = "give an array of objects with instruction, input and output";
    let records: Vec<Value> = serde_json::from_str(contents)
        .map_err(|e| Error::malformed(file, "calibration", "a JSON array of instructions", e, fix))?;
    let chatml = ChatTemplate::chatml();
    let chat = chat.unwrap_or(&chatml);
    let mut order: Vec<usize> = (0..records.len()).collect();
    if let Some(seed) = wanted.seed {
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    }
    let mut samples = Vec::new();
    for record in order.into_iter().take(wanted.samples) {
        let field = |name: &str| records[record].get(name).and_then(Value::as_str);
        let (Some(instruction), Some(output)) = (field("instruction"), field("output")) else {
            let what = format!("record {record}");
            return Err(Error::malformed(file, what, "texts in instruction and output", &records[record], fix));
        };
        let asked = match field("input") {
            Some(input) if !input.is_empty() => format!("{instruction}\n{input}"),
            _ => instruction.to_owned(),
        };
        let text = chat.render(&[Message::new("user", &asked), Message::new("assistant", output)], false)?;
        let mut ids = tokenizer.encode_without_bos(&text)?;
        ids.truncate(wanted.length);
        samples.push(ids);
    }
    Ok(samples)
}
