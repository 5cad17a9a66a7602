//! Embedding in bf16.

use super::matvec::dequantize_row;
use crate::kernels::{WeightLayout, embed};
use crate::plan::{Case, Kernel, Tensor, Trial, Variant};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "embed_bf16",
    params: embed::Params::FIELDS,
    variants: &[Variant::portable(wgsl!("embed_bf16", "lib/embedded"), &[("WG", 64)], |c| [1, 2 * c.get("WG")], 0.0)],
    reference: |io| embed::reference(io, dequantize_row),
    host: None,
    cases: &[
        Case::bench("128_of_8192x896", |t| trial(t, [128, 896], &[8192], false)),
        Case::test("5_of_three_parts", |t| trial(t, [5, 70], &[40, 7, 60], false)),
        Case::test("2_of_two_parts_next", |t| trial(t, [2, 70], &[40, 60], true)),
    ],
};

fn trial(t: &mut Trial, [m, k]: [usize; 2], rows: &[usize], next: bool) -> Tensor {
    embed::trial(t, &KERNEL, [m, k], rows, next, WeightLayout::default(), |t, rows| vec![t.bf16(rows, k)])
}
