// Codes of 8 bits for matvecs that load a unit of 32, twice 16 bytes, at once. lib/units_4.wgsl says what each function
// does. Processors convert a byte at once, so that codes are converted.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

struct Codes { a: vec4<u32>, b: vec4<u32> }
const MIDDLE = 128.0;
const BIAS = 0.0;
const RATIO = 1.0;
const WHOLE = 1.0;

fn load_codes(at: u32) -> Codes { return Codes(code_words[at * 2u], code_words[at * 2u + 1u]); }

fn add(word: u32, x: vec4<f32>, sum: vec2<f32>) -> vec2<f32> {
    let codes = vec4<f32>(vec4(extractBits(word, 0u, 8u), extractBits(word, 8u, 8u),
                               extractBits(word, 16u, 8u), extractBits(word, 24u, 8u)));
    return fma(x.zw, codes.zw, fma(x.xy, codes.xy, sum));
}

fn sixteen(words: vec4<u32>, xa: vec4<f32>, xb: vec4<f32>, xc: vec4<f32>, xd: vec4<f32>, start: vec2<f32>) -> vec2<f32> {
    return add(words.w, xd, add(words.z, xc, add(words.y, xb, add(words.x, xa, start))));
}

fn first_half(c: Codes, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    return sixteen(c.a, xs[0], xs[1], xs[2], xs[3], start);
}

fn second_half(c: Codes, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    return sixteen(c.b, xs[4], xs[5], xs[6], xs[7], start);
}
