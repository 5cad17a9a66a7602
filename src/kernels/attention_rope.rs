//! Attention of one row together with what comes before it: [`rope_kv`], then
//! [`attention_decode`] in one step.

use super::attention_decode::{self, SPLIT, consts};
use super::cache::{self, cases_of_caches};
use super::linear::next_words;
use super::reach::Reach;
use super::rope_kv;
use crate::plan::{Case, Element, Io, Kernel, Needs, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! {
    struct Params {
        heads: u32,
        kv_heads: u32,
        head_dim: u32,
        scale: f32,
        rows: u32,
        window: u32,
        /// Epsilon of the heads' norms; below zero where there are none.
        eps: f32,
        /// 1: the result's columns are in an order.
        ordered: u32,
        /// Bits of a value in the cache, which the reference needs.
        cache_bits: u32,
    }
}

/// Tensors of the step, for one row.
#[derive(Clone, Copy)]
pub struct AttentionRope {
    /// \[1, 1\]: the position of the row.
    pub position: Tensor,
    /// \[1, 4\]: the slots of the keys up to it, its own included, a [`Reach`].
    pub reach: Tensor,
    /// \[positions, head_dim\]: see [`rope_table`](super::rope_table).
    pub table: Tensor,
    /// See [`extra_words`].
    pub extra: Option<Tensor>,
    /// Epsilon of the norms of q's and k's heads. None: heads are not normed.
    pub eps: Option<f32>,
    /// True if the result's columns are in the order that `extra` says.
    pub ordered: bool,
    /// \[1, (heads + 2 · kv heads) · head_dim\]: the heads of q, of k, of v. The result replaces those of q.
    pub qkv: Tensor,
    /// \[capacity, kv heads · head_dim\]: takes the rotated key.
    pub k: Tensor,
    /// \[capacity, kv heads · head_dim\]: takes the value.
    pub v: Tensor,
    /// Sliding window, as in [`Attention`](super::Attention).
    pub window: Option<usize>,
}

/// Returns the words of [`AttentionRope::extra`]: the bits of the weights of the norms of q and of k, `head_dim` each, or zeros;
/// then of each of `columns` columns its place in `order`, or its own.
pub fn extra_words(head_dim: usize, norms: Option<&[u32]>, columns: usize, order: Option<&[u32]>) -> Vec<u32> {
    let mut words = norms.map_or(vec![0; 2 * head_dim], <[u32]>::to_vec);
    words.extend(next_words(columns, None, order).chunks_exact(2).map(|next| next[1]));
    words
}

/// Returns whether the step takes models of so many heads, of which each of k and v is for some of q, and this head_dim.
pub fn takes_heads([heads, kv_heads, head_dim]: [usize; 3]) -> bool {
    heads / kv_heads <= 8 && head_dim.is_multiple_of(8) && head_dim <= 256
}

impl Plan {
    /// Adds the step. Returns the result [1, heads · head_dim].
    pub fn attention_rope(&mut self, name: &str, a: AttentionRope) -> Tensor {
        let dim = a.table.cols;
        let kv_heads = a.k.cols / dim;
        let heads = a.qkv.cols / dim - 2 * kv_heads;
        let shape = [heads, kv_heads, dim];
        assert!(heads.is_multiple_of(kv_heads) && takes_heads(shape), "{name}: {heads} of {kv_heads} heads of {dim}");
        assert!(a.window != Some(0), "{name}: a window of no keys");
        a.position.expect("position", 1, 1, Element::U32);
        a.reach.expect("reach", 1, 4, Element::U32);
        a.qkv.expect("qkv", 1, (heads + 2 * kv_heads) * dim, Element::F32);
        let cache_bits = cache::bits_of(a.k, a.v, kv_heads * dim);
        if let Some(extra) = a.extra {
            extra.expect("extra", 1, 2 * dim + heads * dim, Element::U32);
        }
        assert!(a.extra.is_some() || a.eps.is_none() && !a.ordered, "{name}: norms or an order without tensor");
        let plain = attention_decode::Params::new(1, shape, a.window, cache_bits);
        let params = Params {
            heads: plain.heads,
            kv_heads: plain.kv_heads,
            head_dim: plain.head_dim,
            scale: plain.scale,
            rows: 1,
            window: plain.window,
            eps: a.eps.unwrap_or(-1.0),
            ordered: u32::from(a.ordered),
            cache_bits,
        };
        // Every binding must be bound.
        let extra = a.extra.unwrap_or(a.position);
        let bind = [a.position, a.reach, a.table, extra, a.k, a.v, a.qkv];
        let flops = 4 * (a.k.rows.min(a.window.unwrap_or(usize::MAX)) * heads * dim) as u64;
        let step = self.add(&KERNEL, name, params, &bind, [1, heads], flops);
        step.set_outputs(&["k_cache", "v_cache", "q"]);
        step.bytes = a.k.bytes() + a.v.bytes() + 2 * a.qkv.bytes() + 4 * dim as u64;
        step.consts = consts(shape, cache_bits);
        step.part_words = heads * (dim + 4);
        a.qkv.first_cols(heads * dim)
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "attention_rope",
    params: Params::FIELDS,
    variants: &[
        Variant {
            name: "subgroup",
            needs: Needs::SUBGROUP8,
            wgsl: wgsl!(
                "lib/attention_scores_subgroup",
                "lib/attention_split",
                "lib/attention_rope",
                "lib/f16_round",
                "lib/eight_lanes",
                "lib/reach",
                "lib/reduce";
                cache "lib/cache_own"
            ),
            consts: SPLIT,
            tile: |c| [1, c.get("HEADS")],
            nmse: 1e-8,
        },
        Variant::portable(
            wgsl!(
                "lib/attention_scores",
                "lib/attention_split",
                "lib/attention_rope",
                "lib/f16_round",
                "lib/reach",
                "lib/reduce";
                cache "lib/cache_own"
            ),
            SPLIT,
            |c| [1, c.get("HEADS")],
            1e-8,
        ),
    ],
    reference,
    host: None,
    cases: cases_of_caches![
        bench "14x64_of_1024" |t, of| attend(t, of, (1023, Reach::ALONE), [14, 2, 64], None, false, None),
        bench "28x128_of_4096" |t, of| attend(t, of, (4095, Reach::ALONE), [28, 4, 128], None, false, None),
        test "first_position" |t, of| attend(t, of, (0, Reach::ALONE), [4, 2, 32], None, false, None),
        test "7x80_of_300_ordered" |t, of| attend(t, of, (299, Reach::ALONE), [7, 1, 80], None, true, None),
        test "8x256_norms" |t, of| attend(t, of, (70, Reach::ALONE), [8, 1, 256], Some(1e-6), false, None),
        test "16+8x128_norms_ordered" |t, of| attend(t, of, (40, Reach::ALONE), [16, 8, 128], Some(1e-6), true, None),
        test "12x24_norms_window_13" |t, of| attend(t, of, (100, Reach::ALONE), [12, 3, 24], Some(1e-6), false, Some(13)),
        test "4+2x64_that_shares" |t, of| attend(t, of, (41, Reach { first: 20, second_shift: 3, second: 30, rest_shift: 7 }),
            [4, 2, 64], None, false, None),
    ],
};

/// Builds a trial of a row by its position and reach; [heads, kv_heads, head_dim]; with norms of this epsilon, or without.
fn attend(
    t: &mut Trial,
    cached: Element,
    (at, slots): (u32, Reach),
    [heads, kv_heads, dim]: [usize; 3],
    eps: Option<f32>,
    ordered: bool,
    window: Option<usize>,
) -> Tensor {
    let position = t.u32(1, 1, [at]);
    let reach = t.u32(1, 4, bytemuck::cast::<Reach, [u32; 4]>(slots));
    let capacity = at as usize + 9;
    let table = t.f32(capacity, dim);
    let norms: Vec<u32> = (1..=2 * dim).map(|i| (i as f32 / 64.0).to_bits()).collect();
    let width = heads * dim;
    // 41 divides no width, so this is an order.
    let order: Vec<u32> = (0..width as u32).map(|i| i * 41 % width as u32).collect();
    let words = extra_words(dim, Some(&norms), width, Some(&order));
    let extra = t.words(1, words.len(), |i| words[i]);
    // Large enough that some keys weigh much more than others.
    let qkv = t.f32_of(1, width + 2 * kv_heads * dim, |_, value| 4.0 * value);
    let [k, v] = [(); 2].map(|_| cache::tensor(t, capacity, kv_heads * dim, cached));
    let extra = Some(extra);
    t.plan.attention_rope("", AttentionRope { position, reach, table, extra, eps, ordered, qkv, k, v, window })
}

/// Defines the step: the one of the parts after the other.
fn reference(io: &mut Io) {
    let p: Params = io.params();
    let [position, reach, table, extra] = [0, 1, 2, 3].map(|input| io.u32(input).to_vec());
    let (dim, width) = (p.head_dim as usize, (p.heads * p.head_dim) as usize);
    let slot = bytemuck::cast_slice::<u32, Reach>(&reach)[0].slot(position[0]);
    let qkv = io.output_u32(2).to_vec();
    let mut caches = [0, 1].map(|output| io.output_u32(output).to_vec());
    let mut q = vec![0; width];

    let rope = rope_kv::Params {
        heads: p.heads,
        kv_heads: p.kv_heads,
        head_dim: p.head_dim,
        eps: p.eps,
        cache_bits: p.cache_bits,
    };
    let weight = extra.get(..2 * dim).unwrap_or(&table);
    let [k, v] = &mut caches;
    rope_kv::reference(&mut Io::new(
        bytemuck::bytes_of(&rope),
        vec![&position, &[slot], &table, weight, &qkv],
        vec![k, v, &mut q],
    ));

    let attention = attention_decode::Params {
        heads: p.heads,
        kv_heads: p.kv_heads,
        head_dim: p.head_dim,
        scale: p.scale,
        rows: 1,
        window: p.window,
        cache_bits: p.cache_bits,
    };
    let mut y = vec![0; width];
    let inputs = vec![&position[..], &reach, &q, k, v];
    attention_decode::reference(&mut Io::new(bytemuck::bytes_of(&attention), inputs, vec![&mut y]));

    for (output, cache) in caches.iter().enumerate() {
        io.output_u32(output).copy_from_slice(cache);
    }
    for (column, value) in y.into_iter().enumerate() {
        let place = if p.ordered == 1 { extra[2 * dim + column] as usize } else { column };
        io.output_u32(2)[place] = value;
    }
}
