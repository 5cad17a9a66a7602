//! SpQR: error feedback as in GPTQ, in groups so small that their scales and zeros are quantized
//! too, with the weights that cost most stored apart. Dettmers et al. 2023, arXiv 2306.03078.

use half::f16;
use rayon::prelude::*;

use super::feedback_kernel::outlier;
use super::fit_kernel::Group;
use super::statistics::{self, RealGrids, Statistics, TOGETHER, code};
use super::{Spqr, SpqrOptions};
use crate::error::{Error, Result};
use crate::formats::codes::pack;
use crate::formats::solver::device::{BLOCK, DeviceSolver};
use crate::formats::solver::tile::{ROWS, Tile, block, feed, put_codes};
use crate::formats::solver::{Factor, Quantized, Weight, relative_error, relative_error_on};
use crate::plan::{Backend, Element};

/// Checks that the options suit a weight of this shape.
pub(super) fn check(name: &str, rows: usize, cols: usize, bits: u32, options: &SpqrOptions) -> Result<()> {
    let wrong = |expected: &str, found: String| {
        Err(Error::request(name, expected, found, "choose another setting or leave this weight as it is"))
    };
    if ![2, 3, 4, 8].contains(&bits) {
        return wrong("2, 3, 4 or 8 bits", bits.to_string());
    }
    if !(2..=8).contains(&options.scale_bits) || !(2..=8).contains(&options.zero_bits) {
        return wrong("statistics of 2 to 8 bits", format!("{} and {}", options.scale_bits, options.zero_bits));
    }
    let words = (cols * bits as usize).is_multiple_of(32);
    if !rows.is_multiple_of(TOGETHER) || !words || cols > 1 << 16 {
        let expected = "rows a multiple of 16, at most 65536 columns, codes of a row that fill words";
        return wrong(expected, format!("{rows} x {cols}"));
    }
    if options.group_size == 0 || !options.group_size.is_multiple_of(16) || !cols.is_multiple_of(options.group_size) {
        return wrong("groups of a multiple of 16 that divides the columns", options.group_size.to_string());
    }
    Ok(())
}

/// Quantizes `weight` to codes of `bits` in the order of `factor`, in which columns are then stored.
///
/// # Errors
/// The options do not suit the weight, or a number is not finite.
pub fn spqr(weight: &Weight<'_>, factor: &Factor<'_>, bits: u32, options: &SpqrOptions) -> Result<Quantized> {
    weight.check_with(factor)?;
    check(weight.name, weight.rows, weight.cols, bits, options)?;
    let tiles = solve_tiles(weight, factor, bits, options, 1);
    finish(weight, factor, bits, options, &tiles, &mut |packed| Ok(relative_error(weight, packed, factor.hessian)))
}

/// As [`spqr`], with the error feedback on a device. Groups beyond a block of columns and the reference's statistics are
/// for the CPU.
///
/// # Errors
/// As [`spqr`], and those of the device.
pub fn spqr_on(
    backend: &mut dyn Backend,
    weight: &Weight<'_>,
    factor: &Factor<'_>,
    bits: u32,
    options: &SpqrOptions,
) -> Result<Quantized> {
    if options.group_size > BLOCK || options.reference_f32_stats {
        return spqr(weight, factor, bits, options);
    }
    weight.check_with(factor)?;
    check(weight.name, weight.rows, weight.cols, bits, options)?;
    let kept = backend.residents();
    let threshold = threshold(weight, factor, options).min(f32::MAX);
    let tiles = solve_on(&mut DeviceSolver::new(backend, weight, factor)?, factor, bits, options, threshold)?;
    backend.keep_residents(kept);
    finish(weight, factor, bits, options, &tiles, &mut |packed| {
        relative_error_on(backend, weight, packed, factor.hessian)
    })
}

/// Packs what the tiles hold, and measures its error.
fn finish(
    weight: &Weight<'_>,
    factor: &Factor<'_>,
    bits: u32,
    options: &SpqrOptions,
    tiles: &[QuantizedTile],
    measure: &mut dyn FnMut(&Spqr) -> Result<f64>,
) -> Result<Quantized> {
    let packed = assemble(weight, factor, bits, options, tiles);
    if !packed.stats.iter().flatten().all(|statistic| statistic.is_finite()) {
        let (step, tensor) = ("storing it in f16".to_owned(), format!("a statistic of {}", weight.name));
        return Err(Error::NotFinite { step, tensor });
    }
    let error = measure(&packed)?;
    let loss = tiles.iter().map(|tile| tile.loss).sum::<f64>() / 2.0;
    let (outlier_share, notes) = (share(tiles, weight.cols), factor.notes());
    Ok(Quantized { loss, outlier_share, notes, ..Quantized::new(Box::new(packed), Some(error)) })
}

