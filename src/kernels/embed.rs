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
        /// For the reference; shaders have it as the constant `BLOCK`.
        block: u32,
    }
}

impl Plan {
    /// Adds the lookup of `token` [1, m] by `kernel` in a table of `k` columns: [m, k]. A token beyond the table leaves
    /// its row unwritten.
    pub(crate) fn embed(
        &mut self,
        kernel: &'static Kernel,
        token: Tensor,
        k: usize,
        table: &[RowBlock],
        layout: WeightLayout,
    ) -> Tensor {
        let m = token.cols;
        let y = self.scratch(m, k, Element::F32);
        for part in table {
            let params = Params { k: k as u32, row0: part.row0 as u32, rows: part.rows as u32, block: layout.block };
            let bind: Vec<Tensor> = [token].into_iter().chain(part.tensors.iter().copied()).chain([y]).collect();
            let step = self.add(kernel, "embed_tokens", params, &bind, [m, k], 0);
            let row_bytes: u64 = part.tensors.iter().map(|t| t.bytes() / part.rows as u64).sum();
            step.bytes = m as u64 * (row_bytes + 4 * k as u64);
            step.consts = linear::consts(layout);
        }
        y
    }
}

/// Defines the lookup.
pub(crate) fn reference(io: &mut Io, rows: DequantizeRow) {
    let params: Params = io.params();
    let weight: Vec<&[u32]> = (1..io.inputs()).map(|input| io.u32(input)).collect();
    let of_row = linear::Params { k: params.k, n: params.rows, block: params.block, ..Zeroable::zeroed() };
    let token = io.u32(0);
    for (y, &token) in io.out_f32().chunks_exact_mut(params.k as usize).zip(token) {
        let row = token.wrapping_sub(params.row0);
        if row < params.rows {
            rows(&weight, &of_row, row as usize, y);
        }
    }
}

/// Builds a trial of `m` tokens and a table in row blocks of `rows`; `pack` makes the tensors of one block.
pub(crate) fn trial(
    t: &mut Trial,
    kernel: &'static Kernel,
    [m, k]: [usize; 2],
    rows: &[usize],
    layout: WeightLayout,
    pack: impl Fn(&mut Trial, usize) -> Vec<Tensor>,
) -> Tensor {
    let all: usize = rows.iter().sum();
    let token = t.u32(1, m, (0..).map(|i| i * 41 % all as u32));
    let table = linear::row_blocks(t, rows, pack);
    t.plan.embed(kernel, token, k, &table, layout)
}
