// y[p] = (log(sum over c of exp(x[r, c])) - x[r, target[p]], max over c of x[r, c] - x[r, target[p]]) with r =
// row[p]: the surprise of the target token, and how far it is below the greedy one.
// One workgroup computes one p, in two passes: the maximum, then the sum below it.
struct Params { cols: u32, stride: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> source: array<u32>;
@group(0) @binding(3) var<storage, read> target_token: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec2<f32>>;

override WG: u32 = 256;

// Four values of a row from column c on, WG columns apart: all loads go out before the first is waited for. The last
// column stands for those beyond it.
fn four(row: u32, c: u32) -> vec4<f32> {
    let i = row + min(vec4(c, c + WG, c + 2u * WG, c + 3u * WG), vec4(params.cols - 1u));
    return vec4(x[i.x], x[i.y], x[i.z], x[i.w]);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = source[group.y] * params.stride;
    var highest = -3.0e38;
    for (var c = lane; c < params.cols; c += 4u * WG) {
        let values = four(row, c);
        highest = max(highest, max(max(values.x, values.y), max(values.z, values.w)));
    }
    highest = workgroup_max(highest, lane);
    var sum = 0.0;
    for (var c = lane; c < params.cols; c += 4u * WG) {
        let inside = vec4(c, c + WG, c + 2u * WG, c + 3u * WG) < vec4(params.cols);
        let weights = select(vec4(0.0), exp(four(row, c) - highest), inside);
        sum += weights.x + weights.y + (weights.z + weights.w);
    }
    let total = workgroup_sum(sum, lane);
    if lane == 0u {
        let below = highest - x[row + target_token[group.y]];
        y[group.y] = vec2(log(total) + below, below);
    }
}
