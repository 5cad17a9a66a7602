// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// by LLM.int8(): codes by exact integer dot products, columns with an outlier in f32.
// Append to lib/int8_input.wgsl and lib/weights_int8.wgsl; k is a multiple of 32. For m from 2 on.
// A workgroup of 256 owns 64 rows of m by 64 columns of n and walks k in steps of 32 through
// workgroup memory; lane (tx, ty) owns rows ty + 16 i and columns tx + 16 j, i, j < 4. The loads of the
// next step are under way while this one is multiplied.

const TILE = 64u;
const WORDS = 8u; // of codes, in a step
const SIDE = 16u; // lanes along a side of the tile
const PER = 4u;   // rows, and columns, of a lane

// Both [word][row], the row xored by swizzle(word).
var<workgroup> x_tile: array<u32, WORDS * TILE>;
var<workgroup> w_tile: array<u32, WORDS * TILE>;

// Two lanes fill one row at words 4 apart; without this they would meet in one bank.
fn swizzle(word: u32) -> u32 { return (word & 4u) * 4u; }

// What a lane puts into its tile: vector `at` of codes of its row.
fn step_codes(lane: u32, x_row: u32, w_row: u32, at: u32) -> vec4<u32> {
    if (lane < 128u) { return x_codes(x_row, at); }
    return code_words[w_row + at];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let m0 = group.y * TILE;
    let n0 = (group.x + group.z * groups.x) * TILE;
    let tx = lane % SIDE;
    let ty = lane / SIDE;
    let units = params.k / 32u;

    // The first half of the lanes fills x_tile, the other w_tile.
    let row = lane / 2u % TILE;
    let half = lane % 2u;
    let fill = half * 4u * TILE + (row ^ swizzle(half * 4u));
    let x_row = min(m0 + row, params.m - 1u);
    let w_row = min(n0 + row, params.n - 1u) * (units * 2u);

    var products: array<vec4<i32>, PER>;
    var outliers: array<vec4<f32>, PER>;
    var codes = step_codes(lane, x_row, w_row, half);
    // The same columns in all rows.
    var next_columns = x_outliers(0u, 0u);
    for (var i = 0u; i < units; i++) {
        if (lane < 128u) {
            for (var j = 0u; j < 4u; j++) { x_tile[fill + j * TILE] = codes[j]; }
        } else {
            for (var j = 0u; j < 4u; j++) { w_tile[fill + j * TILE] = codes[j]; }
        }
        workgroupBarrier();
        var columns = next_columns;
        let next = min(i + 1u, units - 1u);
        codes = step_codes(lane, x_row, w_row, next * 2u + half);
        next_columns = x_outliers(0u, next);
        for (var k = 0u; k < WORDS; k++) {
            var ws: vec4<u32>;
            for (var j = 0u; j < PER; j++) { ws[j] = w_tile[k * TILE + ((tx + j * SIDE) ^ swizzle(k))]; }
            for (var j = 0u; j < PER; j++) {
                let xk = x_tile[k * TILE + ((ty + j * SIDE) ^ swizzle(k))];
                products[j] += vec4(dot4I8Packed(xk, ws.x), dot4I8Packed(xk, ws.y),
                                    dot4I8Packed(xk, ws.z), dot4I8Packed(xk, ws.w));
            }
        }
        while (columns != 0u) {
            let c = firstTrailingBit(columns);
            columns &= columns - 1u;
            var ws: vec4<f32>;
            for (var j = 0u; j < PER; j++) {
                ws[j] = code_of(w_tile[c / 4u * TILE + ((tx + j * SIDE) ^ swizzle(c / 4u))], c % 4u);
            }
            let rows = min(vec4(m0 + ty) + vec4(0u, SIDE, 2u * SIDE, 3u * SIDE), vec4(params.m - 1u));
            let k = i * 32u + c;
            let xs = vec4(x_value(rows.x, k), x_value(rows.y, k), x_value(rows.z, k), x_value(rows.w, k));
            for (var j = 0u; j < PER; j++) { outliers[j] += xs[j] * ws; }
        }
        workgroupBarrier();
    }

    for (var j = 0u; j < PER * PER; j++) {
        let m = m0 + ty + j / PER * SIDE;
        let n = n0 + tx + j % PER * SIDE;
        if (m < params.m && n < params.n) {
            store(m, n, value_of(products[j / PER][j % PER], outliers[j / PER][j % PER], x_scale(m), n));
        }
    }
}
