// w[n, k] = s * (code[n, k] - z) + outlier[n, k], stored as lib/group_spqr.wgsl and lib/weights_spqr.wgsl say, for
// lib/matvec_subgroup.wgsl. Append to lib/staged_x.wgsl, lib/group_spqr.wgsl and lib/outliers_spqr.wgsl. n is a multiple of 16.
// A lane has units of 32 codes of rows, whose halves may be in two groups. All its loads go out before the first is used.

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
    let row = n0 % 8u;
    return Lane(four_rows(n0) * row_codes(), n0 / 16u * (params.k / params.group_size),
                n0 / 16u * stat_row_words(), unit, groups, groups * CODED / 2u,
                bits + vec2(row * SCALE_WIDTH), bits + vec2(8u * SCALE_WIDTH + row * ZERO_WIDTH));
}

// What four rows have of a group: their codes, and the factors that sixteen rows share.
struct Coded { scales: u32, zeros: u32, stats: vec2<u32> }

// The two words with a four's codes of scales have its codes of zeros, too, where eight rows' codes fill at most 48 bits, or 64
// that begin with a word.
fn load_coded(lane: Lane, half: u32, groups: u32) -> Coded {
    let scale = lane.scale_bits[half];
    let zero = lane.zero_bits[half];
    let row = lane.stat_words + groups * CODED / 2u + lane.words[half];
    let own_stats = stats[lane.stats + groups + lane.groups[half]];
    let a = stat_codes[row + scale / 32u];
    let b = stat_codes[row + scale / 32u + 1u];
    var c = select(a, b, zero / 32u > scale / 32u);
    var d = b;
    if (CODED == 7u || CODED > 8u) {
        c = stat_codes[row + zero / 32u];
        d = stat_codes[row + zero / 32u + 1u];
    }
    return Coded(funnel(a, b, scale % 32u), funnel(c, d, zero % 32u), own_stats);
}

// Of a half: codes of four rows' s and z, what those are multiplied by, what then is taken from s, and what sums of products begin
// with.
struct Half { scales: u32, zeros: u32, scale_by: f32, scale_less: f32, zero_by: f32, start: vec2<f32> }

fn half_of(c: Coded, x_pairs: vec2<f32>) -> Half {
    let s = unpack2x16float(c.stats.x);
    let z = unpack2x16float(c.stats.y);
    let by = z.x * ((x_pairs.x + x_pairs.y) * (-1.0 / WHOLE));
    let start = begin(x_pairs, 0.0);
    return Half(c.scales, c.zeros, s.x, s.x * s.y, by, vec2(start.x, start.y - by * z.y));
}

// The sum, and row r's products with a half, of which `coded` are those with its codes.
fn add_half(h: Half, r: u32, coded: vec2<f32>, sum: f32) -> f32 {
    let scale = h.scale_by * f32(extractBits(h.scales, r * SCALE_WIDTH, SCALE_WIDTH)) - h.scale_less;
    let zero = f32(extractBits(h.zeros, r * ZERO_WIDTH, ZERO_WIDTH));
    return fma(scale, fma(zero, h.zero_by, join(coded)), sum);
}

// What a lane loads of a unit.
struct Loaded { codes: array<Codes, 4>, a: Coded, b: Coded }

fn loaded(lane: Lane, first: u32) -> Loaded {
    let u = lane.unit + first;
    let groups = first / UNITS * groups_of_turn();
    var own: Loaded;
    own.codes[0] = load_codes(lane.rows.x, u);
    own.codes[1] = load_codes(lane.rows.y, u);
    if (TILE > 2u) {
        own.codes[2] = load_codes(lane.rows.z, u);
        own.codes[3] = load_codes(lane.rows.w, u);
    }
    own.a = load_coded(lane, 0u, groups);
    own.b = load_coded(lane, 1u, groups);
    return own;
}

// The sums of a unit's x, by halves.
struct UnitSums { a: vec2<f32>, b: vec2<f32> }

fn of_x(xs: Quads) -> UnitSums {
    return UnitSums(pairs(xs[0], xs[1], xs[2], xs[3]), pairs(xs[4], xs[5], xs[6], xs[7]));
}

fn row_sum(codes: Codes, xs: Quads, a: Half, b: Half, r: u32, before: f32) -> f32 {
    let c = widened(codes);
    return add_half(b, r, second_half(c, xs, b.start), add_half(a, r, first_half(c, xs, a.start), before));
}

fn products(l: Loaded, lane: Lane, xs: Quads, sums: UnitSums, before: vec4<f32>) -> vec4<f32> {
    let a = half_of(l.a, sums.a);
    let b = half_of(l.b, sums.b);
    let two = vec2(row_sum(l.codes[0], xs, a, b, 0u, before.x), row_sum(l.codes[1], xs, a, b, 1u, before.y));
    if (TILE == 2u) { return vec4(two, 0.0, 0.0); }
    return vec4(two, row_sum(l.codes[2], xs, a, b, 2u, before.z), row_sum(l.codes[3], xs, a, b, 3u, before.w));
}

// Where a four's outliers are: where each row's start and the last's end, the first whole four of them and the count of fours.
struct Outliers { start: vec4<u32>, end: u32, first: u32, fours: u32 }

fn outliers_of(n0: u32) -> Outliers {
    var start = sparse[n0 / 4u];
    let end = row_start(n0 + TILE);
    if (TILE == 2u) { start = vec4(select(start.xy, start.zw, n0 % 4u == 2u), vec2(end)); }
    return Outliers(start, end, start.x / 4u, (end + 3u) / 4u - start.x / 4u);
}

// Entries number `at` of them, or the last: the table may end there. None where there are none.
fn entries_of(all: Outliers, at: u32) -> vec4<u32> {
    if (all.fours == 0u) { return vec4(0u); }
    return four_outliers(all.first + min(at, all.fours - 1u));
}

fn four_products(entries: vec4<u32>, m: u32) -> vec4<f32> {
    return vec4(times_x(entries.x, m), times_x(entries.y, m), times_x(entries.z, m), times_x(entries.w, m));
}

// The sums, and the products of entries number `four`, each in its row.
fn add_outliers(all: Outliers, four: u32, products: vec4<f32>, before: vec4<f32>) -> vec4<f32> {
    var sums = before;
    for (var e = 0u; e < 4u; e++) {
        let at = vec4((all.first + four) * 4u + e);
        sums += select(vec4(0.0), vec4(products[e]), (at >= all.start) & (at < vec4(all.start.yzw, all.end)));
    }
    return sums;
}

fn lane_sums(m: u32, n0: u32, index: u32) -> Sums {
    let a = outliers_of(n0);
    var b: Outliers;
    if (RUNS == 2u) { b = outliers_of(n0 + further_rows()); }
    // Under way while others are multiplied.
    var next_a = entries_of(a, index);
    var next_b: vec4<u32>;
    if (RUNS == 2u) { next_b = entries_of(b, index); }
    var sums = staged_sums(m, n0, index);
    for (var four = index; four < max(a.fours, b.fours); four += WG) {
        let entries_a = next_a;
        let entries_b = next_b;
        next_a = entries_of(a, four + WG);
        if (RUNS == 2u) { next_b = entries_of(b, four + WG); }
        let products_a = four_products(entries_a, m);
        var products_b: vec4<f32>;
        if (RUNS == 2u) { products_b = four_products(entries_b, m); }
        sums[0] = add_outliers(a, four, products_a, sums[0]);
        if (RUNS == 2u) { sums[1] = add_outliers(b, four, products_b, sums[1]); }
    }
    return sums;
}
