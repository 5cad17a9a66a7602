// w[n, k] = s * (code[n, k] - z) + outlier[n, k], stored as lib/group_spqr.wgsl and lib/weights_spqr.wgsl say, for
// lib/matvec_subgroup.wgsl. Append to lib/staged_x.wgsl, lib/group_spqr.wgsl and lib/outliers_spqr.wgsl. n is a multiple of 16.
// A lane has a unit of 32 codes of four rows, whose halves may be in two groups. All its loads go out before the first
// is used.

override CODED: u32 = SCALE_WIDTH + ZERO_WIDTH; // bits of a row and group

// Of 2048 columns: whole groups, whose codes of scales and zeros are whole words, or none.
fn groups_of_turn() -> u32 { return select(0u, 2048u / params.group_size, 2048u % params.group_size == 0u); }

fn whole_units() -> u32 {
    let groups = groups_of_turn();
    return select(0u, params.k / 32u, groups > 0u && groups * CODED % 2u == 0u);
}

// What need not be computed anew each turn: where rows begin, in units, and of the groups that the halves of a lane's unit
// are in the factors, words and bits of codes.
struct Lane {
    rows: vec4<u32>, stats: u32, stat_words: u32,
    unit: u32, groups: vec2<u32>, words: vec2<u32>, scale_bits: vec2<u32>, zero_bits: vec2<u32>,
}

fn lane_of(n0: u32, unit: u32) -> Lane {
    let groups = vec2(unit * 32u, unit * 32u + 16u) / params.group_size;
    // Of the sixteen rows that share them, and of the eight and the four among them. A group takes 16 * CODED bits, whole
    // words where CODED is even.
    let bits = select(vec2(0u), groups % 2u * 16u, CODED % 2u == 1u) + vec2(n0 % 16u / 8u * 8u * CODED);
    let four = n0 % 8u / 4u * 4u;
    return Lane(four_rows(n0) * ((params.k + 127u) / 128u * 4u), n0 / 16u * (params.k / params.group_size),
                n0 / 16u * stat_row_words(), unit, groups, groups * CODED / 2u,
                bits + vec2(four * SCALE_WIDTH), bits + vec2(8u * SCALE_WIDTH + four * ZERO_WIDTH));
}

// What four rows have of a group: their codes, and the factors that sixteen rows share.
struct Coded { scales: u32, zeros: u32, stats: vec2<u32> }

fn load_coded(lane: Lane, half: u32, groups: u32) -> Coded {
    let row = lane.stat_words + groups * CODED / 2u;
    let scale = row + lane.scale_bits[half] / 32u + lane.words[half];
    let zero = row + lane.zero_bits[half] / 32u + lane.words[half];
    return Coded(funnel(stat_codes[scale], stat_codes[scale + 1u], lane.scale_bits[half] % 32u),
                 funnel(stat_codes[zero], stat_codes[zero + 1u], lane.zero_bits[half] % 32u),
                 stats[lane.stats + groups + lane.groups[half]]);
}

// Four rows' s, their codes of z and what those are multiplied by, and what sums of products begin with.
struct Half { s: vec4<f32>, zeros: vec4<f32>, by: f32, start: vec2<f32> }

fn four_codes(word: u32, width: u32) -> vec4<f32> {
    return vec4<f32>(vec4(extractBits(word, 0u, width), extractBits(word, width, width),
                          extractBits(word, 2u * width, width), extractBits(word, 3u * width, width)));
}

fn half_of(c: Coded, x_pairs: vec2<f32>) -> Half {
    let s = unpack2x16float(c.stats.x);
    let z = unpack2x16float(c.stats.y);
    let by = z.x * ((x_pairs.x + x_pairs.y) * (-1.0 / WHOLE));
    let start = -BIAS * x_pairs;
    return Half(s.x * four_codes(c.scales, SCALE_WIDTH) - vec4(s.x * s.y), four_codes(c.zeros, ZERO_WIDTH), by,
                vec2(start.x, start.y - by * z.y));
}

fn row_sum(c: Codes, xs: Quads, a: Half, b: Half, r: u32, before: vec4<f32>) -> f32 {
    let first = fma(a.zeros[r], a.by, join(first_half(c, xs, a.start)));
    let second = fma(b.zeros[r], b.by, join(second_half(c, xs, b.start)));
    return fma(b.s[r], second, fma(a.s[r], first, before[r]));
}

fn turn(lane: Lane, first: u32, v: Quads, place: u32, index: u32, before: vec4<f32>) -> vec4<f32> {
    let u = lane.unit + first;
    let c0 = load_codes(lane.rows.x + u);
    let c1 = load_codes(lane.rows.y + u);
    let c2 = load_codes(lane.rows.z + u);
    let c3 = load_codes(lane.rows.w + u);
    let groups = first / UNITS * groups_of_turn();
    let coded_a = load_coded(lane, 0u, groups);
    let coded_b = load_coded(lane, 1u, groups);
    let xs = deal(v, place, index);
    let a = half_of(coded_a, pairs(xs[0], xs[1], xs[2], xs[3]));
    let b = half_of(coded_b, pairs(xs[4], xs[5], xs[6], xs[7]));
    return vec4(row_sum(c0, xs, a, b, 0u, before), row_sum(c1, xs, a, b, 1u, before), row_sum(c2, xs, a, b, 2u, before), row_sum(c3, xs, a, b, 3u, before));
}

fn lane_sums(m: u32, n0: u32, index: u32) -> Sums {
    let start = sparse[n0 / 4u];
    let end = row_start(n0 + 4u);
    let fours = (end + 3u) / 4u;
    var next_entries: vec4<u32>; // under way while others are multiplied
    if (start.x / 4u + index < fours) { next_entries = four_outliers(start.x / 4u + index); }
    var sums = staged_sums(m, n0, index);
    for (var four = start.x / 4u + index; four < fours; four += WG) {
        let entries = next_entries;
        next_entries = four_outliers(min(four + WG, fours - 1u));
        let products = vec4(times_x(entries.x, m), times_x(entries.y, m), times_x(entries.z, m), times_x(entries.w, m));
        for (var e = 0u; e < 4u; e++) {
            let at = vec4(four * 4u + e);
            sums += select(vec4(0.0), vec4(products[e]), (at >= start) & (at < vec4(start.yzw, end)));
        }
    }
    return Sums(sums);
}
