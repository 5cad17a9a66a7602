// y[r, h] = sum over j of softmax_j(scale * q[r, h] . k[s, g]) * v[s, g], for position[r] - window < j <= position[r],
// s the slot of key j by lib/reach.wgsl, and the key/value head g = h / (heads / kv_heads).
// One workgroup computes one head of ROWS rows, KEYS keys at a time under a running maximum for each row: scores in
// registers as a product of two tiles, then weights in workgroup memory, then sums of values. Rows of one reach go
// together; a row's sums do not depend on which rows go with it.
struct Params { heads: u32, kv_heads: u32, head_dim: u32, scale: f32, rows: u32, window: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> position: array<u32>;
@group(0) @binding(2) var<storage, read> reach: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;

override STRIPES: u32 = 2; // of 64 dimensions, no fewer than the head's

const WG = 128u;
const ROWS = 32u;
const KEYS = 64u;
const QUADS = 8u;           // of dimensions, in a step of the product
const Q_STRIDE = ROWS + 1u; // a vector more, so that lanes that fill a column meet no bank twice
const K_STRIDE = KEYS + 1u;
const NEVER = -3.0e38;

// A row's place in tiles: rows x, x + 8, x + 16 and x + 24 are one vector.
var<workgroup> q_tile: array<vec4<f32>, QUADS * Q_STRIDE>;
var<workgroup> k_tile: array<vec4<f32>, QUADS * K_STRIDE>; // then scores and weights: [key][row], four rows a vector
var<workgroup> by_part: array<f32, WG>;                    // of a row's quarter of keys: the maximum, or the sum
var<workgroup> fade: array<vec4<f32>, ROWS / 4u>;          // by which earlier sums of a row shrink

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row0 = group.y * ROWS;
    let rows = min(ROWS, params.rows - row0);
    for (var start = 0u; start < rows;) {
        // The rows of the same reach, and the keys that any of them sees. No load waits for another.
        let own = reach[row0 + start];
        var same = 1u;
        var end = start;
        var most = 0u;
        var least = 0xffffffffu;
        for (var i = 0u; i < ROWS; i++) {
            let row = row0 + min(start + i, rows - 1u);
            same = select(0u, same, start + i < rows && all(reach[row] == own));
            end += same;
            let keys = position[row] + 1u;
            most = max(most, keys * same);
            least = min(least, select(0xffffffffu, keys - min(keys, params.window), same == 1u));
        }
        together(row0 + start, row0 + end, row0, vec2(least, most), group.x, lane);
        start = end;
    }
}

fn four_rows(row0: u32, place: u32) -> vec4<u32> { return row0 + place + vec4(0u, 8u, 16u, 24u); }

fn four_dots(key: vec4<f32>, qs: array<vec4<f32>, 4>) -> vec4<f32> {
    return vec4(dot(key, qs[0]), dot(key, qs[1]), dot(key, qs[2]), dot(key, qs[3]));
}

