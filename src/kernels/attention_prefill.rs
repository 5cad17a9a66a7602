//! Causal attention of many rows: the same as `attention_decode`, with keys and values read once for
//! several rows.

use super::attention_decode::{Params, alone, attend, attend_at, host, reference, sharing};
use crate::plan::{Case, Host, Kernel, Variant};
use crate::wgsl;

/// Rows of one workgroup, as in the shader.
const ROWS: u32 = 32;

pub static KERNEL: Kernel = Kernel {
    name: "attention_prefill",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("attention_prefill", "lib/reach"), &[("STRIPES", 2)], |_| [ROWS, 1], 1e-8)],
    reference,
    host: Some(Host { run: host, nmse: 1e-8 }),
    cases: &[
        Case::bench("128x14x64_of_128", |t| attend(t, &KERNEL, 128, 0, [14, 2, 64], 128)),
        Case::bench("128x14x64_of_1024", |t| attend(t, &KERNEL, 128, 896, [14, 2, 64], 1024)),
        Case::test("13_rows_dim_256", |t| attend(t, &KERNEL, 13, 250, [2, 1, 256], 300)),
        Case::test("61_rows_that_share", |t| attend_at(t, &KERNEL, sharing(61, 150), [4, 2, 64], 350, None)),
        Case::test("9_rows_dim_20", |t| attend(t, &KERNEL, 9, 0, [3, 3, 20], 9)),
        Case::test("13_rows_of_window_150", |t| attend_at(t, &KERNEL, alone(13, 270), [2, 1, 256], 300, Some(150))),
        Case::test("40_rows_of_window_7", |t| attend_at(t, &KERNEL, alone(40, 0), [3, 3, 20], 40, Some(7))),
        Case::test("61_rows_of_window_40_that_share", |t| {
            attend_at(t, &KERNEL, sharing(61, 150), [4, 2, 64], 350, Some(40))
        }),
    ],
};
