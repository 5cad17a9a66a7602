//! Causal attention of a few rows over the cache, with grouped key/value heads (Ainslie et al.,
//! 2023) and a running maximum (Milakov and Gimelshein, 2018).

use bytemuck::{Pod, Zeroable};

use crate::plan::{Case, Element, Host, Io, Kernel, Needs, Plan, Tensor, Trial, Variant};
use crate::wgsl;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct Params {
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    scale: f32,
    rows: u32,
}

/// The tensors of one attention step.
#[derive(Clone, Copy)]
pub struct Attention {
    /// [1, m]: row r sees the cache up to and with `position[r]`.
    pub position: Tensor,
    /// [m, heads · head_dim]
    pub q: Tensor,
    /// [capacity, kv_heads · head_dim], both
    pub k: Tensor,
    pub v: Tensor,
    pub head_dim: usize,
}

impl Plan {
    /// Attention by the kernel for this many rows.
    pub fn attention(&mut self, name: &str, a: Attention) -> Tensor {
        let kernel = if a.q.rows == 1 { &KERNEL } else { &super::attention_prefill::KERNEL };
        self.attention_by(kernel, name, a)
    }

    fn attention_by(&mut self, kernel: &'static Kernel, name: &str, a: Attention) -> Tensor {
        let (m, width, dim) = (a.q.rows, a.q.cols, a.head_dim);
        let (heads, kv_heads) = (width / dim, a.k.cols / dim);
        assert!(heads * dim == width && heads.is_multiple_of(kv_heads), "{name}: {heads} of {kv_heads} heads");
        assert!(dim.is_multiple_of(4) && dim <= 256, "{name}: head_dim {dim}");
        a.position.expect("position", 1, m, Element::U32);
        a.v.expect("v", a.k.rows, a.k.cols, Element::F32);
        let y = self.scratch(m, width, Element::F32);
        let params = Params {
            heads: heads as u32,
            kv_heads: kv_heads as u32,
            head_dim: dim as u32,
            scale: 1.0 / (dim as f32).sqrt(),
            rows: m as u32,
        };
        // Counted at full context; a shorter one does less.
        let flops = 4 * (m * a.k.rows * width) as u64;
        self.add(kernel, name, params, &[a.position, a.q, a.k, a.v, y], [m, heads], flops);
        y
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "attention_decode",
    variants: &[
        Variant {
            name: "portable",
            needs: Needs::empty(),
            wgsl: wgsl!("attention_decode", "lib/reduce"),
            consts: &[("WG", 128)],
            tile: |_| [1, 1],
            nmse: 1e-8,
        },
        Variant {
            name: "rows_subgroup",
            needs: Needs::SUBGROUP8,
            wgsl: wgsl!("attention_decode_rows_subgroup"),
            consts: &[],
            tile: |_| [1, 1],
            nmse: 1e-8,
        },
    ],
    reference,
    host: Some(Host { run: host, nmse: 1e-8 }),
    cases: &[
        Case { name: "14x64_of_1024", bench: true, build: |t| attend(t, &KERNEL, 1, 1023, [14, 2, 64], 1024) },
        Case { name: "28x128_of_4096", bench: true, build: |t| attend(t, &KERNEL, 1, 4095, [28, 4, 128], 4096) },
        Case { name: "first_position", bench: false, build: |t| attend(t, &KERNEL, 1, 0, [4, 2, 32], 8) },
        Case { name: "3_rows_of_300_dim_256", bench: false, build: |t| attend(t, &KERNEL, 3, 290, [2, 1, 256], 300) },
        Case { name: "dim_20", bench: false, build: |t| attend(t, &KERNEL, 2, 131, [3, 3, 20], 140) },
    ],
};

/// A trial of attention: `m` rows from position `first` on; [heads, kv_heads, head_dim].
pub(super) fn attend(
    t: &mut Trial,
    kernel: &'static Kernel,
    m: usize,
    first: usize,
    [heads, kv_heads, head_dim]: [usize; 3],
    capacity: usize,
) -> Tensor {
    let position = t.u32(1, m, first as u32..);
    let q = t.f32(m, heads * head_dim);
    // Large enough that some keys weigh much more than others.
    for word in &mut t.residents[1].1 {
        *word = (f32::from_bits(*word) * 4.0).to_bits();
    }
    let (k, v) = (t.f32(capacity, kv_heads * head_dim), t.f32(capacity, kv_heads * head_dim));
    t.plan.attention_by(kernel, "", Attention { position, q, k, v, head_dim })
}

pub(super) fn reference(io: &mut Io) {
    let params: Params = io.params();
    let (position, q, k, v) = (io.u32(0), io.f32(1), io.f32(2), io.f32(3));
    let dim = params.head_dim as usize;
    for (i, y) in io.out_f32().chunks_exact_mut(dim).enumerate() {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum();
        one_head(&params, position, &q[i * dim..][..dim], k, v, i, dot, y);
    }
}

/// The reference with quicker sums, its heads spread over the cores.
pub(super) fn host(io: &mut Io) {
    use rayon::prelude::*;
    let params: Params = io.params();
    let (position, q, k, v) = (io.u32(0), io.f32(1), io.f32(2), io.f32(3));
    let dim = params.head_dim as usize;
    io.out_f32().par_chunks_exact_mut(dim).enumerate().for_each(|(i, y)| {
        one_head(&params, position, &q[i * dim..][..dim], k, v, i, super::linear::dot, y);
    });
}

/// Row and head number `i`.
#[allow(clippy::too_many_arguments, reason = "the step's inputs, one by one, and how to add them up")]
#[inline(always)]
fn one_head(
    params: &Params,
    position: &[u32],
    q: &[f32],
    k: &[f32],
    v: &[f32],
    i: usize,
    dot: impl Fn(&[f32], &[f32]) -> f32,
    y: &mut [f32],
) {
    let (heads, dim) = (params.heads as usize, params.head_dim as usize);
    let (row, head) = (i / heads, i % heads);
    let width = params.kv_heads as usize * dim;
    let at = head / (heads / params.kv_heads as usize) * dim;
    let keys = position[row] as usize + 1;
    let scores: Vec<f32> = (0..keys)
        .map(|j| {
            let k = &k[j * width + at..][..dim];
            params.scale * dot(q, k)
        })
        .collect();
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = scores.iter().map(|s| (s - highest).exp()).collect();
    let total: f32 = weights.iter().sum();
    y.fill(0.0);
    for (j, weight) in weights.iter().enumerate() {
        for (y, v) in y.iter_mut().zip(&v[j * width + at..][..dim]) {
            *y += weight * v;
        }
    }
    for y in y {
        *y /= total;
    }
}
