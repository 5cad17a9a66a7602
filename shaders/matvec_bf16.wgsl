// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w is bf16 [n, k], two per u32, low half first; k is a multiple of 32. For m from 1 to 8.
// A workgroup owns ROWS neighbouring n of one m. Its WG lanes read neighbouring 16 bytes of a row,
// and their partial sums meet in a workgroup-memory tree. For GPUs without subgroup operations.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

override WG: u32 = 64u; // a power of two

const ROWS = 4u;
var<workgroup> partial: array<vec4<f32>, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * ROWS;
    let m = group.y;
    let words = params.k / 8u;

    var acc = vec4<f32>();
    for (var i = lane; i < words; i += WG) {
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
    partial[lane] = acc;
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { partial[lane] += partial[lane + half]; }
    }
    workgroupBarrier();

    let n = n0 + lane;
    if (lane < ROWS && n < params.n) {
        store(m, n, partial[0][lane]);
    }
}
