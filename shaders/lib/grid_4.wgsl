// Codes of 4 bits for matvec_grid_subgroup.wgsl: a unit of 32 is a load of 16 bytes.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

const SCALES = vec2(256.0, 16.0);

fn load_codes(at: u32) -> vec4<u32> { return code_words[at]; }

fn four_zeros(at: u32) -> vec4<f32> {
    return vec4<f32>((vec4(zeros[at / 2u] >> (at % 2u * 16u)) >> vec4(0u, 4u, 8u, 12u)) & vec4(15u));
}

// 1 + code / 256 for the code in bits 15 to 18, 1 + code / 16 for that in bits 19 to 22.
fn two(word: u32) -> vec2<f32> {
    return vec2(bitcast<f32>((word & 0x00078000u) | 0x3f800000u), bitcast<f32>((word & 0x00780000u) | 0x3f800000u));
}

fn eight(word: u32, xa: vec4<f32>, xb: vec4<f32>, sum: vec2<f32>) -> vec2<f32> {
    let first = fma(xa.zw, two(word << 7u), fma(xa.xy, two(word << 15u), sum));
    return fma(xb.zw, two(word >> 9u), fma(xb.xy, two(word >> 1u), first));
}

fn coded_sum(c: vec4<u32>, xs: array<vec4<f32>, 8>) -> f32 {
    let half = eight(c.y, xs[2], xs[3], eight(c.x, xs[0], xs[1], vec2<f32>()));
    return dot(eight(c.w, xs[6], xs[7], eight(c.z, xs[4], xs[5], half)), SCALES);
}

fn offset_sum(quad: vec4<f32>) -> f32 { return dot(quad.xy + quad.zw, SCALES); }