/// Returns the share of outliers that these options give, from every `every`th tile of 64 rows. A search for the
/// threshold calls it.
pub fn outlier_share(
    weight: &Weight<'_>,
    factor: &Factor<'_>,
    bits: u32,
    options: &SpqrOptions,
    every: usize,
) -> Result<f64> {
    weight.check_with(factor)?;
    check(weight.name, weight.rows, weight.cols, bits, options)?;
    Ok(share(&solve_tiles(weight, factor, bits, options, every), weight.cols))
}

fn share(tiles: &[QuantizedTile], cols: usize) -> f64 {
    let (found, all) = tiles.iter().fold((0, 0), |(found, all), tile| (found + tile.outliers.len(), all + tile.rows));
    found as f64 / (all * cols).max(1) as f64
}

struct QuantizedTile {
    rows: usize,
    /// \[cols\]\[rows\]
    codes: Vec<f32>,
    /// A group each.
    statistics: Vec<Statistics>,
    /// Rows, columns and values, in the order of columns.
    outliers: Vec<(usize, u16, f16)>,
    loss: f64,
}

fn solve_tiles(
    weight: &Weight<'_>,
    factor: &Factor<'_>,
    bits: u32,
    options: &SpqrOptions,
    every: usize,
) -> Vec<QuantizedTile> {
    let threshold = threshold(weight, factor, options);
    let tiles = (0..weight.rows).into_par_iter().step_by(ROWS * every);
    tiles
        .map(|first| solve(Tile::new(weight, first, factor.perm.as_deref()), factor, bits, options, threshold))
        .collect()
}

/// Returns the squared error above which a weight is an outlier.
fn threshold(weight: &Weight<'_>, factor: &Factor<'_>, options: &SpqrOptions) -> f32 {
    options.threshold().map_or(f32::INFINITY, |relative| relative * typical(weight, factor))
}

/// Quantizes the rows on the device: within a block group after group, each fitted to what those before it left.
fn solve_on(
    solver: &mut DeviceSolver<'_, '_>,
    factor: &Factor<'_>,
    bits: u32,
    options: &SpqrOptions,
    threshold: f32,
) -> Result<Vec<QuantizedTile>> {
    let (n, size, triangle) = (factor.n(), options.group_size, solver.triangle);
    let mut statistics = Vec::new();
    for tile in &solver.tiles {
        statistics.push(solver.backend.create("statistics", n / size, 8 * tile.rows, Element::F32)?);
    }
    solver.clear_dead()?;
    let block = block(size);
    for start in (0..n).step_by(block) {
        let len = block.min(n - start);
        solver.run_block(start, start + len, |plan, t, tile, upper| {
            for first in (0..len).step_by(size) {
                let group = Group { start, first, size, number: (start + first) / size };
                plan.fit_spqr([triangle, tile.w, statistics[t]], group, bits, threshold, options);
                let written = [tile.w, tile.errors, tile.loss];
                plan.feedback_spqr([triangle, statistics[t]], written, group, bits, threshold);
                let end = first + size;
                if end < len {
                    plan.feed_block([upper, tile.errors, tile.w], start, first..end, end..len);
                }
            }
        })?;
    }
    let mut tiles = Vec::new();
    for (tile, statistics) in solver.tiles.clone().iter().zip(statistics) {
        let statistics = solver.read(statistics)?;
        let statistics: Vec<_> = statistics.chunks_exact(8 * tile.rows).map(Statistics::of_device).collect();
        let (mut codes, mut outliers) = (solver.read(tile.w)?, Vec::new());
        for (at, number) in codes.iter_mut().enumerate() {
            let (r, c) = (at % tile.rows, at / tile.rows);
            if let Some(value) = outlier(*number) {
                let RealGrids { scales, zeros } = &statistics[c / size].used;
                *number = code(0.0, scales[r], zeros[r], ((1u32 << bits) - 1) as f32);
                outliers.push((r, c as u16, value));
            }
        }
        let loss = solver.read(tile.loss)?.iter().map(|&loss| f64::from(loss)).sum();
        tiles.push(QuantizedTile { rows: tile.rows, codes, statistics, outliers, loss });
    }
    Ok(tiles)
}

/// Returns the mean over columns of variance / U_cc²: the squared error of a column set to its mean.
fn typical(weight: &Weight<'_>, factor: &Factor<'_>) -> f32 {
    let (rows, cols) = (weight.rows as f64, weight.cols);
    let mut means = vec![0.0f64; cols];
    let mut squares = vec![0.0f64; cols];
    for row in weight.values.chunks_exact(cols) {
        means.iter_mut().zip(row).for_each(|(mean, &w)| *mean += f64::from(w) / rows);
    }
    for row in weight.values.chunks_exact(cols) {
        for ((square, mean), &w) in squares.iter_mut().zip(&means).zip(row) {
            *square += (f64::from(w) - mean).powi(2);
        }
    }
    let alive = (0..cols).filter(|&k| !factor.dead[k]);
    let sum: f64 = alive.map(|k| squares[factor.own_column(k)] / f64::from(factor.pivot(k)).powi(2)).sum();
    (sum / (rows - 1.0) / cols as f64) as f32
}

