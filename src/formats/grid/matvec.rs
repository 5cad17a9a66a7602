//! Product of one row, or a few, and a weight on a uniform grid (GPTQ, RTN), straight from its codes.

use super::layout::{dequantize_row, product};
use crate::kernels::linear;
use crate::plan::{Case, Host, Kernel, Needs, Variant};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "matvec_grid",
    variants: &[
        Variant {
            name: "subgroup",
            needs: Needs::SUBGROUP,
            wgsl: wgsl!("lib/matvec_subgroup", "lib/weights_grid", "lib/product"; "lib/codes", "lib/words"),
            consts: &[("WG", 128), ("TILE", 8), ("BITS", 4)],
            tile: |c| [1, c.get("TILE")],
            nmse: 1e-10,
        },
        Variant {
            name: "portable",
            needs: Needs::empty(),
            wgsl: wgsl!("lib/matvec", "lib/weights_grid", "lib/product"; "lib/codes", "lib/words"),
            consts: &[("WG", 64), ("BITS", 4)],
            tile: |_| [1, 4],
            nmse: 1e-10,
        },
        Variant {
            name: "int64_subgroup",
            needs: Needs::INT64.union(Needs::SUBGROUP8),
            wgsl: wgsl!("matvec_grid_int64_subgroup", "lib/product"; "lib/codes", "lib/words64"),
            consts: &[("BITS", 4)],
            tile: |_| [1, 32],
            nmse: 1e-10,
        },
        Variant {
            name: "rows_subgroup",
            needs: Needs::SUBGROUP8,
            wgsl: wgsl!("matvec_grid_rows_subgroup", "lib/weights_grid", "lib/product"; "lib/codes", "lib/words"),
            consts: &[("BITS", 4)],
            tile: |_| [1, 32],
            nmse: 1e-10,
        },
    ],
    reference: |io| linear::reference(io, dequantize_row),
    host: Some(Host { run: |io| linear::host_matvec(io, dequantize_row), nmse: 1e-10 }),
    cases: &[
        Case {
            name: "q8_4864x896",
            bench: true,
            build: |t| product(t, &KERNEL, [1, 896], &[4864], [8, 128], [false, false]),
        },
        Case {
            name: "q4_4864x896",
            bench: true,
            build: |t| product(t, &KERNEL, [1, 896], &[4864], [4, 128], [false, false]),
        },
        Case {
            name: "q3_4864x896",
            bench: true,
            build: |t| product(t, &KERNEL, [1, 896], &[4864], [3, 128], [false, false]),
        },
        Case {
            name: "q2_4864x896",
            bench: true,
            build: |t| product(t, &KERNEL, [1, 896], &[4864], [2, 128], [false, false]),
        },
        Case {
            name: "q4_896x4864_add",
            bench: true,
            build: |t| product(t, &KERNEL, [1, 4864], &[896], [4, 128], [false, true]),
        },
        Case {
            name: "q4_9472x3584",
            bench: true,
            build: |t| product(t, &KERNEL, [1, 3584], &[9472], [4, 128], [false, false]),
        },
        Case {
            name: "q8_37x64_one_group_bias",
            bench: false,
            build: |t| product(t, &KERNEL, [1, 64], &[37], [8, 64], [true, false]),
        },
        Case {
            name: "q4_37x96_bias",
            bench: false,
            build: |t| product(t, &KERNEL, [1, 96], &[37], [4, 32], [true, false]),
        },
        Case {
            name: "q3_3_rows_of_100x96_bias_add",
            bench: false,
            build: |t| product(t, &KERNEL, [3, 96], &[100], [3, 32], [true, true]),
        },
        Case {
            name: "q2_two_parts_bias",
            bench: false,
            build: |t| product(t, &KERNEL, [1, 192], &[33, 70], [2, 64], [true, false]),
        },
    ],
};
