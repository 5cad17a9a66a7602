// w[n, k] = scale[n, g] * (code[n, k] - OFFSET) - minimum[n, g], g = k / GROUP: GGUF's block types as lib/weights_gguf.wgsl
// says, for lib/matvec_subgroup.wgsl. Append to lib/staged_x.wgsl and to a lib/unit_stats_ file, which says what scale
// and minimum are: a factor of the group times one of the block.
// A lane has a unit of 32 codes of four rows. All its loads go out before the first is used.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

fn lane_sums(m: u32, n0: u32, index: u32) -> Sums { return staged_sums(m, n0, index); }

fn whole_units() -> u32 { return params.k / 32u; }

// What need not be computed anew each turn: where rows begin, in units and in statistics, and where in a block's
// statistics a lane's unit has its own.
struct Lane { rows: vec4<u32>, stats: vec4<u32>, unit: u32, part: Part }

fn lane_of(n0: u32, unit: u32) -> Lane {
    let rows = four_rows(n0);
    return Lane(rows * row_codes(), rows * row_stats(), unit, part_of(unit));
}

struct Loaded { codes: array<Codes, 4>, stats: array<Stats, 4> }

fn loaded(lane: Lane, first: u32) -> Loaded {
    let u = lane.unit + first;
    var own: Loaded;
    own.codes[0] = load_codes(lane.rows.x, u);
    own.codes[1] = load_codes(lane.rows.y, u);
    if (TILE > 2u) {
        own.codes[2] = load_codes(lane.rows.z, u);
        own.codes[3] = load_codes(lane.rows.w, u);
    }
    let s = u / STAT_UNITS;
    own.stats[0] = load_stats(lane.stats.x, s, lane.part);
    own.stats[1] = load_stats(lane.stats.y, s, lane.part);
    if (TILE > 2u) {
        own.stats[2] = load_stats(lane.stats.z, s, lane.part);
        own.stats[3] = load_stats(lane.stats.w, s, lane.part);
    }
    return own;
}

// Of a unit's x: what all its products begin with and what minimums are multiplied by, for either half or for all.
struct UnitSums { begin_a: vec2<f32>, begin_b: vec2<f32>, a: f32, b: f32 }

fn of_x(xs: Quads) -> UnitSums {
    var a = pairs(xs[0], xs[1], xs[2], xs[3]);
    let b = pairs(xs[4], xs[5], xs[6], xs[7]);
    if (GROUP == 32u) { a += b; }
    return UnitSums(begin(a, OFFSET), begin(b, OFFSET), (a.x + a.y) * (1.0 / WHOLE), (b.x + b.y) * (1.0 / WHOLE));
}

fn products(l: Loaded, lane: Lane, xs: Quads, sums: UnitSums, before: vec4<f32>) -> vec4<f32> {
    let two = vec2(row_sum(l.codes[0], unit_stats(l.stats[0], lane.part), xs, sums, before.x),
                   row_sum(l.codes[1], unit_stats(l.stats[1], lane.part), xs, sums, before.y));
    if (TILE == 2u) { return vec4(two, 0.0, 0.0); }
    return vec4(two, row_sum(l.codes[2], unit_stats(l.stats[2], lane.part), xs, sums, before.z),
                row_sum(l.codes[3], unit_stats(l.stats[3], lane.part), xs, sums, before.w));
}

fn row_sum(codes: Codes, s: UnitStats, xs: Quads, sums: UnitSums, before: f32) -> f32 {
    let c = widened(codes);
    let first = first_half(c, xs, sums.begin_a);
    if (GROUP == 32u) {
        let coded = join(second_half(c, xs, first));
        return fma(-s.minimum, s.minimums.x * sums.a, fma(s.scale, s.scales.x * coded, before));
    }
    let coded = s.scales.x * join(first) + s.scales.y * join(second_half(c, xs, sums.begin_b));
    return fma(-s.minimum, s.minimums.x * sums.a + s.minimums.y * sums.b, fma(s.scale, coded, before));
}
