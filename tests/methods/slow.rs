//! GPTQ and SpQR again, in f64, without blocks, tiles or a Cholesky factor: after each column the
//! inverse of what is left of H is formed anew.

use libtest_mimic::Failed;
use qwgpu::formats::grid::{GptqOptions, gptq};
use qwgpu::formats::solver::{Dead, Factor, FactorOptions, Order, Weight};
use qwgpu::formats::spqr::spqr;

use crate::Test;
use crate::options::{gptq_factor, gptq_options, spqr_factor, spqr_options};
use crate::properties::{correlated, noise};

pub static TESTS: &[Test] = &[("gptq", test_gptq), ("spqr", test_spqr)];

const ROWS: usize = 80;
const N: usize = 160;

type Matrix = Vec<Vec<f64>>;

/// By Gauss and Jordan.
fn inverse(a: &[&[f64]]) -> Matrix {
    let n = a.len();
    let mut rows: Matrix =
        (0..n).map(|i| a[i].iter().copied().chain((0..n).map(|j| f64::from(u8::from(i == j)))).collect()).collect();
    for at in 0..n {
        let pivot = rows[at][at];
        rows[at].iter_mut().for_each(|v| *v /= pivot);
        let row = rows[at].clone();
        for other in (0..n).filter(|&other| other != at) {
            let factor = rows[other][at];
            rows[other].iter_mut().zip(&row).for_each(|(v, r)| *v -= factor * r);
        }
    }
    rows.into_iter().map(|row| row[n..].to_vec()).collect()
}

/// H damped, columns in `order`; and for every column the first row of the inverse of what is left of H.
fn inverses(hessian: &[f32], order: &[usize], percdamp: f64) -> Matrix {
    let mean = (0..N).map(|i| f64::from(hessian[i * N + i])).sum::<f64>() / N as f64;
    let h: Matrix = order
        .iter()
        .map(|&i| {
            let damping = |j: usize| if i == j { percdamp * mean } else { 0.0 };
            order.iter().map(|&j| f64::from(hessian[i * N + j]) + damping(j)).collect()
        })
        .collect();
    (0..N).map(|c| inverse(&h[c..].iter().map(|row| &row[c..]).collect::<Vec<_>>()).swap_remove(0)).collect()
}

fn by_activation(hessian: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..N).collect();
    order.sort_by(|&a, &b| hessian[b * (N + 1)].total_cmp(&hessian[a * (N + 1)]));
    order
}

/// Share of weights that came out the same but for the rounding of stored numbers.
fn alike(found: &[f32], expected: &Matrix, scale: impl Fn(usize, usize) -> f64) -> f64 {
    let same = (0..ROWS * N).filter(|&i| {
        let (row, col) = (i / N, i % N);
        (f64::from(found[i]) - expected[row][col]).abs() < 0.05 * scale(row, col)
    });
    same.count() as f64 / (ROWS * N) as f64
}

/// A weight on the middle between two levels may fall either way, and takes the rest of its row, 1.25 %, along.
fn expect(what: &str, share: f64) -> Result<(), Failed> {
    println!("{what}: {share:.5}");
    if share > 0.985 { Ok(()) } else { Err(format!("{what}: only {share} of the weights are the same").into()) }
}

