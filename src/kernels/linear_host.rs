//! The product on the CPU: its definition, and quicker forms, for a format that says how one of its rows is dequantized.

use rayon::prelude::*;

use super::linear::{ADD, BIAS, GATE, NEXT, NORM, ORDER, PLAIN, Params};
use super::product::{View, product};
use super::silu_mul::silu;
use crate::plan::Io;

/// Dequantizes one row: the words of the weight's tensors, the parameters, the row's number, the destination.
pub(crate) type DequantizeRow = fn(&[&[u32]], &Params, usize, &mut [f32]);

/// Operands of a product on the CPU.
struct Inputs<'a> {
    params: Params,
    x: &'a [f32],
    /// Factor of each row's sums.
    norms: Vec<f32>,
    weight: Vec<&'a [u32]>,
    end: Epilogue<'a>,
}

/// Epilogue of a product: bias and flags, by which a sum becomes an output, and what is next.
pub(crate) struct Epilogue<'a> {
    params: Params,
    bias: &'a [f32],
    next: &'a [u32],
}

fn inputs<'a>(io: &Io<'a>) -> Inputs<'a> {
    let params: Params = io.params();
    let last = io.inputs() - 1;
    let weight = (1..last - 1).map(|input| io.u32(input)).collect();
    let (m, k) = (params.m as usize, params.k as usize);
    let (mut x, mut norms) = (io.f32(0), vec![1.0; m]);
    if params.flags & NORM != 0 {
        let (stream, weighted) = x.split_at(m * k);
        let mean = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>() / k as f32;
        norms = stream.chunks_exact(k).map(|row| 1.0 / (mean(row) + params.eps).sqrt()).collect();
        x = weighted;
    }
    Inputs { params, x, norms, weight, end: Epilogue::of(io) }
}

impl<'a> Epilogue<'a> {
    /// Returns the epilogue of a product's step.
    pub(crate) fn of(io: &Io<'a>) -> Epilogue<'a> {
        let last = io.inputs() - 1;
        Epilogue { params: io.params(), bias: io.f32(last - 1), next: io.u32(last) }
    }

    /// Stores the sum of a row and column of the product as the flags say; a gate before what it multiplies.
    pub(crate) fn store(&self, row: usize, col: usize, sum: f32, y: &mut [f32]) {
        let Epilogue { params, bias, next } = self;
        let has = |flag: u32| params.flags & flag != 0;
        let gates = if has(GATE) { params.n as usize / 2 } else { usize::MAX };
        let stride = params.y_stride as usize;
        let own = params.y_col as usize + if col < gates { col } else { col - gates };
        let column = if has(ORDER) { next[2 * own + 1] as usize } else { own };
        let at = row * stride + column;
        let bias = if has(BIAS) { bias[params.bias_col as usize + col] } else { 0.0 };
        let before = if has(ADD) { y[at] } else { 0.0 };
        let factor = if col < gates { 1.0 } else { silu(y[at]) };
        y[at] = (sum + bias + before) * factor;
        if has(NEXT) {
            let [weight, column] = [next[2 * own], next[2 * own + 1]];
            y[(params.m as usize + row) * stride + column as usize] = f32::from_bits(weight) * y[at];
        }
    }

    /// Stores the sums of neighbouring columns of row 0, in vectors where nothing but the row itself is added.
    fn store_row(&self, first: usize, sums: &[f32], y: &mut [f32]) {
        let own = self.params.y_col as usize + first;
        match self.params.flags {
            PLAIN => y[own..][..sums.len()].copy_from_slice(sums),
            ADD => y[own..].iter_mut().zip(sums).for_each(|(y, sum)| *y += sum),
            _ => sums.iter().enumerate().for_each(|(at, &sum)| self.store(0, first + at, sum, y)),
        }
    }
}

/// Defines a product.
pub(crate) fn reference(io: &mut Io, rows: DequantizeRow) {
    let Inputs { params, x, norms, weight, end } = inputs(io);
    let k = params.k as usize;
    let mut w = vec![0.0; k];
    for col in 0..params.n as usize {
        rows(&weight, &params, col, &mut w);
        for row in 0..params.m as usize {
            let sum: f32 = x[row * k..][..k].iter().zip(&w).map(|(x, w)| x * w).sum();
            end.store(row, col, norms[row] * sum, io.out_f32());
        }
    }
}

/// Computes a product of few rows, the columns spread over the cores.
pub(crate) fn host_matvec(io: &mut Io, rows: DequantizeRow) {
    const COLS: usize = 64;
    let Inputs { params, x, norms, weight, end } = inputs(io);
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
        end.store(at % m, at / m, norms[at % m] * sum, io.out_f32());
    }
}

/// Multiplies with sixteen partial sums, which the compiler keeps in vector registers.
#[inline(always)]
fn dot(x: &[f32], w: &[f32]) -> f32 {
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

/// Computes a product of many rows: each core widens some rows of the weight at a time and multiplies them by the `gemm`
/// crate.
pub(crate) fn host_matmul(io: &mut Io, rows: DequantizeRow) {
    const PART: usize = 128;
    let Inputs { params, x, weight, end, .. } = inputs(io);
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
            product(sums, PART, false, 1.0, View::new(x, m, k, k), View::new(wide, n, k, k).transposed());
        });
        io.out_f32().par_chunks_mut(params.y_stride as usize).take(m).enumerate().for_each(|(row, y)| {
            for (part, first) in (0..n).step_by(PART).enumerate() {
                let sums = &sums[(part * m + row) * PART..][..PART.min(n - first)];
                end.store_row(start + first, sums, y);
            }
        });
    }
}
