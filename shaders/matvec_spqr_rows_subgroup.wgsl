// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w as in lib/weights_spqr.wgsl; append to lib/outliers_spqr.wgsl and a lib/words_ file. n is a multiple of
// 16, k of 32. For m from 1 to 8. Needs SUBGROUP, subgroups of at least LANES lanes, and a workgroup of
// exactly LANES.
// A workgroup owns 32 neighbouring n of one m, a lane ROWS neighbouring ones. All lanes walk k together in
// blocks of 128 columns: each loads an eighth of x and of the statistics, those of two half units of the
// sixteen rows it is among, and broadcasts hand them to the others.
// Made for software adapters, where a lane pays per load and component, whatever its width.

const LANES = 8u;
const ROWS = 4u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = ((group.x + group.z * groups.x) * LANES + lane) * ROWS;
    let m = group.y;
    let blocks = (params.k + 127u) / 128u;
    let quads = params.k / 4u;
    var norm = 1.0;
    if (is_normed()) { norm = norm_scale(sum_of_lanes(lane_squares(m, lane, LANES))); }
    let row_of_x = x_row(m);
    let rows = rows_of_pass();
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        let own_rows = min(first + n0, params.n - ROWS);
        let sixteen = own_rows / 16u;
        let upper = vec2((lane & 2u) != 0u); // the lane's rows are among the last eight of the sixteen

        var sums: vec4<f32>;
        for (var b = 0u; b < blocks; b++) {
            var block: array<Block, ROWS>;
            for (var r = 0u; r < ROWS; r++) { block[r] = load_block((own_rows + r) * blocks + b); }
            var own: array<array<Group, 2>, 2>;
            for (var i = 0u; i < 2u; i++) {
                let column = min(b * 128u + (lane % 4u + i * 4u) * 16u, params.k - 1u);
                own[i] = load_pair(sixteen, column / params.group_size);
            }
            // Arrays as long as the loops over them, or those stay rolled. By pairs of units, unit, half.
            var coded: array<array<array<vec4<f32>, 2>, 2>, 2>;
            var total: array<array<f32, 2>, 2>;
            for (var i = 0u; i < 2u; i++) {
                for (var u = 0u; u < 2u; u++) {
                    let q = b * 32u + (i * 2u + u) * 8u + lane;
                    var own_x: vec4<f32>;
                    if (q < quads) { own_x = x[row_of_x * quads + q]; }
                    // Lanes 0 to 3 have the first half of the unit, the others the second.
                    let one = own_x.x + own_x.y + (own_x.z + own_x.w);
                    let two = one + subgroupShuffleXor(one, 1u);
                    total[i][u] = two + subgroupShuffleXor(two, 2u);
                    own_x *= PRESCALE;
                    var xs: array<vec4<f32>, 8>;
                    for (var j = 0u; j < 8u; j++) { xs[j] = subgroupShuffle(own_x, j); }
                    for (var r = 0u; r < ROWS; r++) {
                        let sum = weighted_halves(unit_of(block[r], i * 2u + u), xs);
                        coded[i][u][0][r] = sum[0].x + sum[0].y + (sum[0].z + sum[0].w);
                        coded[i][u][1][r] = sum[1].x + sum[1].y + (sum[1].z + sum[1].w);
                    }
                }
            }
            for (var i = 0u; i < 2u; i++) {
                for (var u = 0u; u < 2u; u++) {
                    for (var h = 0u; h < 2u; h++) {
                        let from_lane = (lane & 4u) + u * 2u + h;
                        let here = Group(
                            select(subgroupShuffle(own[i][0].scales, from_lane), subgroupShuffle(own[i][1].scales, from_lane), upper),
                            select(subgroupShuffle(own[i][0].zeros, from_lane), subgroupShuffle(own[i][1].zeros, from_lane), upper),
                            subgroupShuffle(own[i][0].stats, from_lane));
                        let sum = subgroupShuffle(total[i][u], h * 4u);
                        var scale: vec4<f32>;
                        var zero: vec4<f32>;
                        for (var r = 0u; r < ROWS; r++) {
                            scale[r] = scale_of(here, (lane & 1u) * 4u + r);
                            zero[r] = zero_of(here, (lane & 1u) * 4u + r);
                        }
                        sums += scale * (coded[i][u][h] - zero * sum);
                    }
                }
            }
        }

        // The outliers of the rows lie one behind the other; a product less itself is nothing, exactly.
        let start = sparse[own_rows / 4u];
        let end = row_start(own_rows + ROWS);
        for (var four = start.x / 4u; four < (end + 3u) / 4u; four++) {
            let entries = four_outliers(four);
            for (var e = 0u; e < 4u; e++) {
                let product = times_x(entries[e], row_of_x);
                let here = from_start(product, four * 4u + e, start);
                let beyond = from_start(product, four * 4u + e, vec4(end));
                sums += here - vec4(here.yzw, beyond.x);
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            if (n0 + r < rows) { store_row(m, first + n0 + r, norm * sums[r]); }
        }
    }
}
