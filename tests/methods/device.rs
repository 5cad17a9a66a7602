//! Error feedback and factors on devices, llvmpipe or whatever is here and an emulated adapter, against those on the CPU.

use std::path::Path;

use libtest_mimic::Failed;
use qwgpu::formats::grid::{GptqOptions, GridOptions};
use qwgpu::formats::method::{InputStatistics, Solver};
use qwgpu::formats::solver::{Factor, FactorOptions, Hessian, Order, Quantized, Weight};
use qwgpu::formats::spqr::SpqrOptions;
use qwgpu::generate::{Compute, DeviceChoice};
use qwgpu::plan::Backend;
use qwgpu::plan::compare::compare as difference;
use qwgpu::plan::cpu::{Cpu, Mode};

use crate::Test;
use crate::golden::{Layer, code_share};
use crate::options::{gptq_factor, gptq_options, grid_options, spqr_factor, spqr_options};
use crate::properties::{correlated, noise};

pub static TESTS: &[Test] = &[
    ("gptq", small_gptq),
    ("spqr", small_spqr),
    ("emulated", emulated),
    ("factor", factors),
    ("factor_falls_back", factor_falls_back),
];

/// Opens a device with WebGPU's limits.
fn device(name: Option<&str>) -> DeviceChoice {
    let device = name.map(str::to_owned);
    DeviceChoice { path: Compute::Portable, device, webgpu_limits: name.is_none(), ..DeviceChoice::default() }
}

/// How far a device may be off the CPU: least share of equal codes, largest relative difference of the errors.
type Bounds = (f64, f64);

const CLOSE: Bounds = (0.999, 1e-3);
/// Another last bit of the factor moves few weights over the middle of two levels, and each moves others of its row, or of
/// the sixteen rows whose statistics are coded together. That is near a hundredth of a small weight.
const ONE_ROW: Bounds = (0.98, 1e-2);

/// Holds what a device makes of a weight to what the CPU does: with the CPU's factor, and with its own.
fn compare(
    what: &str,
    [bounds, bounds_of_own]: [Bounds; 2],
    choice: &DeviceChoice,
    solver: &dyn Solver,
    bits: u32,
    weight: &Weight<'_>,
    hessian: &Hessian,
) -> Result<(), Failed> {
    let options = solver.factor(weight).ok_or("a method with error feedback")?;
    let mut device = choice.open()?.backend;
    let factors = [Factor::new(hessian, &options)?, Factor::new_on(&mut *device, hessian, &options)?];
    let inputs = |factor| InputStatistics { hessian: Some(hessian), factor: Some(factor) };
    let expected = solver.quantize(bits, weight, inputs(&factors[0]))?;
    for ((factor, place), (least, furthest)) in factors.iter().zip(["CPU", "device"]).zip([bounds, bounds_of_own]) {
        let what = format!("{what}, factor of the {place}");
        let found = solver.quantize_on(&mut *device, bits, weight, inputs(factor))?;
        assert_eq!(device.residents(), 0, "{what}: tensors left on the device");
        assert_eq!(found.notes, expected.notes, "{what}");
        let error = |solved: &Quantized| solved.relative_error.ok_or("no error");
        let (share, off) = (code_share(&expected, &found), error(&found)? / error(&expected)? - 1.0);
        let loss = found.loss / expected.loss - 1.0;
        println!("{what}: codes {share:.5}, error {off:+.1e}, loss {loss:+.1e}, outliers {:.5}", found.outlier_share);
        // Written so that NaN fails.
        if !(share >= least && off.abs() <= furthest && loss.abs() <= furthest) {
            return Err(format!("{what}: codes {share}, error {off:+e}, loss {loss:+e}").into());
        }
        let again = solver.quantize_on(&mut *device, bits, weight, inputs(factor))?;
        assert!(found.weight.dequantize() == again.weight.dequantize(), "{what}: another result the second time");
    }
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
        small(what, [CLOSE, ONE_ROW], &device(None), &options, bits, [136, 384])?;
    }
    // At 8 bits more weights lie near the middle of two levels, and each that differs moves others of its row.
    small("8 bits", [CLOSE, ONE_ROW], &device(None), &plain(Some(128)), 8, [70, 128])
}

fn small_spqr() -> Result<(), Failed> {
    for (what, bits, options) in [
        ("outliers", 3, spqr_options(Some(0.2))),
        ("many outliers", 2, spqr_options(Some(0.05))),
        ("simplified outliers", 4, SpqrOptions { simplified_outliers: true, ..spqr_options(Some(0.03)) }),
        ("no outliers, groups of 48", 4, SpqrOptions { group_size: 48, ..spqr_options(None) }),
        ("groups beyond a block", 4, SpqrOptions { group_size: 192, ..spqr_options(None) }),
    ] {
        small(what, [CLOSE, ONE_ROW], &device(None), &options, bits, [144, 384])?;
    }
    Ok(())
}

fn emulated() -> Result<(), Failed> {
    small("emulated", [CLOSE, ONE_ROW], &device(Some("emulated:32")), &spqr_options(Some(0.2)), 3, [32, 160])?;
    small("emulated", [CLOSE, ONE_ROW], &device(Some("emulated:32")), &gptq_options(Some(64)), 4, [40, 192])
}

