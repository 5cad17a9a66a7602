//! Causal attention of a few rows over the cache, with grouped key/value heads (Ainslie et al.,
//! 2023) and a running maximum (Milakov and Gimelshein, 2018).

use std::borrow::Cow;

use super::cache::{self, cases_of_caches};
use super::reach::Reach;
use crate::plan::{Case, Element, Host, Io, Kernel, Needs, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! {
    pub(super) struct Params {
        pub heads: u32,
        pub kv_heads: u32,
        pub head_dim: u32,
        pub scale: f32,
        pub rows: u32,
        /// Keys that a row sees, its own included; `u32::MAX` for all.
        pub window: u32,
        /// Bits of a value in the cache, which the reference needs.
        pub cache_bits: u32,
    }
}

/// Workgroups among which a row's keys are split.
const WORKGROUPS: usize = 256;

impl Params {
    /// Returns the parameters for `rows` rows of [heads, kv_heads, head_dim].
    pub(super) fn new(
        rows: usize,
        [heads, kv_heads, dim]: [usize; 3],
        window: Option<usize>,
        cache_bits: u32,
    ) -> Params {
        Params {
            heads: heads as u32,
            kv_heads: kv_heads as u32,
            head_dim: dim as u32,
            scale: 1.0 / (dim as f32).sqrt(),
            rows: rows as u32,
            window: window.map_or(u32::MAX, |keys| u32::try_from(keys).unwrap_or(u32::MAX)),
            cache_bits,
        }
    }

    /// Returns the numbers of the keys that a row at `position` sees.
    fn keys(&self, position: u32) -> std::ops::Range<u32> {
        let end = position + 1;
        end.saturating_sub(self.window)..end
    }

    /// Returns keys and values of the cache, up to the last slot that a row sees.
    fn seen<'a>(&self, io: &Io<'a>) -> [Cow<'a, [f32]>; 2] {
        let (position, reach): (_, &[Reach]) = (io.u32(0), bytemuck::cast_slice(io.u32(1)));
        let rows = position.iter().zip(reach);
        let last = rows.flat_map(|(&at, reach)| self.keys(at).map(|j| reach.slot(j))).max();
        let count = last.map_or(0, |slot| slot as usize + 1) * (self.kv_heads * self.head_dim) as usize;
        [3, 4].map(|input| cache::widened(io.u32(input), self.cache_bits, count))
    }
}

/// The tensors of one attention step.
#[derive(Clone, Copy)]
pub struct Attention {
    /// [1, m]: row r sees the keys up to and with number `position[r]`.
    pub position: Tensor,
    /// [m, 4]: the slots of those keys in the cache, a [`Reach`] each.
    pub reach: Tensor,
    /// [m, heads · head_dim]
    pub q: Tensor,
    /// Keys of the cache: [capacity, kv_heads · head_dim].
    pub k: Tensor,
    /// Values of the cache: [capacity, kv_heads · head_dim].
    pub v: Tensor,
    /// Dimensions of a head.
    pub head_dim: usize,
    /// Sliding window (Mistral): row r sees only the last `window` of these keys, its own included.
    pub window: Option<usize>,
}

impl Plan {
    /// Adds attention by the kernel for this many rows.
    pub fn attention(&mut self, name: &str, a: Attention) -> Tensor {
        let kernel = if self.together(a.q.rows) { &super::attention_prefill::KERNEL } else { &KERNEL };
        self.attention_by(kernel, name, a)
    }

    fn attention_by(&mut self, kernel: &'static Kernel, name: &str, a: Attention) -> Tensor {
        let (m, width, dim) = (a.q.rows, a.q.cols, a.head_dim);
        let (heads, kv_heads) = (width / dim, a.k.cols / dim);
        assert!(heads * dim == width && heads.is_multiple_of(kv_heads), "{name}: {heads} of {kv_heads} heads");
        assert!(dim.is_multiple_of(4) && dim <= 256, "{name}: head_dim {dim}");
        assert!(a.window != Some(0), "{name}: a window of no keys");
        a.position.expect("position", 1, m, Element::U32);
        a.reach.expect("reach", m, 4, Element::U32);
        let cache_bits = cache::bits_of(a.k, a.v, a.k.cols);
        let y = self.scratch(m, width, Element::F32);
        let params = Params::new(m, [heads, kv_heads, dim], a.window, cache_bits);
        // Counted at full context; a shorter one does less.
        let flops = 4 * (m * a.k.rows.min(a.window.unwrap_or(usize::MAX)) * width) as u64;
        let step = self.add(kernel, name, params, &[a.position, a.reach, a.q, a.k, a.v, y], [m, heads], flops);
        step.consts = consts([heads, kv_heads, dim], cache_bits);
        step.part_words = m * heads * (dim + 4);
        y
    }
}

