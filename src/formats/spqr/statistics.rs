//! SpQR's two levels of statistics, and the outliers that are left out of their fit.

use half::f16;

use super::SpqrOptions;
use crate::formats::solver::tile::round;

/// Rows whose statistics are quantized together.
pub(super) const TOGETHER: usize = 16;

/// The real-valued grid of each row: w is near s · (code - z).
#[derive(Default)]
pub(super) struct RealGrids {
    pub(super) scales: Vec<f32>,
    pub(super) zeros: Vec<f32>,
}

impl RealGrids {
    /// Returns the grids of ranges, which need not contain zero.
    fn new(low: &[f32], high: &[f32], maxq: f32) -> RealGrids {
        let grids = low.iter().zip(high).map(|(&low, &high)| {
            let (low, high) = if low == high { (-1.0, 1.0) } else { (low, high) };
            let scale = (high - low) / maxq;
            (scale, -low / scale)
        });
        let (scales, zeros) = grids.unzip();
        RealGrids { scales, zeros }
    }
}

/// Statistics of one group of columns, as stored and as the codes are chosen against.
#[derive(Default)]
pub(super) struct Statistics {
    pub(super) scale_codes: Vec<u8>,
    pub(super) zero_codes: Vec<u8>,
    /// S_s, S_z, Z_s, Z_z of sixteen rows each.
    pub(super) stats: Vec<[f16; 4]>,
    /// Statistics that codes are chosen with.
    pub(super) used: RealGrids,
    /// Statistics as the stored form decodes them: the same, except with `reference_f32_stats`.
    pub(super) stored: RealGrids,
}

impl Statistics {
    /// Returns what a device stores and reads: used scale, used zero, their codes, and the four statistics of each row.
    pub(super) fn of_device(rows: &[f32]) -> Statistics {
        let column = |i: usize| rows.chunks_exact(8).map(move |row| row[i]);
        let used = || RealGrids { scales: column(0).collect(), zeros: column(1).collect() };
        Statistics {
            scale_codes: column(2).map(|code| code as u8).collect(),
            zero_codes: column(3).map(|code| code as u8).collect(),
            stats: rows.chunks_exact(8 * TOGETHER).map(|rows| [4, 5, 6, 7].map(|i| f16::from_f32(rows[i]))).collect(),
            used: used(),
            stored: used(),
        }
    }
}

/// Fits the grids of `rows` rows to columns \[g\]\[rows\] of a group, with pivots U_cc, and outliers left out
/// where the error without them is smaller by more than `threshold`.
pub(super) fn fit(
    columns: &[f32],
    rows: usize,
    pivots: &[f32],
    threshold: f32,
    maxq: f32,
    options: &SpqrOptions,
) -> Statistics {
    let mut kept;
    let mut columns = columns;
    if threshold < f32::INFINITY && !options.simplified_outliers {
        kept = columns.to_vec();
        leave_out(&mut kept, rows, pivots, threshold, maxq);
        columns = &kept;
    }
    let ranges = Ranges::new(columns, rows);
    let exact = RealGrids::new(&ranges.low[0], &ranges.high[0], maxq);
    let mut found = Statistics::default();
    for (scales, zeros) in exact.scales.chunks_exact(TOGETHER).zip(exact.zeros.chunks_exact(TOGETHER)) {
        let scale = Second::fit(scales, options.scale_bits, options.reference_f32_stats);
        let zero = Second::fit(zeros, options.zero_bits, options.reference_f32_stats);
        found.stats.push([scale.s, scale.z, zero.s, zero.z].map(f16::from_f32));
        for (values, second, codes, used, stored) in [
            (scales, &scale, &mut found.scale_codes, &mut found.used.scales, &mut found.stored.scales),
            (zeros, &zero, &mut found.zero_codes, &mut found.used.zeros, &mut found.stored.zeros),
        ] {
            for &value in values {
                let code = second.code(value);
                codes.push(code as u8);
                used.push(second.s * (code - second.z));
                stored.push(f16::from_f32(second.s).to_f32() * (code - f16::from_f32(second.z).to_f32()));
            }
        }
    }
    found
}

/// The second level: x is near s · (code - z) for sixteen x.
struct Second {
    s: f32,
    z: f32,
    maxq: f32,
}

