// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// by LLM.int8(): codes by exact integer dot products, columns with an outlier in f32.
// Append to lib/int8_input.wgsl and lib/int8_sums.wgsl; k is a multiple of 32. For m from 2 on.
// A workgroup of 256 owns 64 rows of m by 64 columns of n and walks k in steps of 32 through
// workgroup memory; lane (tx, ty) owns rows 4 ty + i and columns 4 tx + j, i, j < 4. The loads of the
// next step are under way while this one is multiplied.

const TILE = 64u;
const WORDS = 8u; // of codes, in a step
const SIDE = 16u; // lanes along a side of the tile
const PER = 4u;   // rows, and columns, of a lane
const RUN = PER / 2u;

// Both [word][row], four rows a vector, the vector xored by swizzle(word / 4).
var<workgroup> x_tile: array<vec4<u32>, WORDS * SIDE>;
var<workgroup> w_tile: array<vec4<u32>, WORDS * SIDE>;

// Two lanes fill one row at words 4 apart; without this they would meet in one bank.
fn swizzle(half: u32) -> u32 { return half * 4u; }

// What a lane puts into its tile: vector `at` of codes of its row.
fn step_codes(lane: u32, x_row: u32, w_row: u32, at: u32) -> vec4<u32> {
    if (lane < 128u) { return x_codes(x_row, at); }
    return code_words[w_row + at];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let m0 = group.y * TILE;
    let n0 = (group.x + group.z * groups.x) * (TILE >> GATED);
    let tx = lane % SIDE;
    let ty = lane / SIDE;
    let units = params.k / 32u;

    // The first half of the lanes fills x_tile, the other w_tile.
    let row = lane / 2u % TILE;
    let half = lane % 2u;
    let fill = half * 4u * SIDE + ((row / PER) ^ swizzle(half));
    let part = row % PER;
    let x_row = min(m0 + row, params.m - 1u);
    let w_row = row_of(n0, row) * (units * 2u);

    var products: array<vec4<i32>, PER>;
    var outliers: array<vec4<f32>, PER>;
    var codes = step_codes(lane, x_row, w_row, half);
    // The same columns in all rows.
    var next_columns = x_outliers(0u, 0u);
    for (var i = 0u; i < units; i++) {
        if (lane < 128u) {
            for (var j = 0u; j < 4u; j++) { x_tile[fill + j * SIDE][part] = codes[j]; }
        } else {
            for (var j = 0u; j < 4u; j++) { w_tile[fill + j * SIDE][part] = codes[j]; }
        }
        workgroupBarrier();
        var columns = next_columns;
        let next = min(i + 1u, units - 1u);
        codes = step_codes(lane, x_row, w_row, next * 2u + half);
        next_columns = x_outliers(0u, next);
        for (var h = 0u; h < 2u; h++) {
            let xk = h * 4u * SIDE + (ty ^ swizzle(h));
            let wk = h * 4u * SIDE + (tx ^ swizzle(h));
            for (var k = 0u; k < 4u; k++) {
                let xs = x_tile[xk + k * SIDE];
                let ws = w_tile[wk + k * SIDE];
                for (var j = 0u; j < PER; j++) {
                    products[j] += vec4(dot4I8Packed(xs[j], ws.x), dot4I8Packed(xs[j], ws.y),
                                        dot4I8Packed(xs[j], ws.z), dot4I8Packed(xs[j], ws.w));
                }
            }
        }
        while (columns != 0u) {
            let c = firstTrailingBit(columns);
            columns &= columns - 1u;
            let word = w_tile[c / 4u * SIDE + (tx ^ swizzle(c / 16u))];
            let ws = vec4<f32>(bitcast<vec4<i32>>(word << vec4(24u - c % 4u * 8u)) >> vec4(24u));
            let rows = min(vec4(m0 + PER * ty) + vec4(0u, 1u, 2u, 3u), vec4(params.m - 1u));
            let k = i * 32u + c;
            let xs = vec4(x_value(rows.x, k), x_value(rows.y, k), x_value(rows.z, k), x_value(rows.w, k));
            for (var j = 0u; j < PER; j++) { outliers[j] += xs[j] * ws; }
        }
        workgroupBarrier();
    }

    for (var j = 0u; j < PER * PER; j++) {
        let m = m0 + PER * ty + j / PER;
        let at = j % PER;
        let n = n0 + (PER >> GATED) * tx + at;
        if (at < (PER >> GATED) && m < params.m && n < outputs()) {
            let sum = value_of(products[j / PER][at], outliers[j / PER][at], x_scale(m), n);
            if (GATED == 0u) {
                store(m, n, sum);
            } else {
                let other = value_of(products[j / PER][at + RUN], outliers[j / PER][at + RUN], x_scale(m), n + outputs());
                store_gated(m, n, sum, other);
            }
        }
    }
}
