//! Product of many rows and a bf16 weight: what prefill spends its time on.

use super::matvec::{dequantize_row, product};
use crate::kernels::linear;
use crate::plan::{Case, Host, Kernel, Needs, Variant};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "matmul_bf16",
    variants: &[
        Variant {
            name: "coop",
            needs: Needs::COOP_MATRIX.union(Needs::F16).union(Needs::SUBGROUP),
            wgsl: wgsl!("lib/tile_coop", "lib/matmul_coop", "lib/weights_bf16", "lib/product"),
            consts: &[("LANES", 32)],
            tile: |_| [64, 64],
            nmse: 1e-6,
        },
        Variant {
            name: "portable",
            needs: Needs::empty(),
            wgsl: wgsl!("lib/matmul", "lib/weights_bf16", "lib/product"),
            consts: &[],
            tile: |_| [64, 64],
            nmse: 1e-10,
        },
        Variant {
            name: "rows_subgroup",
            needs: Needs::SUBGROUP8,
            wgsl: wgsl!("matmul_bf16_rows_subgroup", "lib/product"),
            consts: &[],
            tile: |_| [32, 32],
            nmse: 1e-10,
        },
        Variant {
            name: "rows",
            needs: Needs::empty(),
            wgsl: wgsl!("matmul_bf16_rows", "lib/product"),
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
            wgsl: wgsl!("lib/tile_emulated", "lib/matmul_coop", "lib/weights_bf16", "lib/product"),
            consts: &[("LANES", 32), ("STEP", 16)],
            tile: |_| [64, 64],
            nmse: 1e-6,
        },
    ],
    reference: |io| linear::reference(io, dequantize_row),
    host: Some(Host { run: |io| linear::host_matmul(io, dequantize_row), nmse: 1e-10 }),
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
