// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w as in lib/weights_gguf.wgsl; append to a lib/stats_, a lib/codes_ and a lib/words64_ file. x is read as f32
// pairs. Needs SHADER_INT64, SUBGROUP, subgroups of at least LANES lanes, and a workgroup of exactly LANES.
// For m from 1 to 8.
// A workgroup owns ROWS * LANES neighbouring n of one m, a lane ROWS neighbouring ones. All lanes walk k
// together: each loads an eighth of half a block's x, and broadcasts hand it to the others.
// Made for software adapters, where a lane pays per load and component, whatever its width, and dearly for an array
// that is indexed at run time: the rows are a rolled loop, the units of a block are spelled out.

const LANES = 8u;
const ROWS = 4u;

fn sum_of(v: vec4<f32>) -> f32 { return v.x + v.y + (v.z + v.w); }

// The sum of w * x over the unit that starts with group g of a row's block; totals are the sums of its x over each
// 16 columns.
fn dot_groups(s: Stats, g: u32, unit: Unit, xs: array<vec4<f32>, 8>, totals: vec2<f32>) -> f32 {
    let coded = weighted_halves(unit, xs);
    let first = group_stats(s, g);
    if (GROUP == 32u) { return first.x * sum_of(coded[0] + coded[1]) - first.y * (totals.x + totals.y); }
    let second = group_stats(s, g + 1u);
    return first.x * sum_of(coded[0]) - first.y * totals.x + (second.x * sum_of(coded[1]) - second.y * totals.y);
}

// The sums of each 16 columns of a half block, of which two lanes have 16.
fn totals_of(own: array<vec4<f32>, 2>) -> vec4<f32> {
    let sum = sum_of(own[0]) + sum_of(own[1]);
    let pair = sum + subgroupShuffleXor(sum, 1u);
    return vec4(subgroupShuffle(pair, 0u), subgroupShuffle(pair, 2u),
                subgroupShuffle(pair, 4u), subgroupShuffle(pair, 6u));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = ((group.x + group.z * groups.x) * LANES + lane) * ROWS;
    let m = group.y;
    let blocks = (params.k + 127u) / 128u;

    var norm = 1.0;
    if (is_normed()) { norm = norm_scale(sum_of_lanes(lane_squares(m, lane, LANES))); }
    let row_of_x = x_row(m);
    let rows = rows_of_pass();
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        var sums: vec4<f32>;
        for (var b = 0u; b < blocks; b++) {
            let low = load_half(row_of_x, b, 0u, lane);
            let high = load_half(row_of_x, b, 1u, lane);
            let low_totals = totals_of(low.own);
            let high_totals = totals_of(high.own);
            for (var r = 0u; r < ROWS; r++) {
                let n = min(first + n0 + r, params.n - 1u);
                let block = load_block(n * blocks + b);
                let s = load_stats(n, b);
                let sum = dot_groups(s, 0u, unit_of(block, 0u), low.first, low_totals.xy)
                        + dot_groups(s, 32u / GROUP, unit_of(block, 1u), low.second, low_totals.zw)
                        + dot_groups(s, 64u / GROUP, unit_of(block, 2u), high.first, high_totals.xy)
                        + dot_groups(s, 96u / GROUP, unit_of(block, 3u), high.second, high_totals.zw);
                sums += select(vec4(0.0), vec4(sum), vec4(r) == vec4(0u, 1u, 2u, 3u));
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            if (n0 + r < rows) { store_row(m, first + n0 + r, norm * sums[r]); }
        }
    }
}
