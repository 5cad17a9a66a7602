//! How weights are packed and multiplied: one file a format, listed in [`FORMATS`].

mod bf16;
pub mod file;
pub mod gguf;
mod grid;
mod int8;
pub mod linear;
pub mod packed;
pub mod random;
mod spec;
mod spqr;

use std::ops::Range;

use crate::kernels::{Into, Packing, weights_int8};
use crate::plan::{Element, Plan, Tensor};

pub use bf16::FORMAT as BF16;
pub use grid::FORMAT as GRID;
pub use int8::FORMAT as INT8;
pub use linear::{Input, Linear};
pub use packed::{Grid, Int8, Packed, Spqr};
pub use spec::{Method, Quant};
pub use spqr::FORMAT as SPQR;

/// A way to hold a weight on the device and to multiply by it.
pub struct Format {
    pub name: &'static str,
    pub product: Product,
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Adds x · Wᵀ + bias: the arguments are the step's name, the input, the weight and where the product
/// goes.
pub type Product = fn(&mut Plan, &str, &mut Input, &Linear, Into) -> Tensor;

/// Every format.
pub static FORMATS: &[&Format] = &[&BF16, &GRID, &INT8, &SPQR];

/// A tensor to be made on a device.
#[derive(Clone, Debug)]
pub struct DeviceTensor {
    /// After the weight's own name: `codes`.
    pub name: &'static str,
    pub rows: usize,
    pub cols: usize,
    pub element: Element,
    pub words: Vec<u32>,
}

impl Packed {
    pub fn format(&self) -> &'static Format {
        match self {
            Packed::Grid(_) => &GRID,
            Packed::Int8(_) => &INT8,
            Packed::Spqr(_) => &SPQR,
        }
    }

    /// What the kernels are specialized for.
    pub fn packing(&self) -> Packing {
        match self {
            Packed::Grid(w) => Packing { bits: w.bits, group: w.group, ..Packing::default() },
            Packed::Int8(_) => weights_int8::packing(weights_int8::THRESHOLD),
            Packed::Spqr(w) => w.packing(),
        }
    }

    /// Bytes of the largest tensor of a part, by its rows.
    fn row_bytes(&self) -> u64 {
        match self {
            Packed::Grid(_) | Packed::Int8(_) => self.packing().row_bytes(self.cols()),
            Packed::Spqr(w) => w.row_bytes(),
        }
    }

    /// The columns' order, if it is not their own.
    pub fn order(&self) -> Option<&[u32]> {
        match self {
            Packed::Grid(w) => w.perm.as_deref(),
            Packed::Int8(_) => None,
            Packed::Spqr(w) => w.perm.as_deref(),
        }
    }

    /// The tensors of some rows, in binding order.
    pub fn on_device(&self, rows: Range<usize>) -> Vec<DeviceTensor> {
        match self {
            Packed::Grid(w) => w.on_device(rows),
            Packed::Int8(w) => w.on_device(rows),
            Packed::Spqr(w) => w.on_device(rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::plan::Backend;
    use crate::plan::cpu::{Cpu, Mode};
    use crate::plan::kernel::hash;

    const ROWS: usize = 80;
    const COLS: usize = 96;

    /// Every weight differs from its neighbours in all it is made of, and so does every row.
    fn packed(method: Method) -> Packed {
        let random = |n: usize, bits: u32| (0..n as u32).map(move |i| hash(i ^ 77) >> (32 - bits));
        let byte = |n, bits| random(n, bits).map(|code| code as u8).collect::<Vec<_>>();
        let perm = Some((0..COLS as u32).map(|k| k * 41 % COLS as u32).collect());
        let small = |code: u32| f16::from_f32((1 + code) as f32 / 16.0);
        let (rows, cols) = (ROWS, COLS);
        match method {
            Method::Rtn | Method::Gptq => {
                let (scales, zeros) = (random(2 * rows + rows, 5).map(small).collect(), byte(3 * rows, 3));
                Packed::Grid(Grid {
                    rows,
                    cols,
                    bits: 3,
                    group: 32,
                    codes: random(rows * 9, 32).collect(),
                    scales,
                    zeros,
                    perm,
                })
            }
            Method::Int8 => {
                let scales = random(rows, 5).map(|code| small(code).to_f32()).collect();
                Packed::Int8(Int8 {
                    rows,
                    cols,
                    codes: byte(rows * cols, 7).into_iter().map(|b| b as i8 - 60).collect(),
                    scales,
                })
            }
            Method::Spqr => {
                let counts: Vec<u32> = random(rows, 2).collect();
                let sum = |row: usize| counts[..row].iter().sum::<u32>();
                let count = sum(rows) as usize;
                let columns =
                    (0..rows).flat_map(|row| (0..counts[row]).map(move |e| (e * 30 + row as u32 % 30) as u16));
                let stats = random(6 * rows / 16, 32).map(|word| word.to_ne_bytes().map(|b| small(u32::from(b % 16))));
                Packed::Spqr(Spqr {
                    rows,
                    cols,
                    bits: 3,
                    group: 16,
                    scale_bits: 3,
                    zero_bits: 5,
                    codes: random(rows * 9, 32).collect(),
                    scale_codes: byte(6 * rows, 3),
                    zero_codes: byte(6 * rows, 5),
                    stats: stats.collect(),
                    row_start: (0..=rows).map(sum).collect(),
                    columns: columns.collect(),
                    values: random(count, 6).map(small).collect(),
                    perm,
                })
            }
        }
    }

    #[test]
    fn products_by_one_are_the_weight() {
        for method in Method::ALL {
            let weight = packed(method);
            // Bindings that hold 32 rows of codes make three parts.
            let limit = 32 * weight.row_bytes() + 31;
            let mut cpu = Cpu::new(Mode::Reference, limit);
            let linear = Linear::upload(&mut cpu, "w", &weight, &mut Default::default()).unwrap();
            assert_eq!(linear.parts.len(), 3, "{}", method.name());
            let one: Vec<u32> = (0..COLS * COLS).map(|i| u32::from(i / COLS == i % COLS) * 1f32.to_bits()).collect();
            let x = cpu.create("x", COLS, COLS, Element::F32).unwrap();
            cpu.write(None, x, 0, &one).unwrap();
            let mut plan = Plan::new();
            let y = linear.apply(&mut plan, "w", &mut Input::new(x));
            let program = cpu.prepare(&plan, true).unwrap();
            cpu.run(program).unwrap();
            let y: Vec<f32> = bytemuck::pod_collect_to_vec(&cpu.read(Some(program), y).unwrap());
            let w = weight.dequantize();
            for (at, &w) in w.iter().enumerate() {
                let found = y[at % COLS * ROWS + at / COLS];
                assert!((found - w).abs() <= 1e-5 * w.abs(), "{}: weight {at}: {w} became {found}", method.name());
            }
        }
    }

    /// What the device holds is what the papers count, within two per cent.
    #[test]
    fn memory_is_as_counted() {
        for quant in ["spqr:2", "spqr:3", "spqr:4", "spqr:8", "gptq:4", "int8"] {
            let weight = random::packed(quant.parse().unwrap(), 896, 896, 1);
            let bytes: usize = weight.on_device(0..896).iter().map(|t| 4 * t.words.len()).sum();
            let counted = weight.true_bits() as f64 / 8.0;
            assert!((bytes as f64 / counted - 1.0).abs() < 0.02, "{quant}: {bytes} bytes for {counted}");
        }
    }
}
