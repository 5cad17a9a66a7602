//! What must hold of every quantizer, and inputs that go wrong.

use libtest_mimic::Failed;
use qwgpu::Error;
use qwgpu::formats::QuantizedWeight;
use qwgpu::formats::grid::{GptqOptions, Grid, GridOptions, gptq, rtn};
use qwgpu::formats::int8::{Int8, THRESHOLD, int8};
use qwgpu::formats::solver::{Dead, Factor, FactorOptions, Hessian, Order, Quantized, Weight, spearman};
use qwgpu::formats::spqr::{Spqr, SpqrOptions, outlier_share, spqr};

use crate::Test;
use crate::compare::largest_difference;
use crate::options::{gptq_factor, gptq_options, grid_options, spqr_factor, spqr_options};

pub static TESTS: &[Test] = &[
    ("identity_hessian_rounds_to_nearest", identity_hessian),
    ("factor_inverts", factor_inverts),
    ("gptq_beats_rtn", gptq_beats_rtn),
    ("int8_is_within_half_a_step", int8_rounds),
    ("order_of_whole_rows_is_not_stored", order_of_whole_rows),
    ("fresh_groups", fresh_groups),
    ("search_and_f16_scales_help", search_and_f16_scales),
    ("reference_sym", reference_sym),
    ("spqr_thresholds", spqr_thresholds),
    ("spqr_orders", spqr_orders),
    ("zeros_and_giants", zeros_and_giants),
    ("dead_inputs", dead_inputs),
    ("unseen_inputs", unseen_inputs),
    ("damping_is_raised", damping_is_raised),
    ("bad_input_is_named", bad_input_is_named),
    ("any_number_of_threads", any_number_of_threads),
];

/// Numbers near a normal distribution.
pub fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count).map(|_| 0.05 * (0..6).map(|_| uniform()).sum::<f32>()).collect()
}

/// Of inputs that mix a few causes, with diagonals that spread over two decades.
pub fn correlated(n: usize, seed: u32) -> Hessian {
    let (causes, samples) = (n / 4 + 1, 2 * n);
    let (mix, cause, own) = (noise(n * causes, seed), noise(samples * causes, seed + 1), noise(samples * n, seed + 2));
    let mut values = vec![0.0f32; n * n];
    for sample in 0..samples {
        let cause = &cause[sample * causes..][..causes];
        let x: Vec<f32> = (0..n)
            .map(|i| {
                let shared: f32 = mix[i * causes..][..causes].iter().zip(cause).map(|(m, c)| m * c).sum();
                (1.0 + (i * 7 % 11) as f32) * (100.0 * shared + own[sample * n + i])
            })
            .collect();
        for (row, xi) in values.chunks_exact_mut(n).zip(&x) {
            row.iter_mut().zip(&x).for_each(|(h, xj)| *h += 2.0 / samples as f32 * xi * xj);
        }
    }
    Hessian { name: "test".to_owned(), n, values }
}

fn identity(n: usize) -> Hessian {
    let values = (0..n * n).map(|i| f32::from(u8::from(i % (n + 1) == 0))).collect();
    Hessian { name: "test".to_owned(), n, values }
}

fn weight(values: &[f32], cols: usize) -> Weight<'_> {
    Weight { name: "w", values, rows: values.len() / cols, cols }
}

fn stored<T: QuantizedWeight>(solved: &Quantized) -> &T {
    solved.weight.downcast_ref().expect("a weight of the method's format")
}

/// SpQR's factor with columns as they lie.
fn plain_spqr() -> FactorOptions {
    FactorOptions { order: Order::Identity, ..spqr_factor() }
}

