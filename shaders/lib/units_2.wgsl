// Codes of 2 bits for matvecs that load a unit of 32, 8 bytes, at once. lib/units_4.wgsl says what each function does.

@group(0) @binding(2) var<storage, read> code_words: array<vec2<u32>>;

alias Codes = vec2<u32>;
const MIDDLE = 2.0;
const BIAS = 1.0;
const RATIO = 4.0;
const WHOLE = 4.0;

fn load_codes(at: u32) -> Codes { return code_words[at]; }

// 1 + code / 16 for the code in bits 19 and 20, 1 + code / 4 for that in bits 21 and 22. Two more would fit, and lose
// as many bits of the sum.
fn two(word: u32) -> vec2<f32> {
    return vec2(bitcast<f32>((word & 0x00180000u) | 0x3f800000u), bitcast<f32>((word & 0x00600000u) | 0x3f800000u));
}

fn sixteen(word: u32, xa: vec4<f32>, xb: vec4<f32>, xc: vec4<f32>, xd: vec4<f32>, start: vec2<f32>) -> vec2<f32> {
    var sum = fma(xa.zw, two(word << 15u), fma(xa.xy, two(word << 19u), start));
    sum = fma(xb.zw, two(word << 7u), fma(xb.xy, two(word << 11u), sum));
    sum = fma(xc.zw, two(word >> 1u), fma(xc.xy, two(word << 3u), sum));
    return fma(xd.zw, two(word >> 9u), fma(xd.xy, two(word >> 5u), sum));
}

fn first_half(c: Codes, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    return sixteen(c.x, xs[0], xs[1], xs[2], xs[3], start);
}

fn second_half(c: Codes, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    return sixteen(c.y, xs[4], xs[5], xs[6], xs[7], start);
}
