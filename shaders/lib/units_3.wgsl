// Codes of 3 bits for matvecs that load a unit of 32, three words, at once. lib/units_4.wgsl says what each function
// does. Some codes lie across two words.

@group(0) @binding(2) var<storage, read> code_words: array<u32>;

alias Codes = vec3<u32>;
const MIDDLE = 4.0;
const BIAS = 1.0;
const RATIO = 8.0;
const WHOLE = 8.0;

fn load_codes(at: u32) -> Codes {
    let word = (at << 1u) + at;
    return vec3(code_words[word], code_words[word + 1u], code_words[word + 2u]);
}

// 1 + code / 64 for the code in bits 17 to 19, 1 + code / 8 for that in bits 20 to 22.
fn two(word: u32) -> vec2<f32> {
    return vec2(bitcast<f32>((word & 0x000e0000u) | 0x3f800000u), bitcast<f32>((word & 0x00700000u) | 0x3f800000u));
}

// The first two and the next two codes of a quad, each moved there.
fn four(ab: u32, cd: u32, x: vec4<f32>, sum: vec2<f32>) -> vec2<f32> {
    return fma(x.zw, two(cd), fma(x.xy, two(ab), sum));
}

fn first_half(c: Codes, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    var sum = four(c.x << 17u, c.x << 11u, xs[0], start);
    sum = four(c.x << 5u, c.x >> 1u, xs[1], sum);
    sum = four(c.x >> 7u, (c.x >> 13u) | (c.y << 19u), xs[2], sum);
    return four(c.y << 13u, c.y << 7u, xs[3], sum);
}

fn second_half(c: Codes, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    var sum = four(c.y << 1u, c.y >> 5u, xs[4], start);
    sum = four((c.y >> 11u) | (c.z << 21u), c.z << 15u, xs[5], sum);
    sum = four(c.z << 9u, c.z << 3u, xs[6], sum);
    return four(c.z >> 3u, c.z >> 9u, xs[7], sum);
}
