//! Options that several tests share.

use qwgpu::formats::grid::{GptqOptions, GridOptions, GroupSize};
use qwgpu::formats::method::Solver;
use qwgpu::formats::solver::{FactorOptions, Weight};
use qwgpu::formats::spqr::SpqrOptions;

/// Returns options with groups of this many columns, or of whole rows.
pub fn grid_options(group_size: Option<usize>) -> GridOptions {
    GridOptions { group_size: group_size.map_or(GroupSize::Row, GroupSize::Columns), ..GridOptions::default() }
}

pub fn gptq_options(group_size: Option<usize>) -> GptqOptions {
    GptqOptions { grid: grid_options(group_size), ..GptqOptions::default() }
}

/// Returns options with outliers above a threshold, or without outliers.
pub fn spqr_options(threshold: Option<f32>) -> SpqrOptions {
    match threshold {
        Some(outlier_threshold) => SpqrOptions { outlier_threshold, ..SpqrOptions::default() },
        None => SpqrOptions { no_outliers: true, ..SpqrOptions::default() },
    }
}

pub fn gptq_factor() -> FactorOptions {
    factor(&GptqOptions::default())
}

pub fn spqr_factor() -> FactorOptions {
    factor(&SpqrOptions::default())
}

/// Only an order by rank correlations depends on the weight.
fn factor(options: &dyn Solver) -> FactorOptions {
    let weight = Weight { name: "w", values: &[0.0], rows: 1, cols: 1 };
    options.factor(&weight).expect("a method with error feedback")
}
