//! GPTQ: rounds columns one after another and corrects the columns that follow for the error of each, by the
//! inverse Hessian. Frantar et al. 2022, arXiv 2210.17323.

use std::ops::Range;

use rayon::prelude::*;

use super::GptqOptions;
use super::feedback_kernel::FeedbackInputs;
use super::fit::{CodedTile, Fit, Grids, assemble};
use crate::error::Result;
use crate::formats::QuantizedWeight;
use crate::formats::solver::device::{self, DeviceSolver};
use crate::formats::solver::tile::{ROWS, Tile, feed};
use crate::formats::solver::{Factor, Quantized, Weight, relative_error, relative_error_on};
use crate::plan::{Backend, Element};

/// Quantizes `weight` to codes of `bits` in the order of `factor`. The stored columns have that order unless groups
/// are of the weight's own columns (static, or whole rows).
///
/// # Errors
/// The group size does not suit the weight, or a number is not finite.
pub fn gptq(weight: &Weight<'_>, factor: &Factor<'_>, bits: u32, options: &GptqOptions) -> Result<Quantized> {
    weight.check_with(factor)?;
    let fit = Fit { bits, options: &options.grid };
    let group_size = fit.group_size(weight.name, weight.cols)?;
    let tiles: Vec<_> = (0..weight.rows)
        .into_par_iter()
        .step_by(ROWS)
        .map(|first| solve(Tile::new(weight, first, factor.perm.as_deref()), factor, options, fit, group_size))
        .collect();
    finish(weight, factor, bits, options, &tiles, &mut |packed| Ok(relative_error(weight, packed, factor.hessian)))
}

/// As [`gptq`], with the error feedback on a device.
///
/// # Errors
/// As [`gptq`], and those of the device.
pub fn gptq_on(
    backend: &mut dyn Backend,
    weight: &Weight<'_>,
    factor: &Factor<'_>,
    bits: u32,
    options: &GptqOptions,
) -> Result<Quantized> {
    weight.check_with(factor)?;
    let fit = Fit { bits, options: &options.grid };
    let group_size = fit.group_size(weight.name, weight.cols)?;
    let kept = backend.residents();
    let tiles = solve_on(&mut DeviceSolver::new(backend, weight, factor)?, factor, options, fit, group_size)?;
    backend.keep_residents(kept);
    let measure = &mut |packed: &dyn QuantizedWeight| relative_error_on(backend, weight, packed, factor.hessian);
    finish(weight, factor, bits, options, &tiles, measure)
}

/// Packs what the tiles hold, and measures its error.
fn finish(
    weight: &Weight<'_>,
    factor: &Factor<'_>,
    bits: u32,
    options: &GptqOptions,
    tiles: &[CodedTile],
    measure: &mut dyn FnMut(&dyn QuantizedWeight) -> Result<f64>,
) -> Result<Quantized> {
    let group_size = Fit { bits, options: &options.grid }.group_size(weight.name, weight.cols)?;
    let own = options.static_groups || group_size == weight.cols;
    let (quantized, stored) = if own { (factor.perm.as_deref(), None) } else { (None, factor.perm.clone()) };
    let packed = assemble(weight, bits, group_size, tiles, quantized, stored)?;
    let error = measure(&*packed)?;
    let loss = tiles.iter().map(|tile| tile.loss).sum::<f64>() / 2.0;
    Ok(Quantized { loss, notes: factor.notes(), ..Quantized::new(packed, Some(error)) })
}

