// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w is bf16 [n, k], four per u64, lowest first; x is read as f32 pairs; k is a multiple of 32.
// Needs SHADER_INT64, SUBGROUP, subgroups of at least LANES lanes, and a workgroup of exactly
// LANES. For m from 1 to 8.
// A workgroup owns ROWS = LANES neighbouring n of one m. Its lanes split k in units of 16 weights,
// each lane keeps ROWS partial sums, so one load of x serves ROWS rows of w. Made for lavapipe,
// where a lane pays per loaded component, whatever its width.

@group(0) @binding(1) var<storage, read> x: array<vec4<u64>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<u64>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

const LANES = 8u;
const ROWS = LANES;

fn low_bf16(q: vec4<u32>) -> vec4<f32> { return bitcast<vec4<f32>>(q << vec4(16u)); }
fn high_bf16(q: vec4<u32>) -> vec4<f32> { return bitcast<vec4<f32>>(q & vec4(0xffff0000u)); }

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * ROWS;
    let m = group.y;
    let units = params.k / 16u;

    var norm = 1.0;
    if (is_normed()) { norm = norm_scale(sum_of_lanes(lane_squares(m, lane, LANES))); }
    let row_of_x = x_row(m);
    let rows = rows_of_pass();
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        var row: array<u32, ROWS>;
        for (var r = 0u; r < ROWS; r++) { row[r] = min(first + n0 + r, params.n - 1u) * units; }
        var acc: array<vec4<f32>, 2>;
        for (var i = lane; i < units; i += LANES) {
            let xa = x[(row_of_x * units + i) * 2u];
            let xb = x[(row_of_x * units + i) * 2u + 1u];
            // A u64 of w holds k = 4c .. 4c + 3, a u64 of x the f32 of k = 2c, 2c + 1.
            let even_a = bitcast<vec4<f32>>(low_words(xa));
            let even_b = bitcast<vec4<f32>>(low_words(xb));
            let odd_a = bitcast<vec4<f32>>(high_words(xa));
            let odd_b = bitcast<vec4<f32>>(high_words(xb));
            for (var r = 0u; r < ROWS; r++) {
                let q = w[row[r] + i];
                let low = low_words(q);
                let high = high_words(q);
                acc[r / 4u][r % 4u] += dot(vec4(even_a.xz, even_b.xz), low_bf16(low))
                        + dot(vec4(odd_a.xz, odd_b.xz), high_bf16(low));
                acc[r / 4u][r % 4u] += dot(vec4(even_a.yw, even_b.yw), low_bf16(high))
                        + dot(vec4(odd_a.yw, odd_b.yw), high_bf16(high));
            }
        }
        let sum = sum_of_own_row(acc, lane);
        let n = first + n0 + lane;
        if (n0 + lane < rows) { store_row(m, n, norm * sum); }
    }
}
