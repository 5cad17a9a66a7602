// Codes of 6 bits for matvecs that load a unit of 32, 24 bytes, at once. lib/units_4.wgsl says what each function does.
// All are moved to one place: in a lower one, 1 + code / 4096 would lose too many bits of the sum. Some codes lie
// across two words.

@group(0) @binding(2) var<storage, read> code_words: array<vec2<u32>>;

struct Codes { a: vec2<u32>, b: vec2<u32>, c: vec2<u32> }
const MIDDLE = 32.0;
const BIAS = 1.0;
const RATIO = 1.0;
const WHOLE = 64.0;

fn load_codes(at: u32) -> Codes {
    let i = (at << 1u) + at;
    return Codes(code_words[i], code_words[i + 1u], code_words[i + 2u]);
}

// 1 + code / 64 for the codes in bits 17 to 22.
fn four(a: u32, b: u32, c: u32, d: u32, x: vec4<f32>, sum: vec2<f32>) -> vec2<f32> {
    let f = bitcast<vec4<f32>>((vec4(a, b, c, d) & vec4(0x007e0000u)) | vec4(0x3f800000u));
    return fma(x.zw, f.zw, fma(x.xy, f.xy, sum));
}

fn sixteen(w: vec3<u32>, xa: vec4<f32>, xb: vec4<f32>, xc: vec4<f32>, xd: vec4<f32>, start: vec2<f32>) -> vec2<f32> {
    var sum = four(w.x << 17u, w.x << 11u, w.x << 5u, w.x >> 1u, xa, start);
    sum = four(w.x >> 7u, (w.x >> 13u) | (w.y << 19u), w.y << 13u, w.y << 7u, xb, sum);
    sum = four(w.y << 1u, w.y >> 5u, (w.y >> 11u) | (w.z << 21u), w.z << 15u, xc, sum);
    return four(w.z << 9u, w.z << 3u, w.z >> 3u, w.z >> 9u, xd, sum);
}

fn first_half(c: Codes, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    return sixteen(vec3(c.a, c.b.x), xs[0], xs[1], xs[2], xs[3], start);
}

fn second_half(c: Codes, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    return sixteen(vec3(c.b.y, c.c), xs[4], xs[5], xs[6], xs[7], start);
}
