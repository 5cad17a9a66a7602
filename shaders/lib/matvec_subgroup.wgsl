// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// Append to lib/norm.wgsl and a file that says how many m a workgroup takes, BATCH, and what a lane adds up of four rows of w for
// each, `lane_sums`. Needs SUBGROUP. For m from 1 to 8.
// A workgroup owns TILE = 4 neighbouring n of BATCH neighbouring m. Its lanes share k; the sums of its subgroups, of
// whatever size, meet in workgroup memory.

override WG: u32 = 128u;

// Of each subgroup, which has at least four lanes.
var<workgroup> partial: array<vec4<f32>, 64>;
var<workgroup> partial_squares: array<f32, 64>;

// Rows n0 to n0 + 3. Those beyond the last repeat it and are not stored.
fn four_rows(n0: u32) -> vec4<u32> { return min(vec4(n0) + vec4(0u, 1u, 2u, 3u), vec4(params.n - 1u)); }

// Where in its workgroup a lane is.
struct WorkgroupLane { subgroup: u32, subgroups: u32, lane: u32, index: u32 }

// Computes rows first + n0 to first + n0 + 3 for m0 and those after it, whose squares a lane has added up.
fn pass_over(m0: u32, first: u32, n0: u32, at: WorkgroupLane, squares: array<f32, 8>) {
    var sums = lane_sums(x_row(m0), first + n0, at.index);
    for (var b = 0u; b < BATCH; b++) {
        let own = sums[b];
        let whole = vec4(subgroupAdd(own.x), subgroupAdd(own.y), subgroupAdd(own.z), subgroupAdd(own.w));
        if (at.lane == 0u) { partial[at.subgroup] = whole; }
        if (is_normed()) {
            let of_x = subgroupAdd(squares[b]);
            if (at.lane == 0u) { partial_squares[at.subgroup] = of_x; }
        }
        workgroupBarrier();
        // A lane a row of w.
        if (at.subgroup == 0u && at.lane < 4u && n0 + at.lane < rows_of_pass()) {
            var of_row = 0.0;
            for (var s = 0u; s < at.subgroups; s++) { of_row += partial[s][at.lane]; }
            if (is_normed()) {
                var of_x = 0.0;
                for (var s = 0u; s < at.subgroups; s++) { of_x += partial_squares[s]; }
                of_row *= norm_scale(of_x);
            }
            store_row(m0 + b, first + n0 + at.lane, of_row);
        }
        if (b + 1u < BATCH) { workgroupBarrier(); }
    }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32,
        @builtin(subgroup_size) lanes: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * 4u;
    let m = group.y * BATCH;
    if (n0 >= rows_of_pass()) { return; }
    let at = WorkgroupLane(subgroup, subgroups, lane, subgroup * lanes + lane);
    var squares: array<f32, 8>;
    if (is_normed()) {
        for (var b = 0u; b < BATCH; b++) { squares[b] = lane_squares(m + b, at.index, WG); }
    }
    pass_over(m, 0u, n0, at, squares);
    if (PASSES == 2u) {
        workgroupBarrier();
        pass_over(m, rows_of_pass(), n0, at, squares);
    }
}
