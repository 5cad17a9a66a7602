// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w is bf16 [n, k], two per u32, low half first; k is a multiple of 32. For m from 2 on. Append to lib/sums_of_eight.wgsl.
// Needs SUBGROUP, subgroups of at least LANES lanes, and a workgroup of exactly LANES.
// A workgroup owns 8 * GROUPS rows of m by NT * LANES columns of n; lane l owns columns l,
// l + LANES, ... of it. Lane l loads x of row l of each group of eight rows, and broadcasts hand
// it to all lanes. Made for software adapters, where each component a lane loads is a branch. As
// lib/matmul_rows_subgroup.wgsl, but for its loop over units, which costs llvmpipe 40 % where a unit is one load.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * ((NT * LANES) >> GATED);
    let m0 = group.y * MT;
    let steps = params.k / 4u;

    var acc: Sums;
    for (var i = 0u; i < steps; i++) {
        var wide: array<vec4<f32>, NT>;
        for (var c = 0u; c < NT; c++) {
            let q = w[row_of(n0, c * LANES + lane) * steps + i];
            wide[c] = bitcast<vec4<f32>>(vec4(q << vec2(16u), q & vec2(0xffff0000u)));
        }
        for (var g = 0u; g < GROUPS; g++) {
            let own = x[min(m0 + g * 8u + lane, params.m - 1u) * steps + i];
            for (var r = 0u; r < 8u; r++) {
                // The order of wide: the low halves, k = 0 and 2, before the high ones.
                let xr = subgroupShuffle(own, r).xzyw;
                for (var c = 0u; c < NT; c++) { acc[g][r][c] += dot(xr, wide[c]); }
            }
        }
    }

    store_sums(m0, n0, lane, &acc);
}

fn scale_of_sum(n: u32) -> f32 { return 1.0; }
