// cache[slot[r], :] = the heads of x[r, :], each rotated by its position: with a = x[i],
// b = x[i + d/2] and the angle of (position, i), a cos - b sin goes to i and b cos + a sin to i + d/2.
// table[position] holds d/2 cosines, then d/2 sines. One invocation turns one pair.
struct Params { heads: u32, head_dim: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> position: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read> slot: array<u32>;
@group(0) @binding(4) var<storage, read> x: array<f32>;
@group(0) @binding(5) var<storage, read_write> cache: array<f32>;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let half = params.head_dim / 2u;
    let pair = group.x * WG + lane;
    if pair >= params.heads * half {
        return;
    }
    let i = pair % half;
    let at = pair / half * params.head_dim + i;
    let width = params.heads * params.head_dim;
    let angle = position[group.y] * params.head_dim + i;
    let cosine = table[angle];
    let sine = table[angle + half];
    let a = x[group.y * width + at];
    let b = x[group.y * width + at + half];
    let to = slot[group.y] * width + at;
    cache[to] = a * cosine - b * sine;
    cache[to + half] = b * cosine + a * sine;
}
