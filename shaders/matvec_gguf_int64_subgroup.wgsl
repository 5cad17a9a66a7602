// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w as in lib/weights_gguf.wgsl; append to a lib/stats_, a lib/codes_ and a lib/words64_ file. x is read as f32
// pairs. Needs SHADER_INT64, SUBGROUP, subgroups of at least LANES lanes, and a workgroup of exactly LANES.
// For m from 1 to 8.
// A workgroup owns ROWS * LANES neighbouring n of one m, a lane ROWS neighbouring ones. All lanes walk k
// together: each loads an eighth of half a block's x, and broadcasts hand it to the others.
// Made for software adapters, where a lane pays per load and component, whatever its width.

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

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = ((group.x + group.z * groups.x) * LANES + lane) * ROWS;
    let m = group.y;
    let blocks = (params.k + 127u) / 128u;

    var sums: array<f32, ROWS>;
    for (var b = 0u; b < blocks; b++) {
        var block: array<Block, ROWS>;
        var stats: array<Stats, ROWS>;
        for (var r = 0u; r < ROWS; r++) {
            let n = min(n0 + r, params.n - 1u);
            block[r] = load_block(n * blocks + b);
            stats[r] = load_stats(n, b);
        }
        for (var h = 0u; h < 2u; h++) {
            let half = load_half(m, b, h, lane);
            // Two lanes have 16 columns, four a unit.
            let own_sum = sum_of(half.own[0]) + sum_of(half.own[1]);
            let pair = own_sum + subgroupShuffleXor(own_sum, 1u);
            let first_totals = vec2(subgroupShuffle(pair, 0u), subgroupShuffle(pair, 2u));
            let second_totals = vec2(subgroupShuffle(pair, 4u), subgroupShuffle(pair, 6u));
            for (var r = 0u; r < ROWS; r++) {
                let g = h * 64u / GROUP;
                sums[r] += dot_groups(stats[r], g, unit_of(block[r], 2u * h), half.first, first_totals)
                         + dot_groups(stats[r], g + 32u / GROUP, unit_of(block[r], 2u * h + 1u), half.second, second_totals);
            }
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        if (n0 + r < params.n) { store(m, n0 + r, sums[r]); }
    }
}
