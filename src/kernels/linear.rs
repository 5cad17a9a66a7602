//! What all products y = x · Wᵀ + bias share, whatever W is packed as: parameters, the parts a weight is
//! split in, where the product goes, the reference and the quicker CPU forms. A packing says how its rows
//! widen ([`Rows`]); the rest is here.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::plan::{Element, Io, Kernel, Plan, Tensor, Trial};

/// Some rows of a weight, small enough for one binding: the tensors of its packing in binding order.
#[derive(Clone, Debug)]
pub struct Part {
    /// The part's first row in the whole weight.
    pub row0: usize,
    pub rows: usize,
    pub tensors: Vec<Tensor>,
}

/// Where a product goes.
#[derive(Clone, Copy, Debug)]
pub enum Into {
    /// A new tensor.
    New,
    /// Added to this one: the residual stream.
    Add(Tensor),
}

/// How a weight is cut: what a product's shaders are specialized for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Packing {
    /// Bits of a code; 0 where nothing is coded.
    pub bits: u32,
    /// Columns that share a scale, where there are groups.
    pub group: usize,
    /// Bits of a scale's code and of a zero's, where those are coded too.
    pub scale_bits: u32,
    pub zero_bits: u32,
    /// From where on an input is an outlier, where those are multiplied apart.
    pub threshold: f32,
    /// Number of the GGUF block type; 0 where the weight has none.
    pub block: u32,
}

impl Packing {
    /// Bytes of a row of codes, in whole blocks of 128, or of bf16.
    pub fn row_bytes(self, cols: usize) -> u64 {
        match self.bits {
            0 => 2 * cols as u64,
            bits => cols.next_multiple_of(128) as u64 * u64::from(bits) / 8,
        }
    }
}

/// Parameters of every matvec, matmul and dequantize, as in shaders/lib/product.wgsl.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct Params {
    pub m: u32,
    pub k: u32,
    pub n: u32,
    /// Columns of the whole output, and where this part's begin.
    pub y_stride: u32,
    pub y_col: u32,
    pub flags: u32,
    pub group: u32,
    /// For the references; shaders have them as the constants `BITS`, `SCALE_WIDTH`, `ZERO_WIDTH` and `BLOCK`.
    pub bits: u32,
    pub scale_bits: u32,
    pub zero_bits: u32,
    pub block: u32,
}

pub(super) const BIAS: u32 = 1;
pub(super) const ADD: u32 = 2;

/// x · Wᵀ + bias, as a plan is asked for it: x [m, k], or [m, ..] where the format packs inputs too, W [n, k]
/// in parts, bias [1, n].
#[derive(Clone, Copy)]
pub struct Product<'a> {
    pub x: Tensor,
    pub k: usize,
    pub parts: &'a [Part],
    pub packing: Packing,
    pub bias: Option<Tensor>,
    pub into: Into,
}

impl Plan {
    /// Adds the product by `kernel`, a step a part.
    pub(super) fn product(&mut self, kernel: &'static Kernel, name: &str, product: Product) -> Tensor {
        let Product { x, k, parts, packing, bias, into } = product;
        let last = parts.last().expect("a weight has parts");
        let (m, n) = (x.rows, last.row0 + last.rows);
        assert!(k.is_multiple_of(32), "{name}: {k} columns");
        let y = match into {
            Into::New => self.scratch(m, n, Element::F32),
            Into::Add(y) => y,
        };
        y.expect("y", m, n, Element::F32);
        if let Some(bias) = bias {
            bias.expect("bias", 1, n, Element::F32);
        }
        for part in parts {
            let flags = if bias.is_some() { BIAS } else { 0 } | if matches!(into, Into::Add(_)) { ADD } else { 0 };
            let params = Params {
                m: m as u32,
                k: k as u32,
                n: part.rows as u32,
                y_stride: n as u32,
                y_col: part.row0 as u32,
                flags,
                ..Params::of(packing)
            };
            // Every binding must be bound: without a bias x stands in, unread.
            let bind: Vec<Tensor> =
                [x].into_iter().chain(part.tensors.iter().copied()).chain([bias.unwrap_or(x), y]).collect();
            let weight: u64 = part.tensors.iter().map(|t| t.bytes()).sum();
            let step = self.add(kernel, name, params, &bind, [m, part.rows], 2 * (m * k * part.rows) as u64);
            step.bytes = weight + x.bytes() + (4 * m * part.rows) as u64;
            step.consts = consts(packing);
        }
        y
    }

