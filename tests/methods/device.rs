//! Error feedback on devices, llvmpipe or whatever is here and an emulated adapter, against that on the CPU.

use std::path::Path;

use libtest_mimic::Failed;
use qwgpu::formats::grid::{GptqOptions, GridOptions};
use qwgpu::formats::method::{InputStatistics, Solver};
use qwgpu::formats::solver::{Factor, Hessian, Quantized, Weight};
use qwgpu::formats::spqr::SpqrOptions;
use qwgpu::generate::{Compute, DeviceChoice};

use crate::Test;
use crate::golden::{Layer, code_share};
use crate::options::{gptq_options, grid_options, spqr_options};
use crate::properties::{correlated, noise};

pub static TESTS: &[Test] = &[("gptq", small_gptq), ("spqr", small_spqr), ("emulated", emulated)];

/// Opens a device with WebGPU's limits.
fn device(name: Option<&str>) -> DeviceChoice {
    let device = name.map(str::to_owned);
    DeviceChoice { path: Compute::Portable, device, webgpu_limits: name.is_none(), ..DeviceChoice::default() }
}

/// How far a device may be off the CPU: least share of equal codes, largest relative difference of the errors.
type Bounds = (f64, f64);

const GPTQ: Bounds = (0.999, 1e-3);
/// The statistics of sixteen rows are rounded to f16 and coded: where the last bit decides, all codes of the rows change
/// from there on.
const SPQR: Bounds = (0.98, 1e-2);

/// Holds what a device makes of a weight to what the CPU does.
fn compare(
    what: &str,
    (least, furthest): Bounds,
    choice: &DeviceChoice,
    solver: &dyn Solver,
    bits: u32,
    weight: &Weight<'_>,
    hessian: &Hessian,
) -> Result<(), Failed> {
    let factor = Factor::new(hessian, &solver.factor(weight).ok_or("a method with error feedback")?)?;
    let inputs = InputStatistics { hessian: Some(hessian), factor: Some(&factor) };
    let expected = solver.quantize(bits, weight, inputs)?;
    let mut device = choice.open()?.backend;
    let solve = |device: &mut dyn qwgpu::plan::Backend| solver.quantize_on(device, bits, weight, inputs);
    let found = solve(&mut *device)?;
    assert_eq!(device.residents(), 0, "{what}: tensors left on the device");
    let error = |solved: &Quantized| solved.relative_error.ok_or("no error");
    let (share, off) = (code_share(&expected, &found), error(&found)? / error(&expected)? - 1.0);
    let loss = found.loss / expected.loss - 1.0;
    println!("{what}: codes {share:.5}, error {off:+.1e}, loss {loss:+.1e}, outliers {:.5}", found.outlier_share);
    // Written so that NaN fails.
    if !(share >= least && off.abs() <= furthest && loss.abs() <= furthest) {
        return Err(format!("{what}: codes {share}, error {off:+e}, loss {loss:+e}").into());
    }
    let again = solve(&mut *device)?;
    assert!(found.weight.dequantize() == again.weight.dequantize(), "{what}: another result the second time");
    Ok(())
}

fn small_gptq() -> Result<(), Failed> {
    let plain = |group| gptq_options(group);
    let grid = |options: GridOptions| GptqOptions { grid: options, ..GptqOptions::default() };
    let act_order = GptqOptions { act_order: true, ..plain(Some(96)) };
    for (what, bits, options) in [
        ("groups of 128", 4, plain(Some(128))),
        ("stale groups", 4, plain(Some(32))),
        ("fresh groups", 3, GptqOptions { fresh_groups: true, ..plain(Some(64)) }),
        ("fresh groups beyond a block", 4, GptqOptions { fresh_groups: true, ..plain(Some(192)) }),
        ("an order", 3, act_order.clone()),
        ("static groups in an order", 4, GptqOptions { static_groups: true, ..act_order.clone() }),
        ("whole rows in an order", 4, GptqOptions { act_order: true, ..plain(None) }),
        (
            "symmetric, scales in f16",
            4,
            grid(GridOptions { sym: true, f16_scale_grid: true, ..grid_options(Some(128)) }),
        ),
        ("a search", 2, grid(GridOptions { mse: Some(2.4), ..grid_options(Some(128)) })),
    ] {
        small(what, GPTQ, &device(None), &options, bits, [136, 384])?;
    }
    // At 8 bits more weights lie near the middle of two levels, and each that differs moves others of its row.
    small("8 bits", GPTQ, &device(None), &plain(Some(128)), 8, [70, 128])
}

fn small_spqr() -> Result<(), Failed> {
    for (what, bits, options) in [
        ("outliers", 3, spqr_options(Some(0.2))),
        ("many outliers", 2, spqr_options(Some(0.05))),
        ("simplified outliers", 4, SpqrOptions { simplified_outliers: true, ..spqr_options(Some(0.03)) }),
        ("no outliers, groups of 48", 4, SpqrOptions { group_size: 48, ..spqr_options(None) }),
        ("groups beyond a block", 4, SpqrOptions { group_size: 192, ..spqr_options(None) }),
    ] {
        small(what, SPQR, &device(None), &options, bits, [144, 384])?;
    }
    Ok(())
}

fn emulated() -> Result<(), Failed> {
    small("emulated", SPQR, &device(Some("emulated:32")), &spqr_options(Some(0.2)), 3, [32, 160])?;
    small("emulated", GPTQ, &device(Some("emulated:32")), &gptq_options(Some(64)), 4, [40, 192])
}

/// Compares on a weight of this shape, of which input 5 was never active.
fn small(
    what: &str,
    bounds: Bounds,
    choice: &DeviceChoice,
    solver: &dyn Solver,
    bits: u32,
    [rows, cols]: [usize; 2],
) -> Result<(), Failed> {
    let (values, mut hessian) = (noise(rows * cols, 11), correlated(cols, 5));
    for k in 0..cols {
        hessian.values[5 * cols + k] = 0.0;
        hessian.values[k * cols + 5] = 0.0;
    }
    compare(what, bounds, choice, solver, bits, &Weight { name: "w", values: &values, rows, cols }, &hessian)
}

/// Layer 0's q_proj of a real model.
pub fn golden(folder: &Path) -> Result<(), Failed> {
    let layer = Layer::open(folder);
    let (device, weight) = (device(None), layer.weight());
    compare("q_proj, spqr", (0.998, 1e-3), &device, &spqr_options(Some(0.2)), 3, &weight, &layer.hessian)?;
    compare("q_proj, gptq", GPTQ, &device, &gptq_options(Some(128)), 4, &weight, &layer.hessian)
}
