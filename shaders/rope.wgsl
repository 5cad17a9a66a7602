// x[r, :] = the heads of x[r, :], each rotated by position[r]: see lib/rope.wgsl. One invocation turns one pair.

@group(0) @binding(3) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let half = params.head_dim / 2u;
    let width = params.heads * params.head_dim;
    let pair = group.x * WG + lane;
    if pair >= width / 2u {
        return;
    }
    let from_pair = group.y * width + first_of(pair);
    let y = rotated(group.y, pair, vec2(x[from_pair], x[from_pair + half]));
    x[from_pair] = y.x;
    x[from_pair + half] = y.y;
}