fn test_gptq() -> Result<(), Failed> {
    let (values, hessian) = (noise(ROWS * N, 5), correlated(N, 6));
    let weight = Weight { name: "w", values: &values, rows: ROWS, cols: N };
    for (bits, group, order, static_groups, sym) in [
        (2, 32, Order::Identity, false, false),
        (4, N, Order::Identity, false, true),
        (3, N, Order::Activation, false, false),
        (3, 32, Order::Activation, false, true),
        (4, 32, Order::Activation, true, false),
    ] {
        let columns = if order == Order::Identity { (0..N).collect() } else { by_activation(&hessian.values) };
        let inverses = inverses(&hessian.values, &columns, 0.01);
        let maxq = f64::from((1 << bits) - 1);
        let mut expected = vec![vec![0.0; N]; ROWS];
        let mut scales = vec![vec![0.0; N]; ROWS];
        for row in 0..ROWS {
            let grid = |w: &[f64]| {
                let (mut low, mut high) = w.iter().fold((0.0f64, 0.0f64), |(l, h), &w| (l.min(w), h.max(w)));
                if sym {
                    high = high.max(-low);
                    low = -high;
                }
                let scale = (high - low) / maxq;
                (scale, if sym { (maxq + 1.0) / 2.0 } else { (-low / scale).round_ties_even() })
            };
            let original: Vec<f64> = (0..N).map(|c| f64::from(values[row * N + c])).collect();
            let mut w: Vec<f64> = columns.iter().map(|&c| original[c]).collect();
            let fixed: Vec<_> = original.chunks(group).map(grid).collect();
            // What the last 128 columns began with.
            let mut stale = w.clone();
            let mut current = (0.0, 0.0);
            for c in 0..N {
                if c % 128 == 0 {
                    stale.clone_from(&w);
                }
                if static_groups || group == N {
                    current = fixed[columns[c] / group];
                } else if c % group == 0 {
                    current = grid(&stale[c..c + group]);
                }
                let (scale, zero) = current;
                let value = scale * (((w[c] / scale).round_ties_even() + zero).clamp(0.0, maxq) - zero);
                let error = (w[c] - value) / inverses[c][0];
                (c..N).for_each(|k| w[k] -= error * inverses[c][k - c]);
                expected[row][columns[c]] = value;
                scales[row][columns[c]] = scale;
            }
        }
        let factor = Factor::new(&hessian, &FactorOptions { order: order.clone(), ..gptq_factor() }).unwrap();
        let mut options = GptqOptions { static_groups, ..gptq_options((group != N).then_some(group)) };
        options.grid.sym = sym;
        let solved = gptq(&weight, &factor, bits, &options).unwrap();
        let what = format!("{bits} bits, groups of {group}, {order:?}, static {static_groups}, sym {sym}");
        expect(&what, alike(&solved.weight.dequantize(), &expected, |row, col| scales[row][col]))?;
    }
    Ok(())
}

/// The grid of SpQR's first level.
fn real_grid(w: &[f64], maxq: f64) -> (f64, f64) {
    let (low, high) = w.iter().fold((f64::MAX, f64::MIN), |(l, h), &w| (l.min(w), h.max(w)));
    let (low, high) = if low == high { (-1.0, 1.0) } else { (low, high) };
    let scale = (high - low) / maxq;
    (scale, -low / scale)
}

fn on_grid(w: f64, (scale, zero): (f64, f64), maxq: f64) -> f64 {
    scale * ((w / scale.max(1e-9) + zero).round_ties_even().clamp(0.0, maxq) - zero)
}

/// Sixteen numbers through the second level, with statistics as f16 holds them.
fn second_level(x: &[f64], bits: u32) -> Vec<f64> {
    let maxq = f64::from((1 << bits) - 1);
    let narrow = |x: f64| half::f16::from_f64(x).to_f64();
    let (low, high) = x.iter().fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
    let scale = narrow((high - low) / maxq);
    let zero = narrow(-low / scale);
    x.iter().map(|&x| on_grid(x, (scale, zero), maxq)).collect()
}

