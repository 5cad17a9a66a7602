// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// Append to lib/norm.wgsl and a file that says what a lane adds up of four rows, `lane_sums`. Needs SUBGROUP. For m from 1 to 8.
// A workgroup owns TILE = 4 neighbouring n of one m. Its lanes share k; the sums of its subgroups, of whatever size,
// meet in workgroup memory.

override WG: u32 = 128u;

// Of each subgroup, which has at least four lanes.
var<workgroup> partial: array<vec4<f32>, 64>;
var<workgroup> partial_squares: array<f32, 64>;

// Rows n0 to n0 + 3. Those beyond the last repeat it and are not stored.
fn four_rows(n0: u32) -> vec4<u32> { return min(vec4(n0) + vec4(0u, 1u, 2u, 3u), vec4(params.n - 1u)); }

// Where in its workgroup a lane is.
struct WorkgroupLane { subgroup: u32, subgroups: u32, lane: u32, index: u32 }

// Computes rows first + n0 to first + n0 + 3.
fn pass_over(m: u32, first: u32, n0: u32, at: WorkgroupLane) {
    let sums = lane_sums(x_row(m), first + n0, at.index);
    let whole = vec4(subgroupAdd(sums.x), subgroupAdd(sums.y), subgroupAdd(sums.z), subgroupAdd(sums.w));
    if (at.lane == 0u) { partial[at.subgroup] = whole; }
    workgroupBarrier();
    // A lane a row.
    if (at.subgroup == 0u && at.lane < 4u && n0 + at.lane < rows_of_pass()) {
        var of_row = 0.0;
        for (var s = 0u; s < at.subgroups; s++) { of_row += partial[s][at.lane]; }
        if (is_normed()) {
            var squares = 0.0;
            for (var s = 0u; s < at.subgroups; s++) { squares += partial_squares[s]; }
            of_row *= norm_scale(squares);
        }
        store_row(m, first + n0 + at.lane, of_row);
    }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32,
        @builtin(subgroup_size) lanes: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * 4u;
    let m = group.y;
    if (n0 >= rows_of_pass()) { return; }
    let at = WorkgroupLane(subgroup, subgroups, lane, subgroup * lanes + lane);
    if (is_normed()) {
        let squares = subgroupAdd(lane_squares(m, at.index, WG));
        if (lane == 0u) { partial_squares[subgroup] = squares; }
    }
    pass_over(m, 0u, n0, at);
    if (PASSES == 2u) {
        workgroupBarrier();
        pass_over(m, rows_of_pass(), n0, at);
    }
}
