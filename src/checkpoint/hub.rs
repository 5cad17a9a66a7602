//! Reading a folder: config, tokenizer and safetensors as the Hugging Face hub has them, or one GGUF file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::pairs::Pairs;
use super::source::{SourceFile, brief};
use super::tensors::{TensorInfo, Tensors};
use super::{Checkpoint, SpecialTokens, TokenizerSource, safetensors};
use crate::error::{Error, Result};

pub(super) const INDEX: &str = "model.safetensors.index.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// Bytes that no such file reaches; parsed JSON takes several times its bytes.
const LONGEST_CONFIG: u64 = 4 << 20;
const LONGEST_INDEX: u64 = 64 << 20;
const LONGEST_TOKENIZER: u64 = 256 << 20;
const INCOMPLETE: &str = "the download is incomplete; fetch the folder again";
const DIFFERENT: &str = "index and shards are of different downloads; fetch the folder again";

pub(super) fn open(folder: &Path) -> Result<Checkpoint> {
    let names = FolderNames::read(folder)?;
    let weights = names.ending(".safetensors");
    if weights.is_empty() && !names.has(INDEX) {
        return open_gguf(folder, &names);
    }
    if let Some(name) = ["config.json", "tokenizer.json"].into_iter().find(|name| !names.has(name)) {
        let expected = "a file in the model folder";
        return Err(Error::malformed(&folder.join(name), "file", expected, "no such file", INCOMPLETE));
    }
    let config = json(&folder.join("config.json"), LONGEST_CONFIG)?;
    let tokenizer = SourceFile::open(&folder.join("tokenizer.json"))?;
    tokenizer.refuse_placeholder("a JSON file")?;
    let optional = |name| if names.has(name) { json(&folder.join(name), LONGEST_CONFIG) } else { Ok(Map::new()) };
    let (generation, tokenizer_config) = (optional("generation_config.json")?, optional(TOKENIZER_CONFIG)?);
    Ok(Checkpoint {
        path: folder.to_owned(),
        config,
        generation,
        tokenizer: TokenizerSource::Json(tokenizer.read_all(LONGEST_TOKENIZER)?),
        special_tokens: special_tokens(&folder.join(TOKENIZER_CONFIG), &tokenizer_config)?,
        chat_template: chat_template(folder, &names, &tokenizer_config)?,
        tensors: match names.has(INDEX) {
            true => sharded(folder, &weights)?,
            false => unsharded(folder, &weights)?,
        },
    })
}

/// The names in a folder, sorted.
pub(super) struct FolderNames(pub Vec<String>);

impl FolderNames {
    pub(super) fn read(folder: &Path) -> Result<FolderNames> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
            let name = entry.map_err(Error::io(folder))?.file_name();
            // The hub has no names that are not UTF-8.
            names.extend(name.into_string());
        }
        names.sort_unstable();
        Ok(FolderNames(names))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    fn ending(&self, ending: &str) -> Vec<&str> {
        let names = self.0.iter().map(String::as_str);
        names.filter(|name| name.ends_with(ending)).collect()
    }
}

fn open_gguf(folder: &Path, names: &FolderNames) -> Result<Checkpoint> {
    let fix = match names.ending(".bin").is_empty() {
        true => "name a model folder or a .gguf file",
        false => ".bin files hold Python code and are never loaded; fetch the safetensors files",
    };
    match names.ending(".gguf")[..] {
        [only] => Checkpoint::open(&folder.join(only)),
        [] => {
            let expected = "model.safetensors, its index, or one .gguf file";
            Err(Error::malformed(folder, "model.safetensors", expected, "none of them in the folder", fix))
        }
        ref several => {
            let (expected, found) = ("exactly one .gguf file", several.join(", "));
            Err(Error::malformed(folder, "*.gguf", expected, found, "name the file to open"))
        }
    }
}

/// Opens the only safetensors file, whatever its name: quantizing tools have their own.
fn unsharded(folder: &Path, weights: &[&str]) -> Result<Tensors> {
    let name = match weights {
        [only] => only,
        several if several.contains(&"model.safetensors") && !several.iter().any(is_shard) => "model.safetensors",
        several => {
            let expected = "an index, as there are several safetensors files";
            return Err(Error::malformed(&folder.join(INDEX), INDEX, expected, several.join(", "), INCOMPLETE));
        }
    };
    safetensors::open(SourceFile::open(&folder.join(name))?)
}

fn is_shard(name: &&str) -> bool {
    name.starts_with("model-") && name.contains("-of-")
}

