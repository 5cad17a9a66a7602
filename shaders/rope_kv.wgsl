// cache[slot[r], :] = the heads of x[r, :], each rotated by position[r]: see lib/rope.wgsl. One invocation turns one pair.

@group(0) @binding(3) var<storage, read> slot: array<u32>;
@group(0) @binding(4) var<storage, read> x: array<f32>;
@group(0) @binding(5) var<storage, read_write> cache: array<f32>;

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
    let to_pair = slot[group.y] * width + first_of(pair);
    cache[to_pair] = y.x;
    cache[to_pair + half] = y.y;
}