/// Returns a Hessian of which input 5 was never active.
fn with_a_dead_input(cols: usize) -> Hessian {
    let mut hessian = correlated(cols, 5);
    for k in 0..cols {
        hessian.values[5 * cols + k] = 0.0;
        hessian.values[k * cols + 5] = 0.0;
    }
    hessian
}

/// Holds factors of devices to those of the CPU, as far as rounding U to f32 moves them.
fn factors() -> Result<(), Failed> {
    let unseen = Hessian { values: vec![0.0; 70 * 70], ..correlated(70, 3) };
    for (what, hessian, adapter) in [
        ("blocks", with_a_dead_input(384), None),
        ("a last block that is not full", with_a_dead_input(301), None),
        ("one block", with_a_dead_input(37), None),
        ("no input active", unseen, None),
        ("emulated", with_a_dead_input(101), Some("emulated:32")),
    ] {
        let n = hessian.n as u32;
        for options in [
            gptq_factor(),
            spqr_factor(),
            FactorOptions { order: Order::Given((0..n).rev().collect()), ..gptq_factor() },
        ] {
            let mut device = device(adapter).open()?.backend;
            let expected = Factor::new(&hessian, &options)?;
            let found = Factor::new_on(&mut *device, &hessian, &options)?;
            assert_eq!(device.residents(), 0, "{what}: tensors left on the device");
            assert!(found.fallback.is_none() && found.damping == expected.damping, "{what}: {:?}", found.fallback);
            assert!(found.perm == expected.perm && found.dead == expected.dead && found.unseen == expected.unseen);
            let nmse = difference(expected.upper(), found.upper()).nmse;
            println!("{what}, {:?}: nmse {nmse:.1e}", options.dead);
            if nmse.is_nan() || nmse > 2e-10 {
                return Err(format!("{what}, {options:?}: nmse {nmse:e}").into());
            }
        }
    }
    Ok(())
}

/// The CPU factors an H that a device cannot hold, or that f32 does not do, and a note says why.
fn factor_falls_back() -> Result<(), Failed> {
    // Of one cause, so that without damping f32 and f64 find no second pivot.
    let one_cause = Hessian { values: vec![1.0; 128 * 128], ..correlated(128, 5) };
    let undamped = FactorOptions { percdamp: 1e-12, ..gptq_factor() };
    // A correction that makes errors larger.
    let folder = tempfile::tempdir()?;
    let shader = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/factor_correct.wgsl");
    let wrong = std::fs::read_to_string(shader)?.replace("-= acc[a][b]", "+= 50.0 * acc[a][b]");
    std::fs::write(folder.path().join("factor_correct.wgsl"), wrong)?;
    let wrong = DeviceChoice { shaders: Some(folder.path().to_owned()), ..device(None) };
    let cpu = |most| -> Box<dyn Backend> { Box::new(Cpu::new(Mode::Reference, most)) };
    for (reason, mut device, hessian, options) in [
        (
            "takes 65536 bytes and one binding of the device holds 65535",
            cpu(65_535),
            &correlated(128, 5),
            gptq_factor(),
        ),
        ("in f32 the Hessian is not positive definite", cpu(u64::MAX), &one_cause, undamped),
        ("in f32 the factor is off by", wrong.open()?.backend, &correlated(128, 5), gptq_factor()),
    ] {
        let expected = Factor::new(hessian, &options)?;
        let found = Factor::new_on(&mut *device, hessian, &options)?;
        assert_eq!(device.residents(), 0, "{reason}: tensors left on the device");
        assert!(found.fallback.as_ref().is_some_and(|found| found.contains(reason)), "{reason}: {:?}", found.fallback);
        assert!(found.upper() == expected.upper() && found.damping == expected.damping, "{reason}: another factor");
        let values = noise(16 * 128, 3);
        let weight = Weight { name: "w", values: &values, rows: 16, cols: 128 };
        let inputs = InputStatistics { hessian: Some(hessian), factor: Some(&found) };
        let notes = gptq_options(Some(128)).quantize(4, &weight, inputs)?.notes;
        assert!(notes.iter().any(|note| note.contains("factored on the CPU") && note.contains(reason)), "{notes:?}");
    }
    Ok(())
}

/// Compares on a weight of this shape, of which input 5 was never active.
fn small(
    what: &str,
    bounds: [Bounds; 2],
    choice: &DeviceChoice,
    solver: &dyn Solver,
    bits: u32,
    [rows, cols]: [usize; 2],
) -> Result<(), Failed> {
    let (values, hessian) = (noise(rows * cols, 11), with_a_dead_input(cols));
    compare(what, bounds, choice, solver, bits, &Weight { name: "w", values: &values, rows, cols }, &hessian)
}

/// Layer 0's q_proj of a real model.
pub fn golden(folder: &Path) -> Result<(), Failed> {
    let layer = Layer::open(folder);
    let (device, weight) = (device(None), layer.weight());
    compare("q_proj, spqr", [CLOSE; 2], &device, &spqr_options(Some(0.2)), 3, &weight, &layer.hessian)?;
    compare("q_proj, gptq", [CLOSE; 2], &device, &gptq_options(Some(128)), 4, &weight, &layer.hessian)
}