fn identity_hessian() -> Result<(), Failed> {
    let values = noise(100 * 256, 1);
    let w = weight(&values, 256);
    let hessian = identity(256);
    let factor = Factor::new(&hessian, &gptq_factor()).unwrap();
    for (bits, group, sym) in [(8, Some(128), false), (4, Some(32), true), (3, None, false), (2, Some(64), true)] {
        let grid = GridOptions { sym, ..grid_options(group) };
        let nearest = rtn(&w, bits, &grid, Some(&hessian)).unwrap();
        let solved = gptq(&w, &factor, bits, &GptqOptions { grid, ..GptqOptions::default() }).unwrap();
        assert!(stored::<Grid>(&nearest) == stored::<Grid>(&solved), "{bits} bits");
        assert!(nearest.relative_error.unwrap() > 0.0);
        assert_eq!(nearest.relative_error, solved.relative_error);
    }
    Ok(())
}

fn factor_inverts() -> Result<(), Failed> {
    let one = Hessian { name: "test".to_owned(), n: 1, values: vec![4.0] };
    let factor = Factor::new(&one, &FactorOptions { percdamp: 0.0, ..gptq_factor() }).unwrap();
    assert_eq!(factor.upper(), [0.5]);
    // Sizes about the blocks of 256 that the factorization goes by.
    for (n, order) in
        [(96, Order::Activation), (255, Order::Identity), (257, Order::Activation), (700, Order::Identity)]
    {
        let hessian = correlated(n, 3);
        let factor = Factor::new(&hessian, &FactorOptions { order, ..gptq_factor() }).unwrap();
        let upper = factor.upper();
        assert!((0..n).all(|row| upper[row * n..][..row].iter().all(|u| *u == 0.0)), "zero below the diagonal");
        let stored = |k: usize| factor.perm.as_ref().map_or(k, |perm| perm[k] as usize);
        let damping = 0.01 * hessian.diagonal().map(f64::from).sum::<f64>() / n as f64;
        let damped = |i: usize, j: usize| {
            f64::from(hessian.values[stored(i) * n + stored(j)]) + if i == j { damping } else { 0.0 }
        };
        // Columns of U · H · Uᵀ = 1, from the right.
        for b in (0..n).step_by(n / 16 + 1).chain([n - 1]) {
            let column = |i: usize| (b..n).map(|j| damped(i, j) * f64::from(upper[b * n + j])).sum::<f64>();
            let half: Vec<f64> = (0..n).map(column).collect();
            for a in 0..n {
                let found: f64 = (a..n).map(|i| f64::from(upper[a * n + i]) * half[i]).sum();
                assert!((found - f64::from(u8::from(a == b))).abs() < 1e-4, "{n}: ({a}, {b}): {found}");
            }
        }
    }
    Ok(())
}

fn gptq_beats_rtn() -> Result<(), Failed> {
    let values = noise(70 * 256, 2);
    let w = weight(&values, 256);
    let hessian = correlated(256, 4);
    let factor = Factor::new(&hessian, &gptq_factor()).unwrap();
    for bits in [2, 3, 4, 8] {
        let nearest = rtn(&w, bits, &grid_options(Some(64)), Some(&hessian)).unwrap().relative_error.unwrap();
        let solved = gptq(&w, &factor, bits, &gptq_options(Some(64))).unwrap();
        let found = solved.relative_error.unwrap();
        println!("{bits} bits: {nearest:.2e} to {found:.2e}");
        assert!(found < 0.8 * nearest && solved.loss > 0.0, "{bits} bits");
    }
    Ok(())
}

fn int8_rounds() -> Result<(), Failed> {
    let values = noise(16 * 48, 2);
    let (w, hessian) = (weight(&values, 48), correlated(48, 3));
    let solved = int8(&w, THRESHOLD, Some(&hessian)).unwrap();
    let int8: &Int8 = stored(&solved);
    let found = solved.weight.dequantize();
    for (row, scale) in int8.scales.iter().enumerate() {
        let (codes, row) = (&int8.codes[row * 48..][..48], row * 48..row * 48 + 48);
        assert_eq!(codes.iter().map(|code| code.unsigned_abs()).max(), Some(127));
        // Half a step, and the rounding of w to f16.
        assert!(largest_difference(&values[row.clone()], &found[row]) <= scale * (0.5 / 127.0 + 1.0 / 2048.0));
    }
    let energy = |d: &dyn Fn(usize) -> f32| -> f64 {
        let pairs = (0..16 * 48 * 48).map(|at| (at / 48, at / (48 * 48) * 48 + at % 48));
        let h = |i: usize, j: usize| f64::from(hessian.values[i % 48 * 48 + j % 48]);
        pairs.map(|(i, j)| f64::from(d(i)) * h(i, j) * f64::from(d(j))).sum()
    };
    let expected = energy(&|i| found[i] - values[i]) / energy(&|i| values[i]);
    let error = solved.relative_error.unwrap();
    assert!((error / expected - 1.0).abs() < 1e-4, "{error:e}, expected {expected:e}");
    Ok(())
}

