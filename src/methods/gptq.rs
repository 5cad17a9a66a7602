//! GPTQ: columns are rounded one after another, and what a column loses is made up for by those
//! that follow, as the inverse Hessian has it. Frantar et al. 2022, arXiv 2210.17323.

use rayon::prelude::*;

use super::grid::{CodedTile, GridOptions, assemble};
use super::hessian::{Dead, Factor, FactorOptions, Order};
use super::tile::{ROWS, Tile, block, feed};
use super::{Solved, Weight};
use crate::error::Result;

#[derive(Clone, Debug)]
pub struct GptqOptions {
    pub grid: GridOptions,
    /// Grids of groups of the weight's own columns, fitted before any correction: with an order by
    /// activation, inference needs no gather.
    pub static_groups: bool,
    /// Fit groups of less than 128 columns to the weights as corrected so far. The references fit
    /// them to what the last 128 columns began with; at 2 bits that is better.
    pub fresh_groups: bool,
}

impl GptqOptions {
    pub fn new(grid: GridOptions) -> GptqOptions {
        GptqOptions { grid, static_groups: false, fresh_groups: false }
    }
}

impl FactorOptions {
    /// As the reference of GPTQ has it, with the retries of GPTQModel.
    pub fn gptq() -> FactorOptions {
        FactorOptions { order: Order::Identity, dead: Dead::One, percdamp: 0.01, damp_auto_increment: 0.01 }
    }
}

/// Quantizes in the order of `factor`, which is that of the stored columns unless groups are of the
/// weight's own columns (static, or whole rows).
pub fn gptq(weight: &Weight<'_>, factor: &Factor<'_>, options: &GptqOptions) -> Result<Solved> {
    weight.check_with(factor)?;
    let group = options.grid.group_in(weight)?;
    let tiles: Vec<_> = (0..weight.rows)
        .into_par_iter()
        .step_by(ROWS)
        .map(|first| solve(Tile::new(weight, first, factor.perm.as_deref()), factor, options, group))
        .collect();
    let own = options.static_groups || group == weight.cols;
    let (quantized, stored) = if own { (factor.perm.as_deref(), None) } else { (None, factor.perm.clone()) };
    let packed = assemble(weight, &options.grid, group, &tiles, quantized, stored)?;
    let mut solved = Solved::new(weight, packed, Some(factor.hessian));
    solved.loss = tiles.iter().map(|tile| tile.loss).sum::<f64>() / 2.0;
    solved.notes = factor.notes();
    Ok(solved)
}

fn solve(mut tile: Tile, factor: &Factor<'_>, options: &GptqOptions, group: usize) -> CodedTile {
    let (n, rows) = (factor.n(), tile.rows);
    let mut coded = CodedTile::new(rows, n);
    let whole = group == n;
    // The references fit grids of whole rows before they clear dead columns, and all others after.
    if whole {
        coded.grids.push(options.grid.fit(&tile.values, rows));
    }
    tile.clear_dead(factor);
    let own_column = |k: usize| factor.perm.as_ref().map_or(k, |perm| perm[k] as usize);
    if options.static_groups && !whole {
        let mut place = vec![0; n];
        (0..n).for_each(|k| place[own_column(k)] = k);
        for places in place.chunks_exact(group) {
            let columns: Vec<f32> = places.iter().flat_map(|&k| tile.columns(k, k + 1)).copied().collect();
            coded.grids.push(options.grid.fit(&columns, rows));
        }
    }
    let fixed = whole || options.static_groups;
    let fresh = options.fresh_groups && !fixed;
    let block = block(if fresh { group } else { 1 });
    let (mut errors, mut values) = (vec![0.0; block * rows], vec![0.0; rows]);
    for start in (0..n).step_by(block) {
        let end = n.min(start + block);
        let mut current = tile.columns(start, end).to_vec();
        for c in start..end {
            if !fixed && c % group == 0 {
                let grids = if fresh && group < block {
                    options.grid.fit(&current[(c - start) * rows..][..group * rows], rows)
                } else {
                    options.grid.fit(tile.columns(c, c + group), rows)
                };
                coded.grids.push(grids);
            }
            let (done, rest) = current.split_at_mut((c + 1 - start) * rows);
            let column = &done[(c - start) * rows..];
            let g = if options.static_groups { own_column(c) } else { c } / group;
            coded.quantize(g, c, column, &mut values);
            let (error, pivot) = (&mut errors[(c - start) * rows..][..rows], factor.pivot(c));
            for ((error, w), value) in error.iter_mut().zip(column).zip(&values) {
                *error = (w - value) / pivot;
                coded.loss += f64::from(*error * *error);
            }
            feed(rest, error, &factor.upper()[c * n + c + 1..c * n + end]);
        }
        tile.feed_block(&errors[..(end - start) * rows], factor, start, end);
    }
    coded
}
