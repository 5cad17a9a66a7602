// lib/attention_split.wgsl, with the scores of a key added up by shuffles among eight lanes.
// Needs SUBGROUP, subgroups of at least eight lanes.

// The scores of a lane's keys with the head of its place among eight: sums over the eight lanes' products.
fn own_scores(s: array<vec4<f32>, 8>, lane: u32) -> vec4<f32> {
    var sums = vec4(sum_of_own_row(of_key(s, 0u), lane), 0.0, 0.0, 0.0);
    if KEYS > 1u { sums.y = sum_of_own_row(of_key(s, 1u), lane); }
    if KEYS > 2u {
        sums.z = sum_of_own_row(of_key(s, 2u), lane);
        sums.w = sum_of_own_row(of_key(s, 3u), lane);
    }
    return sums;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_id) subgroup: u32,
        @builtin(subgroup_size) lanes: u32, @builtin(subgroup_invocation_id) lane: u32) {
    split(group, subgroup * lanes + lane);
}
