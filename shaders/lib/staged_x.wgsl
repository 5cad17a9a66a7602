// x of a turn of a workgroup of 64 lanes, through workgroup memory: the lanes load neighbouring quads, and each gets the
// eight of its own unit of 32 columns. Append to lib/units.wgsl and declare x.

const UNITS = 64u; // of a turn
var<workgroup> staged: array<vec4<f32>, 576>; // nine for each unit, so that neighbours read from different banks

// Where a lane's loads of x begin in a turn, in quads, and where they go. Eight lanes have eight units, a quad of each.
fn first_quad(index: u32) -> u32 { return index / 8u * 64u + index % 8u; }
fn first_place(index: u32) -> u32 { return index / 8u * 72u + index % 8u; }

// Where columns do not end with a turn, `last` is the last quad of them. What would lie beyond is never used.
fn load_quads(q: u32, last: u32, whole: bool) -> Quads {
    if (!whole) {
        return Quads(x[min(q, last)], x[min(q + 8u, last)], x[min(q + 16u, last)], x[min(q + 24u, last)],
                     x[min(q + 32u, last)], x[min(q + 40u, last)], x[min(q + 48u, last)], x[min(q + 56u, last)]);
    }
    return Quads(x[q], x[q + 8u], x[q + 16u], x[q + 24u], x[q + 32u], x[q + 40u], x[q + 48u], x[q + 56u]);
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

// Adds up a turn over rows that a lane has of w: `load_weights` loads its unit, `further` than that of `lane`, and `unit_sums`
// multiplies. Quads of x begin at q and end at `last`, unless the turn is whole. A lane that is not used adds nothing.
fn turn(lane: Lane, further: u32, q: u32, last: u32, whole: bool, used: bool, place: u32, index: u32, sums: ptr<function, Sums>) {
    let row = params.k / 4u;
    var v = load_quads(q, last, whole);
    let weights = load_weights(lane, further);
    for (var b = 0u; b < BATCH; b++) {
        let xs = deal(v, place, index);
        if (b + 1u < BATCH) { v = load_quads(q + (b + 1u) * row, last + (b + 1u) * row, whole); }
        (*sums)[b] = select((*sums)[b], unit_sums(lane, weights, xs, (*sums)[b]), vec4(used));
    }
}

// What a lane adds up of rows n0 to n0 + 3. `lane_of` says what it keeps from turn to turn.
fn staged_sums(m: u32, n0: u32, index: u32) -> Sums {
    let units = params.k / 32u;
    let quad = m * units * 8u + first_quad(index);
    let place = first_place(index);
    let whole = whole_units() / UNITS * UNITS;
    var sums: Sums;
    // What whole turns leave. Lanes beyond it repeat the last unit.
    for (var first = whole; first < units; first += UNITS) {
        let lane = lane_of(n0, min(first + index, units - 1u));
        turn(lane, 0u, quad + first * 8u, (m * units + units) * 8u - 1u, false, first + index < units, place, index, &sums);
    }
    let lane = lane_of(n0, index);
    for (var q = 0u; q < whole * 8u; q += UNITS * 8u) { turn(lane, q / 8u, quad + q, 0u, true, true, place, index, &sums); }
    for (var b = 0u; b < BATCH; b++) { sums[b] *= WHOLE; }
    return sums;
}
