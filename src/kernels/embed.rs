//! Embedding of any format: y\[r\] = table\[token\[r\]\] in f32. A format adds how one of its rows is dequantized.

use bytemuck::Zeroable;

use super::linear::{self, DequantizeRow, RowBlock, WeightLayout};
use crate::params;
use crate::plan::{Element, Io, Kernel, Plan, Tensor, Trial};

params! {
    pub(crate) struct Params {
        k: u32,
        row0: u32,
        rows: u32,
        /// Rows of the residual stream, behind which the same times the weights of the next norm go; 0: nowhere.
        next_row: u32,
        /// For the reference; shaders have it as the constant `BLOCK`.
        block: u32,
    }
}

impl Plan {
    /// Adds the lookup of `token` [1, m] by `kernel` in a table of `k` columns: [m, k], or [2m, k] with what is `next`, as
    /// products have it. A token beyond the table leaves its row unwritten.
    pub(crate) fn embed(
        &mut self,
        kernel: &'static Kernel,
        token: Tensor,
        k: usize,
        table: &[RowBlock],
        layout: WeightLayout,
        next: Option<Tensor>,
    ) -> Tensor {
        let m = token.cols;
        let next_row = if next.is_some() { m } else { 0 };
        let y = self.scratch(m + next_row, k, Element::F32);
        for part in table {
            let [k, row0, rows, next_row] = [k, part.row0, part.rows, next_row].map(|n| n as u32);
            let params = Params { k, row0, rows, next_row, block: layout.block };
            // Every binding must be bound.
            let outputs = [next.unwrap_or(token), y];
            let bind: Vec<Tensor> = [token].into_iter().chain(part.tensors.iter().copied()).chain(outputs).collect();
            let step = self.add(kernel, "embed_tokens", params, &bind, [m, y.cols], 0);
            let row_bytes: u64 = part.tensors.iter().map(|t| t.bytes() / part.rows as u64).sum();
            step.bytes = m as u64 * row_bytes + y.bytes();
            step.consts = linear::consts(layout);
        }
        y
    }
}

/// Defines the lookup.
pub(crate) fn reference(io: &mut Io, rows: DequantizeRow) {
    let params: Params = io.params();
    let last = io.inputs() - 1;
    let weight: Vec<&[u32]> = (1..last).map(|input| io.u32(input)).collect();
    let of_row = linear::Params { k: params.k, n: params.rows, block: params.block, ..Zeroable::zeroed() };
    let (token, next) = (io.u32(0), io.u32(last));
    let (y, behind) = io.out_f32().split_at_mut(token.len() * params.k as usize);
    for (number, (y, &token)) in y.chunks_exact_mut(params.k as usize).zip(token).enumerate() {
        let row = token.wrapping_sub(params.row0);
        if row >= params.rows {
            continue;
        }
        rows(&weight, &of_row, row as usize, y);
        if params.next_row > 0 {
            for (value, next) in y.iter().zip(next.as_chunks::<2>().0) {
                behind[number * params.k as usize + next[1] as usize] = f32::from_bits(next[0]) * value;
            }
        }
    }
}

/// Builds a trial of `m` tokens and a table in row blocks of `rows`, with or without what is `next`; `pack` makes the tensors of one block.
pub(crate) fn trial(
    t: &mut Trial,
    kernel: &'static Kernel,
    [m, k]: [usize; 2],
    rows: &[usize],
    next: bool,
    layout: WeightLayout,
    pack: impl Fn(&mut Trial, usize) -> Vec<Tensor>,
) -> Tensor {
    let all: usize = rows.iter().sum();
    let token = t.u32(1, m, (0..).map(|i| i * 41 % all as u32));
    let table = linear::row_blocks(t, rows, pack);
    let next = next.then(|| linear::trial_next(t, k));
    t.plan.embed(kernel, token, k, &table, layout, next)
}
