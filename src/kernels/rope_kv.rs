//! Preparation of q, k and v for attention: norms of the heads of q and k where the model has them, rotary
//! position embedding (Su et al., 2021, half rotation as in GPT-NeoX), and k and v into the cache.

use super::cache::{self, cases_of_caches};
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! {
    pub(super) struct Params {
        pub heads: u32,
        pub kv_heads: u32,
        pub head_dim: u32,
        /// Epsilon of the heads' norms; below zero where there are none.
        pub eps: f32,
        /// Bits of a value in the caches, which the reference needs.
        pub cache_bits: u32,
    }
}

/// Tensors of the step.
#[derive(Clone, Copy)]
pub struct RopeKv {
    /// \[1, m\]: the position of each row in its sequence.
    pub position: Tensor,
    /// \[1, m\]: the cache slot of its key and value.
    pub slot: Tensor,
    /// \[positions, head_dim\]: see [`rope_table`](super::rope_table).
    pub table: Tensor,
    /// \[2, head_dim\], of q and of k, and the epsilon of these norms. None: heads are not normed.
    pub norms: Option<(Tensor, f32)>,
    /// \[m, (heads + 2 · kv heads) · head_dim\]: the heads of q, of k, of v.
    pub qkv: Tensor,
    /// \[capacity, kv heads · head_dim\]: takes the rotated keys.
    pub k_cache: Tensor,
    /// \[capacity, kv heads · head_dim\]: takes the values.
    pub v_cache: Tensor,
}

