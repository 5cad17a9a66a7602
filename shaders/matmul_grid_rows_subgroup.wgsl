// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// Append to lib/weights_grid.wgsl and a lib/codes_ file. For m from 2 on. Needs SUBGROUP, subgroups of
// at least LANES lanes, and a workgroup of exactly LANES.
// A workgroup owns 8 * GROUPS rows of m by NT * LANES columns of n; lane l owns columns l,
// l + LANES, ... of it. Lane l loads x of row l of each group of eight rows, and broadcasts hand
// it to all lanes. Made for software adapters, where each component a lane loads is a branch.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

const LANES = 8u;
const GROUPS = 4u;
const MT = 8u * GROUPS;
const NT = 4u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * (NT * LANES) + lane;
    let m0 = group.y * MT;
    let units = params.k / 32u;

    var acc: array<array<array<f32, NT>, 8>, GROUPS>;
    for (var i = 0u; i < units; i++) {
        var unit: array<Unit, NT>;
        var scale: array<f32, NT>;
        var zero: array<f32, NT>;
        for (var c = 0u; c < NT; c++) {
            let n = min(n0 + c * LANES, params.n - 1u);
            let at = i * 32u / params.group_size * rows() + n;
            unit[c] = load_unit(first_unit(n) + i);
            scale[c] = scale_at(at);
            zero[c] = zero_at(at);
        }
        // Rolled: the next four codes come by a shift, so the body compiles once.
        for (var j = i * 8u; j < i * 8u + 8u; j++) {
            var w: array<vec4<f32>, NT>;
            for (var c = 0u; c < NT; c++) {
                w[c] = scale[c] * (four_codes(unit[c], 0u) - zero[c]);
                unit[c] = without_four(unit[c]);
            }
            for (var g = 0u; g < GROUPS; g++) {
                let own = x[min(m0 + g * 8u + lane, params.m - 1u) * (units * 8u) + j];
                for (var r = 0u; r < 8u; r++) {
                    let xr = subgroupShuffle(own, r);
                    for (var c = 0u; c < NT; c++) { acc[g][r][c] += dot(xr, w[c]); }
                }
            }
        }
    }

    // One rolled loop stores all sums: the selects compile far faster than stores unrolled,
    // or than an array indexed at run time.
    let count = min(MT, params.m - m0);
    for (var t = 0u; t < count * NT; t++) {
        var sum = 0.0;
        for (var g = 0u; g < GROUPS; g++) {
            for (var r = 0u; r < 8u; r++) {
                for (var c = 0u; c < NT; c++) {
                    sum = select(sum, acc[g][r][c], t == (g * 8u + r) * NT + c);
                }
            }
        }
        let n = n0 + t % NT * LANES;
        if (n < params.n) { store(m0 + t / NT, n, sum); }
    }
}