/// Returns the constants of attention by [heads, kv_heads, head_dim] over a cache of so many bits a value.
pub(super) fn consts([heads, kv_heads, dim]: [usize; 3], cache_bits: u32) -> Vec<(&'static str, u32)> {
    // The most heads of a key/value head that a workgroup takes; and enough parts to fill large GPUs.
    let together = (1..=8).rev().find(|n| (heads / kv_heads).is_multiple_of(*n)).unwrap_or(1);
    let splits = WORKGROUPS.div_ceil(heads / together);
    let quads = dim.div_ceil(32).next_power_of_two().max(2);
    let stripes = dim.div_ceil(64);
    let counts = [("QUADS", quads), ("KEYS", 8 / quads), ("HEADS", together), ("SPLITS", splits), ("STRIPES", stripes)];
    counts.map(|(name, value)| (name, value as u32)).into_iter().chain([("CACHE", cache_bits)]).collect()
}

/// Constants of the variants that split, set by each step.
pub(super) const SPLIT: &[(&str, u32)] = &[("QUADS", 4), ("KEYS", 2), ("HEADS", 8), ("SPLITS", 64), ("CACHE", 16)];

pub static KERNEL: Kernel = Kernel {
    name: "attention_decode",
    params: Params::FIELDS,
    variants: &[
        Variant {
            name: "subgroup",
            needs: Needs::SUBGROUP8,
            wgsl: wgsl!(
                "lib/attention_scores_subgroup",
                "lib/attention_split",
                "lib/attention_rows",
                "lib/eight_lanes",
                "lib/reach",
                "lib/reduce";
                cache "lib/cache"
            ),
            consts: SPLIT,
            tile: |c| [1, c.get("HEADS")],
            nmse: 1e-8,
        },
        Variant::portable(
            wgsl!("lib/attention_scores", "lib/attention_split", "lib/attention_rows", "lib/reach", "lib/reduce"; cache "lib/cache"),
            SPLIT,
            |c| [1, c.get("HEADS")],
            1e-8,
        ),
        Variant {
            name: "rows_subgroup",
            needs: Needs::SUBGROUP8,
            wgsl: wgsl!("attention_decode_rows_subgroup", "lib/reach", "lib/eight_lanes"; cache "lib/cache"),
            consts: &[("HEADS", 8), ("STRIPES", 1), ("CACHE", 16)],
            tile: |c| [1, c.get("HEADS")],
            nmse: 1e-8,
        },
        // One workgroup a head: for software drivers that compile the split shader for minutes.
        Variant {
            name: "whole",
            needs: Needs::empty(),
            wgsl: wgsl!("attention_decode_whole", "lib/reach", "lib/reduce"; cache "lib/cache"),
            consts: &[("WG", 128), ("CACHE", 16)],
            tile: |_| [1, 1],
            nmse: 1e-8,
        },
    ],
    reference,
    host: Some(Host { run: host, nmse: 1e-8 }),
    cases: cases_of_caches![
        bench "14x64_of_1024" |t, of| attend(t, of, &KERNEL, 1, 1023, [14, 2, 64], 1024),
        bench "28x128_of_4096" |t, of| attend(t, of, &KERNEL, 1, 4095, [28, 4, 128], 4096),
        test "first_position" |t, of| attend(t, of, &KERNEL, 1, 0, [4, 2, 32], 8),
        test "3_rows_of_300_dim_256" |t, of| attend(t, of, &KERNEL, 3, 290, [2, 1, 256], 300),
        test "4_rows_that_share" |t, of| attend_at(t, of, &KERNEL, sharing(4, 20), [4, 2, 64], 200, None),
        test "dim_20" |t, of| attend(t, of, &KERNEL, 2, 131, [3, 3, 20], 140),
        test "dim_80_of_700" |t, of| attend(t, of, &KERNEL, 1, 699, [7, 1, 80], 700),
        test "16_heads_of_one" |t, of| attend(t, of, &KERNEL, 1, 40, [16, 1, 64], 41),
        test "32_heads_of_500" |t, of| attend(t, of, &KERNEL, 1, 499, [32, 32, 64], 500),
        test "64_heads_of_150_dim_128" |t, of| attend(t, of, &KERNEL, 1, 149, [64, 64, 128], 150),
        test "64_heads_of_100_dim_256" |t, of| attend(t, of, &KERNEL, 1, 99, [64, 64, 256], 100),
        test "window_150_of_300" |t, of| attend_at(t, of, &KERNEL, alone(3, 290), [4, 2, 64], 300, Some(150)),
        test "window_1" |t, of| attend_at(t, of, &KERNEL, alone(2, 9), [4, 2, 32], 12, Some(1)),
        test "window_of_rows_that_share" |t, of| attend_at(t, of, &KERNEL, sharing(20, 20), [4, 2, 64], 200, Some(13)),
    ],
};

