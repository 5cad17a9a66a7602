//! Quantized weights in model folders: what `quantization_config` says, and the tensors of a linear.
//! The tables of tensors are in `file.rs` of each format. Everything that is read is checked: shapes, ranges, orders, numbers.

mod config;
pub(super) mod fields;
pub(super) mod linear;

use std::fmt;

use serde_json::{Map, Value};

pub(super) use config::OTHERS;
pub use config::{Notes, Quantization};
pub use fields::Fields;
pub use linear::LinearFile;

use super::{FORMATS, QuantizedWeight};
use crate::checkpoint::{Checkpoint, NewTensor};
use crate::error::Result;

/// Layout of a format in model folders.
pub struct FolderFormat {
    /// `quant_method` in `quantization_config`.
    pub quant_method: &'static str,
    /// Tensors that only a linear of this layout has.
    pub tensors: &'static [&'static str],
    /// Returns whether a config that names no method is of this layout.
    pub implied: fn(&Fields) -> Result<bool>,
    /// Reads `quantization_config`.
    pub parse: fn(&Fields, &Notes) -> Result<Box<dyn FolderLayout>>,
}

/// Settings of one quantized folder.
pub trait FolderLayout: fmt::Debug + Send + Sync {
    /// Reads a linear whose tensors are quantized.
    ///
    /// # Errors
    /// A tensor is missing, has another type or shape than the settings ask for, or holds what no sound weight
    /// does.
    fn read(&self, linear: &LinearFile, notes: &Notes) -> Result<Box<dyn QuantizedWeight>>;
}

/// Layout of a folder that this program writes.
pub trait FolderWriter: FolderLayout {
    /// Returns the tensors of the linear `prefix`; a bias is the caller's to write.
    ///
    /// # Errors
    /// The layout cannot hold the weight: zeros of 0 in a GPTQ file that stores them less one.
    ///
    /// # Panics
    /// On a weight of another format or with other settings.
    fn write(&self, prefix: &str, weight: &dyn QuantizedWeight) -> Result<Vec<NewTensor<'static>>>;

    /// Returns `quantization_config` as other programs read it.
    fn to_json(&self) -> Map<String, Value>;

    /// Returns the type of the tensors left unquantized.
    fn rest_type(&self) -> &'static str {
        "BF16"
    }
}

/// Returns this program's name and version for `meta.quantizer`.
pub(super) fn quantizer() -> String {
    format!("qwgpu:{}", env!("CARGO_PKG_VERSION"))
}

/// Returns the map of a JSON object.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => unreachable!("{other} is written as an object"),
    }
}

/// Returns the folder layouts of all formats.
fn folder_formats() -> impl Iterator<Item = &'static FolderFormat> {
    FORMATS.iter().flat_map(|format| format.folders).copied()
}

/// Reads the linear `prefix`, W \[rows, cols\]. None: its weight is unquantized.
///
/// # Errors
/// See [`FolderLayout::read`].
pub fn read(
    checkpoint: &Checkpoint,
    prefix: &str,
    rows: usize,
    cols: usize,
    quantization: &Quantization,
) -> Result<Option<Box<dyn QuantizedWeight>>> {
    let linear = LinearFile { checkpoint, prefix, rows, cols };
    if linear.info("weight").is_some_and(|weight| weight.storage.decode.is_some()) {
        let quantized = folder_formats().flat_map(|format| format.tensors).find(|name| linear.info(name).is_some());
        let Some(name) = quantized else { return Ok(None) };
        let expected = "either a floating-point weight or a quantized one";
        return Err(linear.bad(name, expected, "both", "the folder mixes two models; download it again"));
    }
    quantization.layout.read(&linear, &quantization.notes).map(Some)
}
