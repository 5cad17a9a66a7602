// w in bf16 [n, k], two per u32, low half first.

@group(0) @binding(2) var<storage, read> w_words: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

// Weights 8 i to 8 i + 7 of row n.
fn weights(n: u32, i: u32) -> array<vec4<f32>, 2> {
    let q = w_words[n * (params.k / 8u) + i];
    let even = bitcast<vec4<f32>>(q << vec4(16u));
    let odd = bitcast<vec4<f32>>(q & vec4(0xffff0000u));
    return array(vec4(even.x, odd.x, even.y, odd.y), vec4(even.z, odd.z, even.w, odd.w));
}
