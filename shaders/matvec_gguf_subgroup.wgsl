// w[n, k] = scale[n, g] * (code[n, k] - OFFSET) - minimum[n, g], g = k / GROUP: GGUF's block types as lib/weights_gguf.wgsl
// says, for lib/matvec_subgroup.wgsl. Append to lib/staged_x.wgsl and to a lib/unit_stats_ file, which says what scale
// and minimum are: a factor of the group times one of the block.
// A lane has a unit of 32 codes of four rows. All its loads go out before the first is used.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

fn lane_sums(m: u32, n0: u32, index: u32) -> Sums { return Sums(staged_sums(m, n0, index)); }

fn whole_units() -> u32 { return params.k / 32u; }

// What need not be computed anew each turn: where rows begin, in units and in statistics, and where in a block's
// statistics a lane's unit has its own.
struct Lane { rows: vec4<u32>, stats: vec4<u32>, unit: u32, part: vec2<u32> }

fn lane_of(n0: u32, unit: u32) -> Lane {
    let rows = four_rows(n0);
    return Lane(rows * ((params.k + 127u) / 128u * 4u), rows * row_stats(), unit, part_of(unit));
}

// Of a unit's x: what all its products begin with and what minimums are multiplied by, for either half or for all.
struct UnitSums { begin_a: vec2<f32>, begin_b: vec2<f32>, a: f32, b: f32 }

fn turn(lane: Lane, first: u32, v: Quads, place: u32, index: u32, before: vec4<f32>) -> vec4<f32> {
    let u = lane.unit + first;
    let c0 = load_codes(lane.rows.x + u);
    let c1 = load_codes(lane.rows.y + u);
    let c2 = load_codes(lane.rows.z + u);
    let c3 = load_codes(lane.rows.w + u);
    let s0 = load_stats(lane.stats.x + u / STAT_UNITS, lane.part);
    let s1 = load_stats(lane.stats.y + u / STAT_UNITS, lane.part);
    let s2 = load_stats(lane.stats.z + u / STAT_UNITS, lane.part);
    let s3 = load_stats(lane.stats.w + u / STAT_UNITS, lane.part);
    let xs = deal(v, place, index);
    var a = pairs(xs[0], xs[1], xs[2], xs[3]);
    let b = pairs(xs[4], xs[5], xs[6], xs[7]);
    if (GROUP == 32u) { a += b; }
    let sums = UnitSums(begin(a, OFFSET), begin(b, OFFSET), (a.x + a.y) * (1.0 / WHOLE), (b.x + b.y) * (1.0 / WHOLE));
    return vec4(row_sum(c0, unit_stats(s0, lane.part), xs, sums, before.x), row_sum(c1, unit_stats(s1, lane.part), xs, sums, before.y),
                row_sum(c2, unit_stats(s2, lane.part), xs, sums, before.z), row_sum(c3, unit_stats(s3, lane.part), xs, sums, before.w));
}

fn row_sum(c: Codes, s: UnitStats, xs: Quads, sums: UnitSums, before: f32) -> f32 {
    let first = first_half(c, xs, sums.begin_a);
    if (GROUP == 32u) {
        let coded = join(second_half(c, xs, first));
        return fma(-s.minimum, s.minimums.x * sums.a, fma(s.scale, s.scales.x * coded, before));
    }
    let coded = s.scales.x * join(first) + s.scales.y * join(second_half(c, xs, sums.begin_b));
    return fma(-s.minimum, s.minimums.x * sums.a + s.minimums.y * sums.b, fma(s.scale, coded, before));
}
