// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// Append to lib/norm.wgsl and a file that says how many m a workgroup takes, BATCH, how many times four n, RUNS, and what a
// lane adds up of four rows of w for each, `lane_sums`. Needs SUBGROUP. For m from 1 to 8.
// A workgroup owns TILE neighbouring n of BATCH neighbouring m, or RUNS times as many. Its lanes share k; the sums of its
// subgroups, of whatever size, meet in workgroup memory.

override WG: u32 = 128u;
override TILE: u32 = 4u; // or 2: the other rows of a four are left out

// Of each run and subgroup, which has at least four lanes.
var<workgroup> partial: array<vec4<f32>, 64>;
var<workgroup> partial_squares: array<f32, 64>;

// Rows n0 to n0 + 3. Those beyond the last repeat it and are not stored.
fn four_rows(n0: u32) -> vec4<u32> { return min(vec4(n0) + vec4(0u, 1u, 2u, 3u), vec4(params.n - 1u)); }

// Where in its workgroup a lane is.
struct WorkgroupLane { subgroup: u32, subgroups: u32, lane: u32, index: u32 }

// Of row `row` of run `run` the sum over all subgroups, normed if x is to be.
fn whole_sum(run: u32, row: u32, at: WorkgroupLane) -> f32 {
    var of_row = 0.0;
    for (var s = 0u; s < at.subgroups; s++) { of_row += partial[run * (WG / 4u) + s][row]; }
    if (is_normed()) {
        var of_x = 0.0;
        for (var s = 0u; s < at.subgroups; s++) { of_x += partial_squares[s]; }
        of_row *= norm_scale(of_x);
    }
    return of_row;
}

// Computes rows n0 to n0 + TILE - 1, and those RUNS adds, for m0 and those after it, whose squares a lane has added up.
fn pass_over(m0: u32, n0: u32, at: WorkgroupLane, squares: array<f32, 8>) {
    var sums = lane_sums(x_row(m0), n0, at.index);
    for (var b = 0u; b < BATCH; b++) {
        for (var run = 0u; run < RUNS; run++) {
            let own = sums[b + run];
            var whole = vec4(subgroupAdd(own.x), subgroupAdd(own.y), 0.0, 0.0);
            if (TILE > 2u) { whole = vec4(whole.xy, subgroupAdd(own.z), subgroupAdd(own.w)); }
            if (at.lane == 0u) { partial[run * (WG / 4u) + at.subgroup] = whole; }
        }
        if (is_normed()) {
            let of_x = subgroupAdd(squares[b]);
            if (at.lane == 0u) { partial_squares[at.subgroup] = of_x; }
        }
        workgroupBarrier();
        // A lane a row of w, or one of each half.
        let lanes = rows_of_group();
        let n = n0 + at.index;
        if (at.index < lanes && n < params.n) {
            store_row(m0 + b, n, whole_sum(at.index / TILE, at.index % TILE, at));
            if (PASSES == 2u && RUNS == 2u) {
                store_row(m0 + b, n + rows_of_pass(), whole_sum(1u, at.index, at));
            }
        }
        if (b + 1u < BATCH) { workgroupBarrier(); }
    }
}

// Neighbouring rows of a workgroup, and where those of a second four begin. Of a gated product they are in the other half of w.
fn rows_of_group() -> u32 { return select(TILE * RUNS, TILE, PASSES == 2u); }
fn further_rows() -> u32 { return select(TILE, rows_of_pass(), PASSES == 2u); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32,
        @builtin(subgroup_size) lanes: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * rows_of_group();
    let m = group.y * BATCH;
    if (n0 >= rows_of_pass()) { return; }
    let at = WorkgroupLane(subgroup, subgroups, lane, subgroup * lanes + lane);
    var squares: array<f32, 8>;
    if (is_normed()) {
        for (var b = 0u; b < BATCH; b++) { squares[b] = lane_squares(m + b, at.index, WG); }
    }
    pass_over(m, n0, at, squares);
    if (PASSES > RUNS) {
        workgroupBarrier();
        pass_over(m, rows_of_pass() + n0, at, squares);
    }
}
