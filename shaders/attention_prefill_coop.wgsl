// y[r, h] = sum over j of softmax_j(scale * q[r, h] . k[s, g]) * v[s, g], for position[r] - window < j <= position[r],
// s the slot of key j by lib/reach.wgsl, and the key/value head g = h / (heads / kv_heads): as attention_prefill, with q,
// k, v and the softmax's weights rounded to f16, and both products by tiles, with f32 sums. Append to a lib/tile_ file,
// which says what a tile of SIDE x SIDE values is and which lanes hold it, a team.
// One workgroup computes one head of ROWS rows, KEYS keys at a time under a running maximum for each row. Tiles of a
// product go to the teams by turns, however many there are.
struct Params { heads: u32, kv_heads: u32, head_dim: u32, scale: f32, rows: u32, window: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> position: array<u32>;
@group(0) @binding(2) var<storage, read> reach: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

override STRIPES: u32 = 2; // of DIMS dimensions, no fewer than the head's

const WG = 128u;
const ROWS = 32u;
const KEYS = 64u;
const DIMS = 64u;
const STRIDE = DIMS + 8u; // of a row of x_tile and w_tile; the 8 keep rows off one bank
const X_VALUES = ROWS * STRIDE;
const W_VALUES = KEYS * STRIDE;
const Y_STRIDE = KEYS + 4u;
const NEVER = -3.0e38;

var<workgroup> y_tile: array<f32, ROWS * Y_STRIDE>; // of a product: scores, or sums of values of a stripe
var<workgroup> by_part: array<f32, WG>;             // of a row's quarter of keys: the maximum, or the sum
var<workgroup> fade: array<f32, ROWS>;              // by which earlier sums of a row shrink

// The nearest value that is finite in f16.
fn limited(v: vec4<f32>) -> vec4<f32> { return clamp(v, vec4(-65504.0), vec4(65504.0)); }

// y_tile = x_tile * w_tile, + y_tile if `add`. w_tile has the right factor's columns, or its rows if `by_rows`.
fn product(team: u32, teams: u32, add: bool, by_rows: bool) {
    for (var t = team; t < ROWS / (2u * SIDE) * (KEYS / SIDE); t += teams) {
        let row = t / (KEYS / SIDE) * (2u * SIDE);
        let col = t % (KEYS / SIDE) * SIDE;
        let at = row * Y_STRIDE + col;
        var c0 = tile_zero();
        var c1 = tile_zero();
        if (add) {
            c0 = tile_load_c(at, Y_STRIDE);
            c1 = tile_load_c(at + SIDE * Y_STRIDE, Y_STRIDE);
        }
        for (var k = 0u; k < DIMS; k += SIDE) {
            var b: TileB;
            if (by_rows) { b = tile_load_b_rows(k * STRIDE + col); } else { b = tile_load_b(col * STRIDE + k); }
            c0 = tile_mul_add(tile_load_a(row * STRIDE + k), b, c0);
            c1 = tile_mul_add(tile_load_a((row + SIDE) * STRIDE + k), b, c1);
        }
        tile_store(c0, at, Y_STRIDE);
        tile_store(c1, at + SIDE * Y_STRIDE, Y_STRIDE);
    }
}

fn compute(group: vec3<u32>, groups: vec3<u32>, lane: u32, team: u32, teams: u32) {
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
        together(row0 + start, row0 + end, row0, vec2(least, most), group.x, lane, team, teams);
        start = end;
    }
}

