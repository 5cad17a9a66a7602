//! Linears of GPTQ folders.
//!
//! `qweight` [cols · bits / 32, rows] holds each row's words as a column, so [`Grid`]'s codes are its
//! transpose. `g_idx` \[cols\] scatters groups over the columns; sorting it makes groups contiguous, and
//! the order becomes `order`.

use rayon::prelude::*;

use super::Grid;
use super::config::{GptqFolder, Zeros};
use crate::checkpoint::NewTensor;
use crate::error::{Error, Result};
use crate::formats::QuantizedWeight;
use crate::formats::codes::{code, pack};
use crate::formats::file::linear::{LinearFile, bytes_of, bytes_of_halves, tensor};
use crate::formats::file::{FolderLayout, Notes};

/// Rows that one core fills at a time: their words lie in one cache line of `qweight`.
const BLOCK: usize = 16;

impl FolderLayout for GptqFolder {
    fn read(&self, linear: &LinearFile, notes: &Notes) -> Result<Box<dyn QuantizedWeight>> {
        let (rows, cols) = (linear.rows, linear.cols);
        let Some(folder) = self.of(linear.prefix) else {
            let expected = "a floating-point weight, as a \"-:\" rule of quantization_config.dynamic says";
            return Err(linear.bad("weight", expected, "none", "fetch config.json and weights again"));
        };
        if rows % 32 != 0 {
            let what = format!("{} of {rows} rows in a GPTQ folder", linear.prefix);
            return Err(linear.unsupported(what, "rows must be a multiple of 32"));
        }
        let group_size = group_size(linear, folder.group_size)?;
        let groups = cols / group_size;
        check_bits(linear, folder.bits)?;
        linear.expect("qzeros", &["I32"], &[groups, rows * folder.bits as usize / 32])?;
        linear.expect("scales", &["F16", "BF16"], &[groups, rows])?;
        let order = order(linear, folder.desc_act, group_size)?;
        let mut codes = codes(linear, folder.bits)?;
        if let Some(order) = &order {
            reorder(&mut codes, cols, folder.bits, |stored| order[stored] as usize);
        }
        let zeros = zeros(linear, &folder, notes)?;
        let scales = linear.halves("scales")?;
        Ok(Box::new(Grid { rows, cols, bits: folder.bits, group_size, codes, scales, zeros, order }))
    }
}

/// Returns the columns of a group in this linear. None in the folder's settings is a whole row.
pub(super) fn group_size(linear: &LinearFile, given: Option<usize>) -> Result<usize> {
    let cols = linear.cols;
    if !cols.is_multiple_of(32) {
        let what = format!("{} of {cols} columns", linear.prefix);
        return Err(linear.unsupported(what, "columns must be a multiple of 32"));
    }
    let group_size = given.unwrap_or(cols).min(cols);
    if group_size == cols || group_size.is_multiple_of(32) && cols.is_multiple_of(group_size) {
        return Ok(group_size);
    }
    let what = format!("{} of {cols} columns in groups of {group_size}", linear.prefix);
    Err(linear.unsupported(what, "the group size must be a multiple of 32 that divides the columns, or -1"))
}

/// Checks that `qweight` has the words that the config's bits make.
fn check_bits(linear: &LinearFile, bits: u32) -> Result<()> {
    let words = linear.cols * bits as usize / 32;
    let tensor = linear.typed("qweight", &["I32"], "quantization_config and weights are not of one model")?;
    if tensor.shape == [words, linear.rows] {
        return Ok(());
    }
    let as_bits = [2, 3, 4, 8].into_iter().find(|other| tensor.shape == [linear.cols * other / 32, linear.rows]);
    let fix = match as_bits {
        Some(other) => format!("the weights have {other} bits: correct bits in quantization_config"),
        None => "config.json and weights are not of the same model; download both again".to_owned(),
    };
    let expected = format!("shape [{words}, {}] for {bits} bits", linear.rows);
    Err(linear.bad("qweight", expected, format!("{:?}", tensor.shape), fix))
}

/// Returns the columns sorted by group. None: they are already.
fn order(linear: &LinearFile, desc_act: bool, group_size: usize) -> Result<Option<Vec<u32>>> {
    // Without desc_act it could only say that groups follow each other, and old files leave it out.
    if linear.info("g_idx").is_none() && !desc_act {
        return Ok(None);
    }
    linear.expect("g_idx", &["I32"], &[linear.cols])?;
    let g_idx = linear.words("g_idx")?;
    let groups = linear.cols / group_size;
    let mut members: Vec<Vec<u32>> = vec![Vec::with_capacity(group_size); groups];
    for (column, &of) in g_idx.iter().enumerate() {
        match members.get_mut(of as usize) {
            Some(members) => members.push(column as u32),
            None => return Err(linear.bad_element("g_idx", column, format!("a group below {groups}"), of as i32)),
        }
    }
    if let Some(at) = members.iter().position(|members| members.len() != group_size) {
        let found = format!("{} in group {at}", members[at].len());
        let fix = "only groups of equal size are read; quantize the model again";
        return Err(linear.bad("g_idx", format!("{group_size} columns in each group"), found, fix));
    }
    let order = members.concat();
    Ok((!order.is_sorted()).then_some(order))
}

/// Reads the codes, row by row, in the file's order of columns.
fn codes(linear: &LinearFile, bits: u32) -> Result<Vec<u32>> {
    let rows = linear.rows;
    let row_words = linear.cols * bits as usize / 32;
    let mut codes = vec![0; rows * row_words];
    linear.pieces("qweight", rows, |words, piece| {
        codes.par_chunks_mut(BLOCK * row_words).enumerate().for_each(|(block, codes)| {
            for (word, piece) in words.clone().zip(piece.chunks_exact(rows)) {
                for (row, &value) in codes.chunks_exact_mut(row_words).zip(&piece[block * BLOCK..]) {
                    row[word] = value;
                }
            }
        });
    })?;
    Ok(codes)
}

