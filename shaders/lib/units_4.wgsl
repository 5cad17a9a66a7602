// Codes of 4 bits for matvecs that load a unit of 32, 16 bytes, at once.
//
// A code lies in the bits of a float as 1 + code / s, without a conversion, s by the code's place. Sums of x * code are
// kept in two parts, by s, each begun with what `begin` says: WHOLE * (RATIO * first + second) is the sum less
// `offset` * x. BIAS is the 1, or 0 where codes are converted; MIDDLE is half the number of codes.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

alias Codes = vec4<u32>;
const MIDDLE = 8.0;
const BIAS = 1.0;
const RATIO = 16.0;
const WHOLE = 16.0;

// Unit number `at`.
fn load_codes(at: u32) -> Codes { return code_words[at]; }

// 1 + code / 256 for the code in bits 15 to 18, 1 + code / 16 for that in bits 19 to 22.
fn two(word: u32) -> vec2<f32> {
    return vec2(bitcast<f32>((word & 0x00078000u) | 0x3f800000u), bitcast<f32>((word & 0x00780000u) | 0x3f800000u));
}

fn eight(word: u32, xa: vec4<f32>, xb: vec4<f32>, start: vec2<f32>) -> vec2<f32> {
    let half = fma(xa.zw, two(word << 7u), fma(xa.xy, two(word << 15u), start));
    return fma(xb.zw, two(word >> 9u), fma(xb.xy, two(word >> 1u), half));
}

// The first sixteen products, in two parts.
fn first_half(c: Codes, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    return eight(c.y, xs[2], xs[3], eight(c.x, xs[0], xs[1], start));
}

fn second_half(c: Codes, xs: Quads, start: vec2<f32>) -> vec2<f32> {
    return eight(c.w, xs[6], xs[7], eight(c.z, xs[4], xs[5], start));
}
