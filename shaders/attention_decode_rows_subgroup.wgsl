// y[r, h] = sum over j of softmax_j(scale * q[r, h] . k[s, g]) * v[s, g], for position[r] - window < j <= position[r],
// s the slot of key j by lib/reach.wgsl, and the key/value head g = h / (heads / kv_heads).
// Append to lib/eight_lanes.wgsl, lib/reach.wgsl and a lib/cache_ file. Needs SUBGROUP, subgroups of at least LANES
// lanes, and a workgroup of exactly LANES.
// One workgroup computes the HEADS heads of one row that share a key/value head, LANES keys at a time: for the scores a lane
// has a key, for the sums some dimensions, so that each is loaded once for all heads. Shuffles hand queries and weights
// around. Made for software adapters, where a barrier is dear and each component a lane loads is a branch and a scalar load.
struct Params { heads: u32, kv_heads: u32, head_dim: u32, scale: f32, rows: u32, window: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> position: array<u32>;
@group(0) @binding(2) var<storage, read> reach: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;

override HEADS: u32 = 8u; // at most eight
override STRIPES: u32 = 1u; // of 64 dimensions, at most four
const LANES = 8u;

// Of each head.
alias Heads = array<f32, 8>;
// Of each head, quad `part * LANES + lane` of its dimensions.
alias Quads = array<array<vec4<f32>, 8>, 8>; // [parts, heads]

fn largest_of_lanes(value: f32) -> f32 {
    let two = max(value, subgroupShuffleXor(value, 1u));
    let four = max(two, subgroupShuffleXor(two, 2u));
    return max(four, subgroupShuffleXor(four, 4u));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let row = group.y;
    let head0 = group.x * HEADS;
    let quads = params.head_dim / 4u;
    let kv_head = head0 / (params.heads / params.kv_heads);
    let kv_width = params.kv_heads * quads;
    let q_at = (row * params.heads + head0) * quads;
    let keys = position[row] + 1u;
    let oldest = keys - min(keys, params.window);
    let own = reach[row];

    var query: Quads;
    for (var part = 0u; part < 2u * STRIPES; part++) {
        let quad = part * LANES + lane;
        for (var h = 0u; h < HEADS; h++) {
            if (quad < quads) { query[part][h] = params.scale * q[q_at + h * quads + quad]; }
        }
    }
    var sum: Quads;
    var highest: Heads;
    for (var h = 0u; h < HEADS; h++) { highest[h] = -3.0e38; }
    var total: Heads; // of this lane's keys
    for (var first = oldest; first < keys; first += LANES) {
        let j = min(first + lane, keys - 1u);
        let k_at = slot_of(j, own) * kv_width + kv_head * quads;
        var products: array<vec4<f32>, 8>;
        for (var part = 0u; part < 2u * STRIPES; part++) {
            for (var i = 0u; i < LANES; i++) {
                // Beyond the head's own quads the query is 0.
                let key = key_quad(k_at + min(part * LANES + i, quads - 1u));
                for (var h = 0u; h < HEADS; h++) { products[h] += subgroupShuffle(query[part][h], i) * key; }
            }
        }
        let there = first + lane < keys;
        var mine: Heads;
        for (var h = 0u; h < HEADS; h++) {
            let score = select(-3.0e38, dot(products[h], vec4(1.0)), there);
            let above = max(highest[h], largest_of_lanes(score));
            let fade = exp(highest[h] - above);
            highest[h] = above;
            mine[h] = select(0.0, exp(score - above), there);
            total[h] = total[h] * fade + mine[h];
            for (var part = 0u; part < 2u * STRIPES; part++) { sum[part][h] *= fade; }
        }
        for (var i = 0u; i < LANES; i++) {
            let v_at = slot_of(min(first + i, keys - 1u), own) * kv_width + kv_head * quads;
            for (var part = 0u; part < 2u * STRIPES; part++) {
                let value = value_quad(v_at + min(part * LANES + lane, quads - 1u));
                for (var h = 0u; h < HEADS; h++) { sum[part][h] += subgroupShuffle(mine[h], i) * value; }
            }
        }
    }
    for (var h = 0u; h < HEADS; h++) {
        let all = sum_of_lanes(total[h]);
        for (var part = 0u; part < 2u * STRIPES; part++) {
            let quad = part * LANES + lane;
            if (quad < quads) { y[q_at + h * quads + quad] = sum[part][h] / all; }
        }
    }
}
