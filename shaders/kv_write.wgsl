// cache[slot[r], :] = x[r, :]
// One invocation copies one value.
struct Params { cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> slot: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> cache: array<f32>;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = group.x * WG + lane;
    if c < params.cols {
        cache[slot[group.y] * params.cols + c] = x[group.y * params.cols + c];
    }
}
