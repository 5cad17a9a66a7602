// y[r, h] = sum over j of softmax_j(scale * q[r, h] . k[s, g]) * v[s, g], for position[r] - window < j <= position[r],
// s the slot of key j by lib/reach.wgsl, and the key/value head g = h / (heads / kv_heads).
// One workgroup computes one head of ROWS rows. Neighbouring rows of one reach go together, so that a key or
// value is read once for all of them: WG keys at a time, one key an invocation for the scores and one or two
// of the head's dimensions an invocation for the sums, under a running maximum for each row. A row's sums do
// not depend on which rows go with it.
const ROWS: u32 = 8;
struct Params { heads: u32, kv_heads: u32, head_dim: u32, scale: f32, rows: u32, window: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> position: array<u32>;
@group(0) @binding(2) var<storage, read> reach: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> k: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> v: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

override WG: u32 = 128;
var<workgroup> weight: array<array<f32, ROWS>, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row0 = group.y * ROWS;
    let rows = min(ROWS, params.rows - row0);
    let head = group.x;
    let kv_head = head / (params.heads / params.kv_heads);
    for (var start = 0u; start < rows;) {
        let own = reach[row0 + start];
        var end = start + 1u;
        while (end < rows && all(reach[row0 + end] == own)) { end++; }
        together(row0, start, end, head, kv_head, lane);
        start = end;
    }
}

// Rows row0 + start to row0 + end - 1, which have one reach.
fn together(row0: u32, start: u32, end: u32, head: u32, kv_head: u32, lane: u32) {
    let own = reach[row0 + start];
    let dim = params.head_dim;
    let kv_width = params.kv_heads * dim;
    let q_width = params.heads * dim;

    // Rows before and after see nothing and are not written.
    var keys: array<u32, ROWS>;
    var oldest: array<u32, ROWS>;
    var q_at: array<u32, ROWS>;
    var most = 0u;
    var least = 0xffffffffu;
    for (var r = 0u; r < ROWS; r++) {
        let row = row0 + clamp(r, start, end - 1u);
        keys[r] = select(0u, position[row] + 1u, r >= start && r < end);
        q_at[r] = (row * q_width + head * dim) / 4u;
        most = max(most, keys[r]);
        oldest[r] = keys[r] - min(keys[r], params.window);
        if keys[r] > 0u {
            least = min(least, oldest[r]);
        }
    }

    var highest: array<f32, ROWS>;
    var total = array<f32, ROWS>();
    var low = array<f32, ROWS>();
    var high = array<f32, ROWS>();
    for (var r = 0u; r < ROWS; r++) {
        highest[r] = -3.0e38;
    }
    // From a multiple of WG on, so that a row's keys are cut the same way whichever rows go with it.
    for (var first = least / WG * WG; first < most; first += WG) {
        let j = first + lane;
        var scores = array<f32, ROWS>();
        if j >= least && j < most {
            let k_at = (slot_of(j, own) * kv_width + kv_head * dim) / 4u;
            for (var d = 0u; d < dim / 4u; d++) {
                let key = k[k_at + d];
                for (var r = 0u; r < ROWS; r++) {
                    scores[r] += dot(key, q[q_at[r] + d]);
                }
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            let seen = j >= oldest[r] && j < keys[r];
            let score = select(-3.0e38, params.scale * scores[r], seen);
            let above = max(highest[r], workgroup_max(score, lane));
            let fade = exp(highest[r] - above);
            highest[r] = above;
            let mine = select(0.0, exp(score - above), seen);
            weight[lane][r] = mine;
            // Its barriers also publish the weights.
            total[r] = total[r] * fade + workgroup_sum(mine, lane);
            low[r] *= fade;
            high[r] *= fade;
        }

        let begin = max(least, first) - first;
        let count = min(WG, most - first);
        if lane < dim {
            for (var i = begin; i < count; i++) {
                let value = v[slot_of(first + i, own) * kv_width + kv_head * dim + lane];
                for (var r = 0u; r < ROWS; r++) {
                    low[r] += weight[i][r] * value;
                }
            }
        }
        if lane + WG < dim {
            for (var i = begin; i < count; i++) {
                let value = v[slot_of(first + i, own) * kv_width + kv_head * dim + lane + WG];
                for (var r = 0u; r < ROWS; r++) {
                    high[r] += weight[i][r] * value;
                }
            }
        }
        workgroupBarrier();
    }
    for (var r = start; r < end; r++) {
        let at = (row0 + r) * q_width + head * dim + lane;
        if lane < dim {
            y[at] = low[r] / total[r];
        }
        if lane + WG < dim {
            y[at + WG] = high[r] / total[r];
        }
    }
}
