//! Product of one row, or a few, each by itself, and a weight of LLM.int8() (Dettmers et al., 2022) from x as it is: it finds
//! each row's scale and outliers and rounds by itself, where a GPU would wait for a step before it.

use super::layout::{dequantize_row, layout, tensors};
use super::quantize::{quantize, row_words};
use crate::kernels::linear::{self, ADD, BIAS, GATE, NEXT, ORDER, PLAIN, Params};
use crate::plan::{Case, Element, Host, Io, Kernel, Needs, Tensor, Trial, Variant, kernel};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "matvec_quantize_int8",
    params: Params::FIELDS,
    variants: &[
        Variant {
            name: "subgroup",
            needs: Needs::SUBGROUP,
            wgsl: wgsl!(
                "matvec_quantize_int8_subgroup",
                "lib/matvec_quantize_int8",
                "lib/int8_sums",
                "lib/weights_int8",
                "lib/f16_round",
                "lib/int8_factor",
                "lib/product_row",
                "lib/product"
            ),
            consts: &[("PASSES", 1), ("NORMED", 0), ("WG", 128)],
            tile: |_| [1, 8],
            nmse: 1e-10,
        },
        Variant::portable(
            wgsl!(
                "matvec_quantize_int8",
                "lib/matvec_quantize_int8",
                "lib/int8_sums",
                "lib/weights_int8",
                "lib/f16_round",
                "lib/int8_factor",
                "lib/product_row",
                "lib/product"
            ),
            &[("PASSES", 1), ("NORMED", 0), ("WG", 64)],
            |_| [1, 8],
            1e-10,
        ),
    ],
    reference: |io| linear::reference(&mut rounded(io, &mut Vec::new()), dequantize_row),
    host: Some(Host { run: |io| linear::host_matvec(&mut rounded(io, &mut Vec::new()), dequantize_row), nmse: 1e-10 }),
    cases: &[
        Case::bench("896x896", |t| product(t, [1, 896], &[896], 0.99, PLAIN)),
        Case::bench("4864x896", |t| product(t, [1, 896], &[4864], 0.99, PLAIN)),
        Case::bench("896x4864_add", |t| product(t, [1, 4864], &[896], 0.99, ADD)),
        Case::bench("9472x3584", |t| product(t, [1, 3584], &[9472], 0.99, PLAIN)),
        Case::test("37x64_no_outliers_bias", |t| product(t, [1, 64], &[37], 0.0, BIAS)),
        Case::test("37x96_all_outliers", |t| product(t, [1, 96], &[37], 1e-9, PLAIN)),
        Case::test("3_rows_of_100x96_bias_add", |t| product(t, [3, 96], &[100], 0.9, BIAS | ADD)),
        Case::test("9x2144_bias", |t| product(t, [1, 2144], &[9], 0.99, BIAS)),
        Case::test("64x160_gated_order_bias", |t| product(t, [1, 160], &[64], 0.8, GATE | ORDER | BIAS)),
        Case::test("37x64_add_next", |t| product(t, [1, 64], &[37], 0.8, ADD | NEXT)),
        Case::test("two_parts_bias", |t| product(t, [1, 160], &[33, 70], 0.8, BIAS)),
        Case::test("8_rows_of_12x288_of_any_size", |t| of_any_size(t, 8, 288)),
    ],
};

/// Returns the step with the values that the codes of x stand for.
fn rounded<'a>(io: &'a mut Io, x: &'a mut Vec<u32>) -> Io<'a> {
    let Params { m, k, threshold, .. } = io.params();
    let (m, k) = (m as usize, k as usize);
    x.resize(m * row_words(k), 0);
    quantize(io.f32(0), k, threshold, None, x);
    io.with_input(0, &x[..m * k])
}

fn product(t: &mut Trial, [m, k]: [usize; 2], rows: &[usize], threshold: f32, flags: u32) -> Tensor {
    linear::trial(t, &KERNEL, [m, k], rows, flags, layout(threshold), |t, rows| tensors(t, rows, k))
}

/// Rows from below what f16 holds to above the threshold, half of their values between two f16, and one of zeros.
fn of_any_size(t: &mut Trial, m: usize, k: usize) -> Tensor {
    let size = |i: usize| 2.0f32.powi((kernel::hash(i as u32) % 12) as i32 - 30 + 6 * (i / k) as i32);
    let value = |i: usize| (kernel::uniform(i as u32) * size(i)).to_bits() & 0xffff_f000;
    let x = t.words(m, k, |i| if i / k == 2 { 0 } else { value(i) });
    let x = Tensor { element: Element::F32, ..x };
    linear::trial_of(t, &KERNEL, (x, k), &[12], PLAIN, layout(6.0), |t, rows| tensors(t, rows, k))
}
