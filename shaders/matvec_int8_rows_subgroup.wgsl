// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w as in lib/weights_int8.wgsl, x as values; k is a multiple of 32. Needs SUBGROUP, subgroups of at least
// LANES lanes, and a workgroup of exactly LANES. For m from 1 to 8.
// A workgroup owns ROWS = LANES neighbouring n of one m. Its lanes split k in units of 32 codes, each
// lane keeps ROWS partial sums, so one load of x serves ROWS rows of w.
// Made for software adapters, where each component a lane loads is a branch and a scalar load.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

const LANES = 8u;
const ROWS = LANES;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * ROWS;
    let m = group.y;
    let units = params.k / 32u;

    let rows = rows_of_pass();
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        var row: array<u32, ROWS>;
        for (var r = 0u; r < ROWS; r++) { row[r] = min(first + n0 + r, params.n - 1u) * units; }
        var acc: array<vec4<f32>, 2>;
        for (var i = lane; i < units; i += LANES) {
            var xs: array<vec4<f32>, 8>;
            for (var j = 0u; j < 8u; j++) { xs[j] = x[(m * units + i) * 8u + j]; }
            for (var r = 0u; r < ROWS; r++) {
                let a = code_words[(row[r] + i) * 2u];
                let b = code_words[(row[r] + i) * 2u + 1u];
                var sum: vec4<f32>;
                for (var j = 0u; j < 4u; j++) { sum += bytes(a[j]) * xs[j] + bytes(b[j]) * xs[j + 4u]; }
                acc[r / 4u][r % 4u] += dot(sum, vec4(1.0));
            }
        }
        let sum = sum_of_own_row(acc, lane);
        let n = first + n0 + lane;
        if (n0 + lane < rows) { store_row(m, n, sum * scale_at(n)); }
    }
}
