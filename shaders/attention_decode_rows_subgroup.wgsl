// y[r, h] = sum over j of softmax_j(scale * q[r, h] . k[s, g]) * v[s, g], for position[r] - window < j <= position[r],
// s the slot of key j by lib/reach.wgsl, and the key/value head g = h / (heads / kv_heads).
// Needs SUBGROUP, subgroups of at least LANES lanes, and a workgroup of exactly LANES.
// One workgroup computes one head of one row: LANES keys at a time, one key a lane for the scores and up
// to eight quads of the head's dimensions a lane for the sum, under a running maximum; shuffles hand the
// weights around. Made for software adapters, where a barrier is dear.
struct Params { heads: u32, kv_heads: u32, head_dim: u32, scale: f32, rows: u32, window: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> position: array<u32>;
@group(0) @binding(2) var<storage, read> reach: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;

const LANES = 8u;
const PARTS = 8u; // of LANES quads: 256 dimensions

fn largest_of_lanes(value: f32) -> f32 {
    let two = max(value, subgroupShuffleXor(value, 1u));
    let four = max(two, subgroupShuffleXor(two, 2u));
    return max(four, subgroupShuffleXor(four, 4u));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let row = group.y;
    let head = group.x;
    let quads = params.head_dim / 4u;
    let kv_head = head / (params.heads / params.kv_heads);
    let kv_width = params.kv_heads * quads;
    let q_at = (row * params.heads + head) * quads;
    let keys = position[row] + 1u;
    let oldest = keys - min(keys, params.window);
    let own = reach[row];

    var highest = -3.0e38;
    var total = 0.0; // of this lane's keys
    var sum: array<vec4<f32>, PARTS>;
    for (var first = oldest; first < keys; first += LANES) {
        let j = min(first + lane, keys - 1u);
        let k_at = slot_of(j, own) * kv_width + kv_head * quads;
        var products: vec4<f32>;
        var d = 0u;
        // Four at a time: few turns of the loop, of which a software driver grants 65,535.
        for (; d + 4u <= quads; d += 4u) {
            products += q[q_at + d] * key_quad(k_at + d) + q[q_at + d + 1u] * key_quad(k_at + d + 1u);
            products += q[q_at + d + 2u] * key_quad(k_at + d + 2u) + q[q_at + d + 3u] * key_quad(k_at + d + 3u);
        }
        for (; d < quads; d++) { products += q[q_at + d] * key_quad(k_at + d); }
        let there = first + lane < keys;
        let score = select(-3.0e38, params.scale * dot(products, vec4(1.0)), there);
        let above = max(highest, largest_of_lanes(score));
        let fade = exp(highest - above);
        highest = above;
        let mine = select(0.0, exp(score - above), there);
        total = total * fade + mine;

        var weight: array<f32, LANES>;
        var v_at: array<u32, LANES>;
        for (var i = 0u; i < LANES; i++) {
            weight[i] = subgroupShuffle(mine, i);
            v_at[i] = slot_of(min(first + i, keys - 1u), own) * kv_width + kv_head * quads;
        }
        for (var part = 0u; part < PARTS; part++) {
            let quad = part * LANES + lane;
            if (quad < quads) {
                var partial = sum[part] * fade;
                for (var i = 0u; i < LANES; i++) { partial += weight[i] * value_quad(v_at[i] + quad); }
                sum[part] = partial;
            }
        }
    }
    let all = sum_of_lanes(total);
    for (var part = 0u; part < PARTS; part++) {
        let quad = part * LANES + lane;
        if (quad < quads) { y[q_at + quad] = sum[part] / all; }
    }
}
