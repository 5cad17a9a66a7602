// w in bf16 [n, k], two per u32, low half first, for lib/matvec_subgroup.wgsl.
// A lane loads four columns at a time, so that neighbours read neighbouring x and neighbouring w, and two such quads 64
// columns apart: of sixteen lanes each load takes whole lines of 128 bytes. All loads of w go out before the first is used,
// and once for all m.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

override BATCH: u32 = 1u; // at most 8, a divisor of m
const RUNS = 1u;

// Sums of four n for each m.
alias Sums = array<vec4<f32>, 8>;

// The sum, and four products more.
fn add(w: vec2<u32>, x: vec4<f32>, sum: f32) -> f32 {
    let half = fma(x.y, bitcast<f32>(w.x & 0xffff0000u), fma(x.x, bitcast<f32>(w.x << 16u), sum));
    return fma(x.w, bitcast<f32>(w.y & 0xffff0000u), fma(x.z, bitcast<f32>(w.y << 16u), half));
}

fn lane_sums(m: u32, n0: u32, index: u32) -> Sums {
    let quads = params.k / 4u;
    let row = four_rows(n0) * quads;
    let whole = quads / 32u * 32u;
    var sums: Sums;
    for (var i = index; i < whole / 2u; i += WG) {
        let q = i + (i & ~15u);
        let a0 = w[row.x + q];
        let b0 = w[row.x + q + 16u];
        let a1 = w[row.y + q];
        let b1 = w[row.y + q + 16u];
        var a2: vec2<u32>;
        var b2: vec2<u32>;
        var a3: vec2<u32>;
        var b3: vec2<u32>;
        if (TILE > 2u) {
            a2 = w[row.z + q];
            b2 = w[row.z + q + 16u];
            a3 = w[row.w + q];
            b3 = w[row.w + q + 16u];
        }
        for (var b = 0u; b < BATCH; b++) {
            let xa = x[(m + b) * quads + q];
            let xb = x[(m + b) * quads + q + 16u];
            sums[b] = vec4(add(b0, xb, add(a0, xa, sums[b].x)), add(b1, xb, add(a1, xa, sums[b].y)), sums[b].zw);
            if (TILE > 2u) {
                sums[b] = vec4(sums[b].xy, add(b2, xb, add(a2, xa, sums[b].z)), add(b3, xb, add(a3, xa, sums[b].w)));
            }
        }
    }
    // What is left of 128 columns.
    for (var q = whole + index; q < quads; q += WG) {
        for (var b = 0u; b < BATCH; b++) {
            let xa = x[(m + b) * quads + q];
            sums[b] = vec4(add(w[row.x + q], xa, sums[b].x), add(w[row.y + q], xa, sums[b].y), sums[b].zw);
            if (TILE > 2u) {
                sums[b] = vec4(sums[b].xy, add(w[row.z + q], xa, sums[b].z), add(w[row.w + q], xa, sums[b].w));
            }
        }
    }
    return sums;
}
