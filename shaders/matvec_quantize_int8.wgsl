// y[m, n] = sum_k x[m, k] * w[n, k]  (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// by LLM.int8() from x as it is: lib/matvec_quantize_int8.wgsl. For m from 1 to 8. The sums of the lanes meet in a
// workgroup-memory tree. For GPUs without subgroups.

var<workgroup> partial: array<Sums, WG>; // WG is a power of two
var<workgroup> largest: array<Largest, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let n0 = (group.x + group.z * groups.x) * ROWS;
    let rows = rows_of_pass();
    if (n0 >= rows) { return; }
    largest[lane] = lane_largest(group.y, lane);
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { largest[lane] = larger(largest[lane], largest[lane + half]); }
    }
    workgroupBarrier();
    let most = largest[0];
    for (var i_pass = 0u; i_pass < PASSES; i_pass++) {
        let first = i_pass * rows;
        partial[lane] = lane_sums(group.y, first + n0, lane, most);
        for (var half = WG / 2u; half > 0u; half /= 2u) {
            workgroupBarrier();
            if (lane < half) {
                for (var h = 0u; h < 2u; h++) {
                    partial[lane].products[h] += partial[lane + half].products[h];
                    partial[lane].outliers[h] += partial[lane + half].outliers[h];
                }
            }
        }
        workgroupBarrier();
        // A lane a row.
        if (lane < ROWS && n0 + lane < rows) {
            let h = lane / 4u;
            store_sums(group.y, first + n0 + lane, partial[0].products[h][lane % 4u], partial[0].outliers[h][lane % 4u], most);
        }
        workgroupBarrier();
    }
}
