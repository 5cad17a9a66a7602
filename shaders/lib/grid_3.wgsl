// Codes of 3 bits for matvec_grid_subgroup.wgsl: a unit of 32 is three words, and some codes lie across two.

@group(0) @binding(2) var<storage, read> code_words: array<u32>;

const SCALES = vec2(64.0, 8.0);

fn load_codes(at: u32) -> vec3<u32> {
    let word = (at << 1u) + at;
    return vec3(code_words[word], code_words[word + 1u], code_words[word + 2u]);
}

fn four_zeros(at: u32) -> vec4<f32> {
    return vec4<f32>((vec4(zeros[at / 2u] >> (at % 2u * 16u)) >> vec4(0u, 4u, 8u, 12u)) & vec4(15u));
}

// 1 + code / 64 for the code in bits 17 to 19, 1 + code / 8 for that in bits 20 to 22.
fn two(word: u32) -> vec2<f32> {
    return vec2(bitcast<f32>((word & 0x000e0000u) | 0x3f800000u), bitcast<f32>((word & 0x00700000u) | 0x3f800000u));
}

// The first two and the next two codes of a quad, each moved there.
fn four(ab: u32, cd: u32, x: vec4<f32>, sum: vec2<f32>) -> vec2<f32> {
    return fma(x.zw, two(cd), fma(x.xy, two(ab), sum));
}

fn coded_sum(c: vec3<u32>, xs: array<vec4<f32>, 8>) -> f32 {
    // Quads 2 and 5 begin in one word and end in the next.
    let third = (c.x >> 24u) | (c.y << 8u);
    let sixth = (c.y >> 28u) | (c.z << 4u);
    var sum = four(c.x << 17u, c.x << 11u, xs[0], vec2<f32>());
    sum = four(c.x << 5u, c.x >> 1u, xs[1], sum);
    sum = four(third << 17u, third << 11u, xs[2], sum);
    sum = four(c.y << 13u, c.y << 7u, xs[3], sum);
    sum = four(c.y << 1u, c.y >> 5u, xs[4], sum);
    sum = four(sixth << 17u, sixth << 11u, xs[5], sum);
    sum = four(c.z << 9u, c.z << 3u, xs[6], sum);
    return dot(four(c.z >> 3u, c.z >> 9u, xs[7], sum), SCALES);
}

fn offset_sum(quad: vec4<f32>) -> f32 { return dot(quad.xy + quad.zw, SCALES); }