    /// Adds the widening of one part to f32: [rows, k].
    pub(super) fn widen(
        &mut self,
        kernel: &'static Kernel,
        name: &str,
        part: &Part,
        k: usize,
        packing: Packing,
    ) -> Tensor {
        let y = self.scratch(part.rows, k, Element::F32);
        let params = Params { m: 1, k: k as u32, n: part.rows as u32, ..Params::of(packing) };
        let unread = part.tensors[0];
        let bind: Vec<Tensor> = [unread].into_iter().chain(part.tensors.iter().copied()).chain([unread, y]).collect();
        let step = self.add(kernel, name, params, &bind, [1, part.rows * k / 8], 0);
        step.bytes = part.tensors.iter().map(|t| t.bytes()).sum::<u64>() + y.bytes();
        step.consts = consts(packing);
        y
    }
}

impl Params {
    fn of(packing: Packing) -> Params {
        let Packing { bits, group, scale_bits, zero_bits, block, .. } = packing;
        Params { group: group as u32, bits, scale_bits, zero_bits, block, ..Params::zeroed() }
    }
}

fn consts(packing: Packing) -> Vec<(&'static str, u32)> {
    let Packing { bits, scale_bits, zero_bits, block, .. } = packing;
    let all = [("BITS", bits), ("SCALE_WIDTH", scale_bits), ("ZERO_WIDTH", zero_bits), ("BLOCK", block)];
    all.into_iter().filter(|(_, value)| *value > 0).collect()
}

/// How a packing's rows widen: the words of its tensors, the parameters, the row, where to.
pub(super) type Rows = fn(&[&[u32]], &Params, usize, &mut [f32]);

/// What the CPU forms read of a step.
struct Inputs<'a> {
    params: Params,
    x: &'a [f32],
    weight: Vec<&'a [u32]>,
    bias: &'a [f32],
}

fn inputs<'a>(io: &Io<'a>) -> Inputs<'a> {
    let last = io.inputs() - 1;
    let weight = (1..last).map(|input| io.u32(input)).collect();
    Inputs { params: io.params(), x: io.f32(0), weight, bias: io.f32(last) }
}

/// Adds bias and what was there before, as the flags say.
pub(super) fn finish(params: &Params, bias: &[f32], row: usize, col: usize, sum: f32, y: &mut [f32]) {
    let y = &mut y[row * params.y_stride as usize + params.y_col as usize + col];
    let bias = if params.flags & BIAS != 0 { bias[params.y_col as usize + col] } else { 0.0 };
    let before = if params.flags & ADD != 0 { *y } else { 0.0 };
    *y = sum + bias + before;
}

/// The definition of a product.
pub(super) fn reference(io: &mut Io, rows: Rows) {
    let Inputs { params, x, weight, bias } = inputs(io);
    let k = params.k as usize;
    let mut w = vec![0.0; k];
    for col in 0..params.n as usize {
        rows(&weight, &params, col, &mut w);
        for row in 0..params.m as usize {
            let sum = x[row * k..][..k].iter().zip(&w).map(|(x, w)| x * w).sum();
            finish(&params, bias, row, col, sum, io.out_f32());
        }
    }
}

/// The definition of widening.
pub(super) fn widened(io: &mut Io, rows: Rows) {
    let Inputs { params, weight, .. } = inputs(io);
    for (row, y) in io.out_f32().chunks_exact_mut(params.k as usize).enumerate() {
        rows(&weight, &params, row, y);
    }
}

/// A product of few rows, the columns spread over the cores.
pub(super) fn host_matvec(io: &mut Io, rows: Rows) {
    const COLS: usize = 64;
    let Inputs { params, x, weight, bias } = inputs(io);
    let (m, k, n) = (params.m as usize, params.k as usize, params.n as usize);
    let mut sums = vec![0.0f32; n * m];
    sums.par_chunks_mut(m * COLS).enumerate().for_each(|(block, sums)| {
        let mut w = vec![0.0; k];
        for (at, sums) in sums.chunks_exact_mut(m).enumerate() {
            rows(&weight, &params, block * COLS + at, &mut w);
            for (row, sum) in sums.iter_mut().enumerate() {
                *sum = dot(&x[row * k..][..k], &w);
            }
        }
    });
    for (at, sum) in sums.into_iter().enumerate() {
        finish(&params, bias, at % m, at / m, sum, io.out_f32());
    }
}