fn solve(mut tile: Tile, factor: &Factor<'_>, bits: u32, options: &SpqrOptions, threshold: f32) -> QuantizedTile {
    let (n, rows, maxq) = (factor.n(), tile.rows, ((1u32 << bits) - 1) as f32);
    tile.clear_dead(factor);
    let pivots: Vec<f32> = (0..n).map(|c| factor.pivot(c)).collect();
    let mut codes = vec![0.0; n * rows];
    let (mut groups, mut outliers, mut loss) = (Vec::new(), Vec::new(), 0.0);
    let size = options.group_size;
    let block = block(size);
    let mut errors = vec![0.0; block * rows];
    for start in (0..n).step_by(block) {
        let end = n.min(start + block);
        for group in (start..end).step_by(size).map(|first| first..first + size) {
            let own = (group.start - start) * rows..(group.end - start) * rows;
            let columns = tile.columns(group.start, group.end);
            let fitted = statistics::fit(columns, rows, &pivots[group.clone()], threshold, maxq, options);
            for c in group.clone() {
                let (before, error) = errors[own.clone()].split_at_mut((c - group.start) * rows);
                let (column, error) = (&mut tile.values[c * rows..][..rows], &mut error[..rows]);
                feed(column, before, factor.upper()[group.start * n + c..].iter().step_by(n));
                let codes = &mut codes[c * rows..][..rows];
                let grids = fitted.used.scales.iter().zip(&fitted.used.zeros);
                for (((w, found), error), (&scale, &zero)) in column.iter().zip(&mut *codes).zip(&mut *error).zip(grids)
                {
                    *found = code(*w, scale, zero, maxq);
                    *error = (w - scale * (*found - zero)) / pivots[c];
                }
                // No square is above infinity: without a threshold there are no outliers.
                for r in 0..rows {
                    if error[r] * error[r] <= threshold {
                        continue;
                    }
                    codes[r] = code(0.0, fitted.used.scales[r], fitted.used.zeros[r], maxq);
                    // What is stored is added to what the device decodes.
                    let dense = fitted.stored.scales[r] * (codes[r] - fitted.stored.zeros[r]);
                    let value = f16::from_f32((column[r] - dense).clamp(-65504.0, 65504.0));
                    outliers.push((r, c as u16, value));
                    let left = if options.reference_f32_stats { 0.0 } else { column[r] - (dense + value.to_f32()) };
                    error[r] = left / pivots[c];
                }
                loss += error.iter().map(|e| f64::from(e * e)).sum::<f64>();
            }
            groups.push(fitted);
            tile.feed_block(&errors[own], factor, group.clone(), group.end..end);
        }
        tile.feed_block(&errors[..(end - start) * rows], factor, start..end, end..n);
    }
    QuantizedTile { rows, codes, statistics: groups, outliers, loss }
}

fn assemble(
    weight: &Weight<'_>,
    factor: &Factor<'_>,
    bits: u32,
    options: &SpqrOptions,
    tiles: &[QuantizedTile],
) -> Spqr {
    let Weight { rows, cols, .. } = *weight;
    let groups = cols / options.group_size;
    let mut codes = vec![0u8; rows * cols];
    let (mut scale_codes, mut zero_codes) = (vec![0; groups * rows], vec![0; groups * rows]);
    let mut stats = vec![[f16::ZERO; 4]; groups * rows / TOGETHER];
    let (mut row_start, mut columns, mut values) = (vec![0u32], Vec::new(), Vec::new());
    let (mut first, mut rest) = (0, &mut codes[..]);
    for tile in tiles {
        let codes;
        (codes, rest) = rest.split_at_mut(tile.rows * cols);
        put_codes(codes, &tile.codes, tile.rows, cols, None);
        for (g, group) in tile.statistics.iter().enumerate() {
            let at = g * rows + first;
            scale_codes[at..at + tile.rows].copy_from_slice(&group.scale_codes);
            zero_codes[at..at + tile.rows].copy_from_slice(&group.zero_codes);
            stats[at / TOGETHER..][..group.stats.len()].copy_from_slice(&group.stats);
        }
        let mut of_row = vec![Vec::new(); tile.rows];
        tile.outliers.iter().for_each(|&(r, column, value)| of_row[r].push((column, value)));
        for outliers in of_row {
            columns.extend(outliers.iter().map(|outlier| outlier.0));
            values.extend(outliers.iter().map(|outlier| outlier.1));
            row_start.push(columns.len() as u32);
        }
        first += tile.rows;
    }
    Spqr {
        rows,
        cols,
        bits,
        group_size: options.group_size,
        scale_bits: options.scale_bits,
        zero_bits: options.zero_bits,
        codes: pack(&codes, cols, bits),
        scale_codes,
        zero_codes,
        stats,
        row_start,
        columns,
        values,
        order: factor.perm.clone(),
    }
}
