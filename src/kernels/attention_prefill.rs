//! Causal attention of many rows: the same as `attention_decode`, with keys and values read once for
//! several rows.

use super::attention_decode::{Params, alone, attend, attend_at, host, reference, sharing};
use super::cache::cases_of_caches;
use super::linear::COOP;
use crate::plan::kernel::Wgsl;
use crate::plan::{Case, Element, Host, Kernel, Needs, Tensor, Trial, Variant};
use crate::wgsl;

/// Rows of one workgroup, as in the shader.
const ROWS: u32 = 32;

const CONSTS: &[(&str, u32)] = &[("STRIPES", 2), ("CACHE", 16)];

/// Both products by cooperative matrices.
const fn coop(name: &'static str, matrices: Needs, wgsl: &'static [Wgsl]) -> Variant {
    Variant { name, needs: COOP.union(matrices), wgsl, consts: CONSTS, tile: |_| [ROWS, 1], nmse: 1e-6 }
}

pub static KERNEL: Kernel = Kernel {
    name: "attention_prefill",
    params: Params::FIELDS,
    variants: &[
        coop(
            "coop",
            Needs::COOP_MATRIX,
            wgsl!("lib/tile_coop", "attention_prefill_coop", "lib/reach"; cache "lib/cache"),
        ),
        coop(
            "coop8",
            Needs::COOP_MATRIX8,
            wgsl!("lib/tile_coop8", "attention_prefill_coop", "lib/reach"; cache "lib/cache"),
        ),
        Variant::portable(wgsl!("attention_prefill", "lib/reach"; cache "lib/cache"), CONSTS, |_| [ROWS, 1], 1e-8),
    ],
    reference,
    host: Some(Host { run: host, nmse: 1e-8 }),
    cases: cases_of_caches![
        bench "128x14x64_of_128" |t, of| attend(t, of, &KERNEL, 128, 0, [14, 2, 64], 128),
        bench "128x14x64_of_1024" |t, of| attend(t, of, &KERNEL, 128, 896, [14, 2, 64], 1024),
        test "13_rows_dim_256" |t, of| attend(t, of, &KERNEL, 13, 250, [2, 1, 256], 300),
        test "61_rows_that_share" |t, of| attend_at(t, of, &KERNEL, sharing(61, 150), [4, 2, 64], 350, None),
        test "9_rows_dim_20" |t, of| attend(t, of, &KERNEL, 9, 0, [3, 3, 20], 9),
        test "13_rows_of_window_150" |t, of| attend_at(t, of, &KERNEL, alone(13, 270), [2, 1, 256], 300, Some(150)),
        test "40_rows_of_window_7" |t, of| attend_at(t, of, &KERNEL, alone(40, 0), [3, 3, 20], 40, Some(7)),
        test "61_rows_of_window_40_that_share" |t, of| {
            attend_at(t, of, &KERNEL, sharing(61, 150), [4, 2, 64], 350, Some(40))
        },
    ],
};
