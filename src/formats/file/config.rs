//! `quantization_config` of config.json.

use std::path::Path;
use std::sync::Mutex;

use serde_json::{Map, Value};

use super::{Fields, FolderLayout, folder_formats};
use crate::checkpoint::{Checkpoint, SourceFile};
use crate::error::{Error, Result};
use crate::formats::method::one_of;

const KEY: &str = "quantization_config";
/// Files in which AutoGPTQ kept it before config.json had it.
const ELSEWHERE: &[&str] = &["quantize_config.json", "quant_config.json"];
const LONGEST: u64 = 4 << 20;
pub(crate) const OTHERS: &str =
    "use the original weights, or a GPTQ, AWQ (version gemm) or bitsandbytes 8-bit version of the model";

/// Quantization of a folder's linears.
#[derive(Debug)]
pub struct Quantization {
    pub layout: Box<dyn FolderLayout>,
    /// Notes for the user: settings that were assumed, values that tools disagree on.
    pub notes: Notes,
}

/// Notes for the user, added while a folder is read.
#[derive(Debug, Default)]
pub struct Notes(Mutex<Vec<String>>);

impl Notes {
    /// Adds a note. Only the first few are kept: one setting may concern hundreds of tensors.
    pub fn add(&self, note: String) {
        const MOST: usize = 8;
        let mut notes = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if notes.len() < MOST {
            notes.push(note);
        }
    }

    /// Returns the notes so far.
    pub fn list(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Quantization {
    pub fn new(layout: Box<dyn FolderLayout>) -> Quantization {
        Quantization { layout, notes: Notes::default() }
    }

    /// Reads what a checkpoint says of its quantization. None: it is not quantized.
    ///
    /// # Errors
    /// A method or setting is unknown, or this version does not compute it.
    pub fn of(checkpoint: &Checkpoint) -> Result<Option<Quantization>> {
        let folder = &checkpoint.path;
        if let Some(config) = checkpoint.config.get(KEY).filter(|config| !config.is_null()) {
            let file = folder.join("config.json");
            let Value::Object(map) = config else {
                let fix = "take config.json as its authors published it";
                return Err(Error::malformed(&file, KEY, "an object", config, fix));
            };
            let fields = Fields { map, file: &file, within: "quantization_config." };
            return Quantization::parse(&fields, None).map(Some);
        }
        let Some(file) = ELSEWHERE.iter().map(|name| folder.join(name)).find(|file| file.is_file()) else {
            return Ok(None);
        };
        // These files are older than `quant_method`.
        Quantization::parse(&Fields { map: &object(&file)?, file: &file, within: "" }, Some("gptq")).map(Some)
    }

    /// Reads the settings; `default` is the method where nothing names or implies one.
    fn parse(fields: &Fields, default: Option<&str>) -> Result<Quantization> {
        let notes = Notes::default();
        let mut named = fields.text(&["quant_method", "method"])?.map(|(_, method)| method);
        if named.is_none() {
            for format in folder_formats() {
                named = named.or((format.implied)(fields)?.then_some(format.quant_method));
            }
            named = named.or(default);
        }
        if let Some(format) = folder_formats().find(|format| named == Some(format.quant_method)) {
            return Ok(Quantization { layout: (format.parse)(fields, &notes)?, notes });
        }
        match named {
            Some(other) => Err(fields.unsupported("quant_method", format!("{other:?}"), OTHERS)),
            None => {
                let known = folder_formats().map(|format| format.quant_method.to_owned()).collect();
                Err(fields.bad("quant_method", one_of(known)))
            }
        }
    }
}

fn object(file: &Path) -> Result<Map<String, Value>> {
    let source = SourceFile::open(file)?;
    source.refuse_placeholder("a JSON file")?;
    serde_json::from_slice(&source.read_all(LONGEST)?).map_err(|error| {
        let field = format!("line {}, column {}", error.line(), error.column());
        Error::malformed(file, field, "an object in JSON", error, "fetch the folder again")
    })
}
