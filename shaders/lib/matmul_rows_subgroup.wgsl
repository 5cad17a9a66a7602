// y[m, n] = scale_of_sum(n) * sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// Append to lib/sums_of_eight.wgsl and to a matmul_..._rows_subgroup file, which says what w is: `load_columns` has UNIT columns of NT rows of w, and
// `next_four` takes four of them at a time, those with quad `x_quad` of x; `add_outliers` adds what w has besides them. For m
// from 2 on.
// Needs SUBGROUP, subgroups of at least LANES lanes, and a workgroup of exactly LANES.
// A workgroup owns 8 * GROUPS rows of m by NT * LANES columns of n; lane l owns columns l, l + LANES, ... of it. Lane l
// loads x of row l of each group of eight rows, and broadcasts hand it to all lanes. Made for software adapters, where
// each component a lane loads is a branch.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * ((NT * LANES) >> GATED);
    let m0 = group.y * MT;

    var acc: Sums;
    for (var i = 0u; i < params.k / UNIT; i++) {
        var columns = load_columns(n0, i, lane);
        // Rolled: the next four weights come by a shift, so the body compiles once.
        for (var j = 0u; j < UNIT / 4u; j++) {
            let w = next_four(&columns, j);
            for (var g = 0u; g < GROUPS; g++) {
                let own = x[min(m0 + g * 8u + lane, params.m - 1u) * (params.k / 4u) + x_quad(i, j)];
                for (var r = 0u; r < 8u; r++) {
                    let xr = subgroupShuffle(own, r);
                    for (var c = 0u; c < NT; c++) { acc[g][r][c] += dot(xr, w[c]); }
                }
            }
        }
    }

    add_outliers(m0, n0, lane, &acc);
    store_sums(m0, n0, lane, &acc);
}
