// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w as in lib/weights_int8.wgsl, eight codes per u64, and x as values, read as f32 pairs; k is a multiple of
// 32. Needs SHADER_INT64, SUBGROUP, subgroups of at least LANES lanes, and a workgroup of exactly LANES.
// For m from 1 to 8.
// A workgroup owns ROWS = LANES neighbouring n of one m. Its lanes split k in units of 32 codes, each
// lane keeps ROWS partial sums, so one load of x serves ROWS rows of w. Made for lavapipe, where a lane
// pays per loaded component, whatever its width.

@group(0) @binding(1) var<storage, read> x: array<vec4<u64>>;
@group(0) @binding(2) var<storage, read> code_words: array<vec4<u64>>;
@group(0) @binding(3) var<storage, read> scales: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

const LANES = 8u;
const ROWS = LANES;

// Code number `at` of each of four words.
fn code_of(words: vec4<u32>, at: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec4<i32>>(words << vec4(24u - at * 8u)) >> vec4(24u));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * ROWS;
    let m = group.y;
    let units = params.k / 32u;

    let rows = rows_of_pass();
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        var row: array<u32, ROWS>;
        for (var r = 0u; r < ROWS; r++) { row[r] = min(first + n0 + r, params.n - 1u) * units; }
        var acc: array<vec4<f32>, 2>;
        for (var i = lane; i < units; i += LANES) {
            // A u64 of w holds k = 8 c to 8 c + 7; xs[j] holds k = j, j + 8, j + 16, j + 24.
            var even: array<vec4<f32>, 4>;
            var odd: array<vec4<f32>, 4>;
            for (var c = 0u; c < 4u; c++) {
                let pairs = x[(m * units + i) * 4u + c];
                even[c] = bitcast<vec4<f32>>(low_words(pairs));
                odd[c] = bitcast<vec4<f32>>(high_words(pairs));
            }
            var xs: array<vec4<f32>, 8>;
            for (var j = 0u; j < 4u; j++) {
                xs[j * 2u] = vec4(even[0][j], even[1][j], even[2][j], even[3][j]);
                xs[j * 2u + 1u] = vec4(odd[0][j], odd[1][j], odd[2][j], odd[3][j]);
            }
            for (var r = 0u; r < ROWS; r++) {
                let q = code_words[row[r] + i];
                let low = low_words(q);
                let high = high_words(q);
                var sum: vec4<f32>;
                for (var j = 0u; j < 4u; j++) { sum += code_of(low, j) * xs[j] + code_of(high, j) * xs[j + 4u]; }
                acc[r / 4u][r % 4u] += dot(sum, vec4(1.0));
            }
        }
        let sum = sum_of_own_row(acc, lane);
        let n = first + n0 + lane;
        if (n0 + lane < rows) { store_row(m, n, sum * (scales[n] * (1.0 / 127.0))); }
    }
}
