//! H += scale · XᵀX over the inputs of a linear: what GPTQ and its successors know of the data (Frantar et al., 2022).
//!
//! H is symmetric; what lies left of a row's own tile of 64 columns is left alone, for [`mirror`].

use std::ops::Range;

use rayon::prelude::*;

use super::factor_block::bands;
use super::product::{View, product};
use crate::plan::{Case, Element, Host, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { tokens: u32, cols: u32, row0: u32, first: u32, rows: u32, scale: f32 } }

/// Rows and columns of a tile; bands of H start at a multiple of it.
pub const TILE: usize = 64;

impl Plan {
    /// Adds scale · XᵀX of x [tokens, cols] to the band h [rows, cols] of H from row `row0` on: as many rows a step as keep it
    /// short.
    pub fn hessian(&mut self, name: &str, x: Tensor, scale: f32, row0: usize, h: Tensor) {
        for rows in bands(h.rows, 2 * x.rows * x.cols) {
            self.hessian_rows(name, x, scale, row0, h, rows);
        }
    }

    fn hessian_rows(&mut self, name: &str, x: Tensor, scale: f32, row0: usize, h: Tensor, own: Range<usize>) {
        let (tokens, cols, rows) = (x.rows, x.cols, own.len());
        h.expect("h", h.rows, cols, Element::F32);
        let aligned = row0.is_multiple_of(TILE) && own.start.is_multiple_of(TILE);
        assert!(aligned && row0 + own.end <= cols, "{name}: rows {own:?} of a band from row {row0}");
        // From the diagonal on.
        let values = rows * (2 * (cols - row0 - own.start) - rows) / 2;
        let [row0, first] = [row0, own.start].map(|at| at as u32);
        let params = Params { tokens: tokens as u32, cols: cols as u32, row0, first, rows: rows as u32, scale };
        let step = self.add(&KERNEL, name, params, &[x, h], [rows, cols], (2 * tokens * values) as u64);
        step.bytes = 4 * (tokens * cols + 2 * values) as u64;
    }
}

/// Fills in what the kernel leaves alone of H [cols, cols].
pub fn mirror(h: &mut [f32], cols: usize) {
    for i in 0..cols {
        for j in 0..i / TILE * TILE {
            h[i * cols + j] = h[j * cols + i];
        }
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "hessian",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("hessian", "lib/tile_product"), &[], |_| [TILE as u32, TILE as u32], 1e-10)],
    reference,
    host: Some(Host { run: host, nmse: 1e-10 }),
    cases: &[
        Case::bench("1024x896", |t| hessian(t, 1024, 896, 0, 0..896)),
        Case::test("37x100", |t| hessian(t, 37, 100, 0, 0..100)),
        Case::test("70x300_from_64", |t| hessian(t, 70, 300, 64, 0..150)),
        Case::test("33x300_from_128_in_a_band", |t| hessian(t, 33, 300, 64, 64..150)),
    ],
};

/// Adds some rows of a band from row `row0` on.
fn hessian(t: &mut Trial, tokens: usize, cols: usize, row0: usize, rows: Range<usize>) -> Tensor {
    let (x, h) = (t.f32(tokens, cols), t.f32(rows.end, cols));
    t.plan.hessian_rows("", x, 2.0 / tokens as f32, row0, h, rows);
    h
}

fn reference(io: &mut Io) {
    let params: Params = io.params();
    let x = io.f32(0);
    let cols = params.cols as usize;
    let (first, rows) = (params.first as usize, params.rows as usize);
    for (i, h) in io.out_f32().chunks_exact_mut(cols).enumerate().skip(first).take(rows) {
        let i = params.row0 as usize + i;
        for (j, h) in h.iter_mut().enumerate().skip(i / TILE * TILE) {
            *h += params.scale * x.chunks_exact(cols).take(params.tokens as usize).map(|x| x[i] * x[j]).sum::<f32>();
        }
    }
}

/// By the `gemm` crate, some rows at a time with the columns from their own tile on.
fn host(io: &mut Io) {
    const ROWS: usize = 4 * TILE;
    let params: Params = io.params();
    let x = io.f32(0);
    let (cols, tokens) = (params.cols as usize, params.tokens as usize);
    let first = params.first as usize;
    let row0 = params.row0 as usize + first;
    let h = &mut io.out_f32()[first * cols..][..params.rows as usize * cols];
    h.par_chunks_mut(ROWS * cols).enumerate().for_each(|(block, h)| {
        // Tiles below the diagonal within these rows are kept apart, so that they stay untouched.
        for (tile, h) in h.chunks_mut(TILE * cols).enumerate() {
            let i = row0 + block * ROWS + tile * TILE;
            let rows = View::new(&x[i..], tokens, h.len() / cols, cols);
            let from = View::new(&x[i..], tokens, cols - i, cols);
            product(&mut h[i..], cols, true, params.scale, rows.transposed(), from);
        }
    });
}