/// Builds a trial of attention: `m` rows from position `first` on; [heads, kv_heads, head_dim].
pub(super) fn attend(
    t: &mut Trial,
    cached: Element,
    kernel: &'static Kernel,
    m: usize,
    first: usize,
    [heads, kv_heads, head_dim]: [usize; 3],
    capacity: usize,
) -> Tensor {
    attend_at(t, cached, kernel, alone(m, first as u32), [heads, kv_heads, head_dim], capacity, None)
}

/// Returns position and reach of `m` rows of one sequence, from position `first` on.
pub(super) fn alone(m: usize, first: u32) -> Vec<(u32, Reach)> {
    (first..).take(m).map(|position| (position, Reach::ALONE)).collect()
}

/// Builds a trial of attention from each row's position and reach, whose slots are below `capacity`.
pub(super) fn attend_at(
    t: &mut Trial,
    cached: Element,
    kernel: &'static Kernel,
    rows: Vec<(u32, Reach)>,
    [heads, kv_heads, head_dim]: [usize; 3],
    capacity: usize,
    window: Option<usize>,
) -> Tensor {
    let m = rows.len();
    let position = t.u32(1, m, rows.iter().map(|row| row.0));
    let reach = t.u32(m, 4, rows.iter().flat_map(|row| bytemuck::cast::<Reach, [u32; 4]>(row.1)));
    // Large enough that some keys weigh much more than others.
    let q = t.f32_of(m, heads * head_dim, |_, value| 4.0 * value);
    let [k, v] = [(); 2].map(|_| cache::tensor(t, capacity, kv_heads * head_dim, cached));
    t.plan.attention_by(kernel, "", Attention { position, reach, q, k, v, head_dim, window })
}

/// Returns position and reach of `m` rows behind a common beginning of `shared` keys: sequences of one to nine rows
/// each, some of which branch from the first one's end.
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
    let (position, reach): (_, &[Reach]) = (io.u32(0), bytemuck::cast_slice(io.u32(1)));
    let q = io.f32(2);
    let [k, v] = params.seen(io);
    let (heads, dim) = (params.heads as usize, params.head_dim as usize);
    let width = params.kv_heads as usize * dim;
    for (i, y) in io.out_f32().chunks_exact_mut(dim).enumerate() {
        let (row, head) = (i / heads, i % heads);
        let at = head / (heads / params.kv_heads as usize) * dim;
        let of_key = |j: u32| reach[row].slot(j) as usize * width + at;
        let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let keys = params.keys(position[row]);
        let scores = keys.clone().map(|j| params.scale * dot(&q[i * dim..][..dim], &k[of_key(j)..][..dim]));
        let mut weights: Vec<f32> = scores.collect();
        let total = exponents(&mut weights);
        y.fill(0.0);
        for (j, weight) in keys.zip(&weights) {
            for (y, v) in y.iter_mut().zip(&v[of_key(j)..][..dim]) {
                *y += weight * v;
            }
        }
        y.iter_mut().for_each(|y| *y /= total);
    }
}

/// Replaces scores by exp(score − the highest). Returns the sum.
fn exponents(scores: &mut [f32]) -> f32 {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - highest).exp());
    scores.iter().sum()
}