// Rows from `start` to before `end`, which have one reach, of the ROWS from row0 on, over the keys from x to before y.
fn together(start: u32, end: u32, row0: u32, keys: vec2<u32>, head: u32, lane: u32) {
    let least = keys.x;
    let most = keys.y;
    let own = reach[start];
    let quads = params.head_dim / 4u;
    let kv_quads = params.kv_heads * quads;
    let q_quads = params.heads * quads;
    let kv_at = head / (params.heads / params.kv_heads) * quads;

    // Of the product: four rows by four keys a lane, keys x, x + 16, x + 32 and x + 48.
    let rows_place = lane % 8u;
    let key_place = lane / 8u;
    let score_rows = four_rows(row0, rows_place);
    let seen_rows = (score_rows >= vec4(start)) & (score_rows < vec4(end));
    let inside = clamp(score_rows, vec4(start), vec4(end - 1u));
    let ends = vec4(position[inside.x], position[inside.y], position[inside.z], position[inside.w]) + 1u;
    let begins = ends - min(ends, vec4(params.window));
    // Of the weights: one row, of four parts of its keys one.
    let place = lane % ROWS;
    let part = lane / ROWS;
    var highest = NEVER;
    var total = 0.0;
    // Of the sums: four rows by one quad of each stripe.
    let sum_place = lane / 16u;
    let quad = lane % 16u;
    var sums: array<array<vec4<f32>, 4>, 4>; // of a stripe, of a row

    // From a multiple of KEYS on, so that a row's keys are cut the same way whichever rows go with it.
    for (var first = least / KEYS * KEYS; first < most; first += KEYS) {
        var scores: array<vec4<f32>, 4>; // of a key, of four rows
        for (var quad0 = 0u; quad0 < quads; quad0 += QUADS) {
            let d = quad0 + lane % QUADS;
            let in_head = d < quads;
            let filled = row0 + lane / QUADS;
            let q_at = min(vec2(filled, filled + 16u), vec2(params.rows - 1u)) * q_quads + head * quads + min(d, quads - 1u);
            let j = min(first + lane / QUADS + vec4(0u, 16u, 32u, 48u), vec4(most - 1u));
            let k_at = vec4(slot_of(j.x, own), slot_of(j.y, own), slot_of(j.z, own), slot_of(j.w, own)) * kv_quads + kv_at
                + min(d, quads - 1u);
            let q_loaded = array(q[q_at.x], q[q_at.y]);
            let k_loaded = array(k[k_at.x], k[k_at.y], k[k_at.z], k[k_at.w]);
            workgroupBarrier(); // the tiles have been read
            let to_q = lane % QUADS * Q_STRIDE + lane / QUADS;
            let to_k = lane % QUADS * K_STRIDE + lane / QUADS;
            q_tile[to_q] = select(vec4(0.0), q_loaded[0], in_head);
            q_tile[to_q + 16u] = select(vec4(0.0), q_loaded[1], in_head);
            k_tile[to_k] = widened(k_loaded[0]);
            k_tile[to_k + 16u] = widened(k_loaded[1]);
            k_tile[to_k + 32u] = widened(k_loaded[2]);
            k_tile[to_k + 48u] = widened(k_loaded[3]);
            workgroupBarrier();
            for (var c = 0u; c < QUADS; c++) {
                let q_from = c * Q_STRIDE + rows_place;
                let k_from = c * K_STRIDE + key_place;
                let qs = array(q_tile[q_from], q_tile[q_from + 8u], q_tile[q_from + 16u], q_tile[q_from + 24u]);
                scores[0] += four_dots(k_tile[k_from], qs);
                scores[1] += four_dots(k_tile[k_from + 16u], qs);
                scores[2] += four_dots(k_tile[k_from + 32u], qs);
                scores[3] += four_dots(k_tile[k_from + 48u], qs);
            }
        }
        workgroupBarrier(); // the tile of keys has been read
        for (var i = 0u; i < 4u; i++) {
            let key = key_place + i * 16u;
            let seen = seen_rows & (vec4(first + key) >= begins) & (vec4(first + key) < ends);
            k_tile[key * 8u + rows_place] = select(vec4(NEVER), params.scale * scores[i], seen);
        }
        workgroupBarrier();

        var above = NEVER;
        for (var i = 0u; i < KEYS / 4u; i++) {
            above = max(above, k_tile[(part * (KEYS / 4u) + i) * 8u + place / 4u][place % 4u]);
        }
        by_part[lane] = above;
        workgroupBarrier();
        above = max(max(by_part[place], by_part[place + ROWS]), max(by_part[place + 2u * ROWS], by_part[place + 3u * ROWS]));
        above = max(highest, above);
        let fading = exp(highest - above);
        highest = above;
        total *= fading;
        for (var i = 0u; i < KEYS / 4u; i++) {
            let at = (part * (KEYS / 4u) + i) * 8u + place / 4u;
            let score = k_tile[at][place % 4u];
            let weight = select(0.0, exp(score - above), score > NEVER);
            k_tile[at][place % 4u] = weight;
            total += weight;
        }
        if (part == 0u) { fade[place / 4u][place % 4u] = fading; }
        workgroupBarrier();

        let fades = fade[sum_place];
        for (var s = 0u; s < STRIPES; s++) {
            for (var r = 0u; r < 4u; r++) { sums[s][r] *= fades[r]; }
        }
        let stop = min(KEYS, most - first);
        for (var i = max(least, first) - first; i < stop; i += 2u) {
            // The last key stands for one beyond it, with weight nothing.
            let slots = vec2(slot_of(first + i, own), slot_of(min(first + i + 1u, most - 1u), own)) * kv_quads + kv_at;
            let a = k_tile[i * 8u + sum_place];
            let b = select(vec4(0.0), k_tile[min(i + 1u, KEYS - 1u) * 8u + sum_place], i + 1u < stop);
            for (var s = 0u; s < STRIPES; s++) {
                let d = min(quad + 16u * s, quads - 1u);
                let cached = array(v[slots.x + d], v[slots.y + d]);
                let value_a = widened(cached[0]);
                let value_b = widened(cached[1]);
                for (var r = 0u; r < 4u; r++) { sums[s][r] += a[r] * value_a + b[r] * value_b; }
            }
        }
    }

    workgroupBarrier();
    by_part[lane] = total;
    workgroupBarrier();
    for (var r = 0u; r < 4u; r++) {
        let row = row0 + sum_place + 8u * r;
        let from_part = sum_place * 4u + r;
        let whole = by_part[from_part] + by_part[from_part + ROWS] + by_part[from_part + 2u * ROWS] + by_part[from_part + 3u * ROWS];
        if (row >= start && row < end) {
            for (var s = 0u; s < STRIPES; s++) {
                let d = quad + 16u * s;
                if (d < quads) { y[row * q_quads + head * quads + d] = sums[s][r] / whole; }
            }
        }
    }
    workgroupBarrier();
}