fn order_of_whole_rows() -> Result<(), Failed> {
    let values = noise(16 * 128, 3);
    let hessian = correlated(128, 5);
    let factor = Factor::new(&hessian, &FactorOptions { order: Order::Activation, ..gptq_factor() }).unwrap();
    for (group, static_groups, stored) in [(None, false, false), (Some(32), true, false), (Some(32), false, true)] {
        let options = GptqOptions { static_groups, ..gptq_options(group) };
        let solved = gptq(&weight(&values, 128), &factor, 4, &options).unwrap();
        assert_eq!(solved.weight.order().is_some(), stored, "groups {group:?}, static {static_groups}");
        assert!(solved.relative_error.unwrap() < 0.01, "columns are out of order");
    }
    Ok(())
}

fn fresh_groups() -> Result<(), Failed> {
    let values = noise(16 * 384, 4);
    let hessian = correlated(384, 6);
    let factor = Factor::new(&hessian, &gptq_factor()).unwrap();
    for (group, differ) in [(32, true), (96, true), (128, false), (192, true), (384, false)] {
        let solve = |fresh_groups| {
            let options = GptqOptions { fresh_groups, ..gptq_options(Some(group)) };
            gptq(&weight(&values, 384), &factor, 3, &options).unwrap()
        };
        let (stale, fresh) = (solve(false), solve(true));
        assert_eq!(stored::<Grid>(&stale) != stored::<Grid>(&fresh), differ, "groups of {group}");
        assert!(fresh.relative_error.unwrap() < 1.1 * stale.relative_error.unwrap(), "groups of {group}");
    }
    Ok(())
}

fn search_and_f16_scales() -> Result<(), Failed> {
    // So small that f16 holds the scales of 8 bits with few digits.
    let values: Vec<f32> = noise(64 * 128, 5).iter().map(|w| 0.02 * w).collect();
    let w = weight(&values, 128);
    let error = |bits, change: &dyn Fn(&mut GridOptions)| {
        let mut options = grid_options(Some(32));
        change(&mut options);
        rtn(&w, bits, &options, Some(&identity(128))).unwrap().relative_error.unwrap()
    };
    for sym in [false, true] {
        let found = [error(3, &|o| o.sym = sym), error(3, &|o| (o.sym, o.mse) = (sym, Some(2.4)))];
        assert!(found[1] < 0.95 * found[0], "search: {found:?}");
    }
    let found = [error(8, &|_| ()), error(8, &|o| o.f16_scale_grid = true)];
    println!("f16 scales: {found:?}");
    assert!(found[1] < 0.96 * found[0], "f16 scales: {found:?}");
    Ok(())
}

fn reference_sym() -> Result<(), Failed> {
    let values: Vec<f32> = noise(4 * 32, 6).iter().map(|w| w.abs()).collect();
    let error = |reference_sym| {
        let options = GridOptions { sym: true, reference_sym, ..grid_options(None) };
        rtn(&weight(&values, 32), 4, &options, Some(&identity(32))).unwrap().relative_error.unwrap()
    };
    assert!(error(true) > 10.0 * error(false), "the reference cuts off half of a range without negative weights");
    Ok(())
}

