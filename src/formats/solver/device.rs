//! Error feedback on a device. A weight lies there column after column, in tiles of as many rows as a binding holds; of U
//! there is what the current block of columns reads.

use rayon::prelude::*;

use super::{Factor, Weight};
use crate::error::{Error, Result};
use crate::kernels::hessian;
use crate::plan::{Backend, Element, Plan, Tensor};

/// Columns of a block, at most.
pub(in crate::formats) const BLOCK: usize = 128;

/// Rows of a weight on a device.
#[derive(Clone, Copy)]
pub(in crate::formats) struct DeviceTile {
    pub rows: usize,
    /// \[cols, rows\], columns in the order of quantization. What is done has become codes.
    pub w: Tensor,
    /// Errors of the current block \[BLOCK, rows\].
    pub errors: Tensor,
    /// Σ ((w - ŵ) / U_cc)² \[1, rows\]
    pub loss: Tensor,
}

/// A weight on a device, and the parts of U that a block of columns reads.
pub(in crate::formats) struct DeviceSolver<'b, 'f> {
    pub backend: &'b mut dyn Backend,
    factor: &'f Factor<'f>,
    pub tiles: Vec<DeviceTile>,
    /// U\[k, c\] of the block at \[c, k\].
    pub triangle: Tensor,
    /// Rows of U from the block's diagonal on.
    upper: Tensor,
}

impl<'b, 'f> DeviceSolver<'b, 'f> {
    /// Uploads the weight, columns in the order of `factor`.
    pub fn new(backend: &'b mut dyn Backend, weight: &Weight<'_>, factor: &'f Factor<'f>) -> Result<Self> {
        let (rows, cols) = (weight.rows, weight.cols);
        let each = tile_rows(backend, weight.name, rows, cols)?;
        let mut tiles = Vec::new();
        for first in (0..rows).step_by(each) {
            let rows = each.min(rows - first);
            let create = |backend: &mut dyn Backend, n| backend.create(weight.name, n, rows, Element::F32);
            let [w, errors, loss] = [create(backend, cols)?, create(backend, BLOCK)?, create(backend, 1)?];
            backend.write(None, w, 0, bytemuck::cast_slice(&turned(weight, first, rows, factor)))?;
            tiles.push(DeviceTile { rows, w, errors, loss });
        }
        let triangle = backend.create("triangle", BLOCK, BLOCK, Element::F32)?;
        let upper = backend.create("upper", BLOCK, cols, Element::F32)?;
        Ok(DeviceSolver { backend, factor, tiles, triangle, upper })
    }

    /// Sets the weights of inputs that were never active to zero.
    pub fn clear_dead(&mut self) -> Result<()> {
        for tile in &self.tiles {
            let zeros = vec![0; tile.rows];
            for (k, _) in self.factor.dead.iter().enumerate().filter(|(_, dead)| **dead) {
                self.backend.write(None, tile.w, k * tile.rows, &zeros)?;
            }
        }
        Ok(())
    }

    /// Creates a tensor \[1, n\] of these numbers.
    pub fn numbers(&mut self, name: &str, values: &[u32]) -> Result<Tensor> {
        let tensor = self.backend.create(name, 1, values.len(), Element::U32)?;
        self.backend.write(None, tensor, 0, values)?;
        Ok(tensor)
    }

    /// Runs the steps that `add` adds for each tile, by its number, and waits for them.
    pub fn run(&mut self, mut add: impl FnMut(&mut Plan, usize, &DeviceTile)) -> Result<()> {
        let mut plan = Plan::new();
        self.tiles.iter().enumerate().for_each(|(number, tile)| add(&mut plan, number, tile));
        let program = self.backend.prepare(&plan, false)?;
        self.backend.run(program)?;
        // Uploads are not to pile up before what needs them.
        let fetch = self.backend.fetch(None, self.tiles[0].loss, 0, 1)?;
        self.backend.finish(fetch)?;
        self.backend.release(program);
        Ok(())
    }

