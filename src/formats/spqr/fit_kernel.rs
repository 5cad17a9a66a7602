//! The fit of SpQR's statistics to a group of columns on a device: [`statistics::fit`] for all rows at once.

use super::SpqrOptions;
use super::statistics::{self, TOGETHER};
use crate::formats::solver::device::BLOCK;
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! {
    struct Params {
        rows: u32, start: u32, first: u32, group_size: u32, group: u32, maxq: u32, scale_maxq: u32, zero_maxq: u32,
        leave_out: u32, threshold: f32,
    }
}

/// Rows of a workgroup: whole sixteens, whose weights of a block fill the workgroup memory that every adapter has.
pub(super) const ROWS: u32 = 32;

/// Place of a group of columns: the block's beginning, the group's beginning within it, its columns, its number.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub start: usize,
    pub first: usize,
    pub size: usize,
    pub number: usize,
}

/// Returns the largest code of so many bits.
fn maxq(bits: u32) -> u32 {
    (1 << bits) - 1
}

impl Plan {
    /// Fits the statistics of a group of columns of `w` [cols, rows]. `triangle` [BLOCK, BLOCK] has the pivots on its
    /// diagonal; `statistics` [groups, 8 rows] gets those of the group.
    pub(super) fn fit_spqr(
        &mut self,
        [triangle, w, found]: [Tensor; 3],
        group: Group,
        bits: u32,
        threshold: f32,
        options: &SpqrOptions,
    ) {
        let Group { start, first, size, number } = group;
        triangle.expect("triangle", BLOCK, BLOCK, Element::F32);
        found.expect("statistics", found.rows, 8 * w.cols, Element::F32);
        assert!(first + size <= BLOCK && start + first + size <= w.rows && w.cols.is_multiple_of(TOGETHER));
        let leave_out = threshold < f32::MAX && !options.simplified_outliers;
        let params = Params {
            rows: w.cols as u32,
            start: start as u32,
            first: first as u32,
            group_size: size as u32,
            group: number as u32,
            maxq: maxq(bits),
            scale_maxq: maxq(options.scale_bits),
            zero_maxq: maxq(options.zero_bits),
            leave_out: leave_out.into(),
            threshold,
        };
        let each = if leave_out { 10 * size + 6 } else { 6 };
        let flops = (size * w.cols * each) as u64;
        let step = self.add(&FIT, "fit", params, &[triangle, w, found], [1, w.cols], flops);
        step.bytes = 4 * (size * w.cols + 8 * w.cols) as u64;
    }
}

pub static FIT: Kernel = Kernel {
    name: "fit_spqr",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("fit_spqr", "lib/f16_round"), &[], |_| [1, ROWS], 1e-10)],
    reference,
    host: None,
    cases: &[
        Case::bench("896_rows_of_16_q4", |t| fit(t, 896, 4, 0.5, SpqrOptions::default())),
        Case::test("80_rows_of_16_q3", |t| fit(t, 80, 3, f32::MAX, SpqrOptions::default())),
        Case::test("32_rows_of_16_q2_left_out", |t| fit(t, 32, 2, 40.0, SpqrOptions::default())),
        Case::test("32_rows_of_48_q4", |t| {
            fit(t, 32, 4, 0.5, SpqrOptions { group_size: 48, simplified_outliers: true, ..SpqrOptions::default() })
        }),
    ],
};

/// Adds the fit of the second group of a block.
fn fit(t: &mut Trial, rows: usize, bits: u32, threshold: f32, options: SpqrOptions) -> Tensor {
    let size = options.group_size;
    let triangle = t.f32_of(BLOCK, BLOCK, |_, value| 1.5 + value / 2.0);
    // Of the last sixteen rows all have the same weights, and so the same statistics.
    let w = t.f32_of(3 * size, rows, |i, value| if i % rows < rows - 16 { 64.0 * value } else { (i / rows) as f32 });
    let found = t.f32(3, 8 * rows);
    let group = Group { start: 0, first: size, size, number: 1 };
    t.plan.fit_spqr([triangle, w, found], group, bits, threshold, &options);
    found
}

fn reference(io: &mut Io) {
    let params: Params = io.params();
    let (triangle, w) = (io.f32(0), io.f32(1));
    let (rows, size, first) = (params.rows as usize, params.group_size as usize, params.first as usize);
    let options = SpqrOptions {
        group_size: size,
        scale_bits: params.scale_maxq.count_ones(),
        zero_bits: params.zero_maxq.count_ones(),
        simplified_outliers: params.leave_out == 0,
        ..SpqrOptions::default()
    };
    let columns = &w[(params.start as usize + first) * rows..][..size * rows];
    let pivots: Vec<f32> = (first..first + size).map(|c| triangle[c * (BLOCK + 1)]).collect();
    let found = statistics::fit(columns, rows, &pivots, params.threshold, params.maxq as f32, &options);
    let out = &mut io.out_f32()[params.group as usize * 8 * rows..][..8 * rows];
    for (r, out) in out.chunks_exact_mut(8).enumerate() {
        let second = found.stats[r / TOGETHER].map(|value| value.to_f32());
        out[..4].copy_from_slice(&[
            found.used.scales[r],
            found.used.zeros[r],
            f32::from(found.scale_codes[r]),
            f32::from(found.zero_codes[r]),
        ]);
        out[4..].copy_from_slice(&second);
    }
}