impl Second {
    fn fit(values: &[f32], bits: u32, reference: bool) -> Second {
        let maxq = ((1u32 << bits) - 1) as f32;
        let low = values.iter().fold(f32::INFINITY, |a, &x| a.min(x));
        let high = values.iter().fold(f32::NEG_INFINITY, |a, &x| a.max(x));
        if reference {
            let RealGrids { scales, zeros } = RealGrids::new(&[low], &[high], maxq);
            return Second { s: scales[0], z: zeros[0], maxq };
        }
        let narrow = |x: f32| f16::from_f32(x.clamp(-65504.0, 65504.0)).to_f32();
        let s = narrow((high - low) / maxq);
        let z = f16::from_f32(-low / s);
        // Values so near each other that f16 cannot hold the zero, or equal ones, become one value:
        // the reference's rule for the latter, a range of -1 to 1, makes 0.143 of 0.01.
        if s == 0.0 || !z.is_finite() {
            return Second { s: narrow(low + (high - low) / 2.0), z: 0.0, maxq: 0.0 };
        }
        Second { s, z: z.to_f32(), maxq }
    }

    fn code(&self, x: f32) -> f32 {
        if self.maxq == 0.0 {
            return 1.0;
        }
        code(x, self.s, self.z, self.maxq)
    }
}

/// Returns the code of w on a grid with a real zero. Clamped first, which is the same, so that `round` may be used.
pub(super) fn code(w: f32, scale: f32, zero: f32, maxq: f32) -> f32 {
    round((w / scale.max(1e-9) + zero).max(0.0).min(maxq))
}

/// Smallest two and largest two values of each row: enough to know the range without any one weight.
struct Ranges {
    low: [Vec<f32>; 2],
    high: [Vec<f32>; 2],
}

impl Ranges {
    fn new(columns: &[f32], rows: usize) -> Ranges {
        let mut low = [(); 2].map(|()| vec![f32::INFINITY; rows]);
        let mut high = [(); 2].map(|()| vec![f32::NEG_INFINITY; rows]);
        for column in columns.chunks_exact(rows) {
            for (r, &w) in column.iter().enumerate() {
                low[1][r] = low[1][r].min(low[0][r].max(w));
                low[0][r] = low[0][r].min(w);
                high[1][r] = high[1][r].max(high[0][r].min(w));
                high[0][r] = high[0][r].max(w);
            }
        }
        Ranges { low, high }
    }

    /// Returns the ranges without these values, one of each row.
    fn without(&self, column: &[f32]) -> [Vec<f32>; 2] {
        [&self.low, &self.high].map(|[first, second]| {
            let both = first.iter().zip(second).zip(column);
            both.map(|((&first, &second), &w)| if w == first { second } else { first }).collect()
        })
    }
}

/// Replaces weights whose absence from the grid lowers the error of the others by more than
/// `threshold` with the mean of the row's other weights in the group.
fn leave_out(columns: &mut [f32], rows: usize, pivots: &[f32], threshold: f32, maxq: f32) {
    let ranges = Ranges::new(columns, rows);
    let base = errors(columns, rows, pivots, &RealGrids::new(&ranges.low[0], &ranges.high[0], maxq), maxq, None);
    let mut out = vec![false; columns.len()];
    for (i, out) in out.chunks_exact_mut(rows).enumerate() {
        let [low, high] = ranges.without(&columns[i * rows..][..rows]);
        let without = errors(columns, rows, pivots, &RealGrids::new(&low, &high, maxq), maxq, Some(i));
        let gains = base.iter().zip(&without).map(|(base, without)| base - without);
        out.iter_mut().zip(gains).for_each(|(out, gain)| *out = gain > threshold);
    }
    let (mut sums, mut counts) = (vec![0.0f32; rows], vec![0.0f32; rows]);
    for (column, out) in columns.chunks_exact(rows).zip(out.chunks_exact(rows)) {
        for r in (0..rows).filter(|&r| !out[r]) {
            sums[r] += column[r];
            counts[r] += 1.0;
        }
    }
    for (column, out) in columns.chunks_exact_mut(rows).zip(out.chunks_exact(rows)) {
        for r in (0..rows).filter(|&r| out[r]) {
            column[r] = sums[r] / counts[r].max(1.0);
        }
    }
}

/// Returns Σ ((ŵ - w) / U_cc)² of each row, without column `left_out`.
fn errors(
    columns: &[f32],
    rows: usize,
    pivots: &[f32],
    grids: &RealGrids,
    maxq: f32,
    left_out: Option<usize>,
) -> Vec<f32> {
    let mut sums = vec![0.0f32; rows];
    for (c, (column, pivot)) in columns.chunks_exact(rows).zip(pivots).enumerate() {
        if left_out == Some(c) {
            continue;
        }
        let grids = grids.scales.iter().zip(&grids.zeros);
        for ((sum, w), (&scale, &zero)) in sums.iter_mut().zip(column).zip(grids) {
            let error = (scale * (code(*w, scale, zero, maxq) - zero) - w) / pivot;
            *sum += error * error;
        }
    }
    sums
}
