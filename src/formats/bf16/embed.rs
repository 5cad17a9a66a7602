//! Embedding: y[r] = table[token[r]], widened from bf16.

use crate::kernels::linear::RowBlock;
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { cols: u32, row0: u32, rows: u32 } }

/// Adds the lookup of `token` \[1, m\] in a table held in row blocks: \[m, cols\]. A token beyond the table leaves its
/// row unwritten.
pub(super) fn embed(plan: &mut Plan, token: Tensor, table: &[RowBlock]) -> Tensor {
    let (m, cols) = (token.cols, table[0].tensors[0].cols);
    let y = plan.scratch(m, cols, Element::F32);
    for block in table {
        let weight = block.tensors[0];
        weight.expect("table", block.rows, cols, Element::Bf16);
        let params = Params { cols: cols as u32, row0: block.row0 as u32, rows: block.rows as u32 };
        let bind = [token, weight, y];
        let step = plan.add(&KERNEL, "embed_tokens", params, &bind, [m, cols.div_ceil(2)], 0);
        step.bytes = (m * cols * 6) as u64;
    }
    y
}

pub static KERNEL: Kernel = Kernel {
    name: "embed_bf16",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("embed_bf16"), &[("WG", 64)], |c| [1, c.get("WG")], 0.0)],
    reference,
    host: None,
    cases: &[
        Case::bench("128_of_8192x896", |t| trial(t, 128, &[8192], 896)),
        Case::test("5_of_three_parts", |t| trial(t, 5, &[40, 7, 60], 70)),
    ],
};

fn trial(t: &mut Trial, m: usize, parts: &[usize], cols: usize) -> Tensor {
    let rows: usize = parts.iter().sum();
    let token = t.u32(1, m, (0..).map(|i| i * 41 % rows as u32));
    let mut row0 = 0;
    let mut table = Vec::new();
    for &rows in parts {
        table.push(RowBlock { row0, rows, tensors: vec![t.bf16(rows, cols)] });
        row0 += rows;
    }
    embed(&mut t.plan, token, &table)
}

fn reference(io: &mut Io) {
    let Params { cols, row0, rows } = io.params();
    let (token, table) = (io.u32(0), io.bf16(1));
    let cols = cols as usize;
    for (y, &token) in io.out_f32().chunks_exact_mut(cols).zip(token) {
        let row = token.wrapping_sub(row0);
        if row < rows {
            let from = &table[row as usize * cols..][..cols];
            for (y, w) in y.iter_mut().zip(from) {
                *y = w.to_f32();
            }
        }
    }
}
