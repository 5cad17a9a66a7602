// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// by LLM.int8() from x as it is: lib/matvec_quantize_int8.wgsl. For m from 1 to 8. Needs SUBGROUP. The sums of the subgroups, of
// whatever size, meet in workgroup memory.

// Of each subgroup, which has at least four lanes.
var<workgroup> partial: array<Sums, 64>;
var<workgroup> largest: array<Largest, 64>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32,
        @builtin(subgroup_size) lanes: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * ROWS;
    let rows = rows_of_pass();
    if (n0 >= rows) { return; }
    let index = subgroup * lanes + lane;
    let own = lane_largest(group.y, index);
    let whole = Largest(subgroupMax(own.kept), subgroupMax(own.all));
    if (lane == 0u) { largest[subgroup] = whole; }
    workgroupBarrier();
    var most = largest[0];
    for (var s = 1u; s < subgroups; s++) { most = larger(most, largest[s]); }
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        let sums = lane_sums(group.y, first + n0, index, most);
        let a = subgroupAdd(sums.products[0]);
        let b = subgroupAdd(sums.products[1]);
        let c = subgroupAdd(sums.outliers[0]);
        let d = subgroupAdd(sums.outliers[1]);
        if (lane == 0u) {
            partial[subgroup].products[0] = a;
            partial[subgroup].products[1] = b;
            partial[subgroup].outliers[0] = c;
            partial[subgroup].outliers[1] = d;
        }
        workgroupBarrier();
        // A lane a row.
        if (index < ROWS && n0 + index < rows) {
            var products = 0;
            var outliers = 0.0;
            for (var s = 0u; s < subgroups; s++) {
                products += partial[s].products[index / 4u][index % 4u];
                outliers += partial[s].outliers[index / 4u][index % 4u];
            }
            store_sums(group.y, first + n0 + index, products, outliers, most);
        }
        workgroupBarrier();
    }
}
