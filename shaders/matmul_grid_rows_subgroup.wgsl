// y[m, n] = sum_k x[m, k] * w[n, k]: columns of weights on a grid for lib/matmul_rows_subgroup.wgsl.
// Append to lib/weights_grid.wgsl, which says what w is.

const UNIT = 32u;

fn x_quad(i: u32, j: u32) -> u32 { return quad_of(i, j); }
struct Columns { unit: array<Unit, NT>, scale: array<f32, NT>, zero: array<f32, NT> }

fn load_columns(n0: u32, i: u32, lane: u32) -> Columns {
    var columns: Columns;
    for (var c = 0u; c < NT; c++) {
        let n = row_of(n0, c * LANES + lane);
        let at = stat_at(i * UNIT / params.group_size, n);
        columns.unit[c] = load_unit(first_unit(n) + i);
        columns.scale[c] = scale_at(at);
        columns.zero[c] = zero_at(at);
    }
    return columns;
}

fn next_four(columns: ptr<function, Columns>, j: u32) -> array<vec4<f32>, NT> {
    var w: array<vec4<f32>, NT>;
    for (var c = 0u; c < NT; c++) {
        w[c] = (*columns).scale[c] * (four_codes((*columns).unit[c], 0u) - (*columns).zero[c]);
        (*columns).unit[c] = without_four((*columns).unit[c]);
    }
    return w;
}

fn scale_of_sum(n: u32) -> f32 { return 1.0; }
fn add_outliers(m0: u32, n0: u32, lane: u32, acc: ptr<function, Sums>) {}
