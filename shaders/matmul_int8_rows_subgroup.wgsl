// y[m, n] = scale_of_sum(n) * sum_k x[m, k] * code[n, k]: columns of LLM.int8()'s weights for
// lib/matmul_rows_subgroup.wgsl. Append to lib/weights_int8.wgsl; x as values.

const UNIT = 16u;

fn x_quad(i: u32, j: u32) -> u32 { return i * (UNIT / 4u) + j; }
alias Columns = array<vec4<u32>, NT>;

fn load_columns(n0: u32, i: u32, lane: u32) -> Columns {
    var columns: Columns;
    for (var c = 0u; c < NT; c++) {
        columns[c] = code_words[row_of(n0, c * LANES + lane) * (params.k / UNIT) + i];
    }
    return columns;
}

fn next_four(columns: ptr<function, Columns>, j: u32) -> array<vec4<f32>, NT> {
    var w: array<vec4<f32>, NT>;
    for (var c = 0u; c < NT; c++) {
        w[c] = bytes((*columns)[c].x);
        (*columns)[c] = (*columns)[c].yzww;
    }
    return w;
}

fn scale_of_sum(n: u32) -> f32 { return scale_at(n); }
fn add_outliers(m0: u32, n0: u32, lane: u32, acc: ptr<function, Sums>) {}