    /// Runs the steps of a block, then takes its errors from all columns behind it. `add` gets the block's rows of U.
    pub fn run_block(
        &mut self,
        start: usize,
        end: usize,
        mut add: impl FnMut(&mut Plan, usize, &DeviceTile, Tensor),
    ) -> Result<()> {
        let (n, len) = (self.factor.n(), end - start);
        let row = |k: usize| &self.factor.upper()[(start + k) * n + start..][..n - start];
        let mut triangle = vec![0.0f32; BLOCK * BLOCK];
        for k in 0..len {
            row(k)[..len].iter().enumerate().for_each(|(c, &u)| triangle[c * BLOCK + k] = u);
        }
        let upper: Vec<f32> = (0..len).flat_map(row).copied().collect();
        self.backend.write(None, self.triangle, 0, bytemuck::cast_slice(&triangle))?;
        self.backend.write(None, self.upper, 0, bytemuck::cast_slice(&upper))?;
        let upper = Tensor { rows: len, cols: n - start, ..self.upper };
        self.run(|plan, number, tile| {
            add(plan, number, tile, upper);
            if end < n {
                plan.feed_block([upper, tile.errors, tile.w], start, 0..len, len..n - start);
            }
        })
    }

    /// Reads a tensor of f32.
    pub fn read(&mut self, tensor: Tensor) -> Result<Vec<f32>> {
        Ok(bytemuck::cast_vec(self.backend.read(None, tensor)?))
    }
}

/// Creates H \[cols, cols\] of zeros in bands that the device can bind: the first row of each, and its tensor.
///
/// # Errors
/// [`Error::OutOfMemory`] if a binding does not hold the rows of a tile, or the device refuses.
pub fn hessian_bands(backend: &mut dyn Backend, name: &str, cols: usize) -> Result<Vec<(usize, Tensor)>> {
    let tile = (4 * cols * hessian::TILE) as u64;
    let rows = (backend.max_tensor_bytes() / tile) as usize * hessian::TILE;
    if rows == 0 {
        return Err(Error::OutOfMemory {
            what: format!("a band of the Hessian of {name}"),
            bytes: tile,
            limit: format!("and one binding holds {}", backend.max_tensor_bytes()),
            fix: "take another `device`, or `Compute::Cpu`".into(),
        });
    }
    let band = |first: usize| {
        let rows = rows.min(cols - first);
        Ok((first, backend.create(&format!("hessian of {name}"), rows, cols, Element::F32)?))
    };
    (0..cols).step_by(rows.min(cols)).map(band).collect()
}

/// Returns the columns of a block such that every group of `group` columns starts with one.
pub(in crate::formats) fn block_of(group: usize) -> usize {
    (1..=BLOCK.min(group)).rev().find(|&columns| group.is_multiple_of(columns)).unwrap_or(1)
}

/// Returns the rows of a tile, of [rows, cols] in f32, that a binding holds.
pub(super) fn tile_rows(backend: &dyn Backend, name: &str, rows: usize, cols: usize) -> Result<usize> {
    const STEP: usize = 64;
    let most = (backend.max_tensor_bytes() / (4 * cols.max(BLOCK)) as u64) as usize / STEP * STEP;
    if most == 0 {
        return Err(Error::OutOfMemory {
            what: name.to_owned(),
            bytes: (4 * cols * STEP) as u64,
            limit: format!("and one binding holds {}", backend.max_tensor_bytes()),
            fix: "take another `device`, or `Compute::Cpu`".into(),
        });
    }
    Ok(rows.div_ceil(rows.div_ceil(most)).next_multiple_of(STEP))
}

/// Returns rows of a weight column after column, in the order of `factor`.
fn turned(weight: &Weight<'_>, first: usize, rows: usize, factor: &Factor<'_>) -> Vec<f32> {
    // So many columns at a time as share a line of a cache.
    const TOGETHER: usize = 16;
    let mut turned = vec![0.0f32; weight.cols * rows];
    turned.par_chunks_mut(TOGETHER * rows).enumerate().for_each(|(number, columns)| {
        let own: Vec<usize> = (0..columns.len() / rows).map(|k| factor.own_column(number * TOGETHER + k)).collect();
        for r in 0..rows {
            let row = &weight.values[(first + r) * weight.cols..][..weight.cols];
            own.iter().enumerate().for_each(|(k, &col)| columns[k * rows + r] = row[col]);
        }
    });
    turned
}
