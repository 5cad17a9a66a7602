//! Product of one row, or a few, and a bf16 weight: what decoding spends its time on.

use half::bf16;

use super::linear::{self, Into, Params, Part};
use crate::plan::{Case, Host, Io, Kernel, Needs, Plan, Tensor, Trial, Variant};
use crate::wgsl;

impl Plan {
    /// x [m, k] · Wᵀ + bias, for W [n, k] in bf16, k a multiple of 32 and few rows m.
    pub fn matvec_bf16(&mut self, name: &str, x: Tensor, parts: &[Part], bias: Option<Tensor>, into: Into) -> Tensor {
        self.product(&KERNEL, name, x, parts, bias, into)
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "matvec_bf16",
    variants: &[
        Variant {
            name: "subgroup",
            needs: Needs::SUBGROUP,
            wgsl: wgsl!("matvec_bf16_subgroup"),
            consts: &[("WG", 128), ("TILE", 8)],
            tile: |c| [1, c.get("TILE")],
            nmse: 1e-10,
        },
        Variant {
            name: "portable",
            needs: Needs::empty(),
            wgsl: wgsl!("matvec_bf16"),
            consts: &[("WG", 64)],
            tile: |_| [1, 4],
            nmse: 1e-10,
        },
        Variant {
            name: "int64_subgroup",
            needs: Needs::INT64.union(Needs::SUBGROUP8),
            wgsl: wgsl!("matvec_bf16_int64_subgroup"),
            consts: &[],
            tile: |_| [1, 8],
            nmse: 1e-10,
        },
        Variant {
            name: "rows_subgroup",
            needs: Needs::SUBGROUP8,
            wgsl: wgsl!("matvec_bf16_rows_subgroup"),
            consts: &[],
            tile: |_| [1, 8],
            nmse: 1e-10,
        },
        Variant {
            name: "rows",
            needs: Needs::empty(),
            wgsl: wgsl!("matvec_bf16_rows"),
            consts: &[("WG", 8), ("ROWS", 8)],
            tile: |c| [1, c.get("ROWS")],
            nmse: 1e-10,
        },
    ],
    reference,
    host: Some(Host { run: host, nmse: 1e-10 }),
    cases: &[
        Case { name: "896x896", bench: true, build: |t| matvec(t, 1, 896, &[896], false, false) },
        Case { name: "4864x896", bench: true, build: |t| matvec(t, 1, 896, &[4864], false, false) },
        Case { name: "896x4864_add", bench: true, build: |t| matvec(t, 1, 4864, &[896], false, true) },
        Case { name: "9472x3584", bench: true, build: |t| matvec(t, 1, 3584, &[9472], false, false) },
        Case { name: "37x64_bias", bench: false, build: |t| matvec(t, 1, 64, &[37], true, false) },
        Case { name: "3_rows_of_100x96_bias_add", bench: false, build: |t| matvec(t, 3, 96, &[100], true, true) },
        Case { name: "two_parts_bias", bench: false, build: |t| matvec(t, 1, 160, &[33, 70], true, false) },
    ],
};

/// A trial of a product, for matvec and matmul alike.
pub(super) fn matvec(t: &mut Trial, m: usize, k: usize, rows: &[usize], bias: bool, add: bool) -> Tensor {
    product(t, &KERNEL, m, k, rows, bias, add)
}

pub(super) fn product(
    t: &mut Trial,
    kernel: &'static Kernel,
    m: usize,
    k: usize,
    rows: &[usize],
    bias: bool,
    add: bool,
) -> Tensor {
    let n = rows.iter().sum();
    let x = t.f32(m, k);
    let mut parts = Vec::new();
    let mut row0 = 0;
    for &rows in rows {
        parts.push(Part { row0, weight: t.bf16(rows, k) });
        row0 += rows;
    }
    let bias = bias.then(|| t.f32(1, n));
    let into = if add { Into::Add(t.f32(m, n)) } else { Into::New };
    t.plan.product(kernel, "", x, &parts, bias, into)
}

/// The definition of every bf16 product.
pub(super) fn reference(io: &mut Io) {
    let params: Params = io.params();
    let (x, w, bias) = (io.f32(0), io.bf16(1), io.f32(2));
    let k = params.k as usize;
    for row in 0..params.m as usize {
        let x = &x[row * k..][..k];
        for col in 0..params.n as usize {
            let w = &w[col * k..][..k];
            let sum = x.iter().zip(w).map(|(x, w)| x * w.to_f32()).sum();
            linear::finish(&params, bias, row, col, sum, io.out_f32());
        }
    }
}

/// The same with sixteen partial sums, which the compiler keeps in vector registers, and the
/// columns spread over the cores.
fn host(io: &mut Io) {
    use rayon::prelude::*;
    const COLS: usize = 64;
    let params: Params = io.params();
    let (x, w, bias) = (io.f32(0), io.bf16(1), io.f32(2));
    let k = params.k as usize;
    for row in 0..params.m as usize {
        let x = &x[row * k..][..k];
        let sums: Vec<f32> = w[..k * params.n as usize]
            .par_chunks(k * COLS)
            .flat_map_iter(|w| w.chunks_exact(k).map(|w| dot(x, w)))
            .collect();
        for (col, sum) in sums.into_iter().enumerate() {
            linear::finish(&params, bias, row, col, sum, io.out_f32());
        }
    }
}

fn dot(x: &[f32], w: &[bf16]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0f32; LANES];
    let (xs, ws) = (x.chunks_exact(LANES), w.chunks_exact(LANES));
    let rest: f32 = xs.remainder().iter().zip(ws.remainder()).map(|(x, w)| x * w.to_f32()).sum();
    for (x, w) in xs.zip(ws) {
        for lane in 0..LANES {
            // Widened by hand: the crate's conversion also quiets NaN, which loading has excluded.
            sums[lane] += x[lane] * f32::from_bits(u32::from(w[lane].to_bits()) << 16);
        }
    }
    sums.iter().sum::<f32>() + rest
}
