// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w as in lib/weights_spqr.wgsl; n is a multiple of 16, k of 32. For m from 1 to 8.
// A workgroup owns TILE neighbouring n of one m; each of its subgroups, of whatever size, takes
// eight of them at a time. Its lanes read neighbouring units of 32 weights and add up by subgroupAdd.

override WG: u32 = 64u;
override TILE: u32 = 16u; // a multiple of 8

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32,
        @builtin(subgroup_size) lanes: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let tile = (group.x + group.z * groups.x) * (TILE / 8u);
    let end = min(params.n / 8u, tile + TILE / 8u);

    // All subgroups make the same rounds, so that subgroupAdd is in uniform control flow.
    for (var round = 0u; round < TILE / 8u; round += subgroups) {
        let stripe = tile + round + subgroup;
        var acc: array<vec4<f32>, 2>;
        if (stripe < end) { acc = partial_sums(group.y, stripe, lane, min(lanes, WG)); }
        for (var r = 0u; r < 8u; r++) {
            let sum = subgroupAdd(acc[r / 4u][r % 4u]);
            if (lane == 0u && stripe < end) { store(group.y, stripe * 8u + r, sum); }
        }
    }
}
