// y[r, h] = sum over j of softmax_j(scale * q[r, h] . k[s, g]) * v[s, g], for position[r] - window < j <= position[r],
// s the slot of key j by lib/reach.wgsl, and the key/value head g = h / (heads / kv_heads).
// One workgroup computes one head of one row: WG keys at a time, one key an invocation for the
// scores and one or two of the head's dimensions an invocation for the sum, under a running maximum.
struct Params { heads: u32, kv_heads: u32, head_dim: u32, scale: f32, rows: u32, window: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> position: array<u32>;
@group(0) @binding(2) var<storage, read> reach: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

override WG: u32 = 128;
var<workgroup> weight: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y;
    let head = group.x;
    let dim = params.head_dim;
    let kv_head = head / (params.heads / params.kv_heads);
    let kv_width = params.kv_heads * dim;
    let q_at = (row * params.heads + head) * dim / 4u;
    let keys = position[row] + 1u;
    let oldest = keys - min(keys, params.window);
    let own = reach[row];

    var highest = -3.0e38;
    var total = 0.0;
    var sum = vec2<f32>();
    for (var first = oldest; first < keys; first += WG) {
        let j = first + lane;
        var score = -3.0e38;
        if j < keys {
            let k_at = (slot_of(j, own) * kv_width + kv_head * dim) / 4u;
            var products = vec4<f32>();
            for (var d = 0u; d < dim / 4u; d++) {
                products += q[q_at + d] * key_quad(k_at + d);
            }
            score = params.scale * (products.x + products.y + products.z + products.w);
        }
        let above = max(highest, workgroup_max(score, lane));
        let fade = exp(highest - above);
        highest = above;
        let mine = select(0.0, exp(score - above), j < keys);
        weight[lane] = mine;
        // Its barriers also publish the weights.
        total = total * fade + workgroup_sum(mine, lane);

        let count = min(WG, keys - first);
        for (var part = 0u; part < 2u; part++) {
            let d = lane + part * WG;
            if d < dim {
                var partial = 0.0;
                for (var i = 0u; i < count; i++) {
                    partial += weight[i] * value_at(slot_of(first + i, own) * kv_width + kv_head * dim + d);
                }
                sum[part] = sum[part] * fade + partial;
            }
        }
        workgroupBarrier();
    }
    for (var part = 0u; part < 2u; part++) {
        let d = lane + part * WG;
        if d < dim {
            y[(row * params.heads + head) * dim + d] = sum[part] / total;
        }
    }
}
