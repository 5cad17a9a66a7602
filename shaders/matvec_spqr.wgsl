// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w as in lib/weights_spqr.wgsl; n is a multiple of 16, k of 32. For m from 1 to 8.
// A workgroup owns eight neighbouring n of one m. Its WG lanes read neighbouring units of 32 weights,
// and their partial sums meet in a workgroup-memory tree. For GPUs without subgroups.

override WG: u32 = 64u; // a power of two, at least 8

var<workgroup> partial: array<array<vec4<f32>, 2>, WG>;
var<workgroup> partial_squares: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * 8u;
    let rows = rows_of_pass();
    if (n0 >= rows) { return; }
    if (is_normed()) { partial_squares[lane] = lane_squares(group.y, lane, WG); }
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        partial[lane] = partial_sums(x_row(group.y), (first + n0) / 8u, lane, WG);
        for (var half = WG / 2u; half > 0u; half /= 2u) {
            workgroupBarrier();
            if (lane < half) {
                partial[lane][0] += partial[lane + half][0];
                partial[lane][1] += partial[lane + half][1];
                // Once for both halves of a gated product.
                if (is_normed() && i_pass == 0u) { partial_squares[lane] += partial_squares[lane + half]; }
            }
        }
        workgroupBarrier();
        if (lane < 8u) {
            var sum = partial[0][lane / 4u][lane % 4u];
            if (is_normed()) { sum *= norm_scale(partial_squares[0]); }
            store_row(group.y, first + n0 + lane, sum);
        }
        workgroupBarrier();
    }
}
