//! The unfinished folder: names of its pieces, reports that a resumed run reads back, and its completion.

use std::path::Path;

use serde_json::Value;

use super::job::Job;
use super::report::LayerReport;
use crate::checkpoint::{NewFile, NewTensor, PartialFolder, SHARD_BYTES, files_beside_weights};
use crate::error::{Error, Result};
use crate::formats::file::FolderWriter;
use crate::formats::gguf::table::{self, RoundedTable};
use crate::text;

/// The report within a quantized folder.
pub const REPORT: &str = "quantize_report.json";

/// Returns the name of a layer's piece.
pub fn piece(layer: usize) -> String {
    format!("block-{layer:05}")
}

/// Reads the report of a finished layer.
pub fn read_report(work: &PartialFolder, layer: usize) -> Result<LayerReport> {
    let path = work.path(&format!("{}.json", piece(layer)));
    let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
    let fix = "remove the unfinished folder and start anew";
    serde_json::from_slice(&bytes).map_err(|e| Error::malformed(&path, "report", "what this program wrote", e, fix))
}

/// Tells whether `out` is the finished folder of the job with this digest, by its report.
pub fn is_finished(out: &Path, digest: &str) -> bool {
    let report = std::fs::read(out.join(REPORT)).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    !out.with_added_extension("partial").exists() && report.is_some_and(|report| report["digest"] == digest)
}

/// Returns the names of embedding and output matrix.
fn tables(job: &Job) -> &'static [&'static str] {
    if job.config.tie_word_embeddings { &["model.embed_tokens"] } else { &["model.embed_tokens", "lm_head"] }
}

/// Rounds embedding and output matrix where the settings say so.
pub fn rounded_tables(job: &Job) -> Result<Vec<(&'static str, RoundedTable)>> {
    let shape = [job.config.vocab_size, job.config.hidden_size];
    let names = tables(job).iter().filter(|_| job.settings.run.lm_head);
    names.map(|name| Ok((*name, table::round(job.checkpoint, name, shape)?))).collect()
}

/// Writes embedding, final norm, output matrix, config, tokenizer and report, and gives the folder its name. The first
/// and the third are `rounded`, if there are any.
pub fn finish(
    job: &Job,
    work: PartialFolder,
    folder: &dyn FolderWriter,
    report: &Value,
    rounded: Vec<(&str, RoundedTable)>,
) -> Result<()> {
    const HEAD: &str = "head";
    let dtype = folder.rest_type();
    let mut config = folder.to_json();
    if !rounded.is_empty() {
        config.insert(table::LM_HEAD_FIELD.0.into(), table::LM_HEAD_FIELD.1.into());
    }
    if !work.has(HEAD) {
        let unquantized = tables(job).iter().filter(|_| rounded.is_empty()).chain(&["model.norm"]);
        let read = |name: &&str| NewTensor::from_checkpoint(job.checkpoint, &format!("{name}.weight"), dtype);
        let mut tensors = unquantized.map(read).collect::<Result<Vec<_>>>()?;
        tensors.extend(rounded.into_iter().map(|(_, table)| table.tensor));
        work.write(HEAD, &tensors)?;
    }
    let name = if dtype == "F16" { "float16" } else { "bfloat16" };
    let origin = &job.checkpoint.path;
    let mut files = files_beside_weights(job.checkpoint, &config, name, |vocab| text::tokenizer_json(vocab, origin))?;
    let report = serde_json::to_string_pretty(report).expect("numbers and names") + "\n";
    files.push(NewFile { name: REPORT.into(), bytes: report.into_bytes() });
    let pieces: Vec<String> =
        [HEAD.to_owned()].into_iter().chain((0..job.config.num_hidden_layers).map(piece)).collect();
    work.finish(&pieces, &files, SHARD_BYTES)
}
