// lib/attention_split.wgsl over rows whose queries are rotated, with keys and values in the cache as a lib/cache_ file reads it.
struct Params { heads: u32, kv_heads: u32, head_dim: u32, scale: f32, rows: u32, window: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> position: array<u32>;
@group(0) @binding(2) var<storage, read> reach: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;
// [split, row, head], each of head_dim / 4 quads and one with the maximum and the total.
@group(0) @binding(7) var<storage, read_write> parts: array<vec4<f32>>;

// Quad i of the heads that begin at q_at, eight heads of 8 QUADS; nothing beyond HEADS and the head's own.
fn scaled_q(q_at: u32, i: u32) -> vec4<f32> {
    let quads = params.head_dim / 4u;
    let head = i / (8u * QUADS);
    let quad = i % (8u * QUADS);
    let value = q[q_at + min(head, HEADS - 1u) * quads + min(quad, quads - 1u)];
    return select(vec4<f32>(), params.scale * value, head < HEADS && quad < quads);
}

// Puts the scaled queries of the heads from head0 on into shared_quads.
fn stage(row: u32, head0: u32, keys: Span, last: u32, lane: u32) {
    let q_at = (row * params.heads + head0) * (params.head_dim / 4u);
    for (var i = lane; i < 64u * QUADS; i += 2u * WG) {
        // Both loads go out before the first is waited for.
        let loaded = array(scaled_q(q_at, i), scaled_q(q_at, i + WG));
        shared_quads[i] = loaded[0];
        if i + WG < 64u * QUADS { shared_quads[i + WG] = loaded[1]; }
    }
}

fn put(row: u32, head: u32, quad: u32, value: vec4<f32>) {
    y[(row * params.heads + head) * (params.head_dim / 4u) + quad] = value;
}
