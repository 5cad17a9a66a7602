// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// with x and w rounded to f16 and sums in f32. Append to lib/tile_coop.wgsl, or to
// lib/tile_emulated.wgsl to run it on any adapter, and to a lib/weights_ file, which says what w is.
// k is a multiple of 32. For m from 2 on.
// A workgroup of four tile groups of LANES lanes (the adapter's subgroup size) owns 64 rows of m
// by 64 columns of n; each group owns a 32 x 32 quarter of it as 2 x 2 tiles. STEP, a multiple of 16,
// is how much of k is in workgroup memory at a time.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

override LANES: u32 = 32u;
override WG: u32 = LANES * 4u;
override STEP: u32 = 32u;
override STRIDE: u32 = STEP + 8u; // of a row of x_tile and w_tile; the 8 keep rows off one bank
override VALUES: u32 = TILE * STRIDE; // by name, because naga cannot compute it within an array's type

const TILE = 64u;
const LIMIT = 65504.0; // the largest f16

var<workgroup> x_tile: array<Half, VALUES>;
var<workgroup> w_tile: array<Half, VALUES>;
var<workgroup> y_tile: array<f32, 4 * 256>; // one 16 x 16 tile of each group

fn store_half(row: u32, word: u32, xa: vec4<f32>, xb: vec4<f32>, w: array<vec4<f32>, 2>) {
    let at = row * STRIDE + word * 8u;
    for (var j = 0u; j < 4u; j++) {
        x_tile[at + j] = to_half(clamp(xa[j], -LIMIT, LIMIT));
        x_tile[at + j + 4u] = to_half(clamp(xb[j], -LIMIT, LIMIT));
        w_tile[at + j] = to_half(clamp(w[0][j], -LIMIT, LIMIT));
        w_tile[at + j + 4u] = to_half(clamp(w[1][j], -LIMIT, LIMIT));
    }
}

fn store_tile(m0: u32, n0: u32, staged: u32) {
    for (var e = tile_lane; e < 256u; e += LANES) {
        let m = m0 + e / 16u;
        let n = n0 + e % 16u;
        if (m < params.m && n < params.n) {
            store(m, n, y_tile[staged + e]);
        }
    }
}

// One quarter of the workgroup's rows and columns; tile_lane is the lane within its tile group.
fn multiply(group: vec3<u32>, groups: vec3<u32>, quarter: u32) {
    let m0 = group.y * TILE;
    let n0 = (group.x + group.z * groups.x) * TILE;
    let lane = quarter * LANES + tile_lane;
    let row = quarter / 2u * 32u;
    let col = quarter % 2u * 32u;
    let words = params.k / 8u;

    var c00 = tile_zero();
    var c01 = tile_zero();
    var c10 = tile_zero();
    var c11 = tile_zero();
    for (var i = 0u; i < words; i += STEP / 8u) {
        for (var unit = lane; unit < TILE * (STEP / 8u); unit += WG) {
            let r = unit / (STEP / 8u);
            let word = unit % (STEP / 8u);
            let at_x = min(m0 + r, params.m - 1u) * words + i + word;
            store_half(r, word, x[at_x * 2u], x[at_x * 2u + 1u], weights(min(n0 + r, params.n - 1u), i + word));
        }
        workgroupBarrier();
        for (var k = 0u; k < STEP; k += 16u) {
            let a0 = tile_load_a(row * STRIDE + k, STRIDE);
            let a1 = tile_load_a((row + 16u) * STRIDE + k, STRIDE);
            let b0 = tile_load_b(col * STRIDE + k, STRIDE);
            let b1 = tile_load_b((col + 16u) * STRIDE + k, STRIDE);
            c00 = tile_mul_add(a0, b0, c00);
            c01 = tile_mul_add(a0, b1, c01);
            c10 = tile_mul_add(a1, b0, c10);
            c11 = tile_mul_add(a1, b1, c11);
        }
        workgroupBarrier();
    }

    let staged = quarter * 256u;
    for (var t = 0u; t < 4u; t++) {
        // A switch, because tiles can not be put in an array.
        switch t {
            case 0u: { tile_store(c00, staged); }
            case 1u: { tile_store(c01, staged); }
            case 2u: { tile_store(c10, staged); }
            default: { tile_store(c11, staged); }
        }
        workgroupBarrier();
        store_tile(m0 + row + t / 2u * 16u, n0 + col + t % 2u * 16u, staged);
        workgroupBarrier();
    }
}
