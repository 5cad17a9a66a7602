// y[m, n] = sum_k x[m, k] * w[n, k]: columns of SpQR weights for lib/matmul_rows_subgroup.wgsl.
// Append to lib/weights_spqr.wgsl, which says what w is; n is a multiple of 16. A lane loads the statistics of one half
// unit of eight columns, and broadcasts hand them to all lanes. Outliers come after all else, so that lanes do not wait for
// each other's at every four columns.

const UNIT = 32u;

fn x_quad(i: u32, j: u32) -> u32 { return i * (UNIT / 4u) + j; }
// Scales and zeros of a unit's halves.
struct Columns { unit: array<Unit, NT>, scale: array<vec2<f32>, NT>, zero: array<vec2<f32>, NT> }

fn load_columns(n0: u32, i: u32, lane: u32) -> Columns {
    let own_stripe = row_of(n0, lane / 2u * LANES) / 8u;
    let own = load_group(own_stripe, (i * UNIT + lane % 2u * 16u) / params.group_size);
    var columns: Columns;
    for (var c = 0u; c < NT; c++) {
        columns.unit[c] = load_unit(first_unit(row_of(n0, c * LANES + lane)) + i);
        for (var h = 0u; h < 2u; h++) {
            let half_unit = c * 2u + h;
            let stats = Group(subgroupShuffle(own.scales, half_unit), subgroupShuffle(own.zeros, half_unit),
                              subgroupShuffle(own.stats, half_unit));
            columns.scale[c][h] = scale_of(stats, lane);
            columns.zero[c][h] = zero_of(stats, lane);
        }
    }
    return columns;
}

fn next_four(columns: ptr<function, Columns>, j: u32) -> array<vec4<f32>, NT> {
    var w: array<vec4<f32>, NT>;
    for (var c = 0u; c < NT; c++) {
        let s = select((*columns).scale[c].x, (*columns).scale[c].y, j >= 4u);
        let z = select((*columns).zero[c].x, (*columns).zero[c].y, j >= 4u);
        w[c] = s * (four_codes((*columns).unit[c], 0u) - z);
        (*columns).unit[c] = without_four((*columns).unit[c]);
    }
    return w;
}

fn scale_of_sum(n: u32) -> f32 { return 1.0; }

fn add_outliers(m0: u32, n0: u32, lane: u32, acc: ptr<function, Sums>) {
    // By hand: a driver that does not unroll loops around others would keep all sums in memory.
    add_of_column(m0, n0, lane, 0u, acc);
    add_of_column(m0, n0, lane, 1u, acc);
    add_of_column(m0, n0, lane, 2u, acc);
    add_of_column(m0, n0, lane, 3u, acc);
}

fn add_of_column(m0: u32, n0: u32, lane: u32, c: u32, acc: ptr<function, Sums>) {
    let n = row_of(n0, c * LANES + lane);
    let first = params.n + 4u;
    let end = first + sparse[n + 1u];
    for (var e = first + sparse[n]; e < end; e++) {
        let value = unpack2x16float(sparse[e]).y;
        let column = sparse[e] & 0xffffu;
        for (var g = 0u; g < GROUPS; g++) {
            for (var r = 0u; r < 8u; r++) {
                let at = min(m0 + g * 8u + r, params.m - 1u) * params.k + column;
                (*acc)[g][r][c] += value * x[at / 4u][at % 4u];
            }
        }
    }
}
