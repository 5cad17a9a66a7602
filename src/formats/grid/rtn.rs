//! Rounding to nearest on the uniform grid, without error feedback.

use rayon::prelude::*;

use super::GridOptions;
use super::fit::{CodedTile, Fit, assemble};
use crate::error::Result;
use crate::formats::solver::tile::{ROWS, Tile};
use crate::formats::solver::{Hessian, Quantized, Weight, relative_error};

/// Rounds every weight to a code of `bits` on its group's grid. The Hessian serves to measure the error only.
///
/// # Errors
/// The group size does not suit the weight, or a number is not finite.
pub fn rtn(weight: &Weight<'_>, bits: u32, options: &GridOptions, hessian: Option<&Hessian>) -> Result<Quantized> {
    weight.check()?;
    let fit = Fit { bits, options };
    let group_size = fit.group_size(weight.name, weight.cols)?;
    let tiles: Vec<_> = (0..weight.rows)
        .into_par_iter()
        .step_by(ROWS)
        .map(|first| {
            let tile = Tile::new(weight, first, None);
            let mut coded = CodedTile::new(tile.rows, weight.cols);
            let mut values = vec![0.0; tile.rows];
            for start in (0..weight.cols).step_by(group_size) {
                coded.grids.push(fit.fit(tile.columns(start, start + group_size), tile.rows));
                for c in start..start + group_size {
                    coded.quantize(start / group_size, c, tile.columns(c, c + 1), &mut values);
                }
            }
            coded
        })
        .collect();
    let packed = assemble(weight, bits, group_size, &tiles, None, None)?;
    let error = hessian.map(|hessian| relative_error(weight, &*packed, hessian));
    Ok(Quantized::new(packed, error))
}
