// Codes of 8 bits for matvec_grid_subgroup.wgsl: a unit of 32 is two loads of 16 bytes. Processors convert a byte at
// once, so that codes are converted.

@group(0) @binding(2) var<storage, read> code_words: array<vec4<u32>>;

struct Codes { a: vec4<u32>, b: vec4<u32> }

fn load_codes(at: u32) -> Codes { return Codes(code_words[at * 2u], code_words[at * 2u + 1u]); }

fn four(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4(extractBits(word, 0u, 8u), extractBits(word, 8u, 8u),
                          extractBits(word, 16u, 8u), extractBits(word, 24u, 8u)));
}

fn four_zeros(at: u32) -> vec4<f32> { return four(zeros[at]); }

fn add(word: u32, x: vec4<f32>, sum: vec2<f32>) -> vec2<f32> {
    let codes = four(word);
    return fma(x.zw, codes.zw, fma(x.xy, codes.xy, sum));
}

fn coded_sum(c: Codes, xs: array<vec4<f32>, 8>) -> f32 {
    let half = add(c.a.w, xs[3], add(c.a.z, xs[2], add(c.a.y, xs[1], add(c.a.x, xs[0], vec2<f32>()))));
    let sum = add(c.b.w, xs[7], add(c.b.z, xs[6], add(c.b.y, xs[5], add(c.b.x, xs[4], half))));
    return sum.x + sum.y;
}

fn offset_sum(quad: vec4<f32>) -> f32 { return 0.0; }
