// Codes of 2 bits for matvec_grid_subgroup.wgsl: a unit of 32 is a load of 8 bytes.

@group(0) @binding(2) var<storage, read> code_words: array<vec2<u32>>;

const SCALES = vec2(16.0, 4.0);

fn load_codes(at: u32) -> vec2<u32> { return code_words[at]; }

fn four_zeros(at: u32) -> vec4<f32> {
    return vec4<f32>((vec4(zeros[at / 4u] >> (at % 4u * 8u)) >> vec4(0u, 2u, 4u, 6u)) & vec4(3u));
}

// 1 + code / 16 for the code in bits 19 and 20, 1 + code / 4 for that in bits 21 and 22. Two more would fit, and lose
// as many bits of the sum.
fn two(word: u32) -> vec2<f32> {
    return vec2(bitcast<f32>((word & 0x00180000u) | 0x3f800000u), bitcast<f32>((word & 0x00600000u) | 0x3f800000u));
}

fn sixteen(word: u32, xa: vec4<f32>, xb: vec4<f32>, xc: vec4<f32>, xd: vec4<f32>, sum: vec2<f32>) -> vec2<f32> {
    var all = fma(xa.zw, two(word << 15u), fma(xa.xy, two(word << 19u), sum));
    all = fma(xb.zw, two(word << 7u), fma(xb.xy, two(word << 11u), all));
    all = fma(xc.zw, two(word >> 1u), fma(xc.xy, two(word << 3u), all));
    return fma(xd.zw, two(word >> 9u), fma(xd.xy, two(word >> 5u), all));
}

fn coded_sum(c: vec2<u32>, xs: array<vec4<f32>, 8>) -> f32 {
    let first = sixteen(c.x, xs[0], xs[1], xs[2], xs[3], vec2<f32>());
    return dot(sixteen(c.y, xs[4], xs[5], xs[6], xs[7], first), SCALES);
}

fn offset_sum(quad: vec4<f32>) -> f32 { return dot(quad.xy + quad.zw, SCALES); }
