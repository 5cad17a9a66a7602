// x of a turn of a workgroup of 64 lanes, through workgroup memory: the lanes load neighbouring quads, and each gets the
// eight of its own unit of 32 columns. They are for one m, and for four rows or for twice four, RUNS: the more, the less of
// what is done for x alone falls on a weight. Append to lib/units.wgsl and declare x.

const UNITS = 64u; // of a turn
var<workgroup> staged: array<vec4<f32>, 576>; // nine for each unit, so that neighbours read from different banks

// Where a lane's loads of x begin in a turn, in quads, and where they go. Eight lanes have eight units, a quad of each.
fn first_quad(index: u32) -> u32 { return index / 8u * 64u + index % 8u; }
fn first_place(index: u32) -> u32 { return index / 8u * 72u + index % 8u; }

fn load_quads(q: u32) -> Quads {
    return Quads(x[q], x[q + 8u], x[q + 16u], x[q + 24u], x[q + 32u], x[q + 40u], x[q + 48u], x[q + 56u]);
}

// The same where columns end at quad `last`; what would lie beyond is never used.
fn load_last_quads(q: u32, last: u32) -> Quads {
    return Quads(x[min(q, last)], x[min(q + 8u, last)], x[min(q + 16u, last)], x[min(q + 24u, last)],
                 x[min(q + 32u, last)], x[min(q + 40u, last)], x[min(q + 48u, last)], x[min(q + 56u, last)]);
}

// Hands out quads, after the loads of weights: those need not have come.
fn deal(v: Quads, place: u32, index: u32) -> Quads {
    staged[place] = v[0];
    staged[place + 9u] = v[1];
    staged[place + 18u] = v[2];
    staged[place + 27u] = v[3];
    staged[place + 36u] = v[4];
    staged[place + 45u] = v[5];
    staged[place + 54u] = v[6];
    staged[place + 63u] = v[7];
    workgroupBarrier();
    let at = index * 9u;
    let own = Quads(staged[at], staged[at + 1u], staged[at + 2u], staged[at + 3u],
                    staged[at + 4u], staged[at + 5u], staged[at + 6u], staged[at + 7u]);
    workgroupBarrier();
    return own;
}

// What a lane keeps from turn to turn, for each four.
struct Lanes { a: Lane, b: Lane }

fn lanes_of(n0: u32, unit: u32) -> Lanes {
    var lanes: Lanes;
    lanes.a = lane_of(n0, unit);
    if (RUNS == 2u) { lanes.b = lane_of(n0 + further_rows(), unit); }
    return lanes;
}

// Adds the products of a unit: `loaded` is what a four has of it, `of_x` what all have of x.
fn turn(lanes: Lanes, first: u32, v: Quads, place: u32, index: u32, before: Sums) -> Sums {
    let a = loaded(lanes.a, first);
    let xs = deal(v, place, index);
    let sums_of_x = of_x(xs);
    var sums = before;
    sums[0] = products(a, lanes.a, xs, sums_of_x, before[0]);
    if (RUNS == 2u) { sums[1] = products(loaded(lanes.b, first), lanes.b, xs, sums_of_x, before[1]); }
    return sums;
}

// What a lane adds up of rows n0 to n0 + 3, and of those RUNS adds.
fn staged_sums(m: u32, n0: u32, index: u32) -> Sums {
    let units = params.k / 32u;
    let quad = m * units * 8u + first_quad(index);
    let place = first_place(index);
    let whole = whole_units() / UNITS * UNITS;
    var sums: Sums;
    // What whole turns leave. Lanes beyond it repeat the last unit.
    for (var first = whole; first < units; first += UNITS) {
        let lanes = lanes_of(n0, min(first + index, units - 1u));
        let more = turn(lanes, 0u, load_last_quads(quad + first * 8u, (m * units + units) * 8u - 1u), place, index, sums);
        let here = vec4(first + index < units);
        sums[0] = select(sums[0], more[0], here);
        if (RUNS == 2u) { sums[1] = select(sums[1], more[1], here); }
    }
    let lanes = lanes_of(n0, index);
    for (var q = 0u; q < whole * 8u; q += UNITS * 8u) {
        sums = turn(lanes, q / 8u, load_quads(quad + q), place, index, sums);
    }
    sums[0] *= WHOLE;
    sums[1] *= WHOLE;
    return sums;
}