/// Quantizes the rows on the device, block after block.
fn solve_on(
    solver: &mut DeviceSolver<'_, '_>,
    factor: &Factor<'_>,
    options: &GptqOptions,
    fit: Fit<'_>,
    group_size: usize,
) -> Result<Vec<CodedTile>> {
    let n = factor.n();
    let whole = group_size == n;
    let fixed = whole || options.static_groups;
    let own = |k: usize| if options.static_groups { factor.own_column(k) } else { k };
    // Columns by groups, and the group of each column.
    let mut columns = vec![0; n];
    (0..n).for_each(|k| columns[own(k)] = k as u32);
    let columns = solver.numbers("columns", &columns)?;
    let groups: Vec<u32> = (0..n).map(|k| (own(k) / group_size) as u32).collect();
    let groups = solver.numbers("groups", &groups)?;
    let mut grids = Vec::new();
    for tile in &solver.tiles {
        grids.push(solver.backend.create("grids", n / group_size, 2 * tile.rows, Element::F32)?);
    }
    if whole {
        solver.run(|plan, t, tile| plan.fit_grid([tile.w, columns, grids[t]], fit, n, 0..1))?;
    }
    solver.clear_dead()?;
    if fixed && !whole {
        let all = 0..n / group_size;
        solver.run(|plan, t, tile| plan.fit_grid([tile.w, columns, grids[t]], fit, group_size, all.clone()))?;
    }
    let block = columns_of_block(options, group_size, fixed);
    for start in (0..n).step_by(block) {
        let end = n.min(start + block);
        let begun = begun(start..end, group_size);
        let triangle = solver.triangle;
        solver.run_block(start, end, |plan, t, tile, _| {
            if !fixed && !begun.is_empty() {
                plan.fit_grid([tile.w, columns, grids[t]], fit, group_size, begun.clone());
            }
            let inputs = FeedbackInputs { triangle, groups, grids: grids[t] };
            plan.feedback_grid(inputs, [tile.w, tile.errors, tile.loss], start, end - start, fit.bits);
        })?;
    }
    let mut coded = Vec::new();
    for (tile, grids) in solver.tiles.clone().iter().zip(grids) {
        let (maxq, grids) = (((1u32 << fit.bits) - 1) as f32, solver.read(grids)?);
        coded.push(CodedTile {
            rows: tile.rows,
            codes: solver.read(tile.w)?,
            grids: grids.chunks_exact(2 * tile.rows).map(|pairs| Grids::of_pairs(maxq, pairs)).collect(),
            loss: solver.read(tile.loss)?.iter().map(|&loss| f64::from(loss)).sum(),
        });
    }
    Ok(coded)
}

/// Returns the columns of a block. Fresh groups begin with one.
fn columns_of_block(options: &GptqOptions, group_size: usize, fixed: bool) -> usize {
    if options.fresh_groups && !fixed { device::block_of(group_size) } else { device::BLOCK }
}

/// Returns the groups that begin in a block, and are fitted to what it begins with.
fn begun(block: Range<usize>, group_size: usize) -> Range<usize> {
    block.start.div_ceil(group_size)..block.end.div_ceil(group_size)
}

fn solve(mut tile: Tile, factor: &Factor<'_>, options: &GptqOptions, fit: Fit<'_>, group_size: usize) -> CodedTile {
    let (n, rows) = (factor.n(), tile.rows);
    let mut coded = CodedTile::new(rows, n);
    let whole = group_size == n;
    // The references fit grids of whole rows before they clear dead columns, and all others after.
    if whole {
        coded.grids.push(fit.fit(&tile.values, rows));
    }
    tile.clear_dead(factor);
    if options.static_groups && !whole {
        let mut place = vec![0; n];
        (0..n).for_each(|k| place[factor.own_column(k)] = k);
        for places in place.chunks_exact(group_size) {
            let columns: Vec<f32> = places.iter().flat_map(|&k| tile.columns(k, k + 1)).copied().collect();
            coded.grids.push(fit.fit(&columns, rows));
        }
    }
    let fixed = whole || options.static_groups;
    let block = columns_of_block(options, group_size, fixed);
    let (mut errors, mut values) = (vec![0.0; block * rows], vec![0.0; rows]);
    for start in (0..n).step_by(block) {
        let end = n.min(start + block);
        if !fixed {
            let columns = begun(start..end, group_size).map(|g| tile.columns(g * group_size, (g + 1) * group_size));
            coded.grids.extend(columns.map(|columns| fit.fit(columns, rows)));
        }
        for c in start..end {
            let (before, error) = errors.split_at_mut((c - start) * rows);
            let (column, error) = (&mut tile.values[c * rows..][..rows], &mut error[..rows]);
            feed(column, before, factor.upper()[start * n + c..].iter().step_by(n));
            let g = if options.static_groups { factor.own_column(c) } else { c } / group_size;
            coded.quantize(g, c, column, &mut values);
            let pivot = factor.pivot(c);
            for ((error, w), value) in error.iter_mut().zip(&*column).zip(&values) {
                *error = (w - value) / pivot;
                coded.loss += f64::from(*error * *error);
            }
        }
        tile.feed_block(&errors[..(end - start) * rows], factor, start..end, end..n);
    }
    coded
}
