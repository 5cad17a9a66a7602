// Errors of a block's columns for LANES rows, a lane each, in workgroup memory that every adapter has: no lane waits for
// another. triangle[c, k] = U[k, c] within the block, 0 for k > c.

const BLOCK = 128u;
const LANES = 32u;

var<workgroup> e: array<f32, BLOCK * LANES>;

fn four(k: u32, lane: u32) -> vec4<f32> {
    let at = k * LANES + lane;
    return vec4(e[at], e[at + LANES], e[at + 2u * LANES], e[at + 3u * LANES]);
}

// Sum over k = first .. c - 1 of e[k] * triangle[c, k]; first is a whole eight. Errors are summed in eights, and those
// still to come are zero.
fn fed(first: u32, c: u32, lane: u32) -> f32 {
    if c % 8u == 0u {
        for (var k = c; k < c + 8u; k++) { e[k * LANES + lane] = 0.0; }
    }
    var sums = vec4(0.0);
    for (var k = first; k < c; k += 8u) {
        let u = triangle[(c * BLOCK + k) / 4u];
        let v = triangle[(c * BLOCK + k) / 4u + 1u];
        sums += u * four(k, lane);
        sums += v * four(k + 4u, lane);
    }
    return sums.x + sums.y + sums.z + sums.w;
}

fn pivot(c: u32) -> f32 { return triangle[(c * BLOCK + c) / 4u][c % 4u]; }
