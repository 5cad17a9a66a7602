//! Files in, named tensors out: a Hugging Face folder or a GGUF file, seen as the same thing.
//!
//! A [`Checkpoint`] has the fields of config.json, the names of the Hugging Face folder and weights that decode to f32
//! or bf16, whatever the file. It checks files, names, sizes and bytes; the model checks that the numbers make a model.

mod architecture;
mod blocks;
mod gguf;
mod gguf_config;
mod gguf_header;
mod gguf_vocab;
mod hub;
mod pairs;
pub mod safetensors;
mod source;
mod storage;
mod tensors;
mod write;
mod write_files;
mod write_folder;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub(crate) use pairs::Pairs;
pub use source::SourceFile;
pub use storage::{DecodeBlocks, STORAGE, Storage};
pub use tensors::{TensorInfo, Tensors};
pub use write::{NewTensor, write_safetensors};
pub use write_files::files_beside_weights;
pub use write_folder::{NewFile, PartialFolder, SHARD_BYTES};

use crate::error::Result;

/// A model on disk.
#[derive(Debug)]
pub struct Checkpoint {
    /// The path it was opened by.
    pub path: PathBuf,
    /// config.json; for GGUF the same fields, made from the header's keys.
    pub config: Map<String, Value>,
    /// generation_config.json, empty where the folder has none; for GGUF the special token ids.
    pub generation: Map<String, Value>,
    /// The tokenizer's file or vocabulary.
    pub tokenizer: TokenizerSource,
    /// The tokens that begin and end a text.
    pub special_tokens: SpecialTokens,
    /// The chat template, in Jinja.
    pub chat_template: Option<String>,
    /// The tensors, by their Hugging Face names.
    pub tensors: Tensors,
}

/// The source of a tokenizer.
#[derive(Debug, Clone)]
pub enum TokenizerSource {
    /// The bytes of tokenizer.json.
    Json(Vec<u8>),
    /// The vocabulary of a GGUF header.
    Gguf(Vocabulary),
}

/// Texts of the tokens that begin and end a text: tokenizer_config.json's, or those of the GGUF header.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpecialTokens {
    /// Text of the token that begins a text.
    pub bos: Option<String>,
    /// Text of the token that ends a text.
    pub eos: Option<String>,
    /// True where a prompt starts with `bos`; None leaves it to tokenizer.json.
    pub add_bos: Option<bool>,
}

/// A BPE vocabulary as a GGUF header lists it, in the keys `tokenizer.ggml.*`.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// `model`: "gpt2" is byte-level BPE with merges (Qwen, Llama 3), "llama" SentencePiece with scores (Llama 2,
    /// Mistral).
    pub model: String,
    /// `pre`, the name of a "gpt2" vocabulary's splitting rule, such as "qwen2"; empty where the file has none.
    pub pre: String,
    /// `tokens`, in the byte-level alphabet for "gpt2"; the index is the id.
    pub tokens: Vec<String>,
    /// `token_type`, one a token: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
    pub token_types: Vec<i32>,
    /// `scores`, one a token of "llama": the highest is merged first. Empty for "gpt2".
    pub scores: Vec<f32>,
    /// `merges`, "left right" each; the index is the rank. Empty for most files of "llama".
    pub merges: Vec<String>,
    /// Id of the token that starts a text.
    pub bos: Option<u32>,
    /// Id of the token that ends a text.
    pub eos: Option<u32>,
    /// Id of the token that ends a turn, where a file names it apart from `eos`.
    pub eot: Option<u32>,
    /// Id of the token that fills up a batch.
    pub pad: Option<u32>,
    /// Id of the token for text without a token.
    pub unknown: Option<u32>,
    /// `add_bos_token`, by which a text starts with `bos`; llama.cpp's default where the file does not say.
    pub add_bos: bool,
    /// `add_space_prefix`, by which "llama" puts a space before a text.
    pub add_space_prefix: bool,
}

impl Checkpoint {
    /// Opens a Hugging Face folder, a .gguf file, or a folder with exactly one .gguf file.
    ///
    /// Reads and checks the headers; weights are read on demand. Errors name the file and field.
    pub fn open(path: &Path) -> Result<Checkpoint> {
        if path.is_dir() { hub::open(path) } else { Checkpoint::from_gguf(SourceFile::open(path)?) }
    }

    /// Opens a GGUF file that is already open or in memory.
    pub fn from_gguf(source: SourceFile) -> Result<Checkpoint> {
        let gguf = gguf::parse(&source)?;
        architecture::checkpoint(source, gguf)
    }

    /// Returns the same model with other tensors: a part of it that was written anew.
    pub fn with_tensors(&self, tensors: Tensors) -> Checkpoint {
        Checkpoint {
            path: self.path.clone(),
            config: self.config.clone(),
            generation: self.generation.clone(),
            tokenizer: self.tokenizer.clone(),
            special_tokens: self.special_tokens.clone(),
            chat_template: self.chat_template.clone(),
            tensors,
        }
    }

    /// Returns whether it is a GGUF file, whose blocks run as they are unless they are to be widened.
    pub fn is_gguf(&self) -> bool {
        matches!(self.tokenizer, TokenizerSource::Gguf(_))
    }
}
