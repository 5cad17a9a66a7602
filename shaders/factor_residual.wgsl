// residual[t, m] = sum over s <= i of x[i, s] * h[s, m], i = row0 + t: rows of X H, which is Lᵀ if X is exactly the inverse of
// the factor L of H, and 0 left of the diagonal. What is left there is small beside the sum's terms, so the sum is in
// more than f32: of either factor a whole number of units is taken off, x's by the diagonal of its row; products of
// whole numbers are exact in steps of 32 and added as integers, and what remains is a thousandth, in partial sums of f32.
// A workgroup owns 64 rows of 64 columns, cut among its lanes as in lib/tile_product.

struct Params { n: u32, row0: u32, rows: u32, col0: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> h: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> residual: array<f32>;

const TILE = 64u;
const STEP = 32u;
const SIDE = 16u;
const PER = 4u;
const X_UNITS = 2048.0;
const H_UNITS = 4096.0;

var<workgroup> left: array<f32, STEP * TILE>;
var<workgroup> right: array<f32, STEP * TILE>;

// The bits of a power of two of about three times x[i, i]: most of the row is smaller.
fn scale_bits(i: u32) -> u32 {
    return (bitcast<u32>(x[min(i, params.n - 1u) * (params.n + 1u)]) & 0x7f800000u) + 0x1000000u;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i0 = params.row0 + group.y * TILE;
    let m0 = params.col0 + (group.x + group.z * groups.x) * TILE;
    let end = min(i0 + TILE, params.row0 + params.rows);
    let tx = lane % SIDE;
    let ty = lane / SIDE;
    let i = min(i0 + lane % TILE, end - 1u);
    let m = min(m0 + lane % TILE, params.n - 1u);
    let units = X_UNITS * bitcast<f32>(0x7f000000u - scale_bits(i));
    var whole: array<vec4<i32>, PER>;
    var rest: array<vec4<f32>, PER>;
    for (var s0 = 0u; s0 < end; s0 += STEP) {
        for (var at = lane; at < STEP * TILE; at += 256u) {
            let s = s0 + at / TILE;
            let row = min(s, end - 1u);
            left[at] = select(0.0, x[i * params.n + row] * units, s <= i);
            right[at] = h[row * params.n + m] * H_UNITS;
        }
        workgroupBarrier();
        var exact: array<vec4<f32>, PER>;
        var inexact: array<vec4<f32>, PER>;
        for (var t = 0u; t < STEP; t++) {
            let at = t * TILE;
            let r = vec4(right[at + tx], right[at + tx + SIDE], right[at + tx + 2u * SIDE], right[at + tx + 3u * SIDE]);
            let r_whole = round(r);
            for (var a = 0u; a < PER; a++) {
                let l = left[at + ty + a * SIDE];
                let l_whole = round(l);
                exact[a] += l_whole * r_whole;
                inexact[a] += l_whole * (r - r_whole) + (l - l_whole) * r;
            }
        }
        workgroupBarrier();
        for (var a = 0u; a < PER; a++) {
            whole[a] += vec4<i32>(exact[a]);
            rest[a] += inexact[a];
        }
    }
    for (var a = 0u; a < PER; a++) {
        let row = i0 + ty + a * SIDE;
        let sum = (vec4<f32>(whole[a]) + rest[a]) * (bitcast<f32>(scale_bits(row)) / (X_UNITS * H_UNITS));
        for (var b = 0u; b < PER; b++) {
            let col = m0 + tx + b * SIDE;
            if (row < end && col < params.col0 + params.cols) {
                residual[(row - params.row0) * params.n + col] = sum[b];
            }
        }
    }
}