fn spqr_thresholds() -> Result<(), Failed> {
    let values = noise(112 * 128, 7);
    let (w, hessian) = (weight(&values, 128), correlated(128, 7));
    let factor = Factor::new(&hessian, &spqr_factor()).unwrap();
    let solve = |threshold| spqr(&w, &factor, 3, &spqr_options(threshold)).unwrap();
    let none = solve(None);
    assert!(stored::<Spqr>(&none).values.is_empty() && none.outlier_share == 0.0);
    // What remains is what f16 loses, of outliers and, as the reference has it, of statistics.
    for reference_f32_stats in [false, true] {
        let options = SpqrOptions { reference_f32_stats, ..spqr_options(Some(0.0)) };
        let all = spqr(&w, &factor, 3, &options).unwrap();
        let worst = largest_difference(&values, &all.weight.dequantize());
        assert!(worst < 3e-4 && all.outlier_share > 0.9, "threshold 0: {worst}, {}", all.outlier_share);
    }
    let mut last = (0.0, none.relative_error.unwrap());
    for threshold in [0.5, 0.2, 0.1] {
        let solved = solve(Some(threshold));
        let found: &Spqr = stored(&solved);
        assert!(found.columns.len() == found.row_start[112] as usize);
        let rows = found.row_start.windows(2).map(|r| &found.columns[r[0] as usize..r[1] as usize]);
        assert!(rows.into_iter().all(|columns| columns.is_sorted_by(|a, b| a < b)), "columns increase");
        let now = (solved.outlier_share, solved.relative_error.unwrap());
        println!("{threshold}: {now:?}");
        assert!(now.0 > last.0 && now.1 < last.1, "{threshold}: {now:?} after {last:?}");
        last = now;
        let options = spqr_options(Some(threshold));
        assert_eq!(outlier_share(&w, &factor, 3, &options, 1).unwrap(), solved.outlier_share);
        assert!(outlier_share(&w, &factor, 3, &options, 2).unwrap() > 0.0);
        let simplified = SpqrOptions { simplified_outliers: true, ..options };
        assert!(spqr(&w, &factor, 3, &simplified).unwrap().relative_error.unwrap() > now.1);
    }
    Ok(())
}

fn spqr_orders() -> Result<(), Failed> {
    // Columns in pairs that rise and fall together, far apart.
    let base = noise(32 * 32, 8);
    let values: Vec<f32> =
        (0..32 * 64).map(|i| base[i / 64 * 32 + i % 32] * if i % 64 < 32 { 1.0 } else { 3.0 }).collect();
    let w = weight(&values, 64);
    let chain = spearman(&w);
    assert!(chain.chunks(2).all(|pair| pair[0] % 32 == pair[1] % 32), "{chain:?}");
    let hessian = correlated(64, 9);
    for order in [Order::Identity, Order::Activation, Order::Given(chain)] {
        let factor = Factor::new(&hessian, &FactorOptions { order, ..spqr_factor() }).unwrap();
        let solved = spqr(&w, &factor, 4, &spqr_options(None)).unwrap();
        assert!(solved.relative_error.unwrap() < 0.01);
        assert_eq!(solved.weight.order(), factor.perm.as_deref());
    }
    let twice = FactorOptions { order: Order::Given(vec![0; 64]), ..spqr_factor() };
    assert!(matches!(Factor::new(&hessian, &twice), Err(Error::Request { .. })));
    Ok(())
}

