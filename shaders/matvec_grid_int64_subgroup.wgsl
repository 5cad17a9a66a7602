// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// w as in lib/weights_grid.wgsl; append to a lib/codes_ and a lib/words64_ file. x is read as f32 pairs.
// Needs SHADER_INT64, SUBGROUP, subgroups of at least LANES lanes, and a workgroup of exactly LANES.
// For m from 1 to 8.
// A workgroup owns ROWS * LANES neighbouring n of one m, a lane ROWS neighbouring ones. All lanes walk k
// together: each loads an eighth of half a block's x, and broadcasts hand it to the others.
// Made for software adapters, where a lane pays per load and component, whatever its width.

@group(0) @binding(3) var<storage, read> scales: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> zeros: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

override GROUP: u32 = 4u; // units of a group of columns

const LANES = 8u;
const ROWS = 4u;

fn four_scales(at: u32) -> vec4<f32> {
    let words = scales[at / 4u];
    return vec4(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn four_zeros(at: u32) -> vec4<f32> {
    let word = zeros[at * ZERO_BITS / 32u] >> (at * ZERO_BITS % 32u);
    return vec4<f32>(vec4<i32>((vec4(word) >> (vec4(0u, 1u, 2u, 3u) * ZERO_BITS)) & vec4((1u << ZERO_BITS) - 1u)));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = ((group.x + group.z * groups.x) * LANES + lane) * ROWS;
    let m = group.y;
    let blocks = (params.k + 127u) / 128u;
    let groups_of_row = params.k / 32u / GROUP;
    let turns = min(firstTrailingBit(GROUP), 2u); // logarithm of the units that take turns
    let whole = GROUP % 4u == 0u; // a block has one group

    var norm = 1.0;
    if (is_normed()) { norm = norm_scale(sum_of_lanes(lane_squares(m, lane, LANES))); }
    let row_of_x = x_row(m);
    let rows = rows_of_pass();
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        var sums: vec4<f32>;
        for (var b = 0u; b < blocks; b++) {
            var block: array<Block, ROWS>;
            for (var r = 0u; r < ROWS; r++) { block[r] = load_block(min(first + n0 + r, params.n - 1u) * blocks + b); }
            var total: array<vec2<f32>, 2>;
            var coded: array<vec4<f32>, 4>;
            for (var h = 0u; h < 2u; h++) {
                var half: HalfBlock;
                if (turns > 0u) {
                    half = load_dealt(row_of_x, b, h, lane, turns == 2u);
                    total[h] = vec2(dot(half.own[0], vec4(1.0)), dot(half.own[1], vec4(1.0)));
                } else {
                    half = load_half(row_of_x, b, h, lane);
                    // Lanes 0 to 3 have the first unit of the half, the others the second.
                    let sum = dot(half.own[0], vec4(1.0)) + dot(half.own[1], vec4(1.0));
                    total[h] = select(vec2(0.0, sum), vec2(sum, 0.0), lane < 4u);
                }
                for (var r = 0u; r < ROWS; r++) {
                    coded[2u * h][r] = weighted(unit_of(block[r], 2u * h), half.first);
                    coded[2u * h + 1u][r] = weighted(unit_of(block[r], 2u * h + 1u), half.second);
                }
            }
            if (whole) {
                let sum = sum_of_lanes(total[0].x + total[0].y + (total[1].x + total[1].y));
                let at = (first + n0) * groups_of_row + b * 4u / GROUP * 4u;
                sums += four_scales(at) * (coded[0] + coded[1] + (coded[2] + coded[3]) - four_zeros(at) * sum);
            } else {
                for (var u = 0u; u < 4u; u++) {
                    let sum = sum_of_lanes(total[u / 2u][u % 2u]);
                    let at = (first + n0) * groups_of_row + min(b * 4u + u, params.k / 32u - 1u) / GROUP * 4u;
                    sums += four_scales(at) * (coded[u] - four_zeros(at) * sum);
                }
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            if (n0 + r < rows) { store_row(m, first + n0 + r, norm * sums[r]); }
        }
    }
}