/// With sixteen partial sums, which the compiler keeps in vector registers.
#[inline(always)]
pub(super) fn dot(x: &[f32], w: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0f32; LANES];
    let (xs, ws) = (x.chunks_exact(LANES), w.chunks_exact(LANES));
    let rest: f32 = xs.remainder().iter().zip(ws.remainder()).map(|(x, w)| x * w).sum();
    for (x, w) in xs.zip(ws) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * w[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// A product of many rows: each core widens some rows of the weight at a time and multiplies them by the `gemm`
/// crate.
pub(super) fn host_matmul(io: &mut Io, rows: Rows) {
    const PART: usize = 128;
    let Inputs { params, x, weight, bias } = inputs(io);
    let (m, k, n) = (params.m as usize, params.k as usize, params.n as usize);
    // Two parts for each core, so that one that is late keeps nobody waiting for long.
    let block = (2 * PART * rayon::current_num_threads()).min(n.next_multiple_of(PART));
    let mut wide = vec![0.0f32; block * k];
    let mut sums = vec![0.0f32; block * m];
    for start in (0..n).step_by(block) {
        let n = block.min(n - start);
        let parts = wide.par_chunks_mut(PART * k).zip(sums.par_chunks_mut(PART * m)).take(n.div_ceil(PART));
        parts.enumerate().for_each(|(part, (wide, sums))| {
            let n = PART.min(n - part * PART);
            for (row, wide) in wide.chunks_exact_mut(k).take(n).enumerate() {
                rows(&weight, &params, start + part * PART + row, wide);
            }
            // SAFETY: the strides address sums[m, PART], x[m, k] and the transpose of wide[n, k], all of
            // which are at least that large; with `read_dst` false the old sums are not read.
            unsafe {
                gemm::gemm(
                    m,
                    n,
                    k,
                    sums.as_mut_ptr(),
                    1,
                    PART as isize,
                    false,
                    x[..m * k].as_ptr(),
                    1,
                    k as isize,
                    wide.as_ptr(),
                    k as isize,
                    1,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
        });
        let first = params.y_col as usize + start;
        io.out_f32().par_chunks_mut(params.y_stride as usize).take(m).enumerate().for_each(|(row, y)| {
            for (col, y) in y[first..first + n].iter_mut().enumerate() {
                let sum = sums[(col / PART * m + row) * PART + col % PART];
                let bias = if params.flags & BIAS != 0 { bias[first + col] } else { 0.0 };
                let before = if params.flags & ADD != 0 { *y } else { 0.0 };
                *y = sum + bias + before;
            }
        });
    }
}

/// A trial of a product of [m, k] with a weight in parts of so many rows each; `pack` makes the tensors of
/// a part.
pub(super) fn trial(
    t: &mut Trial,
    kernel: &'static Kernel,
    [m, k]: [usize; 2],
    rows: &[usize],
    bias_and_add: [bool; 2],
    packing: Packing,
    pack: impl Fn(&mut Trial, usize) -> Vec<Tensor>,
) -> Tensor {
    let x = t.f32(m, k);
    trial_of(t, kernel, (x, k), rows, bias_and_add, packing, pack)
}

/// The same for an x of k columns that is there already.
pub(super) fn trial_of(
    t: &mut Trial,
    kernel: &'static Kernel,
    (x, k): (Tensor, usize),
    rows: &[usize],
    [bias, add]: [bool; 2],
    packing: Packing,
    pack: impl Fn(&mut Trial, usize) -> Vec<Tensor>,
) -> Tensor {
    let (m, n) = (x.rows, rows.iter().sum());
    let mut parts = Vec::new();
    let mut row0 = 0;
    for &rows in rows {
        parts.push(Part { row0, rows, tensors: pack(t, rows) });
        row0 += rows;
    }
    let bias = bias.then(|| t.f32(1, n));
    let into = if add { Into::Add(t.f32(m, n)) } else { Into::New };
    t.plan.product(kernel, "", Product { x, k, parts: &parts, packing, bias, into })
}
