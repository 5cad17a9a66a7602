// A tile of 64 by 64 of sum over t < depth of left_at(t, i) * right_at(t, j), from row i0 and column j0 on. A workgroup of
// 256 walks t in steps of 32 through workgroup memory; lane (tx, ty) gets rows ty + 16 a and columns tx + 16 b, a, b < 4.
// The main file has left_at and right_at, which give 0 beyond the edges, without a branch, so that loads go out together.

const TILE = 64u;
const STEP = 32u;
const SIDE = 16u;
const PER = 4u;

var<workgroup> left: array<f32, STEP * TILE>;
var<workgroup> right: array<f32, STEP * TILE>;

fn tile_product(i0: u32, j0: u32, depth: u32, lane: u32) -> array<vec4<f32>, PER> {
    let tx = lane % SIDE;
    let ty = lane / SIDE;
    var acc: array<vec4<f32>, PER>;
    for (var t0 = 0u; t0 < depth; t0 += STEP) {
        for (var at = lane; at < STEP * TILE; at += 512u) {
            let t = vec2(t0 + at / TILE, t0 + at / TILE + 256u / TILE);
            let i = i0 + at % TILE;
            let j = j0 + at % TILE;
            let loaded = vec4(left_at(t.x, i), right_at(t.x, j), left_at(t.y, i), right_at(t.y, j));
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
    return acc;
}
