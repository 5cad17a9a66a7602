// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// by LLM.int8(): codes by exact integer dot products, columns with an outlier in f32.
// Append to lib/int8_input.wgsl and lib/weights_int8.wgsl; k is a multiple of 32. For m from 1 to 8.
// A workgroup owns TILE neighbouring n of one m; each of its subgroups, of whatever size, takes
// ROWS of them at a time. Its lanes read neighbouring 16 codes of a row and add up by subgroupAdd.

override WG: u32 = 128u;
override TILE: u32 = 16u;

const ROWS = 4u;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32,
        @builtin(subgroup_size) lanes: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let tile = (group.x + group.z * groups.x) * TILE;
    let m = group.y;
    let units = params.k / 16u;
    let end = min(params.n, tile + TILE);
    let m_scale = x_scale(m);

    // All subgroups make the same rounds, so that subgroupAdd is in uniform control flow.
    for (var round = 0u; round < TILE; round += subgroups * ROWS) {
        let n0 = tile + round + subgroup * ROWS;
        let stop = select(0u, units, n0 < end);
        var products: array<i32, ROWS>;
        var outliers: array<f32, ROWS>;
        for (var i = lane; i < stop; i += lanes) {
            let codes = x_codes(m, i);
            var w: array<vec4<u32>, ROWS>;
            for (var r = 0u; r < ROWS; r++) {
                w[r] = code_words[min(n0 + r, params.n - 1u) * units + i];
                products[r] += dot16(codes, w[r]);
            }
            var columns = (x_outliers(m, i / 2u) >> (i % 2u * 16u)) & 0xffffu;
            while (columns != 0u) {
                let c = firstTrailingBit(columns);
                columns &= columns - 1u;
                let value = x_value(m, i * 16u + c);
                for (var r = 0u; r < ROWS; r++) { outliers[r] += value * code_of(w[r][c / 4u], c % 4u); }
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            let product = subgroupAdd(products[r]);
            let outlier = subgroupAdd(outliers[r]);
            let n = n0 + r;
            if (lane == 0u && n < end) { store(m, n, value_of(product, outlier, m_scale, n)); }
        }
    }
}
