//! Formats: how a weight is held on the host, in files and on a device, and how a product by it is computed.
//!
//! A format is one folder here and one value in [`FORMATS`]. A method makes weights of a format from a trained
//! weight; it is one value in [`METHODS`].
//!
//! | format | weight w of a code q | methods |
//! |---|---|---|
//! | [`bf16`] | unquantized | |
//! | [`grid`] | scale · (q - zero) for groups of columns | RTN, GPTQ |
//! | [`int8`] | scale · q / 127 for rows | LLM.int8() |
//! | [`spqr`] | as grid with quantized statistics, plus sparse outliers | SpQR |
//! | [`gguf`] | scale · (q - offset) - minimum in blocks | |

#[doc(hidden)]
pub mod bf16;
#[doc(hidden)]
pub mod codes;
#[doc(hidden)]
pub mod file;
#[doc(hidden)]
pub mod gguf;
#[doc(hidden)]
pub mod grid;
#[doc(hidden)]
pub mod int8;
#[doc(hidden)]
pub mod linear;
#[doc(hidden)]
pub mod method;
#[doc(hidden)]
pub mod quant_type;
#[doc(hidden)]
pub mod solver;
#[doc(hidden)]
pub mod spqr;
#[doc(hidden)]
pub mod stack;

use std::any::Any;
use std::fmt;
use std::ops::Range;

use crate::kernels::{KERNELS, WeightLayout};
use crate::plan::{Element, Kernel, Plan, Tensor};

pub use linear::{Activation, Linear};
pub use method::{METHODS, Method, MethodOptions, Quant};
pub use quant_type::QuantType;

/// Storage of a weight on a device and the product by it.
pub struct Format {
    /// The format's name, unique in [`FORMATS`].
    pub name: &'static str,
    /// Kernels that only this format has.
    pub kernels: &'static [&'static Kernel],
    /// Those of the product: of one row, and of many.
    pub product: [&'static Kernel; 2],
    /// Kernel of one row where steps are fused, which takes the input as it is. None: the first of those.
    pub fused: Option<&'static Kernel>,
    /// Returns the input of the product as its kernels take it.
    pub input: fn(&Linear, &mut Plan, &str, &mut Activation) -> Tensor,
    /// True if the product of one row can norm its input and order the columns of its output ([`Activation::to_norm`]).
    pub norms: bool,
    /// Kernel that looks up tokens in an embedding of this format. None: the format holds no embeddings.
    pub embed: Option<&'static Kernel>,
    /// Returns whether a row's product depends on the other rows of its pass.
    pub rows_depend: fn(WeightLayout) -> bool,
    /// Layouts in model folders. None: weights of this format are plain tensors of a checkpoint.
    pub folders: &'static [&'static file::FolderFormat],
}

/// Every format.
pub static FORMATS: &[&Format] = &[&bf16::FORMAT, &grid::FORMAT, &int8::FORMAT, &spqr::FORMAT, &gguf::FORMAT];

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Returns every kernel: those of the model, then those of each format.
pub fn kernels() -> impl Iterator<Item = &'static Kernel> + Clone {
    KERNELS.iter().chain(FORMATS.iter().flat_map(|format| format.kernels)).copied()
}

/// Quantized weight W \[rows, cols\] on the host, rows = outputs.
pub trait QuantizedWeight: Any + fmt::Debug + Send + Sync {
    /// Returns the weight's format.
    fn format(&self) -> &'static Format;
    /// Returns the number of outputs.
    fn rows(&self) -> usize;
    /// Returns the number of inputs.
    fn cols(&self) -> usize;

    /// Returns the numbers that kernels are specialized for.
    fn layout(&self) -> WeightLayout;

    /// Returns the order of the stored columns: stored column k is column `order[k]` of W. None: their own.
    fn order(&self) -> Option<&[u32]> {
        None
    }

    /// Returns the bytes that a row takes in the largest tensor on the device.
    fn row_bytes(&self) -> u64 {
        self.layout().row_bytes(self.cols())
    }

    /// Returns the device tensors of some rows, in binding order.
    fn device_tensors(&self, rows: Range<usize>) -> Vec<DeviceTensor>;

    /// Returns W \[rows, cols\] in f32, columns in their own order.
    fn dequantize(&self) -> Vec<f32>;

    /// Returns the bits that hold the weight: codes, scales, zeros, statistics, outliers with their columns and
    /// row starts, order of columns.
    fn true_bits(&self) -> u64;

    /// Returns the weight as a reader of its folder will find it. None: as it is. GPTQ files say the group of each
    /// column, not the order within a group.
    fn as_stored(&self) -> Option<Box<dyn QuantizedWeight>> {
        None
    }
}

/// Returns the module's `FORMAT` and the fields `rows` and `cols`, as the first methods of a [`QuantizedWeight`].
macro_rules! weight_of_format {
    () => {
        fn format(&self) -> &'static Format {
            &FORMAT
        }

        fn rows(&self) -> usize {
            self.rows
        }

        fn cols(&self) -> usize {
            self.cols
        }
    };
}
use weight_of_format;

impl dyn QuantizedWeight {
    /// Returns the weight as its own type.
    pub fn downcast_ref<T: QuantizedWeight>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}

/// Contents of a tensor to be created on a device.
#[derive(Clone, Debug)]
pub struct DeviceTensor {
    /// Appended to the weight's name: `codes`.
    pub name: &'static str,
    /// Number of rows.
    pub rows: usize,
    /// Elements of a row.
    pub cols: usize,
    /// Type of the elements.
    pub element: Element,
    /// The elements, row after row.
    pub words: Vec<u32>,
    /// Returns the words of some rows of a weight and of others behind them.
    pub join: fn(RowWords, RowWords) -> Vec<u32>,
}

impl DeviceTensor {
    /// Returns a tensor of `rows` equal rows of words.
    fn of_words(name: &'static str, rows: usize, words: Vec<u32>) -> DeviceTensor {
        DeviceTensor { name, rows, cols: words.len() / rows, element: Element::U32, words, join: concat }
    }

    /// Returns the tensor of `rows` rows of a weight and `more_rows` others behind them, as one row.
    fn joined(self, rows: usize, more: DeviceTensor, more_rows: usize) -> DeviceTensor {
        let words = (self.join)((rows, self.words), (more_rows, more.words));
        DeviceTensor { rows: 1, cols: words.len(), words, ..self }
    }
}

/// Number of rows of a weight, and the words of one of its device tensors.
pub type RowWords = (usize, Vec<u32>);

/// Returns the words of both.
fn concat((_, mut words): RowWords, (_, more): RowWords) -> Vec<u32> {
    words.extend(more);
    words
}
