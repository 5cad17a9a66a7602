// q[r] = rotated(norm(qkv[r])), k_cache[slot[r]] = rotated(norm(qkv[r])), v_cache[slot[r]] = qkv[r], each head by itself.
// Rotated: with a = x[i], b = x[i + d/2] and the angle of (position[r], i), a cos - b sin goes to i, and b cos + a sin to
// i + d/2; table[position] holds d/2 cosines, then d/2 sines. Norm, unless eps is below zero: x * weight /
// sqrt(mean(x^2) + eps), the weights of q, then those of k. A workgroup has one head; a lane takes pairs of columns.
// Append to lib/reduce.wgsl and a lib/cache_put_ file.
struct Params { heads: u32, kv_heads: u32, head_dim: u32, eps: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> position: array<u32>;
@group(0) @binding(2) var<storage, read> slot: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> weight: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read> qkv: array<vec2<f32>>;
@group(0) @binding(8) var<storage, read_write> q: array<vec2<f32>>;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // The heads of q, then those of k, then those of v.
    let head = group.x;
    let row = group.y;
    let pairs = params.head_dim / 2u;
    let half = pairs / 2u;
    let from_head = (row * (params.heads + 2u * params.kv_heads) + head) * pairs;
    let of_q = head < params.heads;
    let of_v = head >= params.heads + params.kv_heads;
    let normed = params.eps >= 0.0 && !of_v;

    var scale = 1.0;
    if normed {
        var squares = 0.0;
        for (var i = lane; i < half; i += WG) {
            let four = vec4(qkv[from_head + i], qkv[from_head + i + half]);
            squares += dot(four, four);
        }
        scale = 1.0 / sqrt(workgroup_sum(squares, lane) / f32(params.head_dim) + params.eps);
    }
    for (var i = lane; i < half; i += WG) {
        var a = qkv[from_head + i];
        var b = qkv[from_head + i + half];
        if of_v {
            let to = (slot[row] * params.kv_heads + head - params.heads - params.kv_heads) * pairs + i;
            put_value(vec4(a, b), to, to + half);
            continue;
        }
        if normed {
            let of_weight = select(pairs, 0u, of_q) + i;
            a = weight[of_weight] * (a * scale);
            b = weight[of_weight + half] * (b * scale);
        }
        let angle = position[row] * pairs + i;
        let cosine = table[angle];
        let sine = table[angle + half];
        let rotated = vec4(a * cosine - b * sine, b * cosine + a * sine);
        if of_q {
            let to = (row * params.heads + head) * pairs + i;
            q[to] = rotated.xy;
            q[to + half] = rotated.zw;
        } else {
            let to = (slot[row] * params.kv_heads + head - params.heads) * pairs + i;
            put_key(rotated, to, to + half);
        }
    }
}
