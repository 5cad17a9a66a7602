// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w is bf16 [n, k], two per u32, low half first; k is a multiple of 32. For m from 1 to 8.
// A workgroup owns TILE neighbouring n of one m; each of its subgroups, of whatever size, takes
// ROWS of them at a time. Its lanes read neighbouring 16 bytes of a row and add up by subgroupAdd.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

override WG: u32 = 128u;
override TILE: u32 = 8u;

const ROWS = 2u;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32,
        @builtin(subgroup_size) lanes: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let tile = (group.x + group.z * groups.x) * TILE;
    let m = group.y;
    let words = params.k / 8u;
    let end = min(params.n, tile + TILE);

    // All subgroups make the same rounds, so that subgroupAdd is in uniform control flow.
    for (var round = 0u; round < TILE; round += subgroups * ROWS) {
        let n0 = tile + round + subgroup * ROWS;
        let stop = select(0u, words, n0 < end);
        var acc: array<f32, ROWS>;
        for (var i = lane; i < stop; i += lanes) {
            let xa = x[(m * words + i) * 2u];
            let xb = x[(m * words + i) * 2u + 1u];
            // The low halves of four words are the even k, the high halves the odd ones.
            let even = vec4(xa.xz, xb.xz);
            let odd = vec4(xa.yw, xb.yw);
            for (var r = 0u; r < ROWS; r++) {
                let q = w[min(n0 + r, params.n - 1u) * words + i];
                acc[r] += dot(even, bitcast<vec4<f32>>(q << vec4(16u)))
                        + dot(odd, bitcast<vec4<f32>>(q & vec4(0xffff0000u)));
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            let sum = subgroupAdd(acc[r]);
            let n = n0 + r;
            if (lane == 0u && n < end) {
                store(m, n, sum);
            }
        }
    }
}
