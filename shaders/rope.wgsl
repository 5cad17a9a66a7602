// Rotates the halves of every head of x in place: with a = x[i], b = x[i + d/2] and the angle of
// (position, i), x[i] = a cos - b sin and x[i + d/2] = b cos + a sin.
// table[position] holds d/2 cosines, then d/2 sines. One invocation turns one pair.
struct Params { heads: u32, head_dim: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> position: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let half = params.head_dim / 2u;
    let pair = group.x * WG + lane;
    if pair >= params.heads * half {
        return;
    }
    let i = pair % half;
    let at = (group.y * params.heads + pair / half) * params.head_dim + i;
    let angle = position[group.y] * params.head_dim + i;
    let cosine = table[angle];
    let sine = table[angle + half];
    let a = x[at];
    let b = x[at + half];
    x[at] = a * cosine - b * sine;
    x[at + half] = b * cosine + a * sine;
}
