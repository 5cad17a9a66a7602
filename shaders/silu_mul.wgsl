// y[m, c] = g / (1 + exp(-g)) * gate_up[m, cols + c], g = gate_up[m, c]
// One invocation computes one value.
struct Params { cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gate_up: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = group.x * WG + lane;
    if c >= params.cols {
        return;
    }
    let at = group.y * params.cols + c;
    let source = at + group.y * params.cols;
    let g = gate_up[source];
    // Bounded so that exp stays finite: beyond it the quotient is zero to f32 anyway.
    y[at] = g / (1.0 + exp(min(-g, 87.0))) * gate_up[source + params.cols];
}
