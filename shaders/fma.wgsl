// y[i] = x[i] after `rounds` of eight independent steps z = z * 0.999 + c each, then summed:
// the measure of this adapter's f32 rate. `rounds` is a multiple of 8. One invocation computes one value.
struct Params { cols: u32, rounds: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

override WG: u32 = 256;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x * WG + lane;
    if i >= params.cols {
        return;
    }
    let add = vec4<f32>(0.001, 0.002, 0.003, 0.004);
    var a = vec4<f32>(x[i]);
    var b = a + 1.0;
    for (var n = 0u; n < params.rounds; n += 8u) {
        // Its length is known, so compilers unroll it: the loop itself then costs little.
        for (var i = 0u; i < 8u; i++) {
            a = fma(a, vec4<f32>(0.999), add);
            b = fma(b, vec4<f32>(0.999), add);
        }
    }
    let c = a + b;
    y[i] = c.x + c.y + c.z + c.w;
}
