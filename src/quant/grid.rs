//! GPTQ and RTN on the device: codes as in the files, a row contiguous; scales in f16; zeros packed.

use std::ops::Range;

use super::{DeviceTensor, Format, Grid, Input, Linear};
use crate::kernels::Into;
use crate::kernels::weights_grid::{code_words, padded, zero_bits};
use crate::plan::{Element, Plan, Tensor};

pub static FORMAT: Format = Format { name: "grid", product };

fn product(plan: &mut Plan, name: &str, input: &mut Input, linear: &Linear, into: Into) -> Tensor {
    let x = input.in_order(plan, name, linear.order);
    let product = linear.product(x, into);
    if x.rows == 1 { plan.matvec_grid(name, product) } else { plan.matmul_grid(name, product) }
}

/// Rows of `words` padded to `stored`.
pub(super) fn in_blocks(codes: &[u32], words: usize, stored: usize) -> Vec<u32> {
    if stored == words {
        return codes.to_vec();
    }
    codes.chunks_exact(words).flat_map(|row| row.iter().copied().chain(vec![0; stored - words])).collect()
}

impl Grid {
    /// The tensors of some rows, in binding order; see `kernels::weights_grid`.
    pub fn on_device(&self, rows: Range<usize>) -> Vec<DeviceTensor> {
        let (n, groups) = (rows.len(), self.groups());
        let words = self.cols * self.bits as usize / 32;
        let width = zero_bits(self.bits);
        let mut scales = vec![0u32; groups * padded(n) / 2];
        let mut zeros = vec![0u32; groups * padded(n) * width as usize / 32];
        for g in 0..groups {
            for (at, row) in rows.clone().enumerate() {
                let (to, from) = (g * padded(n) + at, g * self.rows + row);
                scales[to / 2] |= u32::from(self.scales[from].to_bits()) << (to % 2 * 16);
                let per = 32 / width as usize;
                zeros[to / per] |= u32::from(self.zeros[from]) << (to % per * width as usize);
            }
        }
        let stored = code_words(self.cols, self.bits);
        let codes = in_blocks(&self.codes[rows.start * words..rows.end * words], words, stored);
        vec![
            DeviceTensor { name: "codes", rows: n, cols: stored, element: Element::U32, words: codes },
            DeviceTensor { name: "scales", rows: groups, cols: padded(n) / 2, element: Element::U32, words: scales },
            DeviceTensor {
                name: "zeros",
                rows: groups,
                cols: padded(n) * width as usize / 32,
                element: Element::U32,
                words: zeros,
            },
        ]
    }
}
