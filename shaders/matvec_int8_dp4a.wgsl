// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// by LLM.int8(): codes by exact integer dot products, columns with an outlier in f32.
// Append to lib/int8_input.wgsl and lib/int8_sums.wgsl; k is a multiple of 32. For m from 1 to 8.
// A workgroup owns 4 neighbouring n of BATCH neighbouring m, so that it loads each weight once for all. Its lanes share k in units of 16 codes, two at a time, whose loads
// all go out before the first is used; the sums of its subgroups, of whatever size, meet in workgroup memory.

override WG: u32 = 128u;
override BATCH: u32 = 1u; // at most 8, a divisor of m

// A lane's sums: four n of each m.
struct Sums { products: array<vec4<i32>, 8>, outliers: array<vec4<f32>, 8> }

struct Partial { products: vec4<i32>, outliers: vec4<f32> }

var<workgroup> partial: array<Partial, 64>; // of each subgroup, which has at least four lanes

fn four_dots(x: vec4<u32>, w0: vec4<u32>, w1: vec4<u32>, w2: vec4<u32>, w3: vec4<u32>) -> vec4<i32> {
    return vec4(dot16(x, w0), dot16(x, w1), dot16(x, w2), dot16(x, w3));
}

// Word number `at` of four rows that begin at these vectors of words.
fn four_words(row: vec4<u32>, at: u32) -> vec4<u32> {
    let i = row + vec4(at / 4u);
    return vec4(code_words[i.x][at % 4u], code_words[i.y][at % 4u], code_words[i.z][at % 4u], code_words[i.w][at % 4u]);
}

fn lane_sums(m: u32, n0: u32, index: u32) -> Sums {
    let units = params.k / 16u;
    let row = min(vec4(n0) + vec4(0u, 1u, 2u, 3u), vec4(params.n - 1u)) * units;
    var sums: Sums;
    var i = index;
    for (; i + WG < units; i += 2u * WG) {
        let j = i + WG;
        let a0 = code_words[row.x + i];
        let a1 = code_words[row.y + i];
        let a2 = code_words[row.z + i];
        let a3 = code_words[row.w + i];
        let b0 = code_words[row.x + j];
        let b1 = code_words[row.y + j];
        let b2 = code_words[row.z + j];
        let b3 = code_words[row.w + j];
        for (var b = 0u; b < BATCH; b++) {
            sums.products[b] += four_dots(x_codes(m + b, i), a0, a1, a2, a3) + four_dots(x_codes(m + b, j), b0, b1, b2, b3);
        }
    }
    if (i < units) {
        for (var b = 0u; b < BATCH; b++) {
            sums.products[b] += four_dots(x_codes(m + b, i), code_words[row.x + i], code_words[row.y + i], code_words[row.z + i],
                                          code_words[row.w + i]);
        }
    }
    let words = params.k / 32u;
    for (var b = 0u; b < BATCH; b++) {
        for (var word = index; word < words; word += 2u * WG) {
            let second = x_outliers(m + b, min(word + WG, words - 1u));
            let columns = vec2(x_outliers(m + b, word), select(0u, second, word + WG < words));
            for (var j = 0u; j < 2u; j++) {
                var left = columns[j];
                while (left != 0u) {
                    let column = (word + j * WG) * 32u + firstTrailingBit(left);
                    left &= left - 1u;
                    let codes = bitcast<vec4<i32>>(four_words(row, column / 4u) << vec4(24u - column % 4u * 8u)) >> vec4(24u);
                    sums.outliers[b] += x_value(m + b, column) * vec4<f32>(codes);
                }
            }
        }
    }
    return sums;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32,
        @builtin(subgroup_size) lanes: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * 4u;
    let m = group.y * BATCH;
    let rows = rows_of_pass();
    if (n0 >= rows) { return; }
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        var sums = lane_sums(m, first + n0, subgroup * lanes + lane);
        for (var b = 0u; b < BATCH; b++) {
            let whole = Partial(subgroupAdd(sums.products[b]), subgroupAdd(sums.outliers[b]));
            if (lane == 0u) { partial[subgroup] = whole; }
            workgroupBarrier();
            // A lane a row of w.
            if (subgroup == 0u && lane < 4u && n0 + lane < rows) {
                var products = 0;
                var outliers = 0.0;
                for (var s = 0u; s < subgroups; s++) {
                    products += partial[s].products[lane];
                    outliers += partial[s].outliers[lane];
                }
                let n = first + n0 + lane;
                store_row(m + b, n, value_of(products, outliers, x_scale(m + b), n));
            }
            workgroupBarrier();
        }
    }
}