/// Opens all shards; index and shards must name the same tensors.
fn sharded(folder: &Path, weights: &[&str]) -> Result<Tensors> {
    let path = folder.join(INDEX);
    let bad = |tensor: &str, expected: &str, found: &str, fix: &str| {
        Err(Error::malformed(&path, format!("weight_map, {tensor}"), expected, found, fix))
    };
    let index: ShardIndex = json(&path, LONGEST_INDEX)?;
    let (mut weight_map, mut shards) = (BTreeMap::new(), BTreeSet::new());
    for (tensor, shard) in &index.weight_map.0 {
        let plain = shard.ends_with(".safetensors")
            && !shard.starts_with('.')
            && !shard.contains(|c: char| matches!(c, '/' | '\\' | ':') || c.is_control());
        if !plain {
            let expected = "the name of a .safetensors file in this folder";
            let fix = "do not use this model: an index has no reason to point outside its folder";
            return bad(tensor, expected, &format!("{shard:?}"), fix);
        }
        if !weights.contains(&shard.as_str()) {
            return bad(tensor, "a file in this folder", &format!("{shard}, which is missing"), INCOMPLETE);
        }
        shards.insert(shard.as_str());
        if weight_map.insert(tensor.as_str(), shard.as_str()).is_some() {
            return bad(tensor, "one entry", "a duplicate", INCOMPLETE);
        }
    }
    let extra = |name: &&&str| (is_shard(name) || **name == "model.safetensors") && !shards.contains(**name);
    if let Some(extra) = weights.iter().find(extra) {
        let found = format!("{extra}, which it does not name");
        let fix = "the folder mixes two downloads; remove the file or fetch the folder again";
        return bad(extra, "each shard of the folder named in the index", &found, fix);
    }

    let mut files = Vec::new();
    let mut tensors: Vec<TensorInfo> = Vec::new();
    for shard in shards {
        let source = SourceFile::open(&folder.join(shard))?;
        for tensor in safetensors::parse(&source, files.len())? {
            // With the equal counts below, no tensor is in two shards.
            match weight_map.get(tensor.name.as_str()) {
                Some(named) if *named == shard => tensors.push(tensor),
                other => return bad(&tensor.name, shard, other.map_or("no such tensor", |named| named), DIFFERENT),
            }
        }
        files.push(source);
    }
    if tensors.len() != weight_map.len() {
        let mut held: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        held.sort_unstable();
        let absent = |name: &&&str| held.binary_search(name).is_err();
        let name = weight_map.keys().find(absent).map_or("", |name| name);
        return bad(name, "a tensor that its shard holds", "none of this name there", DIFFERENT);
    }
    Ok(Tensors::new(files, tensors))
}

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: Pairs<String>,
}

/// Reads chat_template.jinja, or `chat_template` in tokenizer_config.json: a string, or a list of named ones.
fn chat_template(folder: &Path, names: &FolderNames, tokenizer_config: &Map<String, Value>) -> Result<Option<String>> {
    let jinja = "chat_template.jinja";
    if names.has(jinja) {
        return read_text(&folder.join(jinja), LONGEST_CONFIG).map(Some);
    }
    let named =
        |template: &Value| (template["name"] == "default").then(|| template["template"].as_str().map(str::to_owned))?;
    match tokenizer_config.get("chat_template") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(template)) => Ok(Some(template.clone())),
        Some(Value::Array(list)) if list.iter().any(|item| named(item).is_some()) => Ok(list.iter().find_map(named)),
        Some(_) => {
            let expected = "a string, or a list with a template named \"default\"";
            let file = folder.join(TOKENIZER_CONFIG);
            Err(Error::malformed(&file, "chat_template", expected, "something else", INCOMPLETE))
        }
    }
}

/// Reads the special tokens of tokenizer_config.json, which spells one as a text or as an object with `content`.
fn special_tokens(path: &Path, tokenizer_config: &Map<String, Value>) -> Result<SpecialTokens> {
    let bad = |field: &str, expected: &str, found: &Value| {
        let fix = "the file is damaged; fetch it again";
        Error::malformed(path, field, expected, brief(&found.to_string()), fix)
    };
    let token = |field: &str| {
        let Some(value) = tokenizer_config.get(field).filter(|value| !value.is_null()) else { return Ok(None) };
        let text = value.as_str().or_else(|| value.get("content")?.as_str());
        text.map(|text| Some(text.to_owned())).ok_or_else(|| bad(field, "a token's text", value))
    };
    let add_bos = match tokenizer_config.get("add_bos_token") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(add)) => Some(*add),
        Some(other) => return Err(bad("add_bos_token", "true or false", other)),
    };
    Ok(SpecialTokens { bos: token("bos_token")?, eos: token("eos_token")?, add_bos })
}

fn read_text(path: &Path, limit: u64) -> Result<String> {
    let source = SourceFile::open(path)?;
    source.refuse_placeholder("text")?;
    let text = String::from_utf8(source.read_all(limit)?)
        .map_err(|error| source.malformed("file contents", "text in UTF-8", error.utf8_error(), INCOMPLETE))?;
    if text.starts_with('\u{feff}') {
        let (expected, found) = ("text without a byte order mark", "a byte order mark (EF BB BF) in front");
        let fix = "an editor added it; save the file as UTF-8 without BOM";
        return Err(source.malformed("file contents", expected, found, fix));
    }
    Ok(text)
}

fn json<T: serde::de::DeserializeOwned>(path: &Path, limit: u64) -> Result<T> {
    let text = read_text(path, limit)?;
    serde_json::from_str(&text).map_err(|error| {
        let line = text.lines().nth(error.line().saturating_sub(1));
        let comment = line.is_some_and(|line| line.contains("//") || line.contains("/*"));
        let fix = match comment && error.is_syntax() {
            true => "JSON knows no comments; remove the one on this line",
            false => INCOMPLETE,
        };
        let field = format!("line {}, column {}", error.line(), error.column());
        Error::malformed(path, field, "JSON as the hub has it", error, fix)
    })
}
