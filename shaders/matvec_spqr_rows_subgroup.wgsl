// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w as in lib/weights_spqr.wgsl; n is a multiple of 16, k of 32. Needs SUBGROUP, subgroups of at least
// eight lanes, and a workgroup of exactly eight. For m from 1 to 8.
// A workgroup owns sixteen neighbouring n of one m, which share their statistics; its lanes split k in units
// of 32 codes. Made for software adapters, where each component a lane loads is a branch and a scalar load.

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let here = group.x + group.z * groups.x;
    let block = min(here, params.n / 16u - 1u);
    let m = group.y;

    var acc: array<vec4<f32>, 4>;
    for (var i = lane; i < params.k / 32u; i += 8u) {
        let xs = load_columns(m, i);
        let a = load_pair(block, groups_of(i).x);
        let b = load_pair(block, groups_of(i).y);
        let first = eight_sums(block * 2u, i, xs, a[0], b[0]);
        let second = eight_sums(block * 2u + 1u, i, xs, a[1], b[1]);
        acc[0] += first[0];
        acc[1] += first[1];
        acc[2] += second[0];
        acc[3] += second[1];
    }

    // The outliers of the rows lie one behind the other; a product less itself is nothing, exactly.
    var start: array<vec4<u32>, 4>;
    for (var q = 0u; q < 4u; q++) { start[q] = sparse[block * 4u + q]; }
    let end = row_start(block * 16u + 16u);
    for (var four = start[0].x / 4u + lane; four < (end + 3u) / 4u; four += 8u) {
        let entries = four_outliers(four);
        for (var e = 0u; e < 4u; e++) {
            let product = times_x(entries[e], m);
            var beyond = from_start(product, four * 4u + e, vec4(end));
            for (var q = 0u; q < 4u; q++) {
                let here_on = from_start(product, four * 4u + e, start[3u - q]);
                acc[3u - q] += here_on - vec4(here_on.yzw, beyond.x);
                beyond = here_on;
            }
        }
    }
    let first = sum_of_own_row(array(acc[0], acc[1]), lane);
    let second = sum_of_own_row(array(acc[2], acc[3]), lane);
    if (here < params.n / 16u) {
        store(m, block * 16u + lane, first);
        store(m, block * 16u + 8u + lane, second);
    }
}
