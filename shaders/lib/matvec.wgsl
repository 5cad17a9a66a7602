// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// Append to lib/norm.wgsl, lib/product_row.wgsl and a lib/weights_ file, which says what w is; k is a multiple of 32. For m from 1 to 8.
// A workgroup owns ROWS neighbouring n of one m. Its WG lanes read neighbouring units of 4 * QUADS weights
// of a row, and their partial sums meet in a workgroup-memory tree. For GPUs without subgroups.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

override WG: u32 = 64u; // a power of two

const ROWS = 4u;
var<workgroup> partial: array<vec4<f32>, WG>;
var<workgroup> partial_squares: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * ROWS;
    let m = group.y;
    let units = params.k / (4u * QUADS);
    let x_quads = x_row(m) * (params.k / 4u);
    if (is_normed()) { partial_squares[lane] = lane_squares(m, lane, WG); }
    let rows = rows_of_pass();
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        var acc: vec4<f32>;
        for (var i = lane; i < units; i += WG) {
            var xs: array<vec4<f32>, QUADS>;
            var total: vec4<f32>;
            for (var j = 0u; j < QUADS; j++) {
                xs[j] = x[x_quads + quad_of(i, j)];
                total += xs[j];
            }
            let sum = dot(total, vec4(1.0));
            for (var r = 0u; r < ROWS; r++) { acc[r] += dot_unit(min(first + n0 + r, params.n - 1u), i, xs, sum); }
        }
        partial[lane] = acc;
        for (var half = WG / 2u; half > 0u; half /= 2u) {
            workgroupBarrier();
            if (lane < half) {
                partial[lane] += partial[lane + half];
                // Once for both halves of a gated product.
                if (is_normed() && i_pass == 0u) { partial_squares[lane] += partial_squares[lane + half]; }
            }
        }
        workgroupBarrier();

        if (lane < ROWS && n0 + lane < rows) {
            var sum = partial[0][lane];
            if (is_normed()) { sum *= norm_scale(partial_squares[0]); }
            store_row(m, first + n0 + lane, sum);
        }
        workgroupBarrier();
    }
}
