// w[n, k] = code[n, k] * scale[n] / 127, codes signed, four to a u32, lowest first: LLM.int8()'s.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> scales: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> next: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

const QUADS = 8u; // of x that dot_unit takes

// The quad j of x that unit i takes.
fn quad_of(i: u32, j: u32) -> u32 { return i * QUADS + j; }

// The four codes of a word.
fn bytes(word: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec4<i32>>(vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u));
}

fn scale_at(n: u32) -> f32 { return scales[n] * (1.0 / 127.0); }

// The words in which weights 8 i to 8 i + 7 of row n lie, and the weights.
struct Loaded { words: vec2<u32>, scale: f32 }
fn load(n: u32, i: u32) -> Loaded {
    let words = code_words[n * (params.k / 16u) + i / 2u];
    return Loaded(select(words.xy, words.zw, i % 2u == 1u), scales[n]);
}
fn weights(loaded: Loaded, n: u32, i: u32) -> array<vec4<f32>, 2> {
    let scale = loaded.scale * (1.0 / 127.0);
    return array(scale * bytes(loaded.words.x), scale * bytes(loaded.words.y));
}

// Returns where the two quads of such weights begin in their run of 32 columns.
fn places(i: u32) -> vec2<u32> { return i % 4u * 8u + vec2(0u, 4u); }

// The sum of w * x over unit i, the columns from 32 i on, of row n.
fn dot_unit(n: u32, i: u32, xs: array<vec4<f32>, 8>, total: f32) -> f32 {
    var sum: vec4<f32>;
    for (var j = 0u; j < 8u; j++) {
        sum += bytes(code_words[n * (params.k / 16u) + i * 2u + j / 4u][j % 4u]) * xs[j];
    }
    return scale_at(n) * dot(sum, vec4(1.0));
}
