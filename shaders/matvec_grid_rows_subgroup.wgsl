// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w[n, k] = scale[g, n] * (code[n, k] - zero[g, n]), as in lib/weights_grid.wgsl; append to a lib/codes_
// file. Needs SUBGROUP, subgroups of at least LANES lanes, and a workgroup of exactly LANES. For m from 1 to 8.
// A workgroup owns ROWS = LANES neighbouring n of one m. Its lanes split k in units of 32 codes, each
// lane keeps ROWS partial sums, so one load of x, of scales and of zeros serves ROWS rows of w.
// Made for software adapters, where each component a lane loads is a branch and a scalar load.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> scales: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> zeros: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

const LANES = 8u;
const ROWS = LANES;

fn four_zeros(at: u32) -> vec4<f32> {
    let word = zeros[at * ZERO_BITS / 32u] >> (at * ZERO_BITS % 32u);
    return vec4<f32>((vec4(word) >> (vec4(0u, 1u, 2u, 3u) * ZERO_BITS)) & vec4((1u << ZERO_BITS) - 1u));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * ROWS;
    let m = group.y;
    let units = params.k / 32u;
    let padded = (params.n + 31u) & ~31u;

    var rows: array<u32, ROWS>;
    for (var r = 0u; r < ROWS; r++) { rows[r] = min(n0 + r, params.n - 1u) * units; }
    var acc: array<vec4<f32>, 2>;
    for (var i = lane; i < units; i += LANES) {
        var xs: array<vec4<f32>, 8>;
        var total: vec4<f32>;
        for (var j = 0u; j < 8u; j++) {
            xs[j] = x[(m * units + i) * 8u + j];
            total += xs[j];
        }
        let at = i * 32u / params.group * padded + n0;
        let s = scales[at / 8u];
        let z = array(four_zeros(at), four_zeros(at + 4u));
        let sum = dot(total, vec4(1.0));
        for (var r = 0u; r < ROWS; r++) {
            let unit = load_unit(rows[r] + i);
            var d: vec4<f32>;
            for (var j = 0u; j < 8u; j++) { d += four_codes(unit, j) * xs[j]; }
            let scale = unpack2x16float(s[r / 2u])[r % 2u];
            acc[r / 4u][r % 4u] += scale * (dot(d, vec4(1.0)) - z[r / 4u][r % 4u] * sum);
        }
    }
    let sum = sum_of_own_row(acc, lane);
    let n = n0 + lane;
    if (n < params.n) { store(m, n, sum); }
}
