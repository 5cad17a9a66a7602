// Codes of 5 bits for matvecs that load a unit of 32, five words, at once. lib/units_4.wgsl says what each function
// does. Some codes lie across two words.

@group(0) @binding(2) var<storage, read> code_words: array<u32>;

struct Codes { a: u32, b: u32, c: u32, d: u32, e: u32 }
const MIDDLE = 16.0;
const BIAS = 1.0;
const RATIO = 32.0;
const WHOLE = 32.0;

fn load_codes(at: u32) -> Codes {
    let i = (at << 2u) + at;
    return Codes(code_words[i], code_words[i + 1u], code_words[i + 2u], code_words[i + 3u], code_words[i + 4u]);
}

// 1 + code / 1024 for the code in bits 13 to 17, 1 + code / 32 for that in bits 18 to 22.
fn two(word: u32) -> vec2<f32> {
    return vec2(bitcast<f32>((word & 0x0003e000u) | 0x3f800000u), bitcast<f32>((word & 0x007c0000u) | 0x3f800000u));
}

// The first two and the next two codes of a quad, each moved there.
fn four(ab: u32, cd: u32, x: vec4<f32>, sum: vec2<f32>) -> vec2<f32> {
    return fma(x.zw, two(cd), fma(x.xy, two(ab), sum));
}

fn first_half(c: Codes, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    var sum = four(c.a << 13u, c.a << 3u, xs[0], start);
    sum = four(c.a >> 7u, (c.a >> 17u) | (c.b << 15u), xs[1], sum);
    sum = four(c.b << 5u, c.b >> 5u, xs[2], sum);
    return four((c.b >> 15u) | (c.c << 17u), c.c << 7u, xs[3], sum);
}

fn second_half(c: Codes, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    var sum = four(c.c >> 3u, (c.c >> 13u) | (c.d << 19u), xs[4], start);
    sum = four(c.d << 9u, c.d >> 1u, xs[5], sum);
    sum = four((c.d >> 11u) | (c.e << 21u), c.e << 11u, xs[6], sum);
    return four(c.e << 1u, c.e >> 9u, xs[7], sum);
}
