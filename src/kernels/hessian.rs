//! H += scale · XᵀX over the inputs of a linear: what GPTQ and its successors know of the data (Frantar et al., 2022).
//!
//! H is symmetric; what lies left of a row's own tile of 64 columns is left alone, for [`mirror`].

use rayon::prelude::*;

use super::product::{View, product};
use crate::plan::{Case, Element, Host, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { tokens: u32, cols: u32, row0: u32, rows: u32, scale: f32 } }

/// Rows and columns of a tile; bands of H start at a multiple of it.
pub const TILE: usize = 64;

impl Plan {
    /// Adds scale · XᵀX of x [tokens, cols] to the band h [rows, cols] of H from row `row0` on.
    pub fn hessian(&mut self, name: &str, x: Tensor, scale: f32, row0: usize, h: Tensor) {
        assert!(row0.is_multiple_of(TILE), "{name}: a band from row {row0}");
        h.expect("h", h.rows, x.cols, Element::F32);
        let (tokens, cols, rows) = (x.rows as u32, x.cols as u32, h.rows as u32);
        let params = Params { tokens, cols, row0: row0 as u32, rows, scale };
        self.add(&KERNEL, name, params, &[x, h], [h.rows, x.cols], (x.rows * h.rows * x.cols) as u64);
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
        Case::bench("1024x896", |t| hessian(t, 1024, 896, 0, 896)),
        Case::test("37x100", |t| hessian(t, 37, 100, 0, 100)),
        Case::test("70x300_from_64", |t| hessian(t, 70, 300, 64, 150)),
    ],
};

fn hessian(t: &mut Trial, tokens: usize, cols: usize, row0: usize, rows: usize) -> Tensor {
    let (x, h) = (t.f32(tokens, cols), t.f32(rows, cols));
    t.plan.hessian("", x, 2.0 / tokens as f32, row0, h);
    h
}

fn reference(io: &mut Io) {
    let params: Params = io.params();
    let x = io.f32(0);
    let cols = params.cols as usize;
    for (i, h) in io.out_f32()[..params.rows as usize * cols].chunks_exact_mut(cols).enumerate() {
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
    let row0 = params.row0 as usize;
    let h = &mut io.out_f32()[..params.rows as usize * cols];
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
