// y[r, c] = weight[c] * x[row0 + r, c] / sqrt(mean over c of x[row0 + r, c]^2 + eps)
// The second version: no race, but slow.
struct Params { cols: u32, row0: u32, eps: f32, rows: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

override WG: u32 = 128;

var<workgroup> partial: array<f32, WG>;

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
    // Each invocation takes a stretch of neighbouring columns.
    let width = (params.cols + WG - 1u) / WG;
    let first = lane * width;
    let last = min(first + width, params.cols);
    var squares = 0.0;
    for (var c = first; c < last; c++) {
        squares += x[from_row + c] * x[from_row + c];
    }
    partial[lane] = squares;
    workgroupBarrier();
    var total = 0.0;
    for (var i = 0u; i < WG; i++) {
        total += partial[i];
    }
    let scale = 1.0 / sqrt(total / f32(params.cols) + params.eps);
    for (var c = first; c < last; c++) {
        y[to_row + c] = weight[c] * (x[from_row + c] * scale);
    }
}
