// y[r, c] = weight[c] * x[row0 + r, c] / sqrt(mean over c of x[row0 + r, c]^2 + eps)
// One workgroup computes one row.
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
    var squares = 0.0;
    // Four loads go out before the first is waited for.
    for (var c = lane; c < params.cols; c += 4u * WG) {
        let at = vec4(c, c + WG, c + 2u * WG, c + 3u * WG);
        let i = from_row + min(at, vec4(params.cols - 1u));
        let loaded = vec4(x[i.x], x[i.y], x[i.z], x[i.w]);
        let values = select(vec4(0.0), loaded, at < vec4(params.cols));
        squares += values.x * values.x;
        squares += values.y * values.y;
        squares += values.z * values.z;
        squares += values.w * values.w;
    }
    let mean = workgroup_sum(squares, lane) / f32(params.cols);
    let scale = 1.0 / sqrt(mean + params.eps);
    for (var c = lane; c < params.cols; c += WG) {
        y[to_row + c] = weight[c] * (x[from_row + c] * scale);
    }
}
