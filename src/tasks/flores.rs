//! FLORES-200 (NLLB team, arXiv:2207.04672): sentences translated, scored by BLEU and chrF as sacreBLEU does.
//!
//! [`TASK`] holds English and Chinese in both directions. Any other pair is named: `flores:deu_Latn-eng_Latn`, several
//! with commas between them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value, json};

use super::choice::reply;
use super::data::{self, Split};
use super::{Aggregation, FilterResult, Item, Metric, OutputType, Profile, Prompt, Response, Subset, Task};
use crate::error::{Error, Result};
use crate::metrics::bleu::{Bleu, BleuCounts, BleuTokenizer};
use crate::metrics::chrf::Chrf;

pub static TASK: Task = Task {
    read_parts: Some(read_pairs),
    export: Some(export),
    ..Task::new(
        "flores",
        "FLORES-200",
        "translation of sentences",
        |data| read_pairs(data, "eng_Latn-zho_Hans,zho_Hans-eng_Latn"),
        &[LMH, Profile { name: "chat", chat: true, ..LMH }],
    )
};

/// Languages in English by their codes: all 204, named as the authors' README does or, those with many speakers, shorter.
/// Santali has the code of the archive's files; that README writes `sat_Beng`.
static LANGUAGES: LazyLock<BTreeMap<&str, &str>> =
    LazyLock::new(|| data::table(include_str!("flores/languages.tsv")).map(|[code, name]| (code, name)).collect());

/// Returns what COMET reads of a translation.
fn export(document: &Value, reply: &str) -> Value {
    let mut sentences = document.as_object().into_iter().flat_map(Map::values);
    json!({ "src": sentences.next(), "mt": reply, "ref": sentences.next() })
}

/// The form of lm-evaluation-harness's FLORES tasks for some regions, which have no pair with Chinese.
const LMH: Profile = Profile { shots: 5, ..Profile::new("lmh", prompt, score, METRICS) };

/// BLEU stands under its tokenizer as a filter, since numbers of different ones must not be averaged.
const METRICS: &[Metric] = &[
    Metric { primary: true, ..metric("bleu", "13a", |items| bleu(BleuTokenizer::V13a, items)) },
    Metric { primary: true, ..metric("bleu", "zh", |items| bleu(BleuTokenizer::Chinese, items)) },
    Metric { primary: true, ..metric("bleu", "char", |items| bleu(BleuTokenizer::Characters, items)) },
    metric("spbleu", "none", spbleu),
    metric("chrf", "none", |items| chrf(Chrf::default(), items)),
    metric("chrf++", "none", |items| chrf(CHRF_WORDS, items)),
    // With the tokenizer 13a whatever the target, as lm-evaluation-harness: next to meaningless for Chinese.
    metric("bleu_lmh", "none", |items| bleu(BleuTokenizer::V13a, items)),
];

/// The SentencePiece model of spBLEU, as sacreBLEU names its file.
const MODEL: &str = "flores200_sacrebleu_tokenizer_spm.model";

const CHRF_WORDS: Chrf = Chrf { words: true };

const fn metric(name: &'static str, filter: &'static str, measure: fn(&[Item]) -> f64) -> Metric {
    Metric { filter, scale: 100.0, aggregation: Aggregation::Corpus(measure), ..Metric::share(name, None) }
}

/// Returns the tokenizer of BLEU for a target language: characters where words are not set apart.
fn tokenizer(language: &str) -> &'static str {
    match language.split('_').next().unwrap_or_default() {
        "zho" | "yue" => "zh",
        "jpn" | "tha" | "lao" | "khm" | "mya" | "shn" | "bod" | "dzo" => "char",
        _ => "13a",
    }
}

/// Reads a set for each pair of `names`: `deu_Latn-eng_Latn,fra_Latn-eng_Latn`. Tested is `devtest`; shots come from `dev`
/// or, where that is missing, from `devtest`. As the authors' archive has them, a file for each language, or as rows
/// with a field `sentence_LANGUAGE`, as the hub has them. spBLEU is among the scores if its SentencePiece model,
/// `flores200_sacrebleu_tokenizer_spm.model`, lies in the same folder or in the one above.
///
/// # Errors
/// A name that is no pair of languages; a file that is missing; files of a pair with different numbers of lines; an
/// empty line.
fn read_pairs(data: &Path, names: &str) -> Result<Vec<Subset>> {
    let folder = data::find(data, &["flores200/flores200_dataset", "flores200", "flores200_dataset", "flores"])?;
    let model = [Some(folder.as_path()), folder.parent()].into_iter().flatten().map(|folder| folder.join(MODEL));
    let pieces = model.filter(|model| model.is_file()).map(|model| data::SentencePieces::read(&model)).next();
    let pieces = pieces.transpose()?.map(Arc::new);
    let read = |name: &str| Ok(Subset { pieces: pieces.clone(), ..read_pair(&folder, name.trim())? });
    names.split(',').map(read).collect()
}

