// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w as in lib/weights_spqr.wgsl; n is a multiple of 16, k of 32. Needs SUBGROUP, subgroups of at least
// eight lanes, and a workgroup of exactly eight. For m from 1 to 8.
// A workgroup owns eight neighbouring n of one m; its lanes split k in units of 32 codes. Made for software
// adapters, where each component a lane loads is a branch and a scalar load.

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let stripe = group.x + group.z * groups.x;
    let acc = partial_sums(group.y, min(stripe, params.n / 8u - 1u), lane, 8u);
    let sum = sum_of_own_row(acc, lane);
    if (stripe < params.n / 8u) { store(group.y, stripe * 8u + lane, sum); }
}
