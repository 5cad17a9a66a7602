//! Dispatches of a step: entry points of a shader and their workgroups.

use super::{Consts, Kernel, Variant};

/// Workgroups along one dimension that every adapter grants.
const MAX_WORKGROUPS: u32 = 65_535;

/// Returns the workgroups [x, y, z] of a step whose `cells` [rows, columns] are cut into tiles.
///
/// y counts tiles of rows, x tiles of columns. Columns that need more than 65,535 workgroups fold into z: the number
/// of a column's tile is then x + z · num_workgroups.x in the shader. Tiles at the edges reach beyond the cells, so
/// a shader checks its rows and columns.
///
/// # Panics
/// If the rows need more than 65,535 workgroups.
pub fn workgroups(cells: [usize; 2], tile: [u32; 2]) -> [u32; 3] {
    let [rows, cols] = [0, 1].map(|i| cells[i].div_ceil(tile[i] as usize) as u32);
    assert!(rows <= MAX_WORKGROUPS, "{rows} rows of workgroups");
    let folds = cols.div_ceil(MAX_WORKGROUPS).max(1);
    [cols.div_ceil(folds), rows, folds]
}

/// Returns the same with those of the same columns one after the other: x runs before y, and y before z. The first of them
/// then brings weights into the card's cache for the rows of the others.
fn by_columns([x, y, z]: [u32; 3]) -> [u32; 3] {
    if y > 1 && z == 1 { [1, y, x] } else { [x, y, z] }
}

/// Returns the entry points of a shader.
pub fn entries(consts: &Consts) -> &'static [&'static str] {
    if consts.splits() > 0 { &["main", "merge"] } else { &["main"] }
}

/// Returns the dispatches of a step: the shader's entry points and their workgroups.
///
/// A variant with a constant `SPLITS` has two. `main` runs so many workgroups for each tile, along z, and leaves parts
/// of the result in the binding after the output, [`super::Step::part_words`] for each split. `merge` runs one workgroup for
/// each cell and adds the parts.
///
/// # Panics
/// If the step needs more than 65,535 workgroups along a dimension.
pub fn dispatches(
    kernel: &Kernel,
    variant: &Variant,
    consts: &Consts,
    cells: [usize; 2],
) -> Vec<(&'static str, [u32; 3])> {
    let [x, y, folds] = workgroups(cells, (variant.tile)(consts));
    match consts.splits() {
        0 if kernel.is_matvec() => vec![("main", by_columns([x, y, folds]))],
        0 => vec![("main", [x, y, folds])],
        splits => {
            assert!(folds == 1, "{}: {cells:?} cells in {splits} parts", variant.name);
            vec![("main", [x, y, splits]), ("merge", workgroups(cells, [1, 1]))]
        }
    }
}
