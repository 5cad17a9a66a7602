//! GPTQ: rounds columns one after another and corrects the columns that follow for the error of each, by the
//! inverse Hessian. Frantar et al. 2022, arXiv 2210.17323.

use rayon::prelude::*;

use super::GptqOptions;
use super::fit::{CodedTile, Fit, assemble};
use crate::error::Result;
use crate::formats::solver::tile::{ROWS, Tile, block, feed};
use crate::formats::solver::{Factor, Quantized, Weight};

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
    let own = options.static_groups || group_size == weight.cols;
    let (quantized, stored) = if own { (factor.perm.as_deref(), None) } else { (None, factor.perm.clone()) };
    let packed = assemble(weight, bits, group_size, &tiles, quantized, stored)?;
    let mut done = Quantized::new(weight, packed, Some(factor.hessian));
    done.loss = tiles.iter().map(|tile| tile.loss).sum::<f64>() / 2.0;
    done.notes = factor.notes();
    Ok(done)
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
    let fresh = options.fresh_groups && !fixed;
    let block = block(if fresh { group_size } else { 1 });
    let (mut errors, mut values) = (vec![0.0; block * rows], vec![0.0; rows]);
    for start in (0..n).step_by(block) {
        let end = n.min(start + block);
        let mut current = tile.columns(start, end).to_vec();
        for c in start..end {
            if !fixed && c % group_size == 0 {
                let grids = if fresh && group_size < block {
                    fit.fit(&current[(c - start) * rows..][..group_size * rows], rows)
                } else {
                    fit.fit(tile.columns(c, c + group_size), rows)
                };
                coded.grids.push(grids);
            }
            let (done, rest) = current.split_at_mut((c + 1 - start) * rows);
            let column = &done[(c - start) * rows..];
            let g = if options.static_groups { factor.own_column(c) } else { c } / group_size;
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
