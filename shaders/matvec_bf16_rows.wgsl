// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// Append to lib/weights_bf16.wgsl; k is a multiple of 32. For m from 1 to 8.
// A workgroup owns ROWS neighbouring n of one m. Its WG lanes split k in words of eight weights,
// each lane keeps ROWS partial sums, so one load of x serves ROWS rows of w.
// Made for software adapters, where each component a lane loads is a branch and a scalar load.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

override WG: u32 = 8u;
override ROWS: u32 = 8u;

const MAX_ROWS = 16u;
var<workgroup> partial: array<f32, 1024>; // WG * ROWS of it
var<workgroup> partial_squares: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * ROWS;
    let m = group.y;
    let words = params.k / 8u;

    if (is_normed()) { partial_squares[lane] = lane_squares(m, lane, WG); }
    let row_of_x = x_row(m);
    let rows = rows_of_pass();
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        var acc: array<f32, MAX_ROWS>;
        for (var i = lane; i < words; i += WG) {
            let xs = array(x[(row_of_x * words + i) * 2u], x[(row_of_x * words + i) * 2u + 1u]);
            for (var r = 0u; r < ROWS; r++) { acc[r] += dot_unit(min(first + n0 + r, params.n - 1u), i, xs, 0.0); }
        }
        for (var r = 0u; r < ROWS; r++) {
            partial[r * WG + lane] = acc[r];
        }
        workgroupBarrier();

        for (var r = lane; r < ROWS; r += WG) {
            if (n0 + r >= rows) { break; }
            var sum = 0.0;
            for (var i = 0u; i < WG; i++) { sum += partial[r * WG + i]; }
            if (is_normed()) {
                var squares = 0.0;
                for (var i = 0u; i < WG; i++) { squares += partial_squares[i]; }
                sum *= norm_scale(squares);
            }
            store_row(m, first + n0 + r, sum);
        }
        workgroupBarrier();
    }
}
