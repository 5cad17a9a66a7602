// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// Append to lib/weights_bf16.wgsl; k is a multiple of 32. For m from 2 on.
// A workgroup owns MT rows of m by NT * WG columns of n; lane l owns columns l, l + WG, ... of it,
// so the MT x NT sums live in registers and no memory is shared. Made for software adapters,
// where each component a lane loads is a branch and a scalar load, and a barrier is dear.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

override WG: u32 = 8u;

const MT = 8u;
const NT = 8u;
override RUN: u32 = NT / 2u * WG;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * ((NT * WG) >> GATED);
    let m0 = group.y * MT;
    let words = params.k / 8u;

    var acc: array<array<f32, NT>, MT>;
    for (var i = 0u; i < words; i++) {
        var low: array<vec4<f32>, NT>;
        var high: array<vec4<f32>, NT>;
        for (var c = 0u; c < NT; c++) {
            let q = w_words[row_of(n0, c * WG + lane) * words + i];
            low[c] = low_bf16(q);
            high[c] = high_bf16(q);
        }
        for (var r = 0u; r < MT; r++) {
            let at = (min(m0 + r, params.m - 1u) * words + i) * 2u;
            let xa = x[at];
            let xb = x[at + 1u];
            // The low halves of four words are the even k, the high halves the odd ones.
            let even = vec4(xa.xz, xb.xz);
            let odd = vec4(xa.yw, xb.yw);
            for (var c = 0u; c < NT; c++) {
                acc[r][c] += dot(even, low[c]) + dot(odd, high[c]);
            }
        }
    }

    // One rolled loop stores all sums: the selects compile far faster than stores unrolled,
    // or than an array indexed at run time.
    let own = NT >> GATED;
    let rows = min(MT, params.m - m0);
    for (var t = 0u; t < rows * own; t++) {
        let at = t / own * NT + t % own;
        var sum = 0.0;
        var other = 0.0;
        for (var r = 0u; r < MT; r++) {
            for (var c = 0u; c < NT; c++) {
                sum = select(sum, acc[r][c], at == r * NT + c);
                other = select(other, acc[r][c], at + NT / 2u == r * NT + c);
            }
        }
        let n = n0 + t % own * WG + lane;
        if (n < outputs()) {
            if (GATED == 0u) { store(m0 + t / own, n, sum); } else { store_gated(m0 + t / own, n, sum, other); }
        }
    }
}