// Rows from `start` to before `end`, which have one reach, of the ROWS from row0 on, over the keys from x to before y.
fn together(start: u32, end: u32, row0: u32, keys: vec2<u32>, head: u32, lane: u32, team: u32, teams: u32) {
    let least = keys.x;
    let most = keys.y;
    let own = reach[start];
    let quads = params.head_dim / 4u;
    let kv_quads = params.kv_heads * quads;
    let kv_at = head / (params.heads / params.kv_heads) * quads;

    // Of the weights: one row, of four parts of its keys one.
    let place = lane / 4u;
    let part = lane % 4u * (KEYS / 4u);
    let inside = clamp(row0 + place, start, end - 1u);
    let is_row = row0 + place == inside;
    let seen_end = position[inside] + 1u;
    let seen_begin = seen_end - min(seen_end, params.window);
    var highest = NEVER;
    var total = 0.0;
    // Of the sums: one dimension of each stripe, every other row.
    let dim = lane % DIMS;
    var sums: array<array<f32, 16>, 4>; // of a stripe, of a row

    // From a multiple of KEYS on, so that a row's keys are cut the same way whichever rows go with it.
    for (var first = least / KEYS * KEYS; first < most; first += KEYS) {
        // Two quads of eight, and a row or a key of 16.
        let pair = lane % 8u * 2u;
        for (var quad0 = 0u; quad0 < quads; quad0 += DIMS / 4u) {
            let d = quad0 + pair + vec2(0u, 1u);
            let in_head = d < vec2(quads);
            let d_inside = min(d, vec2(quads - 1u));
            for (var r = lane / 8u; r < ROWS; r += 16u) {
                let at = (min(row0 + r, params.rows - 1u) * params.heads + head) * quads;
                let a = q[at + d_inside.x];
                let b = q[at + d_inside.y];
                let to = r * STRIDE + pair * 4u;
                put_x(to, select(vec4(0.0), limited(a), in_head.x));
                put_x(to + 4u, select(vec4(0.0), limited(b), in_head.y));
            }
            fill_w(true, vec2(first, most), own, vec3(kv_quads, kv_at, pair), d_inside, lane);
            workgroupBarrier();
            product(team, teams, quad0 > 0u, false);
            workgroupBarrier();
        }

        var scores: array<f32, 16>;
        var above = highest;
        for (var i = 0u; i < KEYS / 4u; i++) {
            let key = first + part + i;
            let seen = is_row && key >= seen_begin && key < seen_end;
            scores[i] = select(NEVER, params.scale * y_tile[place * Y_STRIDE + part + i], seen);
            above = max(above, scores[i]);
        }
        by_part[lane] = above;
        workgroupBarrier();
        let four = place * 4u;
        above = max(max(by_part[four], by_part[four + 1u]), max(by_part[four + 2u], by_part[four + 3u]));
        let fading = exp(highest - above);
        highest = above;
        total *= fading;
        for (var i = 0u; i < KEYS / 4u; i += 8u) {
            let low = vec4(scores[i], scores[i + 1u], scores[i + 2u], scores[i + 3u]);
            let high = vec4(scores[i + 4u], scores[i + 5u], scores[i + 6u], scores[i + 7u]);
            let a = select(vec4(0.0), exp(low - above), low > vec4(NEVER));
            let b = select(vec4(0.0), exp(high - above), high > vec4(NEVER));
            total += dot(a + b, vec4(1.0));
            put_x(place * STRIDE + part + i, a);
            put_x(place * STRIDE + part + i + 4u, b);
        }
        if (part == 0u) { fade[place] = fading; }

        for (var s = 0u; s < STRIPES; s++) {
            let d = min(s * (DIMS / 4u) + pair + vec2(0u, 1u), vec2(quads - 1u));
            fill_w(false, vec2(first, most), own, vec3(kv_quads, kv_at, pair), d, lane);
            workgroupBarrier();
            product(team, teams, false, true);
            workgroupBarrier();
            for (var r = 0u; r < 16u; r++) {
                let row = lane / DIMS + 2u * r;
                sums[s][r] = sums[s][r] * fade[row] + y_tile[row * Y_STRIDE + dim];
            }
        }
        workgroupBarrier(); // y_tile has been read
    }

    by_part[lane] = total;
    workgroupBarrier();
    for (var r = 0u; r < 16u; r++) {
        let in_tile = lane / DIMS + 2u * r;
        let row = row0 + in_tile;
        let four = in_tile * 4u;
        let whole = by_part[four] + by_part[four + 1u] + (by_part[four + 2u] + by_part[four + 3u]);
        if (row >= start && row < end) {
            for (var s = 0u; s < STRIPES; s++) {
                let d = dim + DIMS * s;
                if (d < params.head_dim) { y[(row * params.heads + head) * params.head_dim + d] = sums[s][r] / whole; }
            }
        }
    }
    workgroupBarrier();
}

// Puts two quads d of each of KEYS keys, or of their values, into w_tile. `keys` are the first and the end of those that
// there are; `at` the quads of a slot, where the head's begin, and the place of d in w_tile.
fn fill_w(of_keys: bool, keys: vec2<u32>, own: vec4<u32>, at: vec3<u32>, d: vec2<u32>, lane: u32) {
    for (var j = lane / 8u; j < KEYS; j += 16u) {
        let slot = slot_of(min(keys.x + j, keys.y - 1u), own) * at.x + at.y;
        var a: vec4<f32>;
        var b: vec4<f32>;
        if (of_keys) {
            a = key_quad(slot + d.x);
            b = key_quad(slot + d.y);
        } else {
            a = value_quad(slot + d.x);
            b = value_quad(slot + d.y);
        }
        put_w(j * STRIDE + at.z * 4u, limited(a));
        put_w(j * STRIDE + at.z * 4u + 4u, limited(b));
    }
}
