//! AWQ folders as AutoAWQ saves them (version "gemm"), with 4 bits: C inputs, R outputs, G groups.
//!
//! | part | type | shape |
//! |---|---|---|
//! | qweight | I32 | [C, R / 8], eight outputs a word |
//! | qzeros | I32 | [G, R / 8], likewise |
//! | scales | F16 | [G, R] |
//!
//! From the lowest bits on, a word has the codes of its outputs 0, 2, 4, 6, 1, 3, 5, 7.

use rayon::prelude::*;

use super::Grid;
use super::file::group_size;
use crate::error::Result;
use crate::formats::QuantizedWeight;
use crate::formats::file::{Fields, FolderFormat, FolderLayout, LinearFile, Notes, OTHERS};

const BITS: u32 = 4;
/// Codes of a word.
const CODES: usize = 8;
/// First bit of each output's code in a word.
const SHIFTS: [u32; CODES] = [0, 16, 4, 20, 8, 24, 12, 28];

pub static FOLDER: FolderFormat = FolderFormat {
    quant_method: "awq",
    tensors: &["qweight", "qzeros", "scales"],
    // Configs older than `quant_method`; GPTQ's have no such field.
    implied: |fields| Ok(fields.flag(&["zero_point"])?.is_some()),
    parse: |fields, _| Ok(Box::new(parse(fields)?)),
};

/// Settings of an AWQ folder.
#[derive(Clone, Debug)]
struct AwqFolder {
    /// None: a group is a whole row.
    group_size: Option<usize>,
}

fn parse(fields: &Fields) -> Result<AwqFolder> {
    match fields.text(&["version", "checkpoint_format", "format"])? {
        None => (),
        Some((_, version)) if version.eq_ignore_ascii_case("gemm") => (),
        Some((name, other)) => return Err(fields.unsupported(name, format!("{other:?} of AWQ"), OTHERS)),
    }
    match fields.text(&["backend"])? {
        None | Some((_, "autoawq")) => (),
        Some((name, other)) => return Err(fields.unsupported(name, format!("{other:?} of AWQ"), OTHERS)),
    }
    for (name, unsupported) in [("zero_point", false), ("sym", true)] {
        if fields.flag(&[name])? == Some(unsupported) {
            return Err(fields.unsupported(name, format!("{unsupported}: AWQ without zeros"), OTHERS));
        }
    }
    match fields.bits()? {
        BITS => (),
        other => return Err(fields.unsupported("bits", format!("{other}: AWQ has 4"), OTHERS)),
    }
    // The tensors show which modules are unquantized.
    fields.names(&["modules_to_not_convert"])?;
    Ok(AwqFolder { group_size: fields.group_size()? })
}

impl FolderLayout for AwqFolder {
    fn read(&self, linear: &LinearFile, _: &Notes) -> Result<Box<dyn QuantizedWeight>> {
        let (rows, cols) = (linear.rows, linear.cols);
        if rows % CODES != 0 {
            let what = format!("{} of {rows} rows in an AWQ folder", linear.prefix);
            return Err(linear.unsupported(what, "rows must be a multiple of 8"));
        }
        let group_size = group_size(linear, self.group_size)?;
        let groups = cols / group_size;
        linear.expect("qweight", &["I32"], &[cols, rows / CODES])?;
        linear.expect("qzeros", &["I32"], &[groups, rows / CODES])?;
        linear.expect("scales", &["F16", "BF16"], &[groups, rows])?;
        let zeros = linear.words("qzeros")?;
        let zeros = zeros
            .chunks_exact(rows / CODES)
            .flat_map(|words| (0..rows).map(|row| code_of(words[row / CODES], row) as u8));
        Ok(Box::new(Grid {
            rows,
            cols,
            bits: BITS,
            group_size,
            codes: codes(linear)?,
            scales: linear.halves("scales")?,
            zeros: zeros.collect(),
            order: None,
        }))
    }
}

/// Returns the code of an output from its word.
fn code_of(word: u32, row: usize) -> u32 {
    word >> SHIFTS[row % CODES] & 15
}

/// Reads the codes, transposed so that a row is contiguous.
fn codes(linear: &LinearFile) -> Result<Vec<u32>> {
    let (cols, file_words) = (linear.cols, linear.rows / CODES);
    let mut codes = vec![0; linear.rows * cols / CODES];
    linear.pieces("qweight", file_words, |columns, piece| {
        codes.par_chunks_mut(cols / CODES).enumerate().for_each(|(row, codes)| {
            for (c, words) in columns.clone().zip(piece.chunks_exact(file_words)) {
                codes[c / CODES] |= code_of(words[row / CODES], row) << (c % CODES * 4);
            }
        });
    })?;
    Ok(codes)
}
