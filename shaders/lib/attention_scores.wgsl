// lib/attention_split.wgsl, with the scores of a key added up in workgroup memory.

// The scores of a lane's keys with the head of its place among eight: sums over the eight lanes' products.
fn own_scores(s: array<vec4<f32>, 8>, lane: u32) -> vec4<f32> {
    for (var i = 0u; i < KEYS; i++) {
        let heads = of_key(s, i);
        shared_quads[64u * QUADS + (i * WG + lane) * 2u] = heads[0];
        shared_quads[64u * QUADS + (i * WG + lane) * 2u + 1u] = heads[1];
    }
    workgroupBarrier();
    let group = lane / 8u;
    let head = lane % 8u;
    var sums = vec4<f32>();
    for (var i = 0u; i < KEYS; i++) {
        var sum = 0.0;
        for (var c = 0u; c < 8u; c++) {
            // Each group begins elsewhere: other banks.
            let other = group * 8u + (c + group) % 8u;
            sum += shared_quads[64u * QUADS + (i * WG + other) * 2u + head / 4u][head % 4u];
        }
        sums[i] = sum;
    }
    return sums;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    split(group, lane);
}
