// Rotation of the halves of a head of d values: with a = x[i], b = x[i + d/2] and the angle of (position, i),
// a cos - b sin goes to i and b cos + a sin to i + d/2. table[position] holds d/2 cosines, then d/2 sines.
struct Params { heads: u32, head_dim: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> position: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;

override WG: u32 = 64;

// Where the first value of a row's pair is within the row.
fn first_of(pair: u32) -> u32 {
    let half = params.head_dim / 2u;
    return pair / half * params.head_dim + pair % half;
}

// A row's pair (a, b), rotated by the row's position.
fn rotated(row: u32, pair: u32, values: vec2<f32>) -> vec2<f32> {
    let half = params.head_dim / 2u;
    let angle = position[row] * params.head_dim + pair % half;
    let cosine = table[angle];
    let sine = table[angle + half];
    return vec2(values.x * cosine - values.y * sine, values.y * cosine + values.x * sine);
}
