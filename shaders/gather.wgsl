// y[m, k] = x[m, order[k]]: columns in the order a weight was quantized in.

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let k = (group.x + group.z * groups.x) * WG + lane;
    let row = group.y * params.cols;
    if (k < params.cols) { y[row + k] = x[row + min(order[k], params.cols - 1u)]; }
}
