//! Rounding to nearest on the uniform grid, without error feedback.

use rayon::prelude::*;

use super::grid::{CodedTile, GridOptions, assemble};
use super::tile::{ROWS, Tile};
use super::{Hessian, Solved, Weight};
use crate::error::Result;

/// Rounds every weight to its group's grid. The Hessian is for the error only.
pub fn rtn(weight: &Weight<'_>, options: &GridOptions, hessian: Option<&Hessian>) -> Result<Solved> {
    weight.check()?;
    let group = options.group_in(weight)?;
    let tiles: Vec<_> = (0..weight.rows)
        .into_par_iter()
        .step_by(ROWS)
        .map(|first| {
            let tile = Tile::new(weight, first, None);
            let mut coded = CodedTile::new(tile.rows, weight.cols);
            let mut values = vec![0.0; tile.rows];
            for start in (0..weight.cols).step_by(group) {
                coded.grids.push(options.fit(tile.columns(start, start + group), tile.rows));
                for c in start..start + group {
                    coded.quantize(start / group, c, tile.columns(c, c + 1), &mut values);
                }
            }
            coded
        })
        .collect();
    let packed = assemble(weight, options, group, &tiles, None, None)?;
    Ok(Solved::new(weight, packed, hessian))
}