fn read_pair(folder: &Path, name: &str) -> Result<Subset> {
    let known = |code: &&str| LANGUAGES.contains_key(code);
    let Some(pair) = name.split_once('-').filter(|(from, to)| known(from) && known(to) && from != to) else {
        let expected = "two different languages as FLORES-200 names them: deu_Latn-eng_Latn";
        let fix = "correct it; the codes are those of the files, as in devtest/deu_Latn.devtest";
        return Err(Error::request("pair of languages of flores", expected, name, fix));
    };
    let Some((files, documents)) = read_split(folder, "devtest", pair)? else {
        let looked = [pair.0, pair.1].map(|code| folder.join("devtest").join(format!("{code}.devtest")));
        return Err(data::missing(&looked));
    };
    let (more, pool) = read_split(folder, "dev", pair)?.unwrap_or_default();
    let name = format!("flores_{name}");
    Ok(Subset { name, files: [files, more].concat(), documents, pool, ..Subset::default() })
}

type Documents = (Vec<PathBuf>, Vec<Value>);

/// Returns the pairs of sentences of a split, the source's first; nothing where the split is not there.
fn read_split(folder: &Path, split: &str, (from, to): (&str, &str)) -> Result<Option<Documents>> {
    let (from_field, to_field) = (format!("sentence_{from}"), format!("sentence_{to}"));
    let document = |source: &str, target: &str| {
        Value::Object(Map::from_iter([(from_field.clone(), source.into()), (to_field.clone(), target.into())]))
    };
    let files = [from, to].map(|code| folder.join(split).join(format!("{code}.{split}")));
    if files.iter().any(|file| file.is_file()) {
        let [sources, targets] = [sentences(&files[0])?, sentences(&files[1])?];
        if sources.len() != targets.len() {
            let expected = format!("{}, as {} has", sources.len(), files[0].display());
            let fix = "get both files from one archive: line n is the same sentence in all";
            return Err(Error::malformed(&files[1], "number of lines", expected, targets.len(), fix));
        }
        let documents = sources.iter().zip(&targets).map(|(source, target)| document(source, target)).collect();
        return Ok(Some((files.to_vec(), documents)));
    }
    let Some(rows) = Split::find(folder, &[split, &format!("all/{split}")])? else { return Ok(None) };
    let documents = rows.records.iter().map(|row| Ok(document(row.filled(&from_field)?, row.filled(&to_field)?)));
    let documents = documents.collect::<Result<_>>()?;
    Ok(Some((rows.files, documents)))
}

fn sentences(file: &Path) -> Result<Vec<String>> {
    let lines = data::lines(file)?;
    if lines.is_empty() {
        return Err(Error::malformed(file, "lines", "at least one", "none", "the file is empty; get it again"));
    }
    if let Some(at) = lines.iter().position(|line| line.trim().is_empty()) {
        let fix = "compare the file with the published one";
        return Err(Error::malformed(file, format!("line {}", at + 1), "a sentence", "an empty line", fix));
    }
    Ok(lines)
}

/// Returns the two languages of a document and their sentences, source first.
fn sides(document: &Value) -> [(&str, &str); 2] {
    let mut fields = document.as_object().into_iter().flatten();
    [(); 2].map(|()| match fields.next() {
        Some((field, sentence)) => {
            (field.strip_prefix("sentence_").unwrap_or(field), sentence.as_str().unwrap_or_default())
        }
        None => ("", ""),
    })
}

fn prompt(_: &Subset, document: &Value) -> Prompt {
    let [(from, source), (to, target)] = sides(document);
    let name = |code| LANGUAGES.get(code).copied().unwrap_or_default();
    let request = format!("{} sentence: {source}\n{} sentence:", name(from), name(to));
    Prompt { delimiter: "", ..Prompt::new(request, target, OutputType::reply(&["\n"], 256)) }
}

fn score(set: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    let [_, (to, target)] = sides(document);
    let texts = Item::Texts { reply: reply(responses)?.to_owned(), references: vec![target.to_owned()] };
    let outcome = |filter, names: &[&'static str]| FilterResult {
        filter,
        filtered: None,
        items: names.iter().map(|&name| (name, texts.clone())).collect(),
    };
    let mut rest = outcome("none", &["chrf", "chrf++", "bleu_lmh"]);
    if let Some(pieces) = &set.pieces {
        let apart = |text: &str| pieces.apart(text);
        let counts = Bleu { tokenizer: BleuTokenizer::Pieces(&apart) };
        let BleuCounts { length, reference_length, matched, total } = counts.counts(reply(responses)?, &[target]);
        rest.items.push(("spbleu", Item::Record(json!([length, reference_length, matched, total]))));
    }
    Ok(vec![outcome(tokenizer(to), &["bleu"]), rest])
}

fn texts(items: &[Item]) -> impl Iterator<Item = (&str, &[String])> {
    items.iter().filter_map(|item| match item {
        Item::Texts { reply, references } => Some((reply.as_str(), references.as_slice())),
        _ => None,
    })
}

fn bleu(tokenizer: BleuTokenizer<'static>, items: &[Item]) -> f64 {
    let bleu = Bleu { tokenizer };
    bleu.score(&texts(items).map(|(reply, references)| bleu.counts(reply, references)).sum())
}

/// Computes BLEU of counts that [`score`] made.
fn spbleu(items: &[Item]) -> f64 {
    let counts = items.iter().filter_map(|item| match item {
        Item::Record(record) => serde_json::from_value(record.clone()).ok(),
        _ => None,
    });
    let of = |(length, reference_length, matched, total)| BleuCounts { length, reference_length, matched, total };
    Bleu::default().score(&counts.map(of).sum())
}

fn chrf(chrf: Chrf, items: &[Item]) -> f64 {
    chrf.score(&texts(items).map(|(reply, references)| chrf.counts(reply, references)).sum())
}