impl Plan {
    /// Adds the step. Returns the rotated queries \[m, heads · head_dim\].
    pub fn rope_kv(&mut self, name: &str, tensors: RopeKv) -> Tensor {
        let RopeKv { position, slot, table, norms, qkv, k_cache, v_cache } = tensors;
        let (m, dim) = (qkv.rows, table.cols);
        let kv_heads = k_cache.cols / dim;
        let heads = qkv.cols / dim - 2 * kv_heads;
        qkv.expect("qkv", m, (heads + 2 * kv_heads) * dim, Element::F32);
        assert!(dim.is_multiple_of(4), "{name}: head_dim {dim}");
        let cache_bits = cache::bits_of(k_cache, v_cache, kv_heads * dim);
        position.expect("position", 1, m, Element::U32);
        slot.expect("slot", 1, m, Element::U32);
        if let Some((norms, _)) = norms {
            norms.expect("norms", 2, dim, Element::F32);
        }
        let q = self.scratch(m, heads * dim, Element::F32);
        let [heads, kv_heads] = [heads, kv_heads].map(|heads| heads as u32);
        let eps = norms.map_or(-1.0, |(_, eps)| eps);
        let params = Params { heads, kv_heads, head_dim: dim as u32, eps, cache_bits };
        // Every binding must be bound: without norms the table stands in, unread.
        let weight = norms.map_or(table, |(weight, _)| weight);
        let bind = [position, slot, table, weight, qkv, k_cache, v_cache, q];
        let step =
            self.add(&KERNEL, name, params, &bind, [m, qkv.cols / dim], 3 * (m * (q.cols + k_cache.cols)) as u64);
        step.set_outputs(&["k_cache", "v_cache", "q"]);
        step.consts = vec![("CACHE", cache_bits)];
        step.bytes = qkv.bytes() + q.bytes() + 2 * k_cache.first_rows(m).bytes() + (4 * m * dim) as u64;
        q
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "rope_kv",
    params: Params::FIELDS,
    variants: &[Variant::portable(
        wgsl!("rope_kv", "lib/reduce", "lib/f16_round"; cache "lib/cache_put"),
        &[("WG", 64), ("CACHE", 16)],
        |_| [1, 1],
        1e-11,
    )],
    reference,
    host: None,
    cases: cases_of_caches![
        bench "1x14+2x64" |t, of| rope_kv(t, of, 1, [14, 2, 64], 2048, None, 1.0),
        bench "1x16+8x128_norms" |t, of| rope_kv(t, of, 1, [16, 8, 128], 2048, Some(1e-6), 1.0),
        bench "128x28+4x128" |t, of| rope_kv(t, of, 128, [28, 4, 128], 2048, None, 1.0),
        test "5x6+3x12" |t, of| rope_kv(t, of, 5, [6, 3, 12], 13, None, 1.0),
        test "3x4+2x20_norms" |t, of| rope_kv(t, of, 3, [4, 2, 20], 13, Some(1e-6), 1.0),
        test "2x2+1x160_norms" |t, of| rope_kv(t, of, 2, [2, 1, 160], 13, Some(1e-6), 1.0),
        // Every row of the cache is written, so that none hides how the others were rounded.
        test "5x2+2x64_filled" |t, of| rope_kv(t, of, 5, [2, 2, 64], 5, None, 1.0),
        // Twice what f16 holds, and below its least normal number.
        test "large" |t, of| rope_kv(t, of, 5, [2, 2, 64], 5, None, 131_008.0),
        test "small" |t, of| rope_kv(t, of, 5, [2, 2, 64], 5, None, 6e-5),
    ],
};

fn rope_kv(
    t: &mut Trial,
    cached: Element,
    m: usize,
    [heads, kv_heads, dim]: [usize; 3],
    capacity: usize,
    eps: Option<f32>,
    size: f32,
) -> Tensor {
    let first = (capacity - m) as u32 / 2;
    let position = t.u32(1, m, first..);
    // Any slots, each its own.
    let slot = t.u32(1, m, (0..m as u32).map(|i| first + m as u32 - 1 - i));
    let table = t.f32(capacity, dim);
    let norms = eps.map(|eps| (t.f32(2, dim), eps));
    let qkv = t.f32_of(m, (heads + 2 * kv_heads) * dim, |_, value| size * value);
    let [k_cache, v_cache] = [(); 2].map(|_| cache::tensor(t, capacity, kv_heads * dim, cached));
    t.plan.rope_kv("", RopeKv { position, slot, table, norms, qkv, k_cache, v_cache })
}

pub(super) fn reference(io: &mut Io) {
    let Params { heads, kv_heads, head_dim, eps, cache_bits } = io.params();
    let (position, slot, table, weight, qkv) = (io.u32(0), io.u32(1), io.f32(2), io.f32(3), io.f32(4));
    let [heads, kv_heads, dim] = [heads, kv_heads, head_dim].map(|n| n as usize);
    for (i, head) in qkv.chunks_exact(dim).enumerate() {
        let (row, number) = (i / (heads + 2 * kv_heads), i % (heads + 2 * kv_heads));
        let (output, row_heads, at) = match number {
            _ if number < heads => (2, row * heads, number),
            _ if number < heads + kv_heads => (0, slot[row] as usize * kv_heads, number - heads),
            _ => (1, slot[row] as usize * kv_heads, number - heads - kv_heads),
        };
        let mut made = head.to_vec();
        if output != 1 {
            if eps >= 0.0 {
                norm(&mut made, &weight[if output == 2 { 0 } else { dim }..][..dim], eps);
            }
            rotate(&mut made, &table[position[row] as usize * dim..][..dim]);
        }
        let bits = if output == 2 { 32 } else { cache_bits };
        cache::put(io.output_u32(output), bits, (row_heads + at) * dim, &made);
    }
}

/// Norms a head in place, as `rms_norm` does with rows.
fn norm(head: &mut [f32], weight: &[f32], eps: f32) {
    let mean = head.iter().map(|v| v * v).sum::<f32>() / head.len() as f32;
    let scale = 1.0 / (mean + eps).sqrt();
    head.iter_mut().zip(weight).for_each(|(x, weight)| *x = weight * (*x * scale));
}

/// Rotates a head in place by the `angles` of its position, \[head_dim\].
fn rotate(head: &mut [f32], angles: &[f32]) {
    let half = angles.len() / 2;
    let (cosines, sines) = angles.split_at(half);
    let (first, second) = head.split_at_mut(half);
    for i in 0..half {
        let (a, b) = (first[i], second[i]);
        first[i] = a * cosines[i] - b * sines[i];
        second[i] = b * cosines[i] + a * sines[i];
    }
}