fn zeros_and_giants() -> Result<(), Failed> {
    let hessian = correlated(128, 10);
    let mut values = noise(48 * 128, 9);
    values[16 * 128..32 * 128].fill(0.0);
    (0..48).for_each(|row| values[row * 128 + 5] = 1e4);
    let zeros = values.iter().enumerate().map(|(i, &w)| if i / 128 == 20 { 0.0 } else { w }).collect::<Vec<_>>();
    let (g, s) = (gptq_factor(), spqr_factor());
    for values in [values, zeros, vec![0.0; 48 * 128]] {
        let w = weight(&values, 128);
        let with_gptq = Factor::new(&hessian, &g).unwrap();
        let with_spqr = Factor::new(&hessian, &s).unwrap();
        let mut all = vec![
            rtn(&w, 4, &grid_options(Some(32)), Some(&hessian)).unwrap(),
            int8(&w, THRESHOLD, Some(&hessian)).unwrap(),
            gptq(&w, &with_gptq, 4, &gptq_options(Some(32))).unwrap(),
        ];
        all.push(spqr(&w, &with_spqr, 3, &spqr_options(Some(0.2))).unwrap());
        // Scales that hardly differ have a zero that f16 cannot hold, which the reference does not see.
        let options = SpqrOptions { reference_f32_stats: true, ..spqr_options(Some(0.2)) };
        match spqr(&w, &with_spqr, 3, &options) {
            Ok(solved) => assert!(solved.weight.dequantize().iter().all(|w| w.is_finite())),
            Err(error) => assert!(matches!(error, Error::NotFinite { .. }), "{error}"),
        }
        for (solver, solved) in all.iter().enumerate() {
            assert!(solved.weight.dequantize().iter().all(|w| w.is_finite()), "solver {solver}");
            assert!(solved.relative_error.unwrap() < 0.1, "solver {solver}: {:?}", solved.relative_error);
        }
    }
    // Sixteen equal statistics, and nearly equal ones, come back as they are.
    for jitter in [0.0, 1e-7] {
        let ramp = |i: usize| 0.01 * ((i % 16) as f32 / 15.0) * (1.0 + jitter * (i / 32 % 16) as f32);
        let values: Vec<f32> = (0..16 * 32).map(ramp).collect();
        let factor = identity(32);
        let factor = Factor::new(&factor, &plain_spqr()).unwrap();
        let error = |reference_f32_stats| {
            let options = SpqrOptions { reference_f32_stats, ..spqr_options(None) };
            spqr(&weight(&values, 32), &factor, 4, &options).unwrap().relative_error.unwrap()
        };
        assert!(error(false) < 1e-6, "jitter {jitter}: {}", error(false));
        assert!(jitter > 0.0 || error(true) > 0.1, "the reference's rule for equal statistics");
    }
    Ok(())
}

fn dead_inputs() -> Result<(), Failed> {
    let mut hessian = correlated(128, 11);
    for i in 0..128 {
        (hessian.values[i * 128 + 9], hessian.values[9 * 128 + i]) = (0.0, 0.0);
    }
    let values = noise(64 * 128, 10);
    let w = weight(&values, 128);
    for dead in [Dead::One, Dead::Nothing] {
        let options = FactorOptions { order: Order::Activation, dead, ..gptq_factor() };
        let factor = Factor::new(&hessian, &options).unwrap();
        assert_eq!(factor.dead.iter().filter(|dead| **dead).count(), 1);
        let solved = gptq(&w, &factor, 4, &gptq_options(Some(32))).unwrap();
        let found = solved.weight.dequantize();
        assert!((0..64).all(|row| found[row * 128 + 9] == 0.0), "the weights of a dead input");
        assert!(solved.relative_error.unwrap() < 0.01 && solved.notes.len() == 1, "{:?}", solved.notes);
        let solved = spqr(&w, &factor, 4, &spqr_options(Some(0.2))).unwrap();
        assert!(solved.relative_error.unwrap() < 0.01);
    }
    Ok(())
}

fn unseen_inputs() -> Result<(), Failed> {
    let hessian = Hessian { values: vec![0.0; 64 * 64], ..identity(64) };
    let values = noise(32 * 64, 11);
    let w = weight(&values, 64);
    let factor = Factor::new(&hessian, &gptq_factor()).unwrap();
    let solved = gptq(&w, &factor, 4, &gptq_options(Some(32))).unwrap();
    let nearest = rtn(&w, 4, &grid_options(Some(32)), None).unwrap();
    assert!(stored::<Grid>(&solved) == stored::<Grid>(&nearest));
    assert_eq!(solved.notes.len(), 1);
    assert_eq!(solved.relative_error, Some(0.0));
    let solved = spqr(&w, &factor, 4, &spqr_options(None)).unwrap();
    let near = solved.weight.dequantize().iter().zip(&values).all(|(found, w)| (found - w).abs() < 0.03);
    assert!(near && solved.notes.len() == 1);
    Ok(())
}

