//! The files beside the weights in a model folder: config, tokenizer, chat template.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::hub::FolderNames;
use super::source::SourceFile;
use super::write_folder::{NewFile, pretty};
use super::{Checkpoint, TokenizerSource, Vocabulary};
use crate::error::Result;

/// Larger files are no part of a tokenizer or config.
const LONGEST: u64 = 256 << 20;
/// Endings of the names that are copied from a folder.
const COPIED: &[&str] = &[".json", ".txt", ".jinja", ".tiktoken", ".model", ".py", "LICENSE", "NOTICE"];
/// Names that are not copied: they are written anew, or describe the weights of before.
const REPLACED: &[&str] = &["config.json", "quantize_config.json", "quant_config.json"];

/// Returns the files beside the weights of a quantized checkpoint: those of its folder, unchanged, and config.json with
/// `quantization` and `dtype`, the type of the unquantized tensors (`float16` or `bfloat16`). Those of a GGUF file are
/// made of its header; `tokenizer_json` makes tokenizer.json of its vocabulary.
pub fn files_beside_weights(
    checkpoint: &Checkpoint,
    quantization: &Map<String, Value>,
    dtype: &str,
    tokenizer_json: impl FnOnce(&Vocabulary) -> Result<Vec<u8>>,
) -> Result<Vec<NewFile>> {
    let mut config = Map::new();
    let mut files = match &checkpoint.tokenizer {
        TokenizerSource::Json(_) => copied(&checkpoint.path)?,
        TokenizerSource::Gguf(vocab) => {
            // transformers needs these, and GGUF does not have them.
            if let Some(class) = class(&checkpoint.config) {
                config.insert("architectures".to_owned(), json!([class]));
            }
            config.insert("hidden_act".to_owned(), "silu".into());
            made(checkpoint, vocab, tokenizer_json(vocab)?)
        }
    };
    config.extend(checkpoint.config.clone());
    for key in ["torch_dtype", "dtype"] {
        config.insert(key.to_owned(), dtype.into());
    }
    let quantization = Value::Object(quantization.clone());
    config.insert("quantization_config".to_owned(), quantization.clone());
    files.push(NewFile { name: "config.json".to_owned(), bytes: pretty(&Value::Object(config)) });
    if quantization["quant_method"] == "gptq" {
        files.push(NewFile { name: "quantize_config.json".to_owned(), bytes: pretty(&quantization) });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Returns the class in transformers: `Qwen2ForCausalLM` for "qwen2".
fn class(config: &Map<String, Value>) -> Option<String> {
    let model_type = config.get("model_type")?.as_str()?;
    let capital = model_type.get(..1)?.to_uppercase();
    Some(format!("{capital}{}ForCausalLM", &model_type[1..]))
}

fn copied(folder: &Path) -> Result<Vec<NewFile>> {
    let mut files = Vec::new();
    for name in FolderNames::read(folder)?.0 {
        let path = folder.join(&name);
        let wanted = COPIED.iter().any(|ending| name.ends_with(ending)) && !name.starts_with('.');
        if wanted && !name.ends_with(".index.json") && !REPLACED.contains(&&*name) && path.is_file() {
            files.push(NewFile { name, bytes: SourceFile::open(&path)?.read_all(LONGEST)? });
        }
    }
    Ok(files)
}

/// Makes the files of a Hugging Face folder of a GGUF header.
fn made(checkpoint: &Checkpoint, vocab: &Vocabulary, tokenizer_json: Vec<u8>) -> Vec<NewFile> {
    let token = |id: Option<u32>| id.and_then(|id| vocab.tokens.get(id as usize));
    let mut added = Map::new();
    for (id, (text, kind)) in vocab.tokens.iter().zip(&vocab.token_types).enumerate() {
        if let 3 | 4 = kind {
            let token = json!({
                "content": text, "lstrip": false, "normalized": false, "rstrip": false, "single_word": false,
                "special": *kind == 3,
            });
            added.insert(id.to_string(), token);
        }
    }
    // transformers builds this class by itself, with the splitting rule of "qwen2".
    let class = if vocab.pre == "qwen2" { "Qwen2Tokenizer" } else { "PreTrainedTokenizerFast" };
    let tokenizer_config = json!({
        "add_bos_token": vocab.add_bos,
        "add_prefix_space": false,
        "added_tokens_decoder": added,
        "bos_token": token(vocab.bos).filter(|_| vocab.add_bos),
        "chat_template": checkpoint.chat_template,
        "clean_up_tokenization_spaces": false,
        "eos_token": token(vocab.eos),
        "errors": "replace",
        "model_max_length": checkpoint.config.get("max_position_embeddings"),
        "pad_token": token(vocab.pad),
        "split_special_tokens": false,
        "tokenizer_class": class,
        "unk_token": null,
    });
    let file = |name: &str, bytes| NewFile { name: name.to_owned(), bytes };
    vec![
        file("generation_config.json", pretty(&Value::Object(checkpoint.generation.clone()))),
        file("tokenizer.json", tokenizer_json),
        file("tokenizer_config.json", pretty(&tokenizer_config)),
    ]
}
