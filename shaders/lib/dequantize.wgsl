// y[n, k] = w[n, k] in f32, for a packed w; append to a lib/weights_ file, which says what w is.
// A lane writes eight weights of a row.

@group(0) @binding(1) var<storage, read> x: array<f32>; // unread; products bind x here

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + group.z * groups.x) * WG + lane;
    let eights = params.k / 8u;
    if (at >= params.n * eights) { return; }
    let w = weights(at / eights, at % eights);
    for (var j = 0u; j < 8u; j++) { y[at * 8u + j] = w[j / 4u][j % 4u]; }
}