/// Computes the reference with its rows and key/value heads spread over the cores, some keys at a time for all heads
/// that share them, compiled for the widest vectors there are.
pub(super) fn host(io: &mut Io) {
    use rayon::prelude::*;
    let params: Params = io.params();
    let (position, reach): (_, &[Reach]) = (io.u32(0), bytemuck::cast_slice(io.u32(1)));
    let q = io.f32(2);
    let [k, v] = params.seen(io);
    let (kv_heads, dim) = (params.kv_heads as usize, params.head_dim as usize);
    let together = params.heads as usize / kv_heads * dim;
    let widest = pulp::Arch::new();
    io.out_f32().par_chunks_exact_mut(together).enumerate().for_each(|(i, y)| {
        let row = i / kv_heads;
        let first = i % kv_heads * dim;
        let slots: Vec<usize> =
            params.keys(position[row]).map(|j| reach[row].slot(j) as usize * kv_heads * dim + first).collect();
        let mut scores = vec![0.0f32; together / dim * slots.len()];
        let q = &q[i * together..][..together];
        widest.dispatch(Scores { q, k: &k, slots: &slots, dim, scale: params.scale, scores: &mut scores });
        let totals: Vec<f32> = scores.chunks_exact_mut(slots.len()).map(exponents).collect();
        y.fill(0.0);
        widest.dispatch(Values { weights: &scores, v: &v, slots: &slots, dim, y: &mut *y });
        for (y, total) in y.chunks_exact_mut(dim).zip(totals) {
            y.iter_mut().for_each(|y| *y /= total);
        }
    });
}

/// Keys that stay in the first-level cache while all heads pass over them.
const TILE: usize = 64;

/// The scores [heads, keys] of the heads in `q` with the keys at `slots`. This and the next are structs and loops
/// alone, because closures that are not inlined would lose the vectors.
struct Scores<'a> {
    q: &'a [f32],
    k: &'a [f32],
    slots: &'a [usize],
    dim: usize,
    scale: f32,
    scores: &'a mut [f32],
}

impl pulp::NullaryFnOnce for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        const LANES: usize = 16;
        for (tile, slots) in self.slots.chunks(TILE).enumerate() {
            for (head, q) in self.q.chunks_exact(self.dim).enumerate() {
                let (qs, q_rest) = q.as_chunks::<LANES>();
                let scores = &mut self.scores[head * self.slots.len() + tile * TILE..][..slots.len()];
                for (score, slot) in scores.iter_mut().zip(slots) {
                    let (ks, k_rest) = self.k[*slot..][..self.dim].as_chunks::<LANES>();
                    let mut sums = [0.0f32; LANES];
                    for (q, k) in qs.iter().zip(ks) {
                        for lane in 0..LANES {
                            sums[lane] += q[lane] * k[lane];
                        }
                    }
                    for half in [8, 4, 2, 1] {
                        for lane in 0..half {
                            sums[lane] += sums[lane + half];
                        }
                    }
                    for (q, k) in q_rest.iter().zip(k_rest) {
                        sums[0] += q * k;
                    }
                    *score = self.scale * sums[0];
                }
            }
        }
    }
}

/// Adds to y [heads, dim] the values at `slots`, weighted [heads, keys].
struct Values<'a> {
    weights: &'a [f32],
    v: &'a [f32],
    slots: &'a [usize],
    dim: usize,
    y: &'a mut [f32],
}

impl pulp::NullaryFnOnce for Values<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        // So many columns at a time stay in registers.
        const COLS: usize = 32;
        for (tile, slots) in self.slots.chunks(TILE).enumerate() {
            for (head, y) in self.y.chunks_exact_mut(self.dim).enumerate() {
                let weights = &self.weights[head * self.slots.len() + tile * TILE..][..slots.len()];
                let (blocks, rest) = y.as_chunks_mut::<COLS>();
                let first_of_rest = blocks.len() * COLS;
                for (block, y) in blocks.iter_mut().enumerate() {
                    let mut sums = *y;
                    for (weight, slot) in weights.iter().zip(slots) {
                        let v = &self.v[slot + block * COLS..][..COLS];
                        for col in 0..COLS {
                            sums[col] += weight * v[col];
                        }
                    }
                    *y = sums;
                }
                for (weight, slot) in weights.iter().zip(slots) {
                    for (y, v) in rest.iter_mut().zip(&self.v[slot + first_of_rest..]) {
                        *y += weight * v;
                    }
                }
            }
        }
    }
}
