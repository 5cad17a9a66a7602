// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// Append to lib/weights_bf16.wgsl; k is a multiple of 32. Needs SUBGROUP,
// subgroups of at least LANES lanes, and a workgroup of exactly LANES. For m from 1 to 8.
// A workgroup owns ROWS = LANES neighbouring n of one m. Its lanes split k in words of eight weights,
// each lane keeps ROWS partial sums, so one load of x serves ROWS rows of w.
// Made for software adapters, where each component a lane loads is a branch and a scalar load.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

const LANES = 8u;
const ROWS = LANES;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * ROWS;
    let m = group.y;
    let words = params.k / 8u;

    var norm = 1.0;
    if (is_normed()) { norm = norm_scale(sum_of_lanes(lane_squares(m, lane, LANES))); }
    let row_of_x = x_row(m);
    let rows = rows_of_pass();
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        var acc: array<vec4<f32>, 2>;
        for (var i = lane; i < words; i += LANES) {
            let xs = array(x[(row_of_x * words + i) * 2u], x[(row_of_x * words + i) * 2u + 1u]);
            for (var r = 0u; r < ROWS; r++) { acc[r / 4u][r % 4u] += dot_unit(min(first + n0 + r, params.n - 1u), i, xs, 0.0); }
        }
        let sum = sum_of_own_row(acc, lane);
        let n = first + n0 + lane;
        if (n0 + lane < rows) { store_row(m, n, norm * sum); }
    }
}
