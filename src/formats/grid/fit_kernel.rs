//! The fit of grids to groups of columns on a device: [`Fit::fit`] for all rows at once.

use std::ops::Range;

use super::fit::Fit;
use super::{GridOptions, GroupSize};
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! {
    struct Params {
        rows: u32, group_size: u32, first: u32, maxq: u32, sym: u32, reference_sym: u32, f16_scale: u32, mse: f32,
        groups: u32,
    }
}

/// Rows of a workgroup.
const ROWS: u32 = 64;

impl Plan {
    /// Fits the grids of some `groups` of `group_size` columns of `w` [cols, rows]: those that `columns` [1, cols] lists
    /// one group after another. `grids` [groups, 2 rows] gets scale and zero of each row.
    pub(super) fn fit_grid(
        &mut self,
        [w, columns, grids]: [Tensor; 3],
        fit: Fit<'_>,
        group_size: usize,
        groups: Range<usize>,
    ) {
        columns.expect("columns", 1, w.rows, Element::U32);
        grids.expect("grids", w.rows / group_size, 2 * w.cols, Element::F32);
        assert!(group_size.is_multiple_of(4), "columns in fours");
        let GridOptions { sym, reference_sym, f16_scale_grid, mse, .. } = *fit.options;
        let params = Params {
            rows: w.cols as u32,
            group_size: group_size as u32,
            first: groups.start as u32,
            maxq: (1 << fit.bits) - 1,
            sym: sym.into(),
            reference_sym: reference_sym.into(),
            f16_scale: f16_scale_grid.into(),
            mse: mse.unwrap_or(0.0),
            groups: groups.len() as u32,
        };
        let weights = (groups.len() * group_size * w.cols) as u64;
        let flops = weights * if mse.is_some() { 80 * 8 } else { 2 };
        let step = self.add(&FIT, "fit", params, &[w, columns, grids], [groups.len(), w.cols], flops);
        step.bytes = 4 * weights;
    }
}

pub static FIT: Kernel = Kernel {
    name: "fit_grid",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("fit_grid", "lib/f16_round"), &[], |_| [1, ROWS], 1e-12)],
    reference,
    host: None,
    cases: &[
        Case::bench("896_rows_of_896_q4", |t| fit(t, [896, 896, 128], 4, GridOptions::default())),
        Case::test("70_rows_of_96_q4", |t| fit(t, [70, 96, 32], 4, GridOptions::default())),
        Case::test("9_rows_of_64_q3_sym_f16", |t| {
            fit(t, [9, 64, 64], 3, GridOptions { sym: true, f16_scale_grid: true, ..GridOptions::default() })
        }),
        Case::test("9_rows_of_64_q8_reference_sym", |t| {
            fit(t, [9, 64, 32], 8, GridOptions { sym: true, reference_sym: true, ..GridOptions::default() })
        }),
        Case::test("5_rows_of_32_q2_mse", |t| {
            fit(t, [5, 32, 32], 2, GridOptions { mse: Some(2.4), ..GridOptions::default() })
        }),
    ],
};

/// Adds a fit of all groups but the first, if there are several, with their columns backwards.
fn fit(t: &mut Trial, [rows, cols, group_size]: [usize; 3], bits: u32, options: GridOptions) -> Tensor {
    // Row 0 is zero throughout, row 1 positive.
    let w = t.f32_of(cols, rows, |i, value| match i % rows {
        0 => 0.0,
        1 => value.abs(),
        _ => value,
    });
    let columns = t.u32(1, cols, (0..cols as u32).rev());
    let groups = cols / group_size;
    let grids = t.f32(groups, 2 * rows);
    let fit = Fit { bits, options: &options };
    t.plan.fit_grid([w, columns, grids], fit, group_size, usize::from(groups > 1)..groups);
    grids
}

fn reference(io: &mut Io) {
    let params: Params = io.params();
    let options = GridOptions {
        group_size: GroupSize::Row,
        sym: params.sym != 0,
        mse: (params.mse > 0.0).then_some(params.mse),
        reference_sym: params.reference_sym != 0,
        f16_scale_grid: params.f16_scale != 0,
    };
    let fit = Fit { bits: params.maxq.count_ones(), options: &options };
    let (w, columns) = (io.f32(0), io.u32(1));
    let (rows, group_size) = (params.rows as usize, params.group_size as usize);
    for g in params.first as usize..(params.first + params.groups) as usize {
        let columns = &columns[g * group_size..][..group_size];
        let values: Vec<f32> = columns.iter().flat_map(|&c| &w[c as usize * rows..][..rows]).copied().collect();
        let grids = fit.fit(&values, rows);
        let pairs = grids.scales.iter().zip(&grids.zeros);
        for (pair, (&scale, &zero)) in io.out_f32()[2 * g * rows..].chunks_exact_mut(2).zip(pairs) {
            pair.copy_from_slice(&[scale, zero]);
        }
    }
}
