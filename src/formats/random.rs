//! Packed weights of a published size without a checkpoint: for speed and memory.

use half::f16;
use rayon::prelude::*;

use super::{Grid, Int8, Method, Packed, Quant, Spqr};
use crate::plan::kernel::hash;

/// Columns of a group where the method has a choice: as the papers' common settings.
const GROUP: usize = 128;
/// Of the weights, in thousandths: 1 %.
const OUTLIERS: usize = 10;

/// A weight [rows, cols] whose products keep the scale of their inputs.
pub fn packed(quant: Quant, rows: usize, cols: usize, seed: u32) -> Packed {
    let bits = quant.bits;
    // The spread of values even over -a to a is a / sqrt 3.
    let reach = (3.0 / cols as f32).sqrt();
    let scale = 2.0 * reach / ((1 << bits) - 1) as f32;
    let words = |n: usize, seed: u32| -> Vec<u32> { (0..n as u32).into_par_iter().map(|i| hash(i ^ seed)).collect() };
    match quant.method {
        Method::Rtn | Method::Gptq => {
            let group = if cols.is_multiple_of(GROUP) { GROUP } else { cols };
            let stats = rows * (cols / group);
            Packed::Grid(Grid {
                rows,
                cols,
                bits,
                group,
                codes: words(rows * cols * bits as usize / 32, seed),
                scales: vec![f16::from_f32(scale); stats],
                zeros: vec![1 << (bits - 1); stats],
                perm: None,
            })
        }
        Method::Int8 => {
            let codes = words(rows * cols / 4, seed);
            // Codes of LLM.int8() never are -128.
            let codes: Vec<i8> = bytemuck::cast_slice(&codes).par_iter().map(|&c: &i8| c.max(-127)).collect();
            Packed::Int8(Int8 { rows, cols, codes, scales: vec![reach; rows] })
        }
        Method::Spqr => {
            let group = 16;
            let stats = rows * (cols / group);
            let outliers = (cols * OUTLIERS / 1000).max(1);
            let columns = |row: usize| (0..outliers).map(move |e| ((e * cols + row % cols) / outliers) as u16);
            Packed::Spqr(Spqr {
                rows,
                cols,
                bits,
                group,
                scale_bits: 3,
                zero_bits: 3,
                codes: words(rows * cols * bits as usize / 32, seed),
                scale_codes: vec![4; stats],
                zero_codes: vec![4; stats],
                stats: vec![
                    [scale / 4.0, 0.0, (1 << (bits - 1)) as f32 / 4.0, 0.0].map(f16::from_f32);
                    cols / group * (rows / 16)
                ],
                row_start: (0..=rows).map(|row| (row * outliers) as u32).collect(),
                columns: (0..rows).flat_map(columns).collect(),
                values: vec![f16::from_f32(reach); rows * outliers],
                perm: None,
            })
        }
    }
}
