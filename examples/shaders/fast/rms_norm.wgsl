// y[r, c] = weight[c] * x[row0 + r, c] / sqrt(mean over c of x[row0 + r, c]^2 + eps)
// The third version: neighbours read neighbours, and the sum is a tree (lib/reduce).
struct Params { cols: u32, row0: u32, eps: f32, rows: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

override WG: u32 = 128;

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.x + group.z * groups.x;
    if row >= params.rows {
        return;
    }
    let from_row = (params.row0 + row) * params.cols;
    let to_row = row * params.cols;
    // Neighbouring invocations take neighbouring columns.
    var squares = 0.0;
    for (var c = lane; c < params.cols; c += WG) {
        let value = x[from_row + c];
        squares += value * value;
    }
    let total = workgroup_sum(squares, lane);
    let scale = 1.0 / sqrt(total / f32(params.cols) + params.eps);
    for (var c = lane; c < params.cols; c += WG) {
        y[to_row + c] = weight[c] * (x[from_row + c] * scale);
    }
}
