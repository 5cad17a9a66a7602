// y[m, n] = sum_k x[m, k] * w[n, k]: columns of GGUF's blocks for lib/matmul_rows_subgroup.wgsl.
// Append to lib/weights_gguf.wgsl, which says what w is, and the files it names.

const UNIT = 32u;

fn x_quad(i: u32, j: u32) -> u32 { return i * (UNIT / 4u) + j; }
// Scales and minimums of the unit's first 16 columns and of its last.
struct Columns { unit: array<Unit, NT>, first: array<vec2<f32>, NT>, last: array<vec2<f32>, NT> }

fn load_columns(n0: u32, i: u32, lane: u32) -> Columns {
    var columns: Columns;
    for (var c = 0u; c < NT; c++) {
        let n = row_of(n0, c * LANES + lane);
        columns.unit[c] = load_unit(first_unit(n) + i);
        let stats = load_stats(n, i / 4u);
        let g = i % 4u * (UNIT / GROUP);
        columns.first[c] = group_stats(stats, g);
        columns.last[c] = group_stats(stats, g + UNIT / GROUP - 1u);
    }
    return columns;
}

fn next_four(columns: ptr<function, Columns>, j: u32) -> array<vec4<f32>, NT> {
    var w: array<vec4<f32>, NT>;
    for (var c = 0u; c < NT; c++) {
        let s = select((*columns).first[c], (*columns).last[c], j >= 4u);
        w[c] = s.x * four_codes((*columns).unit[c], 0u) - vec4(s.y);
        (*columns).unit[c] = without_four((*columns).unit[c]);
    }
    return w;
}

fn scale_of_sum(n: u32) -> f32 { return 1.0; }
fn add_outliers(m0: u32, n0: u32, lane: u32, acc: ptr<function, Sums>) {}
