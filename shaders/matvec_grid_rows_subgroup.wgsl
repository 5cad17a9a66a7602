// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// Append to lib/weights_grid.wgsl and a lib/codes_ file. Needs SUBGROUP, subgroups of at least LANES
// lanes, and a workgroup of exactly LANES. For m from 1 to 8.
// A workgroup owns ROWS * LANES neighbouring n of one m; lane l owns rows l, l + LANES, ... of it. All
// lanes walk k together: each loads an eighth of a unit's x, and broadcasts hand it to the others.
// Made for software adapters, where each component a lane loads is a branch and a scalar load: codes
// come in 16 bytes at a time, x once for all rows, scales and zeros once a group.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

const LANES = 8u;
const ROWS = 4u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * (ROWS * LANES) + lane;
    let m = group.y;
    let quads = params.k / 4u;
    let blocks = (params.k + 127u) / 128u;
    let group_units = params.group_size / 32u;

    let whole = params.group_size % 128u == 0u; // a block has one group

    var norm = 1.0;
    if (is_normed()) { norm = norm_scale(sum_of_lanes(lane_squares(m, lane, LANES))); }
    let row_of_x = x_row(m);
    let rows = rows_of_pass();
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        var sums: array<f32, ROWS>;
        for (var b = 0u; b < blocks; b++) {
            var block: array<Block, ROWS>;
            for (var r = 0u; r < ROWS; r++) { block[r] = load_block(min(first + n0 + r * LANES, params.n - 1u) * blocks + b); }
            var total: array<f32, 4>;
            var coded: array<array<f32, ROWS>, 4>;
            for (var u = 0u; u < 4u; u++) {
                let q = quad_of(b * 4u + u, lane);
                var own: vec4<f32>;
                if (q < quads) { own = x[row_of_x * quads + q]; }
                total[u] = own.x + own.y + (own.z + own.w);
                own *= PRESCALE;
                var xs: array<vec4<f32>, 8>;
                for (var j = 0u; j < 8u; j++) { xs[j] = subgroupShuffle(own, j); }
                for (var r = 0u; r < ROWS; r++) { coded[u][r] = weighted(unit_of(block[r], u), xs); }
            }
            if (whole) {
                let sum = sum_of_lanes(total[0] + total[1] + (total[2] + total[3]));
                for (var r = 0u; r < ROWS; r++) {
                    let at = stat_at(b * 128u / params.group_size, min(first + n0 + r * LANES, params.n - 1u));
                    let all = coded[0][r] + coded[1][r] + (coded[2][r] + coded[3][r]);
                    sums[r] += scale_at(at) * (all - zero_at(at) * sum);
                }
            } else {
                for (var u = 0u; u < 4u; u++) {
                    let sum = sum_of_lanes(total[u]);
                    let g = min(b * 128u + u * 32u, params.k - 1u) / params.group_size;
                    for (var r = 0u; r < ROWS; r++) {
                        let at = stat_at(g, min(first + n0 + r * LANES, params.n - 1u));
                        sums[r] += scale_at(at) * (coded[u][r] - zero_at(at) * sum);
                    }
                }
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            let n = n0 + r * LANES;
            if (n < rows) { store_row(m, first + n, norm * sums[r]); }
        }
    }
}