/// Moves code `from(k)` of each row to place `k`.
fn reorder(codes: &mut [u32], cols: usize, bits: u32, from: impl Fn(usize) -> usize + Sync) {
    codes.par_chunks_mut(cols * bits as usize / 32).for_each(|row| {
        let ordered: Vec<u8> = (0..cols).map(|k| code(row, from(k), bits) as u8).collect();
        row.copy_from_slice(&pack(&ordered, cols, bits));
    });
}

fn zeros(linear: &LinearFile, folder: &GptqFolder, notes: &Notes) -> Result<Vec<u8>> {
    let (rows, bits) = (linear.rows, folder.bits);
    let stored = linear.words("qzeros")?;
    let row_words = rows * bits as usize / 32;
    let fields = |words: &[u32]| -> Vec<u8> {
        words.chunks_exact(row_words).flat_map(|words| (0..rows).map(|r| code(words, r, bits) as u8)).collect()
    };
    let as_stored = fields(&stored);
    let most = ((1u32 << bits) - 1) as u8;
    let zeros = match folder.zeros {
        Zeros::Unchanged => as_stored.clone(),
        Zeros::LessOne if bits == 3 => as_stored.iter().map(|zero| (zero + 1) & most).collect(),
        // GPTQModel takes one from all fields as from one number, with borrows; so this brings its zeros back.
        Zeros::LessOne => {
            let ones = u32::MAX / u32::from(most);
            fields(&stored.iter().map(|word| word.wrapping_add(ones)).collect::<Vec<_>>())
        }
    };
    let middle = 1u8 << (bits - 1);
    if folder.sym == Some(true) {
        let all = |zeros: &[u8], zero: u8| zeros.iter().all(|&found| found == zero);
        let other = match folder.zeros {
            Zeros::LessOne if all(&as_stored, middle) => Some("gptq_v2"),
            Zeros::Unchanged if all(&as_stored, middle - 1) => Some("gptq"),
            _ => None,
        };
        if let Some(other) = other {
            let fix = format!("set checkpoint_format to \"{other}\", the format these zeros are in");
            return Err(linear.bad("qzeros", format!("zeros of {middle}, as sym says"), zeros[0], fix));
        }
    } else if folder.zeros == Zeros::LessOne && as_stored.contains(&most) {
        let differently = "a zero of 0 is stored as -1, which tools read differently; read as GPTQModel does";
        notes.add(format!("tensor {}: {differently}", linear.name("qzeros")));
    }
    Ok(zeros)
}

pub(super) fn write(prefix: &str, grid: &Grid, folder: &GptqFolder) -> Result<Vec<NewTensor<'static>>> {
    let Grid { rows, cols, bits, group_size, .. } = *grid;
    let given = folder.group_size.unwrap_or(cols).min(cols);
    assert_eq!((bits, given), (folder.bits, group_size), "{prefix}: bits and group");
    assert!(grid.order.is_none() || folder.desc_act, "{prefix}: an order of columns in a folder without desc_act");
    assert!(rows % 32 == 0 && cols % 32 == 0, "{prefix}: [{rows}, {cols}] in whole words");
    let (row_words, groups) = (cols * bits as usize / 32, grid.groups());
    let mut g_idx: Vec<u32> = (0..cols).map(|k| (k / group_size) as u32).collect();
    let mut qweight = vec![0u8; 4 * rows * row_words];
    let mut inverse: Vec<usize> = (0..cols).collect();
    if let Some(order) = &grid.order {
        for (k, &column) in order.iter().enumerate() {
            g_idx[column as usize] = (k / group_size) as u32;
            inverse[column as usize] = k;
        }
    }
    let mut block = Vec::new();
    for (first, codes) in (0..rows).step_by(BLOCK).zip(grid.codes.chunks(BLOCK * row_words)) {
        block.clear();
        block.extend_from_slice(codes);
        if grid.order.is_some() {
            reorder(&mut block, cols, bits, |column| inverse[column]);
        }
        for word in 0..row_words {
            let column = &mut qweight[4 * (word * rows + first)..];
            for (row, bytes) in block.chunks_exact(row_words).zip(column.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&row[word].to_le_bytes());
            }
        }
    }
    let qzeros = pack(&stored_zeros(prefix, grid, folder.zeros)?, rows, bits);
    Ok(vec![
        tensor(prefix, "qweight", "I32", &[row_words, rows], qweight),
        tensor(prefix, "qzeros", "I32", &[groups, rows * bits as usize / 32], bytes_of(&qzeros)),
        tensor(prefix, "scales", "F16", &[groups, rows], bytes_of_halves(&grid.scales)),
        tensor(prefix, "g_idx", "I32", &[cols], bytes_of(&g_idx)),
    ])
}

fn stored_zeros(prefix: &str, grid: &Grid, zeros: Zeros) -> Result<Vec<u8>> {
    if zeros == Zeros::Unchanged {
        return Ok(grid.zeros.clone());
    }
    let less_one = |zero: &u8| zero.checked_sub(1);
    grid.zeros.iter().map(less_one).collect::<Option<_>>().ok_or_else(|| {
        let fix = "fit zeros of 1 or more, or write checkpoint_format gptq_v2";
        Error::request(format!("zeros of {prefix}"), "1 or more, which checkpoint_format gptq can store", 0, fix)
    })
}
