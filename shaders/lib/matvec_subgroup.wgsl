// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// Append to a lib/weights_ file, which says what w is; k is a multiple of 32. For m from 1 to 8.
// A workgroup owns TILE neighbouring n of one m; each of its subgroups, of whatever size, takes
// ROWS of them at a time. Its lanes read neighbouring units of 4 * QUADS weights of a row and add up by
// subgroupAdd.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

override WG: u32 = 128u;
override TILE: u32 = 8u;

const ROWS = 2u;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32,
        @builtin(subgroup_size) lanes: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let tile = (group.x + group.z * groups.x) * TILE;
    let m = group.y;
    let units = params.k / (4u * QUADS);
    let end = min(params.n, tile + TILE);

    // All subgroups make the same rounds, so that subgroupAdd is in uniform control flow.
    for (var round = 0u; round < TILE; round += subgroups * ROWS) {
        let n0 = tile + round + subgroup * ROWS;
        let stop = select(0u, units, n0 < end);
        var acc: array<f32, ROWS>;
        for (var i = lane; i < stop; i += lanes) {
            var xs: array<vec4<f32>, QUADS>;
            var total: vec4<f32>;
            for (var j = 0u; j < QUADS; j++) {
                xs[j] = x[m * (params.k / 4u) + quad_of(i, j)];
                total += xs[j];
            }
            let sum = dot(total, vec4(1.0));
            for (var r = 0u; r < ROWS; r++) { acc[r] += dot_unit(min(n0 + r, params.n - 1u), i, xs, sum); }
        }
        for (var r = 0u; r < ROWS; r++) {
            let sum = subgroupAdd(acc[r]);
            let n = n0 + r;
            if (lane == 0u && n < end) { store(m, n, sum); }
        }
    }
}