fn damping_is_raised() -> Result<(), Failed> {
    let pair = |other: f32| Hessian { name: "test".to_owned(), n: 2, values: vec![1.0, other, other, 1.0] };
    let options = FactorOptions { percdamp: 0.01, ..gptq_factor() };
    let little = pair(1.025);
    let factor = Factor::new(&little, &options).unwrap();
    assert!((factor.damping.percdamp - 0.03).abs() < 1e-6 && factor.damping.failed == 2, "{:?}", factor.damping);
    let much = pair(50.0);
    let factor = Factor::new(&much, &options).unwrap();
    assert!((10.0..1000.0).contains(&factor.damping.floor), "{:?}", factor.damping);
    assert!(factor.upper().iter().all(|u| u.is_finite()));
    assert!(matches!(Factor::new(&pair(1e30), &options), Err(Error::Request { .. })));
    Ok(())
}

fn bad_input_is_named() -> Result<(), Failed> {
    let good = noise(16 * 64, 12);
    let hessian = correlated(64, 12);
    let factor = Factor::new(&hessian, &plain_spqr()).unwrap();
    for bad in [f32::NAN, f32::INFINITY] {
        let mut values = good.clone();
        values[77] = bad;
        let w = weight(&values, 64);
        let grid = grid_options(None);
        for found in [
            rtn(&w, 4, &grid, None),
            int8(&w, THRESHOLD, None),
            gptq(&w, &factor, 4, &gptq_options(None)),
            spqr(&w, &factor, 4, &spqr_options(None)),
        ] {
            assert!(matches!(found, Err(Error::NotFinite { tensor, .. }) if tensor == "w"));
        }
        let mut values = hessian.values.clone();
        values[100] = bad;
        let hessian = Hessian { values, ..hessian.clone() };
        let found = Factor::new(&hessian, &gptq_factor()).err().unwrap().to_string();
        assert!(found.contains("the Hessian of test"), "{found}");
    }
    assert!(int8(&weight(&[1e5, 0.0], 2), THRESHOLD, None).is_err(), "above the range of f16");
    let w = weight(&good, 64);
    for (bits, group) in [(5, None), (4, Some(48)), (4, Some(16)), (4, Some(0))] {
        assert!(matches!(rtn(&w, bits, &grid_options(group), None), Err(Error::Request { .. })), "{bits}, {group:?}");
    }
    assert!(rtn(&weight(&good[..1], 1), 4, &grid_options(None), None).is_err(), "codes that fill no word");
    let usual = spqr_options(None);
    for (bits, options) in [
        (5, usual.clone()),
        (4, SpqrOptions { group_size: 24, ..usual.clone() }),
        (4, SpqrOptions { group_size: 0, ..usual.clone() }),
        (4, SpqrOptions { scale_bits: 9, ..usual.clone() }),
        (4, SpqrOptions { zero_bits: 1, ..usual }),
    ] {
        assert!(matches!(spqr(&w, &factor, bits, &options), Err(Error::Request { .. })), "{bits}, {options:?}");
    }
    assert!(spqr(&weight(&good[..15 * 64], 64), &factor, 4, &spqr_options(None)).is_err(), "15 rows");
    Ok(())
}

fn any_number_of_threads() -> Result<(), Failed> {
    let values = noise(208 * 640, 13);
    let (w, hessian) = (weight(&values, 640), correlated(640, 14));
    let solve = || {
        let factor = Factor::new(&hessian, &gptq_factor()).unwrap();
        let gptq = gptq(&w, &factor, 3, &gptq_options(Some(64))).unwrap();
        let spqr = spqr(&w, &factor, 3, &spqr_options(Some(0.2))).unwrap();
        let int8 = int8(&w, THRESHOLD, Some(&hessian)).unwrap();
        [gptq, spqr, int8].map(|solved| (format!("{:?}", solved.weight), solved.loss, solved.relative_error))
    };
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(solve);
    let one = on(1);
    assert!(one[0].1 > 0.0 && one[1].1 > 0.0);
    assert!([2, 3, 8].into_iter().all(|threads| on(threads) == one), "results differ by the number of threads");
    Ok(())
}
