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
    /// [1, m]: row r sees the keys up to and with number `position[r]`.
    pub position: Tensor,
    /// [m, 4]: where those lie in the cache, see [`Reach`].
    pub reach: Tensor,
    /// [m, heads · head_dim]
    pub q: Tensor,
    /// [capacity, kv_heads · head_dim], both
    pub k: Tensor,
    pub v: Tensor,
    pub head_dim: usize,
}

/// Where a row's keys lie in the cache: sequences that begin alike share the slots of their beginning. Three
/// runs are enough for what is asked here: what all have in common, a question, one of its answers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Reach {
    /// Keys before this one lie in the slots of their numbers,
    pub first: u32,
    /// the next ones so many slots further,
    pub second_shift: u32,
    /// up to this one;
    pub second: u32,
    /// the rest so many slots further than their numbers.
    pub rest_shift: u32,
}

impl Reach {
    /// Every key in the slot of its number: a sequence alone in the cache.
    pub const ALONE: Reach = Reach { first: u32::MAX, second_shift: 0, second: u32::MAX, rest_shift: 0 };

    /// The slot of key `j`.
    pub fn slot(&self, j: u32) -> u32 {
        match j {
            _ if j < self.first => j,
            _ if j < self.second => j + self.second_shift,
            _ => j + self.rest_shift,
        }
    }
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
        a.reach.expect("reach", m, 4, Element::U32);
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
        self.add(kernel, name, params, &[a.position, a.reach, a.q, a.k, a.v, y], [m, heads], flops);
        y
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "attention_decode",
    variants: &[
        Variant {
            name: "portable",
            needs: Needs::empty(),
            wgsl: wgsl!("attention_decode", "lib/reach", "lib/reduce"),
            consts: &[("WG", 128)],
            tile: |_| [1, 1],
            nmse: 1e-8,
        },
        Variant {
            name: "rows_subgroup",
            needs: Needs::SUBGROUP8,
            wgsl: wgsl!("attention_decode_rows_subgroup", "lib/reach"),
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
        Case {
            name: "4_rows_that_share",
            bench: false,
            build: |t| attend_at(t, &KERNEL, sharing(4, 20), [4, 2, 64], 200),
        },
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
    attend_at(
        t,
        kernel,
        (0..m as u32).map(|r| (first as u32 + r, Reach::ALONE)).collect(),
        [heads, kv_heads, head_dim],
        capacity,
    )
}

/// The same with each row's number of keys and reach; no slot is read that is not below `capacity`.
pub(super) fn attend_at(
    t: &mut Trial,
    kernel: &'static Kernel,
    rows: Vec<(u32, Reach)>,
    [heads, kv_heads, head_dim]: [usize; 3],
    capacity: usize,
) -> Tensor {
    let m = rows.len();
    let position = t.u32(1, m, rows.iter().map(|row| row.0));
    let reach = t.u32(m, 4, rows.iter().flat_map(|row| bytemuck::cast::<Reach, [u32; 4]>(row.1)));
    let q = t.f32(m, heads * head_dim);
    // Large enough that some keys weigh much more than others.
    for word in &mut t.residents[2].1 {
        *word = (f32::from_bits(*word) * 4.0).to_bits();
    }
    let (k, v) = (t.f32(capacity, kv_heads * head_dim), t.f32(capacity, kv_heads * head_dim));
    t.plan.attention_by(kernel, "", Attention { position, reach, q, k, v, head_dim })
}

/// `m` rows behind a common beginning of `shared` keys: sequences of one to nine rows each, some of which
/// branch from the first one's end.
pub(super) fn sharing(m: usize, shared: u32) -> Vec<(u32, Reach)> {
    let mut rows = Vec::new();
    let mut slot = shared;
    for sequence in 0.. {
        let branch = if sequence % 3 == 2 { 9 } else { 0 };
        let reach =
            Reach { first: shared, second_shift: 0, second: shared + branch, rest_shift: slot - shared - branch };
        for j in 0..1 + sequence * 4 % 9 {
            rows.push((shared + branch + j, reach));
            slot += 1;
            if rows.len() == m {
                return rows;
            }
        }
        slot += 5;
    }
    unreachable!("rows are pushed in every turn")
}

pub(super) fn reference(io: &mut Io) {
    let params: Params = io.params();
    let rows = (io.u32(0), bytemuck::cast_slice(io.u32(1)));
    let (q, k, v) = (io.f32(2), io.f32(3), io.f32(4));
    let dim = params.head_dim as usize;
    for (i, y) in io.out_f32().chunks_exact_mut(dim).enumerate() {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum();
        one_head(&params, rows, &q[i * dim..][..dim], k, v, i, dot, y);
    }
}

/// The reference with quicker sums, its heads spread over the cores.
pub(super) fn host(io: &mut Io) {
    use rayon::prelude::*;
    let params: Params = io.params();
    let rows = (io.u32(0), bytemuck::cast_slice(io.u32(1)));
    let (q, k, v) = (io.f32(2), io.f32(3), io.f32(4));
    let dim = params.head_dim as usize;
    io.out_f32().par_chunks_exact_mut(dim).enumerate().for_each(|(i, y)| {
        one_head(&params, rows, &q[i * dim..][..dim], k, v, i, super::linear::dot, y);
    });
}

/// Row and head number `i`.
#[allow(clippy::too_many_arguments, reason = "the step's inputs, one by one, and how to add them up")]
#[inline(always)]
fn one_head(
    params: &Params,
    (position, reach): (&[u32], &[Reach]),
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
    let slot = |j: u32| reach[row].slot(j) as usize;
    let scores: Vec<f32> = (0..=position[row])
        .map(|j| {
            let k = &k[slot(j) * width + at..][..dim];
            params.scale * dot(q, k)
        })
        .collect();
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = scores.iter().map(|s| (s - highest).exp()).collect();
    let total: f32 = weights.iter().sum();
    y.fill(0.0);
    for (j, weight) in weights.iter().enumerate() {
        for (y, v) in y.iter_mut().zip(&v[slot(j as u32) * width + at..][..dim]) {
            *y += weight * v;
        }
    }
    for y in y {
        *y /= total;
    }
}
