// w[n, k] = scale[n, g] * (code[n, k] - OFFSET) - minimum[n, g], g = k / GROUP: GGUF's block types as lib/weights_gguf.wgsl
// says, for lib/matvec_subgroup.wgsl. Append to lib/staged_x.wgsl and to a lib/unit_stats_ file, which says what scale
// and minimum are: a factor of the group times one of the block.
// A lane has a unit of 32 codes of four rows. All its loads go out before the first is used.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

fn lane_sums(m: u32, n0: u32, index: u32) -> Sums { return staged_sums(m, n0, index); }

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

// A unit of four rows: codes, and statistics as they are stored.
struct Weights { c0: Codes, c1: Codes, c2: Codes, c3: Codes, s0: Stats, s1: Stats, s2: Stats, s3: Stats }

// What they have of the unit `further` on.
fn load_weights(lane: Lane, further: u32) -> Weights {
    let u = lane.unit + further;
    let s = lane.stats + vec4(u / STAT_UNITS);
    return Weights(load_codes(lane.rows.x + u), load_codes(lane.rows.y + u), load_codes(lane.rows.z + u), load_codes(lane.rows.w + u),
                   load_stats(s.x, lane.part), load_stats(s.y, lane.part), load_stats(s.z, lane.part), load_stats(s.w, lane.part));
}

// Their sums with a unit of x more.
fn unit_sums(lane: Lane, w: Weights, xs: Quads, before: vec4<f32>) -> vec4<f32> {
    var a = pairs(xs[0], xs[1], xs[2], xs[3]);
    let b = pairs(xs[4], xs[5], xs[6], xs[7]);
    if (GROUP == 32u) { a += b; }
    let sums = UnitSums(begin(a, OFFSET), begin(b, OFFSET), (a.x + a.y) * (1.0 / WHOLE), (b.x + b.y) * (1.0 / WHOLE));
    return vec4(row_sum(w.c0, unit_stats(w.s0, lane.part), xs, sums, before.x), row_sum(w.c1, unit_stats(w.s1, lane.part), xs, sums, before.y),
                row_sum(w.c2, unit_stats(w.s2, lane.part), xs, sums, before.z), row_sum(w.c3, unit_stats(w.s3, lane.part), xs, sums, before.w));
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
