// w in bf16 [n, k], two per u32, low half first.

@group(0) @binding(2) var<storage, read> w_words: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

const QUADS = 2u; // of x that dot_unit takes

// The quad j of x that unit i takes.
fn quad_of(i: u32, j: u32) -> u32 { return i * QUADS + j; }

fn low_bf16(q: vec4<u32>) -> vec4<f32> { return bitcast<vec4<f32>>(q << vec4(16u)); }
fn high_bf16(q: vec4<u32>) -> vec4<f32> { return bitcast<vec4<f32>>(q & vec4(0xffff0000u)); }

// The words in which weights 8 i to 8 i + 7 of row n lie, and the weights.
alias Loaded = vec4<u32>;
fn load(n: u32, i: u32) -> Loaded { return w_words[n * (params.k / 8u) + i]; }
fn weights(q: Loaded, n: u32, i: u32) -> array<vec4<f32>, 2> {
    let even = low_bf16(q);
    let odd = high_bf16(q);
    return array(vec4(even.x, odd.x, even.y, odd.y), vec4(even.z, odd.z, even.w, odd.w));
}

// Returns where the two quads of such weights begin in their run of 32 columns.
fn places(i: u32) -> vec2<u32> { return i % 4u * 8u + vec2(0u, 4u); }

// The sum of w * x over unit i, the columns from 8 i on, of row n.
fn dot_unit(n: u32, i: u32, xs: array<vec4<f32>, 2>, total: f32) -> f32 {
    let q = w_words[n * (params.k / 8u) + i];
    // The low halves of four words are the even k, the high halves the odd ones.
    return dot(vec4(xs[0].xz, xs[1].xz), low_bf16(q)) + dot(vec4(xs[0].yw, xs[1].yw), high_bf16(q));
}
