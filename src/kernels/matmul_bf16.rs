//! Product of many rows and a bf16 weight: what prefill spends its time on.

use super::linear::{self, Into, Params, Part};
use super::matvec_bf16::{product, reference};
use crate::plan::{Case, Host, Io, Kernel, Needs, Plan, Tensor, Variant};
use crate::wgsl;

impl Plan {
    /// x [m, k] · Wᵀ + bias, for W [n, k] in bf16, k a multiple of 32 and many rows m.
    pub fn matmul_bf16(&mut self, name: &str, x: Tensor, parts: &[Part], bias: Option<Tensor>, into: Into) -> Tensor {
        self.product(&KERNEL, name, x, parts, bias, into)
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "matmul_bf16",
    variants: &[
        Variant {
            name: "coop",
            needs: Needs::COOP_MATRIX.union(Needs::F16).union(Needs::SUBGROUP),
            wgsl: wgsl!("lib/tile_coop", "matmul_bf16_coop"),
            consts: &[("LANES", 32)],
            tile: |_| [64, 64],
            nmse: 1e-6,
        },
        Variant {
            name: "portable",
            needs: Needs::empty(),
            wgsl: wgsl!("matmul_bf16"),
            consts: &[],
            tile: |_| [64, 64],
            nmse: 1e-10,
        },
        Variant {
            name: "rows_subgroup",
            needs: Needs::SUBGROUP8,
            wgsl: wgsl!("matmul_bf16_rows_subgroup"),
            consts: &[],
            tile: |_| [32, 32],
            nmse: 1e-10,
        },
        Variant {
            name: "rows",
            needs: Needs::empty(),
            wgsl: wgsl!("matmul_bf16_rows"),
            consts: &[("WG", 8)],
            tile: |c| [8, 8 * c.get("WG")],
            nmse: 1e-10,
        },
        // The coop shader over a plain emulation of its tiles: slow, and the same everywhere else, so
        // that its indexing and epilogue are tested on every adapter. Half the step, since its f32 take
        // twice the workgroup memory and WebGPU grants 16 KiB.
        Variant {
            name: "coop_emulated",
            needs: Needs::empty(),
            wgsl: wgsl!("lib/tile_emulated", "matmul_bf16_coop"),
            consts: &[("LANES", 32), ("STEP", 16)],
            tile: |_| [64, 64],
            nmse: 1e-6,
        },
    ],
    reference,
    host: Some(Host { run: host, nmse: 1e-10 }),
    cases: &[
        Case { name: "128x896x896_bias", bench: true, build: |t| product(t, &KERNEL, 128, 896, &[896], true, false) },
        Case { name: "128x4864x896", bench: true, build: |t| product(t, &KERNEL, 128, 896, &[4864], false, false) },
        Case { name: "128x896x4864_add", bench: true, build: |t| product(t, &KERNEL, 128, 4864, &[896], false, true) },
        Case { name: "7x37x64_bias_add", bench: false, build: |t| product(t, &KERNEL, 7, 64, &[37], true, true) },
        Case { name: "70x130x160", bench: false, build: |t| product(t, &KERNEL, 70, 160, &[130], false, false) },
        Case {
            name: "5_rows_two_parts_bias",
            bench: false,
            build: |t| product(t, &KERNEL, 5, 96, &[33, 70], true, false),
        },
    ],
};

/// Widens some rows of the weight at a time and multiplies them by the `gemm` crate.
fn host(io: &mut Io) {
    use rayon::prelude::*;
    const ROWS: usize = 512;
    let params: Params = io.params();
    let (x, w, bias) = (io.f32(0), io.bf16(1), io.f32(2));
    let (m, k) = (params.m as usize, params.k as usize);
    let threads = rayon::current_num_threads();
    let mut wide = vec![0.0f32; ROWS * k];
    let mut sums = vec![0.0f32; m * ROWS];
    for (block, w) in w[..k * params.n as usize].chunks(ROWS * k).enumerate() {
        wide.par_chunks_mut(k).zip(w.par_chunks(k)).for_each(|(wide, w)| {
            for (wide, w) in wide.iter_mut().zip(w) {
                *wide = f32::from_bits(u32::from(w.to_bits()) << 16);
            }
        });
        let n = w.len() / k;
        // SAFETY: the strides address sums[m, ROWS], x[m, k] and the transpose of wide[n, k], all of
        // which are at least that large; with `read_dst` false the old sums are not read.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                sums.as_mut_ptr(),
                1,
                ROWS as isize,
                false,
                x[..m * k].as_ptr(),
                1,
                k as isize,
                wide.as_ptr(),
                k as isize,
                1,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::Rayon(threads),
            );
        }
        let first = params.y_col as usize + block * ROWS;
        let rows = io.out_f32().par_chunks_mut(params.y_stride as usize).zip(sums.par_chunks(ROWS));
        rows.for_each(|(y, sums)| {
            for (col, (y, sum)) in y[first..first + n].iter_mut().zip(sums).enumerate() {
                let bias = if params.flags & linear::BIAS != 0 { bias[first + col] } else { 0.0 };
                let before = if params.flags & linear::ADD != 0 { *y } else { 0.0 };
                *y = sum + bias + before;
            }
        });
    }
}
