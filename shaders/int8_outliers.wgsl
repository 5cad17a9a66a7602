// mask[k / 32]: bit k % 32 is set if |x[m, k]|, rounded to f16, is threshold or more in any row m.
// A workgroup owns 32 columns; eight lanes read four of them each, and every eighth lane another row.
// Append to lib/f16_round.wgsl.
struct Params { m: u32, k: u32, threshold: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> mask: array<u32>;

override WG: u32 = 128u; // a multiple of 8

var<workgroup> found: atomic<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let word = group.x + group.z * groups.x;
    if (word >= params.k / 32u) { return; }
    if (lane == 0u) { atomicStore(&found, 0u); }
    workgroupBarrier();
    var here: vec4<bool>;
    for (var m = lane / 8u; m < params.m; m += WG / 8u) {
        here = here | (f16_magnitude(x[(m * (params.k / 32u) + word) * 8u + lane % 8u]) >= vec4(bitcast<u32>(params.threshold)));
    }
    let bits = select(vec4(0u), vec4(1u, 2u, 4u, 8u), here);
    atomicOr(&found, (bits.x | bits.y | bits.z | bits.w) << (lane % 8u * 4u));
    workgroupBarrier();
    if (lane == 0u) { mask[word] = atomicLoad(&found); }
}