fn test_spqr() -> Result<(), Failed> {
    let (mut values, hessian) = (noise(ROWS * N, 7), correlated(N, 8));
    // A few weights that must be left out, or a group's grid is spent on them.
    (0..40).for_each(|i| values[i * 311 % (ROWS * N)] *= 9.0);
    let weight = Weight { name: "w", values: &values, rows: ROWS, cols: N };
    for (bits, relative, order) in
        [(3, Some(0.2), Order::Activation), (4, None, Order::Identity), (2, Some(0.5), Order::Identity)]
    {
        let columns = if order == Order::Identity { (0..N).collect() } else { by_activation(&hessian.values) };
        let inverses = inverses(&hessian.values, &columns, 1.0);
        // U_cc² is the first element of the inverse of what is left.
        let squares: Vec<f64> = inverses.iter().map(|row| row[0]).collect();
        let maxq = f64::from((1 << bits) - 1);
        let mut w: Matrix =
            (0..ROWS).map(|r| columns.iter().map(|&c| f64::from(values[r * N + c])).collect()).collect();
        let variances = (0..N).map(|c| {
            let mean = w.iter().map(|row| row[c]).sum::<f64>() / ROWS as f64;
            w.iter().map(|row| (row[c] - mean).powi(2)).sum::<f64>() / (ROWS as f64 - 1.0) / squares[c]
        });
        let threshold = relative.map_or(f64::INFINITY, |t| f64::from(t) * variances.sum::<f64>() / N as f64);
        let mut expected = vec![vec![0.0; N]; ROWS];
        let mut steps = vec![vec![0.0; N]; ROWS];
        let (mut grids, mut outliers) = (Vec::new(), 0);
        for c in 0..N {
            if c % 16 == 0 {
                let first_level: Vec<_> = w
                    .iter()
                    .map(|row| {
                        let group = &row[c..c + 16];
                        let error = |left_out: Option<usize>| {
                            let kept: Vec<usize> = (0..16).filter(|&i| left_out != Some(i)).collect();
                            let grid = real_grid(&kept.iter().map(|&i| group[i]).collect::<Vec<_>>(), maxq);
                            let errors = kept
                                .iter()
                                .map(|&i| (on_grid(group[i], grid, maxq) - group[i]).powi(2) / squares[c + i]);
                            errors.sum::<f64>()
                        };
                        let base = error(None);
                        let (out, kept): (Vec<usize>, Vec<usize>) =
                            (0..16).partition(|&i| relative.is_some() && base - error(Some(i)) > threshold);
                        let mean = kept.iter().map(|&i| group[i]).sum::<f64>() / kept.len().max(1) as f64;
                        let mut group = group.to_vec();
                        out.iter().for_each(|&i| group[i] = mean);
                        real_grid(&group, maxq)
                    })
                    .collect();
                grids.clear();
                for rows in first_level.chunks(16) {
                    let scales = second_level(&rows.iter().map(|grid| grid.0).collect::<Vec<_>>(), 3);
                    let zeros = second_level(&rows.iter().map(|grid| grid.1).collect::<Vec<_>>(), 3);
                    grids.extend(scales.into_iter().zip(zeros));
                }
            }
            for (row, w) in w.iter_mut().enumerate() {
                let mut value = on_grid(w[c], grids[row], maxq);
                if (w[c] - value).powi(2) / squares[c] > threshold {
                    (value, outliers) = (w[c], outliers + 1);
                }
                let error = (w[c] - value) / inverses[c][0];
                (c + 1..N).for_each(|k| w[k] -= error * inverses[c][k - c]);
                expected[row][columns[c]] = value;
                steps[row][columns[c]] = grids[row].0;
            }
        }
        let options = FactorOptions { order: order.clone(), dead: Dead::Nothing, ..spqr_factor() };
        let factor = Factor::new(&hessian, &options).unwrap();
        let solved = spqr(&weight, &factor, bits, &spqr_options(relative)).unwrap();
        let what = format!("{bits} bits, threshold {relative:?}, {order:?}, {outliers} outliers");
        assert_eq!(relative.is_some(), outliers > 0, "{what}");
        expect(&what, alike(&solved.weight.dequantize(), &expected, |row, col| steps[row][col]))?;
        let difference = solved.outlier_share * (ROWS * N) as f64 - f64::from(outliers);
        assert!(difference.abs() <= 0.03 * f64::from(outliers), "{what}: {difference} more were found");
    }
    Ok(())
}
