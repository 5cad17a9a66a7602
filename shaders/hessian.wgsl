// h[i, j] += scale * sum_t x[t, row0 + i] * x[t, j], where j is not left of i's own tile of 64 columns:
// h is symmetric, and the host mirrors it.
// A workgroup of 256 owns a tile of 64 by 64 and walks t in steps of 32 through workgroup memory; lane
// (tx, ty) owns rows ty + 16 a and columns tx + 16 b, a, b < 4.

struct Params { tokens: u32, cols: u32, row0: u32, rows: u32, scale: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> h: array<f32>;

const TILE = 64u;
const STEP = 32u;
const SIDE = 16u;
const PER = 4u;

var<workgroup> left: array<f32, STEP * TILE>;
var<workgroup> right: array<f32, STEP * TILE>;

// Without a branch, so that loads go out together.
fn load(t: u32, col: u32) -> f32 {
    let value = x[min(t, params.tokens - 1u) * params.cols + min(col, params.cols - 1u)];
    return select(0.0, value, t < params.tokens && col < params.cols);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i0 = group.y * TILE;
    let j0 = (group.x + group.z * groups.x) * TILE;
    // Rows of a band start at a whole tile, so a tile is left of its row's own or is not.
    if (j0 < params.row0 + i0) { return; }
    let tx = lane % SIDE;
    let ty = lane / SIDE;

    var acc: array<vec4<f32>, PER>;
    for (var t0 = 0u; t0 < params.tokens; t0 += STEP) {
        for (var at = lane; at < STEP * TILE; at += 512u) {
            let t = vec2(t0 + at / TILE, t0 + at / TILE + 256u / TILE);
            let i = params.row0 + i0 + at % TILE;
            let j = j0 + at % TILE;
            let loaded = vec4(load(t.x, i), load(t.x, j), load(t.y, i), load(t.y, j));
            left[at] = loaded.x;
            right[at] = loaded.y;
            left[at + 256u] = loaded.z;
            right[at + 256u] = loaded.w;
        }
        workgroupBarrier();
        for (var t = 0u; t < STEP; t++) {
            let at = t * TILE;
            let r = vec4(right[at + tx], right[at + tx + SIDE], right[at + tx + 2u * SIDE], right[at + tx + 3u * SIDE]);
            for (var a = 0u; a < PER; a++) { acc[a] += left[at + ty + a * SIDE] * r; }
        }
        workgroupBarrier();
    }
    for (var a = 0u; a < PER; a++) {
        for (var b = 0u; b < PER; b++) {
            let i = i0 + ty + a * SIDE;
            let j = j0 + tx + b * SIDE;
            if (i < params.rows && j < params.cols) { h[i * params.cols + j] += params.scale * acc[a][b]; }
        }
    }
}
