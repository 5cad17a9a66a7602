// y[i] = x[i], sixteen bytes at a time: the measure of this adapter's bandwidth.
// One invocation copies PER_LANE vectors, a workgroup's width apart.
struct Params { vectors: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<u32>>;

override WG: u32 = 256;
override PER_LANE: u32 = 4;

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (group.x + group.z * groups.x) * WG * PER_LANE + lane;
    for (var n = 0u; n < PER_LANE; n++) {
        let i = first + n * WG;
        if i < params.vectors {
            y[i] = x[i];
        }
    }
}
