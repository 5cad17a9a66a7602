// y[m, n] = sum over the outliers e of row n of value[e] * x[m, column[e]]
//           (+ bias[n] if flags bit 0)  (+ old y[m, n] if flags bit 1)
// sparse as in lib/weights_spqr.wgsl. An invocation owns one n of ROWS neighbouring m: an outlier is read
// once for all of them, and neighbours in n gather from the same rows of x.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> sparse: array<u32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

override WG: u32 = 64u;
const ROWS = 8u;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let n = (group.x + group.z * groups.x) * WG + lane;
    if (n >= params.n) { return; }
    let m0 = group.y * ROWS;
    // Rows beyond the last repeat it and are not stored.
    var row: array<u32, ROWS>;
    for (var r = 0u; r < ROWS; r++) { row[r] = min(m0 + r, params.m - 1u) * params.k; }
    var sums: array<f32, ROWS>;
    let end = params.n + 4u + sparse[n + 1u];
    // Two at a time, so that their loads go out together; for one beyond the end the last stands, with value nothing.
    for (var e = params.n + 4u + sparse[n]; e < end; e += 2u) {
        let a = sparse[e];
        let b = sparse[min(e + 1u, end - 1u)];
        let value_a = unpack2x16float(a).y;
        let value_b = select(0.0, unpack2x16float(b).y, e + 1u < end);
        for (var r = 0u; r < ROWS; r++) {
            sums[r] += value_a * x[row[r] + (a & 0xffffu)];
            sums[r] += value_b * x[row[r] + (b & 0xffffu)];
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        if (m0 + r < params.m) { store(m0 + r, n, sums[r]); }
    }
}
